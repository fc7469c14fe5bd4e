"""A slot that moves to another node while its queue is at work."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from onebeat.broker import browse, registry
from onebeat.broker.store import BlockingStore, Store
from onebeat.client import Client
from onebeat.errors import BrokerUnavailable
from onebeat.server.server import Server
from onebeat.wire import keys
from tests.engines import Cluster, Process
from tests.topology.ledger import Ledger, Load

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


class Move:
    """The way of one slot from its node to another, step by step."""

    def __init__(self, cluster: Cluster, slot: int) -> None:
        self._cluster = cluster
        self._slot = slot
        self.source = cluster.owner(slot)
        self.target = next(node for node in cluster.primaries() if node is not self.source)

    def _set(self, node: Process, *words: str) -> None:
        node.client.execute_command("CLUSTER", "SETSLOT", self._slot, *words)

    def begin(self) -> None:
        self._set(self.target, "IMPORTING", self._cluster.id(self.source))
        self._set(self.source, "MIGRATING", self._cluster.id(self.target))

    def carry(self) -> None:
        while found := self.source.client.execute_command("CLUSTER", "GETKEYSINSLOT", self._slot, 50):
            self.source.client.execute_command("MIGRATE", "127.0.0.1", self.target.port, "", 0, 5000, "KEYS", *found)

    def end(self) -> None:
        for node in (self.target, self.source, *self._cluster.primaries()):
            self._set(node, "NODE", self._cluster.id(self.target))


async def test_a_queue_whose_slot_moves_loses_nothing(calm_cluster: Cluster) -> None:
    """It stands still on the way, and goes on at the other node, its peeks too; the ledger explains every task."""
    ledger = Ledger()
    settings: dict[str, Any] = {"concurrency": 8, "shutdown_timeout": 5.0}
    async with (
        Server(calm_cluster.url, queues={"q": 1}, **settings).serving(ledger.handlers()),
        Client(calm_cluster.url, give_up_after=30) as client,
    ):
        load = Load(ledger, client, ["q"])
        running = asyncio.create_task(load.run())
        await ledger.until(lambda: len(ledger.runs) >= 50)
        move = Move(calm_cluster, keys.slot(keys.root("q")))
        await asyncio.to_thread(move.begin)
        await asyncio.to_thread(move.carry)
        await asyncio.to_thread(move.end)
        ledger.phase = "after"
        ran = len(ledger.runs)
        await ledger.until(lambda: len(ledger.runs) >= ran + 50)
        load.stop()
        await running
        await ledger.until(lambda: not ledger.missing)
    ledger.explain()
    assert 1 == max(ledger.runs.values())
    assert set() == ledger.unsure
    assert move.target is calm_cluster.owner(keys.slot(keys.root("q")))


async def test_no_script_sees_half_a_queue(calm_cluster: Cluster) -> None:
    """While its slot is on its way, neither node runs a script of ours: the call is refused for now."""
    async with await Store.open(calm_cluster.url) as store, Client(store) as client:
        move = Move(calm_cluster, keys.slot(keys.root("q")))
        blocking = BlockingStore.open(calm_cluster.url)
        await asyncio.to_thread(move.begin)
        with pytest.raises(BrokerUnavailable, match="is on its way to another node"):
            await store.run(browse.stats("q"))
        with pytest.raises(BrokerUnavailable, match="is on its way to another node"):
            await asyncio.to_thread(blocking.run, browse.stats("q"))
        await asyncio.to_thread(move.end)
        assert 0 == (await store.run(browse.stats("q"))).size
        assert 0 == (await asyncio.to_thread(blocking.run, browse.stats("q"))).size
        assert f"127.0.0.1:{move.target.port}" == store.nodes("q")[0]
        blocking.close()
        await client.aclose()


async def test_global_keys_follow_their_slot(calm_cluster: Cluster) -> None:
    """ASK while it is on its way, MOVED afterwards; for threads, too, and in a batch of commands."""
    async with await Store.open(calm_cluster.url) as store:
        blocking = BlockingStore.open(calm_cluster.url)
        move = Move(calm_cluster, keys.slot(keys.QUEUES))
        await asyncio.to_thread(move.begin)
        await registry.publish_queue(store, "a")  # the key is nowhere yet: the new node makes it
        await asyncio.to_thread(blocking.commands, [registry.published("b")])
        await store.commands([registry.published("c"), ("SET", "elsewhere", "1")])
        await asyncio.to_thread(move.end)
        assert ["a", "b", "c"] == await registry.queues(store)
        assert [{b"a", b"b", b"c"}] == await asyncio.to_thread(blocking.commands, [("SMEMBERS", keys.QUEUES)])
        blocking.close()
