"""What one sees while the demo plays: queues, servers, the beat, and the last things that happened."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Mapping
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path

from rich.console import Console, Group
from rich.live import Live
from rich.table import Table
from rich.text import Text

from onebeat.cli.demo import ledger as books
from onebeat.cli.demo.ledger import Row
from onebeat.inspector.inspector import Inspector

REFRESH_S = 0.2
EVENTS = 12


class View:
    """
    A live picture on a terminal, plain lines elsewhere, nothing when quiet.

    Args:
        folder: The ledger, which is all it looks at besides the queues' sizes.
    """

    def __init__(self, folder: Path, queues: Mapping[str, int], *, seconds: int, quiet: bool) -> None:
        self._folder = folder
        self._queues = queues
        self._seconds = seconds
        self._quiet = quiet
        self._console = Console()
        self._told = 0
        self._events: deque[Text] = deque(maxlen=EVENTS)

    async def watch(self, inspector: Inspector) -> None:
        """Show until cancelled, and once more at the end."""
        if self._quiet:
            return
        if not self._console.is_terminal:
            await self._watch_plainly()
            return
        with Live(console=self._console, refresh_per_second=10) as live:
            try:
                while True:
                    live.update(await self._picture(inspector))
                    await asyncio.sleep(REFRESH_S)
            finally:
                self._note(books.read(self._folder))

    async def _watch_plainly(self) -> None:
        try:
            while True:
                self._print_news()
                await asyncio.sleep(REFRESH_S)
        finally:
            self._print_news()

    def _print_news(self) -> None:
        rows = books.read(self._folder)
        for row in self._news(rows):
            text = _event(row, _Cast(rows))
            if text is not None:
                self._console.print(text)

    def _news(self, rows: list[Row]) -> list[Row]:
        news, self._told = rows[self._told :], len(rows)
        return news

    def _note(self, rows: list[Row]) -> None:
        cast = _Cast(rows)
        self._events.extend(text for text in (_event(row, cast) for row in self._news(rows)) if text is not None)

    async def _picture(self, inspector: Inspector) -> Group:
        rows = books.read(self._folder)
        self._note(rows)
        return Group(
            Text(f"Onebeat demo, {self._seconds} s: one beat, any number of servers", style="bold"),
            await self._queue_table(inspector),
            _server_table(rows),
            Text(f"beat: {_beats(rows)}"),
            *self._events,
        )

    async def _queue_table(self, inspector: Inspector) -> Table:
        table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
        for column in ("queue", "weight", "pending", "active", "scheduled", "retry", "archived", "completed"):
            table.add_column(column, justify="left" if column == "queue" else "right")
        for queue, weight in self._queues.items():
            item = await inspector.stats(queue)
            counts = (
                weight,
                item.pending,
                item.active,
                item.scheduled,
                item.retry,
                item.archived,
                item.completed,
            )
            table.add_row(queue, *(str(count) for count in counts))
        return table


class _Cast:
    """Who is who in the rows: servers by the order in which they began, tasks by their types."""

    def __init__(self, rows: list[Row]) -> None:
        pids = dict.fromkeys(row["pid"] for row in rows if row["row"] == "serving")
        self.servers: dict[int, str] = {pid: f"server {number}" for number, pid in enumerate(pids, 1)}
        self._types: dict[str, str] = {row["id"]: row["type"] for row in rows if row["row"] in ("enqueued", "start")}
        self.killed = {row["killed"] for row in rows if row["row"] == "killed"}
        self._orphans = {task_id for _, task_id in books.cut_short(rows)}

    def server(self, pid: int) -> str:
        return self.servers.get(pid, "a server")

    def is_orphan(self, task_id: str) -> bool:
        """Whether a server was killed while it ran the task."""
        return task_id in self._orphans

    def task(self, task_id: str) -> str:
        return self._types.get(task_id, task_id)


def _server_table(rows: list[Row]) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    for column in ("server", "process", "ran", "state"):
        table.add_column(column, justify="right" if column == "ran" else "left")
    killed = {row["killed"] for row in rows if row["row"] == "killed"}
    for pid, name in _Cast(rows).servers.items():
        ran = sum(row["row"] == "start" and row["pid"] == pid for row in rows)
        table.add_row(
            name,
            str(pid),
            str(ran),
            Text("killed", style="red") if pid in killed else Text("serving", style="green"),
        )
    return table


def _beats(rows: list[Row]) -> str:
    ticks = [row["tick"] for row in rows if row["row"] == "start" and row["tick"] is not None]
    if not ticks:
        return "waiting for the first tick"
    steps = {later - earlier for earlier, later in pairwise(ticks)}
    shown = ", ".join(f"{step} ms" for step in sorted(steps)) or "one so far"
    return f"{len(ticks)} ticks, from one to the next {shown}"


def _event(row: Row, cast: _Cast) -> Text | None:
    """Say what a row means, or nothing for the many that are no news."""
    kind, who = row["row"], cast.server(row["pid"])
    if kind == "serving":
        return Text(f"  {who} serves")
    if kind == "killed":
        return Text(f"  {cast.server(row['killed'])} is killed with SIGKILL", style="red")
    if kind == "refused":
        return Text(f"  refused: {row['text']}", style="yellow")
    if kind == "start" and row["tick"] is not None:
        return Text(f"  tick {_time(row['tick'])} on {who}, {row['at'] - row['tick']:.1f} ms after it", style="cyan")
    if kind == "start" and not row["type"].startswith("image:"):
        if cast.is_orphan(row["id"]) and row["pid"] not in cast.killed:
            return Text(f"  {row['type']} runs again on {who}: its server was killed", style="green")
        again = f", attempt {row['retried'] + 1}" if row["retried"] else ""
        return Text(f"  {row['type']} runs on {who}{again}")
    return _outcome_event(row, cast)


def _outcome_event(row: Row, cast: _Cast) -> Text | None:
    if row["row"] != "outcome" or row["outcome"] not in ("retry", "archived"):
        return None
    if row["outcome"] == "retry":
        return Text(f"  {cast.task(row['id'])} failed and will be retried", style="yellow")
    return Text(f"  {cast.task(row['id'])} is archived: {row['error']}", style="red")


def _time(tick_ms: int) -> str:
    return datetime.fromtimestamp(tick_ms / 1000, UTC).strftime("%H:%M:%S.%f")[:-3]
