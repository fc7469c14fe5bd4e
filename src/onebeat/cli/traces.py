"""Tracebacks as far as they run through the user's own files."""

from __future__ import annotations

import sysconfig
import traceback
from pathlib import Path

import onebeat

_OURS = Path(onebeat.__file__).parent
_LIBRARIES = tuple(
    {Path(sysconfig.get_path(name)).resolve() for name in ("stdlib", "platstdlib", "purelib", "platlib")}
)
_PACKAGES = ("site-packages", "dist-packages")


def trimmed(error: BaseException, folder: Path) -> str:
    """
    Write an error as Python does, without the frames of Onebeat, of Python and of installed packages.

    The last frame stays whosever it is, since the error came from there, unless it is Onebeat's.

    Args:
        folder: Files in it are named relative to it.
    """
    whole = traceback.TracebackException.from_exception(error)
    waiting: list[traceback.TracebackException | None] = [whole]
    while waiting:
        if (told := waiting.pop()) is not None:
            _trim(told, folder)
            waiting += [told.__cause__, told.__context__, *(told.exceptions or ())]
    return "".join(whole.format()).rstrip()


def _trim(told: traceback.TracebackException, folder: Path) -> None:
    kept = [frame for frame in told.stack if is_users(frame)]
    if kept and told.stack[-1] is not kept[-1] and not _is_ours(told.stack[-1]):
        kept.append(told.stack[-1])
    for frame in kept:
        frame.line  # noqa: B018 - read while its file has its name
        frame.filename = _short(frame.filename, folder)
    told.stack[:] = kept
    if isinstance(getattr(told, "filename", None), str):  # where the syntax is wrong
        told.filename = _short(told.filename, folder)


def is_users(frame: traceback.FrameSummary) -> bool:
    """Whether a frame is of code that is neither Onebeat's, nor Python's, nor an installed package's."""
    path = Path(frame.filename)
    return (
        path.is_absolute()
        and not _is_ours(frame)
        and not any(part in _PACKAGES for part in path.parts)
        and not any(path.is_relative_to(place) for place in _LIBRARIES)
    )


def _is_ours(frame: traceback.FrameSummary) -> bool:
    return Path(frame.filename).is_relative_to(_OURS) or frame.filename.startswith("<frozen importlib")


def _short(name: str, folder: Path) -> str:
    path = Path(name)
    return str(path.relative_to(folder)) if path.is_relative_to(folder) else name
