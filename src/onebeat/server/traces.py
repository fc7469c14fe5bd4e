"""Tracebacks as far as they are the handler's: without the frames of Onebeat that lead to it."""

from __future__ import annotations

from types import TracebackType

from onebeat.server.outcome import HandlerError, StopError

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
