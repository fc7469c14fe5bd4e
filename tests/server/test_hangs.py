"""Handlers that do not end, and loops that do not turn (mechanism-rules 12, 13)."""

from __future__ import annotations

import asyncio
import logging
import subprocess
import sys
import textwrap
import threading
from pathlib import Path
from typing import Any

import pytest

from onebeat.server.context import Context
from onebeat.server.health import Health
from onebeat.server.running import Running
from onebeat.server.watchdog import Watchdog
from onebeat.task import Task
from tests.server.conftest import Bench, until

Ctx = Context[Any]


async def test_a_thread_that_never_ends_is_given_up_and_keeps_its_slot(bench: Bench) -> None:
    """After grace and stall limit its task is retried; the slot is lost and the server degraded until it ends."""
    go = threading.Event()

    @bench.mux.handle("t")
    def handler(ctx: Ctx, task: Task[Any]) -> None:
        bench.ran.append(ctx.id)
        go.wait(60)

    task_id = await bench.enqueue("t", timeout=0.05)
    async with bench.serving(concurrency=3, grace=0.05, stall_limit=0.05) as serving:
        await bench.reaches(retry=1, active=0)
        assert (Health.DEGRADED, 2) == (serving.health, serving.executor.free)
        assert b"retry" == await bench.field(task_id, "state")
        go.set()
        await until(lambda: _is_well(serving))
        assert (Health.OK, 3) == (serving.health, serving.executor.free)
        stats = await bench.stats()
        assert (1, 1) == (stats.processed, stats.failed)  # what the thread returned in the end did not count
    assert Health.STOPPING is serving.health


async def _is_well(serving: Any) -> bool:
    return not serving.executor.overstaying


async def test_a_coroutine_that_ignores_its_cancellation_is_given_up(bench: Bench) -> None:
    """It cannot hold its task for ever either."""
    go = asyncio.Event()

    @bench.mux.handle("t")
    async def handler(ctx: Ctx, task: Task[Any]) -> None:
        while not go.is_set():
            try:
                await go.wait()
            except asyncio.CancelledError:
                bench.ran.append("ignored")

    await bench.enqueue("t", timeout=0.05)
    async with bench.serving(concurrency=3, grace=0.05, stall_limit=0.0) as serving:
        await bench.reaches(retry=1, active=0)
        assert ["ignored"] == bench.ran
        assert 1 == len(serving.executor.overstaying)
        go.set()


async def test_at_half_of_the_slots_the_server_stops(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    """Two of four handlers hang: it takes nothing more, and its process would end with status 1."""
    go = threading.Event()

    @bench.mux.handle("hang")
    def hang(ctx: Ctx, task: Task[Any]) -> None:
        go.wait(60)

    @bench.mux.handle("t")
    async def handler(ctx: Ctx, task: Task[Any]) -> None: ...

    for _ in range(2):
        await bench.enqueue("hang", timeout=0.05, max_retry=0)
    async with bench.serving(concurrency=4, grace=0.01, stall_limit=0.01) as serving:
        async with asyncio.timeout(60):
            await serving.stop_asked.wait()
        await bench.enqueue("t")
        await bench.reaches(archived=2, pending=1)
        assert "hold half of the slots" in caplog.text
    assert 2 == serving.stubborn
    go.set()


class Loop:
    """A loop that turns when told to, and the time of its watchdog."""

    def __init__(self) -> None:
        self.asked: list[Any] = []
        self.ended: list[int] = []
        self.now = 1000.0

    def turn(self) -> None:
        for call in self.asked:
            call()
        self.asked.clear()

    def monotonic(self) -> float:
        return self.now

    def now_(self) -> None: ...


@pytest.fixture
def loop() -> Loop:
    return Loop()


@pytest.fixture
def watchdog(loop: Loop) -> Watchdog:
    return Watchdog(
        loop.asked.append,
        loop_thread=threading.get_ident(),
        limit=65,
        clock=loop,  # type: ignore[arg-type] # it has the half that is used
        end=lambda: loop.ended.append(1),
    )


def test_a_blocked_loop_is_told_of_once_with_its_stack(
    loop: Loop, watchdog: Watchdog, caplog: pytest.LogCaptureFixture
) -> None:
    """After five seconds without a turn the log says where the loop is; again only for the next block."""
    for now in (1000, 1003, 1006, 1009, 1012):
        loop.now = now
        watchdog.look([])
    assert 1 == caplog.text.count("the event loop has had no turn for 6 s")
    assert "test_hangs.py" in caplog.text
    assert 12 == watchdog.longest_block
    loop.turn()
    for now in (1013, 1020):
        loop.now = now
        watchdog.look([])
    assert 1 == caplog.text.count("no turn for 7 s")


def test_a_loop_that_turns_is_left_in_peace(loop: Loop, watchdog: Watchdog, caplog: pytest.LogCaptureFixture) -> None:
    """Asked and answered each time, it is told of never."""
    for now in range(1000, 1100, 3):
        loop.now = now
        watchdog.look([])
        loop.turn()
    assert "" == caplog.text


@pytest.mark.parametrize(("past", "ends"), [(69.9, 0), (70.1, 1)])
def test_an_attempt_long_past_its_deadline_ends_the_process(
    loop: Loop, watchdog: Watchdog, past: float, ends: int, caplog: pytest.LogCaptureFixture
) -> None:
    """Deadline, grace, stall limit and a margin: then the loop is dead, and only then."""
    attempt = Running("q", "a", "s:1", 0.0)
    attempt.deadline = loop.now - past
    caplog.set_level(logging.CRITICAL)
    watchdog.look([attempt])
    assert ends == len(loop.ended) == caplog.text.count("a (q)")


def test_an_outcome_that_waits_for_the_store_is_no_hang(loop: Loop, watchdog: Watchdog) -> None:
    """However long the store is away: what has ended does not hang."""
    from onebeat.broker.consume import Finished, Outcome

    attempt = Running("q", "a", "s:1", 0.0)
    attempt.deadline = loop.now - 10_000
    attempt.finished = Finished("a", "s:1", Outcome.DONE)
    watchdog.look([attempt])
    assert [] == loop.ended


@pytest.mark.slow
def test_a_dead_loop_ends_its_process_with_all_stacks(url: str, tmp_path: Path) -> None:
    """A coroutine that blocks the loop for ever: all stacks on standard error, and status 1."""
    program = tmp_path / "dead.py"
    program.write_text(
        textwrap.dedent(
            f"""
            import asyncio, threading
            from onebeat import Client, Mux, Server, Task
            from onebeat.server import watchdog
            watchdog.MARGIN_S = 0.2
            mux = Mux()
            @mux.handle("t")
            async def blocks_for_ever(ctx, task):
                threading.Event().wait()
            async def main():
                async with Client({url!r}) as client:
                    await client.enqueue(Task("t"), timeout=0.1)
                await Server({url!r}, lease=1, grace=0.1, stall_limit=0.1, allow_short_lease=True).run(mux)
            asyncio.run(main())
            """
        )
    )
    done = subprocess.run([sys.executable, str(program)], capture_output=True, text=True, timeout=60, check=False)
    assert 1 == done.returncode
    assert "blocks_for_ever" in done.stderr
    assert "past their deadline" in done.stderr
