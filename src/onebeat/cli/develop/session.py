"""The life of `onebeat dev`: serve; when a file changes, stop cleanly and serve anew. An error waits."""

from __future__ import annotations

import asyncio
import signal
import socket
from collections.abc import Sized
from contextlib import AsyncExitStack

import click

from onebeat.broker import embedded
from onebeat.cli.develop.banner import banner
from onebeat.cli.develop.changes import Changes
from onebeat.cli.develop.console import Consoles, Place
from onebeat.cli.operations import Watched, from_elsewhere, hear_no_more
from onebeat.cli.processes.fleet import Fleet
from onebeat.cli.processes.orders import AWAY, Facts, Orders
from onebeat.cli.processes.place import Pace
from onebeat.clock import SystemClock
from onebeat.server.health import HealthReport
from onebeat.upkeep.service import cancelled

AGAIN_S = 3.0
"""How long an absent store is waited for before the next try."""


class Session:
    """
    One `onebeat dev`.

    Args:
        orders: What each server process is told.

        processes: How many there are.

        watched: Told how the present ones fare.

        place: Where the console answers; None: there is none.
    """

    def __init__(
        self,
        orders: Orders,
        processes: int,
        changes: Changes,
        pace: Pace,
        watched: Watched,
        place: socket.socket | None = None,
    ) -> None:
        self._orders = orders
        self._processes = processes
        self._changes = changes
        self._pace = pace
        self._watched = watched
        self._place = place
        self._consoles: Consoles | None = None
        self._stopping = asyncio.Event()
        self._fleet: Fleet | None = None
        self._stack = AsyncExitStack()
        self._shown: Facts | None = None
        self._opening: asyncio.Task[None] | None = None

    async def run(self) -> int:
        """Go on until Ctrl-C or SIGTERM; returns the exit status."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop)
        watching = loop.create_task(self._changes.run())
        try:
            async with self._stack:
                if self._place is not None:
                    self._consoles = Consoles(self._place)
                    self._stack.push_async_callback(self._consoles.aclose)
                while not self._stopping.is_set():
                    await self._serve(watching)
        finally:
            self._watched.report = HealthReport.stopped
            await cancelled(watching)
            hear_no_more(signal.SIGTERM, signal.SIGINT)
        return 0

    def _stop(self) -> None:
        self._stopping.set()
        if self._fleet is not None:
            self._fleet.stop()

    async def _serve(self, watching: asyncio.Task[None]) -> None:
        """Serve until a file changes, or until it is over; what went wrong then waits for a change."""
        self._changes.forget()
        self._fleet = fleet = Fleet(self._orders, self._processes, pace=self._pace, ready=self._is_ready)
        self._watched.report = from_elsewhere(fleet.health)
        serving = asyncio.create_task(fleet.run())
        changed = asyncio.create_task(self._changes.next())
        await asyncio.wait({serving, changed, watching}, return_when=asyncio.FIRST_COMPLETED)
        if watching.done() and not watching.cancelled():
            fleet.stop()
            await serving
            await watching
        if changed.done():
            _tell(changed)
            if not serving.done():
                fleet.stop()
        status = await serving
        if self._opening is not None:
            await self._opening
        if not changed.done() and not self._stopping.is_set():
            await self._wait(changed, AGAIN_S if status == AWAY else None)
        await cancelled(changed)

    async def _wait(self, changed: asyncio.Task[list[str]], seconds: float | None) -> None:
        patience = "trying again soon" if seconds else "waiting for a change"
        click.secho(f"nothing runs now; {patience}, Ctrl-C to stop", bold=True, err=True)
        stopping = asyncio.create_task(self._stopping.wait())
        await asyncio.wait({changed, stopping}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        await cancelled(stopping)
        if changed.done():
            _tell(changed)

    def _is_ready(self, facts: Facts) -> None:
        self._watched.ready(facts)
        at = self._open_console(facts)
        if self._shown is None:
            now = SystemClock().now()
            click.echo(banner(facts, self._orders.app, self._processes, self._changes.places, now, at), err=True)
            if facts.store.startswith("embedded://"):
                self._opening = asyncio.create_task(self._hold(facts.store))
        else:
            click.secho(
                f"ready again: {_count(facts.tasks, 'task')}, {_count(facts.schedules, 'schedule')}",
                bold=True,
                err=True,
            )
        self._shown = facts

    def _open_console(self, facts: Facts) -> str | None:
        """Show the store in a browser from now on, whatever reloads, with what is declared now; returns where."""
        if self._place is None or self._consoles is None:
            return None
        from onebeat.web.serving import address

        self._consoles.renew(Place(self._orders.app, self._orders.folder, facts.url or facts.store))
        return address(self._place)

    async def _hold(self, url: str) -> None:
        """Use the embedded store ourselves, so that it does not end between two servers."""
        store = await asyncio.to_thread(embedded.open_store, embedded.parse_url(url))
        self._stack.callback(store.close)


def _tell(changed: asyncio.Task[list[str]]) -> None:
    names = changed.result()
    shown = names[0] if len(names) == 1 else f"{names[0]} and {len(names) - 1} more"
    click.secho(f"{shown} changed: starting anew", bold=True, err=True)


def _count(items: Sized, what: str) -> str:
    return f"{len(items)} {what}{'' if len(items) == 1 else 's'}"
