"""Single keys, as they are pressed."""

from __future__ import annotations

import asyncio
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def keys() -> Iterator[asyncio.Queue[str]]:
    """
    Give each key that is pressed into a queue, until the block ends; Ctrl-C stays what it is.

    Nothing comes where standard input is no terminal.
    """
    pressed: asyncio.Queue[str] = asyncio.Queue()
    if not sys.stdin.isatty():
        yield pressed
        return
    import termios
    import tty

    number, loop = sys.stdin.fileno(), asyncio.get_running_loop()
    before = termios.tcgetattr(number)

    def read() -> None:
        data = os.read(number, 64)
        if not data:  # the terminal is gone
            loop.remove_reader(number)
        for key in data.decode(errors="replace") or "q":
            pressed.put_nowait(key)

    tty.setcbreak(number)
    loop.add_reader(number, read)
    try:
        yield pressed
    finally:
        loop.remove_reader(number)
        termios.tcsetattr(number, termios.TCSADRAIN, before)
