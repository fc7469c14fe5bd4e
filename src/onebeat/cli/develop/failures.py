"""Failed tasks on the terminal of `onebeat dev`: the log's line, and below it what one needs to mend them."""

from __future__ import annotations

import logging
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from onebeat.cli.traces import trimmed

if TYPE_CHECKING:
    from onebeat.cli.processes.orders import Orders
    from onebeat.server.running import Running

RED, YELLOW, DIM, PLAIN = "\033[31m", "\033[33m", "\033[2m", "\033[0m"
MAX_PAYLOAD = 500


def show_failures(orders: Orders) -> None:
    """Let the log show every failed attempt with its payload and traceback, archived tasks in red."""
    logging.getLogger("onebeat.embedded").setLevel(logging.WARNING)  # the banner has named the store
    number = f"[{orders.number}] " if orders.number else ""
    for handler in logging.getLogger().handlers:
        handler.setFormatter(Failures(f"{number}%(asctime)s %(levelname)-7s %(message)s", Path(orders.folder)))


class Failures(logging.Formatter):
    """
    Writes the log.

    Args:
        line: The format of a line.

        folder: The user's; the files of tracebacks are named relative to it.

        colour: Default: on a terminal.
    """

    def __init__(self, line: str, folder: Path, *, colour: bool | None = None) -> None:
        super().__init__(line, "%H:%M:%S")
        self._folder = folder
        self._colour = sys.stderr.isatty() if colour is None else colour

    def format(self, record: logging.LogRecord) -> str:
        attempt: Running | None = getattr(record, "running", None)
        error: BaseException | None = getattr(record, "failure", None)
        if attempt is None or error is None:
            return self._painted(super().format(record), record.levelno)
        record.exc_info = None  # shown below, trimmed
        return "\n".join(
            [
                self._painted(super().format(record), record.levelno),
                *self._details(attempt, getattr(record, "attempt", 1), error),
            ]
        )

    def _details(self, attempt: Running, number: int, error: BaseException) -> list[str]:
        message = attempt.message
        lines = []
        if message is not None:
            lines = [
                f"type {message.type}, attempt {number} of {message.retry + 1}",
                f"payload {_readable(message.payload)}",
            ]
        trace = getattr(error.__cause__, "trace", "") or getattr(error, "trace", "")  # of an isolated task
        if trace or error.__traceback__ is not None:
            lines += (trace or trimmed(error, self._folder)).rstrip().splitlines()
        return [f"    {line}" for line in lines]

    def _painted(self, line: str, level: int) -> str:
        if not self._colour or level < logging.WARNING:
            return line
        return f"{RED if level >= logging.ERROR else YELLOW}{line}{PLAIN}"


def _readable(payload: bytes) -> str:
    try:
        text = payload.decode()
    except UnicodeDecodeError:
        return f"of {len(payload)} bytes, not text"
    return text if len(text) <= MAX_PAYLOAD else f"{text[: MAX_PAYLOAD - 1]}…"
