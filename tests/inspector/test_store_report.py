"""What a store says of itself, all of it, and what it does not say."""

from __future__ import annotations

import pytest

from onebeat.broker.connection import endpoint
from onebeat.broker.store import Store
from onebeat.inspector import store_reading
from onebeat.inspector.inspector import Inspector
from onebeat.inspector.store_models import StoreReport
from tests.conftest import Clock
from tests.engines import Topology
from tests.inspector.conftest import Face, put
from tests.web.managed import managed


async def test_a_report_says_what_runs_where_and_how_it_fares(
    inspector: Face, store: Store, topology: Topology
) -> None:
    """Of every primary, whatever the topology."""
    await put(store, "a")
    report: StoreReport = await inspector.store_report()
    assert store.primaries() == [node.address for node in report.nodes]
    assert (len(topology.primaries()), ()) == (report.primaries, report.untold)
    for node in report.nodes:
        assert ("master", "noeviction", "") == (node.role, node.policy, node.away)
        assert None not in (node.memory, node.clients, node.commands_per_second, node.hits, node.keys, node.appends)
        assert node.latency is not None
        assert node.latency.total_seconds() > 0
    assert sum(node.keys or 0 for node in report.nodes) >= 3
    assert {"asynq:queues": 1} == {key.name: key.count for key in report.keys if key.count}


async def test_a_report_has_the_nodes_of_a_cluster_and_their_slots(store: Store, inspector: Face) -> None:
    """Elsewhere there is no such part."""
    report: StoreReport = await inspector.store_report()
    assert store.is_spread == (report.cluster is not None)
    if report.cluster is None:
        return
    assert ("ok", 16_384, 16_384) == (report.cluster.state, report.cluster.slots_assigned, report.cluster.slots_ok)
    assert report.cluster.nodes is not None
    assert 16_384 == sum(node.slots for node in report.cluster.nodes)
    assert ["primary"] * 3 + ["replica"] * 3 == [node.role for node in report.cluster.nodes]


async def test_replicas_are_told_with_how_far_behind_they_are(store: Store, inspector: Face) -> None:
    """Where there are none that is told as well, and is not the same as not being told."""
    report: StoreReport = await inspector.store_report()
    found = {len(node.replicas) for node in report.nodes if node.replicas is not None}
    assert {"one": {0}, "sentinel": {2}, "cluster": {1}}[report.topology] == found
    for node in report.nodes:
        for replica in node.replicas or ():
            assert "online" == replica.state
            assert replica.behind is not None


async def test_what_a_managed_store_refuses_is_named_and_all_else_told(
    store: Store, clock: Clock, topology: Topology
) -> None:
    """Each with the store's own reason."""
    await put(store, "a")
    async with managed(topology, "-memory", "-dbsize") as (limited, _):
        report = await Inspector(limited).store_report()
    assert {"DBSIZE", "MEMORY USAGE asynq:queues"} == {one.what for one in report.untold}
    assert all("permission" in one.why for one in report.untold)
    for node in report.nodes:
        assert node.memory is not None
        assert node.keys is None
    assert [1] == [key.count for key in report.keys if key.name == "asynq:queues"]


async def test_a_store_that_refuses_info_still_tells_what_it_may(
    store: Store, clock: Clock, topology: Topology
) -> None:
    """Its latency, its keys, and nothing that was made up."""
    async with managed(topology, "-info") as (limited, _):
        report = await Inspector(limited).store_report()
    assert {"INFO", "CONFIG GET"} == {one.what for one in report.untold}
    for node in report.nodes:
        assert ("", "", None, None, ()) == (node.kind, node.policy, node.memory, node.replicas, node.dangers)
        assert None not in (node.latency, node.keys)


@pytest.mark.one_store
def test_a_field_of_any_kind_that_is_missing_is_none() -> None:
    """Managed stores leave out what they like; an empty answer is no store without memory."""
    where = endpoint("redis://127.0.0.1:1/0")
    node = store_reading.node("here", {}, where)
    assert {None, "", (), "here"} == {getattr(node, name) for name in node.__slots__}
    broken = store_reading.node("here", {"used_memory": "?", "connected_slaves": "1", "slave0": "nonsense"}, where)
    assert None is broken.memory
    assert [("?:?", "")] == [(one.address, one.state) for one in broken.replicas or ()]


@pytest.mark.one_store
def test_nodes_of_a_cluster_are_read_as_they_are_written() -> None:
    """Slots in ranges and alone, slots on their way, host names, a node that is gone."""
    told = (
        b"a 10.0.0.1:6379@16379,one.example myself,master - 0 0 1 connected 0-5460 7000 [93-<-b]\n"
        b"b 10.0.0.2:6379@16379 slave,fail a 0 0 1 disconnected\n"
        b"\n"
    )
    first, second = store_reading.cluster_nodes(told)
    assert ("10.0.0.1:6379", "primary", 5462, "", True) == (
        first.address, first.role, first.slots, first.trouble, first.is_linked
    )  # fmt: skip
    assert ("replica", "a", "fail", False) == (second.role, second.primary, second.trouble, second.is_linked)
