"""`onebeat stats --watch`: what changes, as it changes."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

import click

from onebeat.cli import output
from onebeat.cli.documents import show_line
from onebeat.cli.keyboard import keys
from onebeat.cli.output import DIM, WARN, Cell
from onebeat.cli.queues.listing import fitting, queue_table
from onebeat.cli.stats.once import read, store_line
from onebeat.cli.terminal import console, shows
from onebeat.documents.queues import QueueCounts, Stats, Totals
from onebeat.errors import BrokerUnavailable
from onebeat.inspector.inspector import Inspector

if TYPE_CHECKING:
    from rich.console import RenderableType

AROUND = 6
"""Lines of the screen that are not rows of the table."""


class Rates:
    """
    What changed from one look to the next.

    Args:
        clock: Tells the seconds between two looks.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._at = 0.0
        self._before: dict[str, QueueCounts | Totals] = {}
        self._now: dict[str, QueueCounts | Totals] = {}
        self._seconds = 0.0

    def look(self, found: Stats) -> None:
        at = self._clock()
        self._before, self._seconds = self._now, at - self._at if self._now else 0.0
        self._now = {"": found.totals, **{f"={row.queue}": row for row in found.queues}}
        self._at = at

    def per_second(self, row: QueueCounts | Totals, name: str) -> float | None:
        """Return how fast a count rises; None at the first look, and where a counter began anew."""
        change = self._change(row, name)
        return None if change is None or change < 0 or not self._seconds else change / self._seconds

    def arrow(self, row: QueueCounts | Totals, name: str) -> str:
        """Return whether a number rises or falls: an arrow, or "" if neither."""
        change = self._change(row, name)
        if not change:
            return ""
        return ("↑" if change > 0 else "↓") if shows("↑↓") else "+" if change > 0 else "-"

    def _change(self, row: QueueCounts | Totals, name: str) -> int | None:
        before = self._before.get(f"={row.queue}" if isinstance(row, QueueCounts) else "")
        return None if before is None else getattr(row, name) - getattr(before, name)


async def watch(url: str | None, seconds: float, *, as_lines: bool) -> None:
    """Look every so many seconds, until q, Ctrl-C, or nobody reads any more."""
    async with Inspector(url) as inspector:
        place, rates = console(), Rates()
        if place.is_terminal and not as_lines:
            await _on_screen(inspector, seconds, rates)
            return
        while True:
            found = await read(inspector)
            rates.look(found)
            if as_lines:
                show_line(found)
            else:
                click.echo(_line(found, rates))
            await asyncio.sleep(seconds)


async def _on_screen(inspector: Inspector, seconds: float, rates: Rates) -> None:
    from rich.live import Live

    place = console()
    with keys() as pressed, Live(console=place, screen=True, auto_refresh=False) as live:
        while True:
            begun = time.monotonic()
            try:
                found = await read(inspector)
            except BrokerUnavailable as error:  # it may come back: what was shown stays, under the trouble
                live.update(_trouble(str(error), seconds), refresh=True)
            else:
                rates.look(found)
                live.update(_screen(found, rates, seconds, place.size), refresh=True)
            with suppress(asyncio.TimeoutError):
                async with asyncio.timeout(max(0.0, begun + seconds - time.monotonic())):
                    while True:
                        if await pressed.get() in ("q", "Q", "\x04"):
                            return


def _screen(found: Stats, rates: Rates, seconds: float, size: tuple[int, int]) -> RenderableType:
    from rich.console import Group
    from rich.text import Text

    order = sorted(found.queues, key=lambda row: (-row.pending - row.active, -row.size, row.queue))
    width, height = size
    room = max(1, height - AROUND)
    columns, cells = queue_table(order[:room], found.totals)
    rows: list[QueueCounts | Totals] = [*order[:room], found.totals]
    for row, line in zip(rows, cells, strict=False):  # of one queue there is no total
        _mark(line, columns, row, rates)
        line += [_speed(rates, row, "processed"), _speed(rates, row, "failed", WARN)]
    columns, cells, gone = fitting([*columns, "attempts/s", "failed/s"], cells, width)
    left = len(order) - room
    footer = f"every {seconds:g} s; q ends it" + (
        f"; {left:,} more queues are counted in the total" if left > 0 else ""
    )
    if gone:
        footer += f"; a wider screen has {output.listed(gone)} as well"
    if found.unreadable:
        footer += f"; {output.counted(len(found.unreadable), 'queue')} cannot be read: `onebeat stats` says why"
    return Group(
        _line_of(f"{found.at:%H:%M:%S} UTC  {store_line(found.info)}"),
        Text(),
        output.table(columns, cells, numbers=columns[1:], whole=columns[:1]),
        Text(),
        _line_of(footer),
    )


def _line_of(text: str) -> RenderableType:
    """Return a text that takes one line of the screen, however narrow that is."""
    from rich.text import Text

    return Text(output.visible(text), style=DIM, no_wrap=True, overflow="ellipsis")


def _mark(line: list[Cell], columns: Sequence[str], row: QueueCounts | Totals, rates: Rates) -> None:
    """Put an arrow behind the numbers that move."""
    for i, name in enumerate(columns):
        if name in Totals.__struct_fields__ and name not in ("processed", "failed"):
            line[i] = Cell(f"{line[i]}{rates.arrow(row, name)}", line[i].style)
    line[-1] = Cell(f"{line[-1]}{rates.arrow(row, 'latency_ms')}", line[-1].style)


def _speed(rates: Rates, row: QueueCounts | Totals, name: str, style: str = "") -> Cell:
    speed = rates.per_second(row, name)
    if speed is None:
        return Cell("-", DIM)
    return Cell(f"{speed:,.1f}", style if speed else DIM)


def _trouble(message: str, seconds: float) -> RenderableType:
    from rich.text import Text

    return Text(f"{message}\n\nIt is tried again every {seconds:g} s; q ends it.", style=WARN)


def _line(found: Stats, rates: Rates) -> str:
    """Return a line that says what a screen would, of all queues together."""
    totals = found.totals
    counts = " ".join(f"{name}={getattr(totals, name)}" for name in ("size", "pending", "active", "retry", "archived"))
    speeds = [(name, rates.per_second(totals, name)) for name in ("processed", "failed")]
    told = " ".join(f"{name}/s={'-' if speed is None else f'{speed:.1f}'}" for name, speed in speeds)
    return f"{found.at:%Y-%m-%dT%H:%M:%SZ} queues={totals.queues} {counts} latency_ms={totals.latency_ms} {told}"
