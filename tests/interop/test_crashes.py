"""A server of either side dies with SIGKILL, and a server of either side takes back what it held (protocol §9.5)."""

from __future__ import annotations

import time
from pathlib import Path

import pytest

from onebeat.broker.store import Store
from tests.interop import worker
from tests.interop.conftest import Pair
from tests.interop.looks import shown
from tests.interop.peer import PeerProcess
from tests.interop.sides import Go
from tests.interop.table import cell
from tests.server.conftest import Bench

pytestmark = pytest.mark.interop
TABLE = "client → server"


async def killed_while_holding(pair: Pair, program: Path, url: str) -> None:
    """Let a process of the second side begin the task, and kill it."""
    if pair.second is pair.python:
        process = await worker.start(url, 15.0)
        assert process.stdout is not None
        assert b"a\n" == await process.stdout.readline()
        process.kill()
        await process.wait()
        return
    victim = PeerProcess(program)
    side = Go(victim, url.removeprefix("unix://"))
    try:
        async with side.serving(stops=False) as run:
            assert "a" == (await run.ran()).id
    finally:
        victim.kill()


async def let_pass(store: Store, queue: str = "default", seconds: int = 90) -> None:
    """
    Move the leases of a queue back, which is what they would be if so much time had passed.

    Nobody may hold any: a living server would find itself robbed. Our upkeep is told that it never was away, or it
    would hold back for five seconds (mechanism-rules 3).
    """
    lease = f"asynq:{{{queue}}}:lease"
    for task_id, score in _pairs(await store.command("ZRANGE", lease, 0, -1, "WITHSCORES")):
        await store.command("ZADD", lease, int(score) - seconds, task_id)
        if await store.command("HEXISTS", f"asynq:{{{queue}}}:t:{task_id.decode()}", "ob_lease"):
            await store.command("HSET", f"asynq:{{{queue}}}:t:{task_id.decode()}", "ob_lease", int(score) - seconds)
    await store.command("HSET", f"onebeat:{{{queue}}}:beat", "last", int(time.time() * 1000), "hold_until", 0)


def _pairs(answer: list[bytes]) -> list[tuple[bytes, float]]:
    return [(name, float(score)) for name, score in zip(answer[::2], answer[1::2], strict=True)]


@cell(TABLE, "living, left alone")
async def test_what_a_living_server_runs_is_left_to_it(pair: Pair, bench: Bench) -> None:
    """Servers of both sides come and look for what lapsed, and find nothing."""
    await pair.first.enqueue("hold", task_id="a", max_retry=0)
    async with pair.second.serving() as holder:
        await holder.ran()
        for side in pair.both:
            async with side.serving(queues={"default": 1, "low": 1}) as other:
                await side.enqueue("ok", queue="low", task_id=side.name)
                assert side.name == (await other.ran()).id
        found = await bench.stats()
        assert (1, 0, 0, 0) == (found.active, found.retry, found.archived, found.failed)


@cell(TABLE, "killed, recovered by Go")
async def test_go_takes_back(pair: Pair, bench: Bench, program: Path, url: str) -> None:
    """By asynq's rules: thirty seconds past the lease it is a failure, and the task waits in retry."""
    await pair.first.enqueue("hold", b"x", task_id="a", max_retry=3)
    await killed_while_holding(pair, program, url)
    await let_pass(bench.store)
    async with pair.go.serving():
        await bench.reaches(active=0, retry=1, failed=1)
    assert ("retry", 1, "asynq: task lease expired") == await shown(pair, "state", "retried", "error")
    assert 0 == await bench.store.command("EXISTS", "asynq:{default}:lease", "asynq:{default}:active")


@cell(TABLE, "killed, recovered by Python")
async def test_we_take_back(pair: Pair, bench: Bench, program: Path, url: str) -> None:
    """It runs again at once, with no retry spent, even with none to spend."""
    await pair.first.enqueue("hold", b"x", task_id="a", max_retry=0)
    await killed_while_holding(pair, program, url)
    await let_pass(bench.store)
    async with pair.python.serving() as run:
        ran = await run.ran()
        assert ("a", 0, b"x") == (ran.id, ran.retried, ran.payload)
        assert 0 == (await bench.stats()).failed
