"""
Go and Python servers on one queue, under load, with processes of both killed: nothing is lost, the counts add up.

Go's leases last 30 s, and our servers wait 30 s more. The test does not: when nothing but dead servers' tasks is
left, it moves their leases back, as if so much time had passed.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from pathlib import Path

import pytest

from tests.interop import table, worker
from tests.interop.peer import PeerProcess
from tests.interop.sides import Go, Python, Side
from tests.interop.soundness import flaws
from tests.interop.test_crashes import let_pass
from tests.server.conftest import Bench, until

pytestmark = [pytest.mark.interop, pytest.mark.timeout(300)]
cell = partial(table.cell, "mixed fleet")

LEDGER = "ledger"
SLOTS = 4
WAVES = 6
WAVE = 150
"""Tasks of each client in a wave."""

FAILING = 10
"""Of so many tasks in a wave one fails the first time it is run."""


class Fleet:
    """Two server processes of each side, whose handlers write into one ledger."""

    def __init__(self, bench: Bench, program: Path, url: str, lease: float) -> None:
        self._bench = bench
        self._lease = lease
        self._program = program
        self._url = url
        self._ours: list[asyncio.subprocess.Process] = []
        self._gos: list[PeerProcess] = []
        self._stack = AsyncExitStack()
        self.kills = 0

    async def start(self) -> None:
        for _ in range(2):
            await self._add_ours()
            await self._add_gos()

    async def _add_ours(self) -> None:
        self._ours.append(await worker.start(self._url, self._lease, LEDGER))

    async def _add_gos(self) -> None:
        process = PeerProcess(self._program)
        side = Go(process, self._url.removeprefix("unix://"))
        await self._stack.enter_async_context(side.serving(ledger=LEDGER, concurrency=SLOTS, stops=False))
        self._gos.append(process)

    async def kill_and_replace(self) -> None:
        """Kill the oldest process of each side while it works, and start another one."""
        ours, gos = self._ours.pop(0), self._gos.pop(0)
        ours.kill()
        gos.kill()
        await ours.wait()
        self.kills += 2
        await self._add_ours()
        await self._add_gos()

    async def end(self) -> None:
        for gos in self._gos:
            gos.kill()
        for ours in self._ours:
            ours.kill()
            await ours.wait()
        await self._stack.aclose()


@asynccontextmanager
async def fleet(bench: Bench, program: Path, url: str, *, kills: bool) -> AsyncIterator[Fleet]:
    """Run one. Where servers die, leases of ours are short; else so long that nobody who is slow counts as dead."""
    made = Fleet(bench, program, url, 2.0 if kills else 30.0)
    try:
        await made.start()
        yield made
    finally:
        await made.end()


async def ledger(bench: Bench) -> list[tuple[str, str]]:
    """Read who ran what."""
    rows = [row.decode().split(" ") for row in await bench.store.command("LRANGE", LEDGER, 0, -1)]
    return [(who, task_id) for who, task_id in rows]


async def all_end(bench: Bench, accepted: int, *, kills: bool) -> None:
    """Wait until every task is completed; if servers died, let their leases lapse once nobody else has any."""
    held: set[bytes] = set()

    async def ended() -> bool:
        nonlocal held
        found = await bench.stats()
        if kills and found.pending == 0 and found.active:
            now = set(await bench.store.command("LRANGE", "asynq:{default}:active", 0, -1))
            if now == held:
                await let_pass(bench.store)
            held = now
            await asyncio.sleep(1)  # a hundred times as long as a handler takes: who still holds it is dead
        return found.completed == accepted

    await until(ended, 120)


async def play(bench: Bench, go: Go, python: Python, running: Fleet, *, kills: bool) -> list[str]:
    """Enqueue from both sides in waves, killing between them."""
    accepted: list[str] = []
    for _ in range(WAVES):
        sides: list[Side] = [go, python] * WAVE
        payloads = [b"x" if number % FAILING else b"fail" for number in range(len(sides))]
        enqueued = [side.enqueue("work", how, retention=600) for side, how in zip(sides, payloads, strict=True)]
        accepted += await asyncio.gather(*enqueued)
        if kills:
            await running.kill_and_replace()
    await all_end(bench, len(accepted), kills=kills)
    return accepted


async def judge(bench: Bench, accepted: list[str], doubles: int) -> None:
    """Compare what was accepted with the ledger, the counters and the keys."""
    ran = await ledger(bench)
    times = Counter(task_id for _, task_id in ran)
    assert set(accepted) == times.keys()
    assert len(ran) - len(accepted) <= doubles
    assert {"Go", "Python"} == {who for who, _ in ran}
    found = await bench.stats()
    assert len(accepted) == found.completed == found.size
    assert len(accepted) == found.processed - found.failed
    assert 0 <= found.failed - len(accepted) // FAILING <= doubles
    assert [] == await flaws(bench.store)


@cell("all tasks ran", column="no kill")
@cell("counters add up", column="no kill")
@cell("keys well-formed", column="no kill")
@cell("both ran some", column="no kill")
@cell("no double without a kill", column="no kill")
async def test_both_share_a_queue(bench: Bench, go: Go, python: Python, program: Path, url: str) -> None:
    """Each task is run once, by either side."""
    async with fleet(bench, program, url, kills=False) as running:
        accepted = await play(bench, go, python, running, kills=False)
    await judge(bench, accepted, 0)


@cell("all tasks ran", column="kill -9 of both")
@cell("counters add up", column="kill -9 of both")
@cell("keys well-formed", column="kill -9 of both")
@cell("both ran some", column="kill -9 of both")
@cell("no double without a kill", column="kill -9 of both")
async def test_killed_servers_of_both_lose_nothing(
    bench: Bench, go: Go, python: Python, program: Path, url: str
) -> None:
    """A task may run twice only if its server was killed: at most as many as were running then."""
    async with fleet(bench, program, url, kills=True) as running:
        accepted = await play(bench, go, python, running, kills=True)
        kills = running.kills
    await judge(bench, accepted, kills * SLOTS)
