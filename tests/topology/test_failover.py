"""A switch of sentinels, a fail-over of a cluster, under load: nothing is lost, and the ledger explains every task."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest

from onebeat.broker import browse
from onebeat.broker.store import BlockingStore, Store
from onebeat.client import Client
from onebeat.errors import BrokerUnavailable
from onebeat.server.server import Server
from onebeat.sync import SyncClient
from onebeat.task import Task
from onebeat.wire import keys
from tests.engines import Cluster, Watched, until
from tests.topology.ledger import Ledger, Load

pytestmark = [
    pytest.mark.slow,
    pytest.mark.timeout(300),
    # asyncio leaves the socket of a connection that broke as it was made to the garbage collector
    pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning"),
]

SETTINGS: dict[str, Any] = {"concurrency": 8, "shutdown_timeout": 5.0, "lease": 3.0, "allow_short_lease": True}


@asynccontextmanager
async def under_load(url: str, ledger: Ledger, queues: list[str]) -> AsyncIterator[Load]:
    """Serve and enqueue while the block runs; then wait until all that was accepted has run."""
    weights = dict.fromkeys(queues, 1)
    async with (
        Server(url, queues=weights, **SETTINGS).serving(ledger.handlers()),
        Client(url, durability="replicas:1", give_up_after=30) as client,
    ):
        load = Load(ledger, client, queues)
        running = asyncio.create_task(load.run())
        await ledger.until(lambda: len(ledger.runs) >= 50)
        yield load
        load.stop()
        await running
        await ledger.until(lambda: not ledger.missing)


async def more(ledger: Ledger, number: int = 50) -> None:
    """Wait until that many tasks more were accepted and have run."""
    before = len(ledger.accepted & ledger.runs.keys())
    await ledger.until(lambda: len(ledger.accepted & ledger.runs.keys()) >= before + number)


async def test_a_killed_primary_of_sentinels_loses_nothing(watched: Watched) -> None:
    """What a replica confirmed is there after the switch; writes resume at the new primary by themselves."""
    ledger = Ledger()
    async with under_load(watched.url, ledger, ["q"]):
        old = watched.primary()
        ledger.phase = "switching"
        await asyncio.to_thread(old.kill)
        await asyncio.to_thread(until, lambda: watched.primary() is not old, "another primary")
        await more(ledger)
        ledger.phase = "after"
        await more(ledger)
    ledger.explain()


async def test_a_killed_primary_of_a_cluster_loses_nothing(cluster: Cluster) -> None:
    """Its replica takes over; the queues of the other nodes go on all the while."""
    slot = keys.slot(keys.root("q"))
    other = next(name for name in "abcdefgh" if cluster.owner(keys.slot(keys.root(name))) is not cluster.owner(slot))
    ledger = Ledger()
    async with under_load(cluster.url, ledger, ["q", other]):
        old = cluster.owner(slot)
        ledger.phase = "switching"
        await asyncio.to_thread(old.kill)
        await asyncio.to_thread(until, lambda: cluster.owner(slot) is not old, "another primary")
        await asyncio.to_thread(old.start)  # as a replica: so that there is one that confirms
        await more(ledger)
        ledger.phase = "after"
        await more(ledger)
    ledger.explain()


async def runs_again(ledger: Ledger, client: Client, name: str) -> None:
    """Enqueue until it is accepted, and wait until it has run."""
    while name not in ledger.accepted:
        await ledger.enqueue(client, "q", name)
    await ledger.until(lambda: name in ledger.runs)


@pytest.mark.parametrize("kind", ["sentinel", "cluster"])
async def test_an_idle_server_hears_of_work_at_the_new_primary(kind: str, request: pytest.FixtureRequest) -> None:
    """Its peeks wait at a node that hangs; they are let go with it, and find the one that took over."""
    stores: dict[str, Callable[[], Any]] = {
        "sentinel": lambda: request.getfixturevalue("watched"),
        "cluster": lambda: request.getfixturevalue("cluster"),
    }
    store = await asyncio.to_thread(stores[kind])
    ledger = Ledger()
    async with (
        Server(store.url, queues={"q": 1}, **SETTINGS).serving(ledger.handlers()) as serving,
        Client(store.url, give_up_after=30) as client,
    ):
        await runs_again(ledger, client, "first")

        def primary() -> Any:
            return store.primary() if isinstance(store, Watched) else store.owner(keys.slot(keys.root("q")))

        old = primary()
        await asyncio.to_thread(until, lambda: "blmove" in str(old.client.client_list()), "a peek")
        old.freeze()
        await asyncio.to_thread(until, lambda: primary() is not old, "another primary")
        new = primary()
        await asyncio.to_thread(until, lambda: "blmove" in str(new.client.client_list()), "a peek")
        await runs_again(ledger, client, "second")
        assert serving.watcher._peeked <= {"q"}
    ledger.explain()


async def heard(store: Store, say: Callable[[], Awaitable[Any]]) -> None:
    """Say something again and again until a listener, started again when its connection ends, has heard it."""
    got = asyncio.Event()

    async def listen() -> None:
        while True:
            try:
                async for channel, _ in store.listen("onebeat:wake"):
                    if channel:
                        got.set()
            except BrokerUnavailable:
                await asyncio.sleep(0.05)

    listening = asyncio.create_task(listen())
    async with asyncio.timeout(60):
        while not got.is_set():
            await say()
            await asyncio.sleep(0.02)
    listening.cancel()
    await asyncio.wait([listening])


async def test_a_listener_hears_again_after_its_node_hung(cluster: Cluster) -> None:
    """Whichever node it listened at: a word that a script publishes on any reaches it at another."""
    async with await Store.open(cluster.url) as store:
        hub = asyncio.create_task(heard(store, lambda: asyncio.sleep(0)))  # listens, and is told nothing yet
        ears = list(cluster.nodes[:3])

        def at() -> Any:
            return next((node for node in ears if "sub=1" in _subscriptions(node)), None)

        await asyncio.to_thread(until, lambda: at() is not None, "a listener")
        old = at()
        old.freeze()
        others = [node for node in cluster.nodes if node is not old]
        await asyncio.to_thread(until, lambda: any("sub=1" in _subscriptions(node) for node in others), "a listener")
        speaker = await Store.open(cluster.url)
        async with speaker:
            async with asyncio.timeout(60):
                while not hub.done():
                    await speaker.command("PUBLISH", "onebeat:wake", "q")
                    await asyncio.sleep(0.02)
        await hub


def _subscriptions(node: Any) -> str:
    return " ".join(f"sub={one['sub']}" for one in node.client.client_list())


async def test_a_thread_finds_the_new_primary(watched: Watched) -> None:
    """Without a loop that could hear of the switch: what fails first makes it ask."""
    with SyncClient(watched.url, give_up_after=30) as client:
        await asyncio.to_thread(client.enqueue, Task("t"), task_id="a")
        old = watched.primary()
        await asyncio.to_thread(watched.switch)
        await asyncio.to_thread(until, lambda: old.info("replication")["role"] == "slave", "a demotion")
        await asyncio.to_thread(client.enqueue, Task("t"), task_id="b")
        assert watched.primary().client.exists("asynq:{default}:t:b")


async def test_a_primary_that_was_demoted_is_left(watched: Watched) -> None:
    """READONLY, from a node that sentinels have not yet spoken of: it is asked again, and the call fails for now."""
    store = BlockingStore.open(watched.url)
    await asyncio.to_thread(store.run, browse.stats("q"))
    old = watched.primary()
    new = next(node for node in watched.nodes if node is not old)
    store._nodes.client(("127.0.0.1", old.port))  # type: ignore[union-attr] # it is one of several
    old.client.replicaof("127.0.0.1", str(new.port))
    with pytest.raises(BrokerUnavailable, match="READONLY"):
        store.commands([("SADD", "asynq:queues", "q")])
    await asyncio.to_thread(watched.switch)

    def works() -> bool:
        try:
            store.commands([("SADD", "asynq:queues", "q")])
        except BrokerUnavailable:
            return False
        return True

    await asyncio.to_thread(until, works, "a write")
    store.close()


async def test_a_primary_that_was_cut_off_gets_nothing_more(watched: Watched) -> None:
    """It believes to be primary still, and answers: but all connections to it were closed when the switch was known."""
    async with await Store.open(watched.url) as store, Client(store, give_up_after=30) as client:
        await client.enqueue(Task("t"), task_id="before")
        old = watched.primary()
        old.freeze()
        await asyncio.to_thread(until, lambda: watched.primary() is not old, "another primary")
        new = watched.primary().address
        await asyncio.to_thread(until, lambda: store.nodes("default") == [new], "that the store knows")
        await client.enqueue(Task("t"), task_id="after")
        for sentinel in watched.sentinels:
            sentinel.freeze()  # so that nobody tells the old one
        old.thaw()
        await asyncio.to_thread(until, lambda: old.client.info("replication")["role"] == "master", "an answer")
        await client.enqueue(Task("t"), task_id="later")
        assert 0 == old.client.exists("asynq:{default}:t:after", "asynq:{default}:t:later")
        ours = [
            one for one in old.client.client_list() if one["cmd"].partition("|")[0] in ("evalsha", "blmove", "sadd")
        ]
        assert [] == ours
        for sentinel in watched.sentinels:
            sentinel.thaw()


async def test_a_store_that_loads_is_waited_for(watched: Watched) -> None:
    """LOADING passes: a client repeats until the store has read its data."""
    primary = watched.primary()
    for sentinel in watched.sentinels:
        sentinel.client.execute_command("SENTINEL", "SET", "ours", "down-after-milliseconds", 60_000)
    async with Client(watched.url, give_up_after=30) as client:
        await client.enqueue(Task("t"), task_id="a")
        primary.client.mset({f"filler:{number}": "x" for number in range(300)})
        primary.client.save()
        primary.kill()
        with primary._config.open("a") as config:
            config.write("key-load-delay 5000\nloading-process-events-interval-bytes 1024\n")
        primary.start(wait=False)
        placed = await client.enqueue(Task("t"), task_id="b")
        assert "b" == placed.id
        assert primary.client.exists("asynq:{default}:t:a", "asynq:{default}:t:b") == 2
