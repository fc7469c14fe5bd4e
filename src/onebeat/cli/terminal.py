"""Where the command line prints: a terminal, whatever it can show, or a pipe, into which no colour ever goes."""

from __future__ import annotations

import errno
import os
import sys
from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from rich.console import Console

CLOSED_PIPE = 141
"""The status of what nobody reads any more, as of any program before `| head`."""

UNBOUNDED = 10_000
"""Columns of what is no terminal: each row is one line."""


_CANNOT_WRITE = {errno.ENOSPC, errno.EDQUOT, errno.EIO, errno.EFBIG}


def is_unwritable(error: BaseException) -> bool:
    """Whether an error says that what is printed cannot be written: its disk is full, its terminal is gone."""
    return isinstance(error, OSError) and error.errno in _CANNOT_WRITE and error.filename is None


def close_pipe(status: int = CLOSED_PIPE) -> NoReturn:
    """End silently, since nobody reads what is printed any more."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    try:
        os.dup2(nowhere, sys.stdout.fileno())
    except (OSError, ValueError):  # it is no file: Python has nothing to flush at the end
        os.close(nowhere)
    raise SystemExit(status)


def is_terminal(*, err: bool = False) -> bool:
    """Whether standard output is a terminal, or standard error."""
    return (sys.stderr if err else sys.stdout).isatty()


def console(*, err: bool = False) -> Console:
    """Return a console: colours on a terminal only, and not where NO_COLOR is set; wide lines elsewhere."""
    from rich.console import Console

    class Ours(Console):
        def on_broken_pipe(self) -> None:
            close_pipe()

    found = Ours(
        stderr=err,
        force_terminal=(sys.stderr if err else sys.stdout).isatty(),
        color_system=None if os.environ.get("NO_COLOR") else "auto",  # bold is none either
        highlight=False,
        emoji=False,
    )
    if not found.is_terminal:
        found.width = UNBOUNDED
    return found


def shows(text: str) -> bool:
    """Whether standard output can show a text, such as an arrow or a bar."""
    try:
        text.encode(sys.stdout.encoding or "ascii")
    except UnicodeEncodeError:
        return False
    return True
