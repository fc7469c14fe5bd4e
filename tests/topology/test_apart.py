"""A node of a cluster that is away, and nobody takes over: the queues of the others are served all the same."""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from onebeat.broker.store import BlockingStore, Store
from onebeat.client import Client
from onebeat.preparing import prepare
from onebeat.server.context import Context
from onebeat.server.mux import Mux
from onebeat.server.server import Server
from onebeat.task import Task
from onebeat.wire import keys
from tests.engines import Cluster, Process
from tests.server.conftest import until

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(300),
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),  # as in test_failover
]

SETTINGS: dict[str, Any] = {"concurrency": 4, "shutdown_timeout": 1.0, "allow_short_lease": True}
LEASES = {"kill": 3.0, "freeze": 15.0}
"""A node that hangs costs the keeper five seconds whenever it asks it."""
LISTS = [keys.QUEUES, keys.SCHEDULE_QUEUES, keys.SERVERS]


@pytest.fixture
def apart(tmp_path: Path) -> Iterator[Cluster]:
    """Return three primaries without replicas."""
    started = Cluster(tmp_path, timeout_ms=60_000, replicas=0)
    yield started
    started.end()


def queue_on(cluster: Cluster, node: Process, *, but: str = "") -> str:
    """Return the name of a queue that a node has."""
    names = (f"q{number}" for number in range(1000))
    return next(name for name in names if name != but and cluster.owner(keys.slot(keys.root(name))) is node)


class Handlers:
    """What ran, how often, and a task that runs until told to end."""

    def __init__(self) -> None:
        self.runs: Counter[str] = Counter()
        self.end = asyncio.Event()
        self.mux: Mux = Mux()

        @self.mux.handle("t")
        async def short(ctx: Context[Any], task: Task[Any]) -> None:
            self.runs[ctx.id] += 1

        @self.mux.handle("long")
        async def long(ctx: Context[Any], task: Task[Any]) -> None:
            self.runs[ctx.id] += 1
            await self.end.wait()

    async def has_run(self, task_id: str) -> None:
        async def is_so() -> bool:
            return task_id in self.runs

        await until(is_so, 120)


@pytest.mark.parametrize("key", LISTS)
@pytest.mark.parametrize("how", ["kill", "freeze"])
async def test_others_queues_are_served(apart: Cluster, key: str, how: str) -> None:
    """Whichever of the lists that all share it had: tasks are taken, delayed ones too, and leases are kept."""
    lost = apart.owner(keys.slot(key))
    dead = queue_on(apart, lost)
    alive = queue_on(apart, next(node for node in apart.nodes if node is not lost))
    handlers = Handlers()
    queues = {dead: 5, alive: 1}
    async with (
        Server(apart.url, queues=queues, lease=LEASES[how], **SETTINGS).serving(handlers.mux) as serving,
        Client(apart.url, give_up_after=5) as client,
    ):
        for queue in queues:
            await client.enqueue(Task("t"), queue=queue, task_id=f"first-{queue}")
            await handlers.has_run(f"first-{queue}")
        await client.enqueue(Task("long"), queue=dead, task_id="held there")
        await handlers.has_run("held there")
        await client.enqueue(Task("long"), queue=alive, task_id="held")
        await handlers.has_run("held")
        serving.watcher.may_work(dead)
        getattr(lost, how)()
        client._published.update(dict.fromkeys(queues, 0.0))  # it is time to make them known again
        await client.enqueue(Task("t"), queue=alive, task_id="now")
        await handlers.has_run("now")
        store = await client.store()
        await _schedule(store, alive, 4)
        await handlers.has_run("later")
        score = f"asynq:{{{alive}}}:lease"
        before = await store.command("ZSCORE", score, "held")

        async def is_extended() -> bool:
            return bool(await store.command("ZSCORE", score, "held") > before)

        await until(is_extended, 120)
        assert 1 == handlers.runs["held"]
        handlers.end.set()
        if how == "freeze":
            lost.thaw()


async def test_a_store_opens_while_a_node_is_away(apart: Cluster) -> None:
    """Whichever is asked first for what any can tell: another is."""
    apart.nodes[0].kill()
    for _ in range(8):
        async with await Store.open(apart.url):
            pass
        (await asyncio.to_thread(BlockingStore.open, apart.url)).close()


async def _schedule(store: Store, queue: str, seconds: float) -> None:
    """Schedule a task as asynq does, which tells nobody: only the survey finds it."""
    message = prepare(Task("t"), {"queue": queue, "task_id": "later"}).new.message
    root = keys.root(queue)
    await store.command("HSET", root + "t:later", "msg", message, "state", "scheduled")
    await store.command("ZADD", root + "scheduled", round(time.time() + seconds), "later")
