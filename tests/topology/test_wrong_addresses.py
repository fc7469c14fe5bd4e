"""Addresses that lead to another kind of store than they say: one sentence, with what to write instead."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from onebeat.broker.store import BlockingStore, Store
from onebeat.errors import BrokerUnavailable, ConfigurationError
from tests.engines import Cluster, Watched

pytestmark = pytest.mark.slow


@pytest.fixture(scope="module")
def few(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Watched, Cluster]]:
    """Return a primary with one sentinel, and a cluster of one node."""
    watched = Watched(tmp_path_factory.mktemp("w"), replicas=0, sentinels=1)
    cluster = Cluster(tmp_path_factory.mktemp("c"), primaries=1, replicas=0)
    yield watched, cluster
    watched.end()
    cluster.end()


async def test_what_a_node_is_shows_when_it_is_opened(few: tuple[Watched, Cluster]) -> None:
    """Not by the first task that is lost: for both forms of a store."""
    watched, cluster = few
    single, sentinel, node = watched.nodes[0].address, watched.sentinels[0].address, cluster.nodes[0].address
    cases = [
        (f"redis://{sentinel}", "is a sentinel: name it by redis+sentinel://"),
        (f"redis://{node}", "is one node of a cluster: name the cluster by redis+cluster://"),
        (f"redis+sentinel://{single}?master=ours", f"{single} is no sentinel"),
        (f"redis+sentinel://{node}?master=ours", f"{node} is no sentinel"),
        (f"redis+sentinel://{sentinel}?master=theirs", "knows no primary named 'theirs'"),
        (f"redis+cluster://{single}", f"{single} is no node of a cluster"),
        (f"redis+cluster://{sentinel}", f"{sentinel} is a sentinel"),
    ]
    for url, said in cases:
        with pytest.raises(ConfigurationError, match=r"store redis") as refused:
            await Store.open(url)
        assert said in str(refused.value)
        with pytest.raises(ConfigurationError) as refused:
            BlockingStore.open(url)
        assert said in str(refused.value)


@pytest.mark.parametrize("url", ["redis+sentinel://127.0.0.1:1,127.0.0.1:2?master=m", "redis+cluster://127.0.0.1:1"])
async def test_nobody_there(url: str) -> None:
    """Each address is named, with its reason."""
    with pytest.raises(BrokerUnavailable, match=r"127\.0\.0\.1:1: .*111.*see that they run there"):
        await Store.open(url)
    with pytest.raises(BrokerUnavailable, match=r"127\.0\.0\.1:1: .*111.*see that they run there"):
        BlockingStore.open(url)


async def test_of_several_one_that_answers_is_enough(few: tuple[Watched, Cluster]) -> None:
    """Those that are away are passed over."""
    watched, cluster = few
    for url in (
        f"redis+sentinel://127.0.0.1:1,{watched.sentinels[0].address},127.0.0.1:2?master=ours",
        f"redis+cluster://127.0.0.1:1,{cluster.nodes[0].address}",
    ):
        async with await Store.open(url) as store:
            assert await store.command("PING")
        blocking = BlockingStore.open(url)
        assert blocking.commands([("PING",)])
        blocking.close()
