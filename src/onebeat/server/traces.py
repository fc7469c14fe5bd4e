"""Tracebacks as far as they are the handler's: without the frames of Onebeat that lead to it."""

from __future__ import annotations

import linecache
import traceback
from functools import lru_cache
from types import TracebackType

from onebeat.server.outcome import HandlerError, StopError
from onebeat.wire.message import clean_text

MAX_FRAMES = 30
"""Of a traceback that is kept: the last ones."""

OURS = ("onebeat.server.", "onebeat.app.", "onebeat.testing.", "onebeat.upkeep.", "concurrent.futures.", "asyncio.")

Info = tuple[type[BaseException], BaseException, TracebackType | None]


def in_handler(error: BaseException) -> Info | None:
    """
    Return an error as `logging` and `traceback` take it, from the handler on; None if there is nothing to show.

    Of an isolated task it is the error that stands for it, which has the other process's traceback as its note.
    """
    if isinstance(error.__cause__, HandlerError):
        error = error.__cause__
    if isinstance(error, HandlerError):
        return (type(error), error, None) if error.trace else None
    trace = error.__traceback__
    if isinstance(error, StopError) or trace is None:
        return None
    while trace.tb_next is not None and _is_ours(trace):
        trace = trace.tb_next
    return type(error), error, trace


def _is_ours(trace: TracebackType) -> bool:
    return str(trace.tb_frame.f_globals.get("__name__")).startswith(OURS)


def trace_text(error: BaseException) -> str:
    """Return the traceback of an error as text, from the handler's first frame on; "" if there is none."""
    info = in_handler(error)
    if info is None:
        return ""
    try:
        is_plain = not (error.__cause__ or error.__context__ or isinstance(error, (BaseExceptionGroup, SyntaxError)))
        return clean_text(_plain(*info) if is_plain else "".join(traceback.format_exception(*info, limit=-MAX_FRAMES)))
    except Exception as bug:  # noqa: BLE001 - of an error that cannot be shown the outcome is written all the same
        return f"(its traceback cannot be shown: {type(bug).__name__})"


def _plain(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> str:
    """Say what `traceback` would, but for the marks under each line: most errors come many times, and need not wait."""
    lines = []
    while trace is not None:
        code = trace.tb_frame.f_code
        lines.append(_frame(code.co_filename, trace.tb_lineno, code.co_name))
        trace = trace.tb_next
    name = (
        kind.__qualname__ if kind.__module__ in ("builtins", "__main__") else f"{kind.__module__}.{kind.__qualname__}"
    )
    text = str(error)
    last = [f"{name}: {text}" if text else name, *map(str, getattr(error, "__notes__", ()))]
    return "\n".join(["Traceback (most recent call last):", *lines[-MAX_FRAMES:], *last] if lines else last)


@lru_cache(1024)
def _frame(file: str, line: int, name: str) -> str:
    source = linecache.getline(file, line).strip()
    return f'  File "{file}", line {line}, in {name}' + (f"\n    {source}" if source else "")
