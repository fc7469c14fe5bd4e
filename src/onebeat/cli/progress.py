"""How far a long command is, and how far it got when it was stopped."""

from __future__ import annotations

import asyncio
import sys
from types import TracebackType
from typing import TYPE_CHECKING, Self

import click

from onebeat.cli.output import counted

if TYPE_CHECKING:
    from rich.progress import Progress as Bar

LINES = 10
"""How often at most it is said where there is no terminal."""


class Progress:
    """
    Tells on standard error how far a bulk operation is: a bar on a terminal, a line now and then elsewhere.

    Give it to the inspector as `progress=`, or call it with how many of how many were looked at. When Ctrl-C ends the
    block, it says how far it got.

        with Progress("deleted") as progress:
            count = await inspector.delete_all("low", "archived", progress=progress)

    Args:
        done: What is done to them, as it is said in the end: "deleted".

        noun: What is counted, in the singular.

        again: What a stopped command may be followed by, to go on.
    """

    def __init__(self, done: str, noun: str = "task", *, again: str = "the same command goes on") -> None:
        self._done, self._noun, self._again = done, noun, again
        self._bar: Bar | None = None
        self._tenth = 0
        self.looked: int = 0
        self.total: int = 0

    def __enter__(self) -> Self:
        return self

    def __call__(self, looked: int, total: int) -> None:
        self.looked, self.total = looked, total
        if sys.stderr.isatty():
            self._draw()
        elif total and looked < total and (tenth := looked * LINES // total) > self._tenth:
            self._tenth = tenth
            click.echo(f"{looked:,} of {counted(total, self._noun)} …", err=True)

    def _draw(self) -> None:
        if self._bar is None:
            from rich.progress import BarColumn, MofNCompleteColumn, TextColumn, TimeRemainingColumn
            from rich.progress import Progress as Bar

            from onebeat.cli.terminal import console

            columns = (TextColumn(f"{self._noun}s"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
            self._bar = Bar(*columns, console=console(err=True), transient=True)
            self._bar.add_task("", total=self.total)
            self._bar.start()
        self._bar.update(self._bar.task_ids[0], completed=self.looked, total=self.total)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._bar is not None:
            self._bar.stop()
        if isinstance(error, (KeyboardInterrupt, asyncio.CancelledError)):
            of = f" of {self.total:,}" if self.total else ""
            told = f"stopped after {self.looked:,}{of} {self._noun}s: what is {self._done} stays {self._done}"
            click.echo(f"onebeat: {told}; {self._again}", err=True)
