"""Which node has what: addresses, what sentinels and nodes answer, and where a command belongs."""

from __future__ import annotations

from typing import Any

import pytest
import redis
import redis.asyncio
import redis.asyncio.sentinel
import redis.sentinel

from onebeat.broker.connection import endpoint
from onebeat.broker.inquiry import Inquiry, announced, layout_of
from onebeat.broker.layout import Layout, question, read, sent_to, slot_of, slot_of_command
from onebeat.broker.trouble import casts_doubt
from onebeat.errors import BrokerError, BrokerUnavailable, ConfigurationError

WATCHED = endpoint("redis+sentinel://u:p@h1,h2:26380,[::1]:9/2?master=m&sentinel_username=w&sentinel_password=s")
CLUSTER = endpoint("rediss+cluster://u:p%40@h1,h2:7001?ssl_ca_certs=/ca.pem&durability=replicas:2")


def test_an_address_of_sentinels_is_read() -> None:
    """Their own credentials stand apart from the primary's, and the database is the primary's."""
    assert (("h1", 26379), ("h2", 26380), ("::1", 9)) == WATCHED.seeds
    node, sentinel = WATCHED.node(("n", 1)), WATCHED.asked(("s", 2))
    assert {"host": "n", "port": 1, "db": 2, "username": "u", "password": "p"} == node.settings
    assert {"host": "s", "port": 2, "username": "w", "password": "s"} == sentinel.settings
    assert (True, False) == (node.only_primary, sentinel.only_primary)
    assert ("SENTINEL", "MASTER", "m") == question(WATCHED)


def test_an_address_of_a_cluster_is_read() -> None:
    """With TLS, an encoded password, and how many replicas are to confirm."""
    assert (("h1", 6379), ("h2", 7001)) == CLUSTER.seeds
    node = CLUSTER.node(("n", 1))
    assert "SSLConnection" == node.kind
    assert ("u", "p@", "/ca.pem") == tuple(node.settings[name] for name in ("username", "password", "ssl_ca_certs"))
    assert (2, True, False) == (CLUSTER.replicas, CLUSTER.is_cluster, node.is_cluster)
    assert ("CLUSTER", "SLOTS") == question(CLUSTER)


@pytest.mark.parametrize("scheme", ["valkey", "valkeys", "redis", "rediss"])
@pytest.mark.parametrize("kind", ["sentinel", "cluster"])
def test_every_scheme_has_both(scheme: str, kind: str) -> None:
    """With TLS where there is an s at its end."""
    option = "?master=m" if kind == "sentinel" else ""
    found = endpoint(f"{scheme}+{kind}://h{option}")
    assert ("SSLConnection" if scheme.endswith("s") and scheme != "redis" else "Connection") == found.kind
    assert (kind == "cluster") == found.is_cluster


def test_addresses_of_asynq_are_read() -> None:
    """In its own sense: a password is the sentinels', and there are no users (protocol §4.5)."""
    found = endpoint("redis-sentinel://:secret@h1:1,h2:2/3?master=m")
    assert {"db": 3} == found.settings
    assert found.sentinel is not None
    assert {"password": "secret"} == found.sentinel.settings
    assert "secret" not in found.shown
    socket = endpoint("redis-socket://:secret@/run/s.sock?db=1")
    assert {"path": "/run/s.sock", "db": 1, "password": "secret"} == socket.settings


@pytest.mark.parametrize("module", [redis, redis.asyncio], ids=["blocking", "asyncio"])
def test_a_client_of_sentinels_lends_its_settings(module: Any) -> None:
    """Both the primary's and the sentinels'."""
    sentinel = module.sentinel.Sentinel([("h1", 1), ("h2", 2)], sentinel_kwargs={"password": "s"})
    found = endpoint(sentinel.master_for("m", username="u", password="p", db=3))  # noqa: S106 - made up
    assert (("h1", 1), ("h2", 2)) == found.seeds
    assert ("m", {"username": "u", "password": "p", "db": 3}) == (found.master, found.settings)
    assert {"host": "h1", "port": 1, "password": "s"} == found.asked(("h1", 1)).settings


def slots(*rows: tuple[int, int, str, int]) -> list[Any]:
    return [[first, last, [host.encode(), port, b"id"], [b"r", port, b"id2"]] for first, last, host, port in rows]


def test_slots_have_owners() -> None:
    """Those of no range have none; a node that does not know its own address is where we asked."""
    layout = read(CLUSTER, ("asked", 1), slots((0, 99, "a", 7000), (100, 200, "", 7001)))
    assert [("a", 7000), ("asked", 7001), None] == [layout.owners[slot] for slot in (99, 100, 201)]
    assert [("a", 7000), ("asked", 7001)] == layout.primaries
    assert [("r", 7000)] == layout.replicas["a", 7000]
    with pytest.raises(BrokerError, match="no node of this cluster has slots yet"):
        read(CLUSTER, ("asked", 1), [])


def answer(host: str, epoch: int, flags: bytes = b"master") -> list[bytes]:
    at = [b"name", b"m", b"ip", host.encode(), b"port", b"6379"]
    return [*at, b"flags", flags, b"config-epoch", str(epoch).encode()]


def test_of_sentinels_the_highest_epoch_is_believed() -> None:
    """Once a majority has answered; one that was cut off still names the old primary."""
    inquiry = Inquiry(WATCHED, None)
    inquiry.answered(("h1", 26379), answer("old", 1))
    assert not inquiry.is_over
    inquiry.answered(("h2", 26380), answer("new", 2))
    assert inquiry.is_over
    assert [("new", 6379)] == inquiry.result().primaries


def test_one_sentinel_that_has_not_heard_is_not_believed() -> None:
    """Cut off from the others, it still names the primary of before; a majority is believed, whatever it says."""
    known = read(WATCHED, ("h1", 26379), answer("new", 2))
    inquiry = Inquiry(WATCHED, known)
    inquiry.answered(("h1", 26379), answer("old", 1))
    assert known is inquiry.result()
    inquiry.answered(("h2", 26380), answer("old", 1))  # sentinels that were set up anew begin at 0
    assert [("old", 6379)] == inquiry.result().primaries
    heard = layout_of(("newer", 1), known)
    assert heard is layout_of(("newer", 1), heard)
    assert known.rank < heard.rank <= read(WATCHED, ("h1", 26379), answer("newer", 3)).rank


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 2, 0)])
def test_the_sentinel_that_leads_a_fail_over_is_not_believed_about_it(order: tuple[int, ...]) -> None:
    """It has the new epoch and names the old primary until all replicas follow the new one."""
    answers = [
        answer("old", 2, b"master,failover_in_progress,force_failover"),
        answer("new", 2, b"master,disconnected"),
        answer("old", 1),
    ]
    inquiry = Inquiry(WATCHED, None)
    for number in order:
        inquiry.answered((f"h{number}", 26379), answers[number])
    assert [("new", 6379)] == inquiry.result().primaries


def test_who_leads_a_fail_over_does_not_undo_what_was_heard_of_it() -> None:
    """Neither alone nor with another that has not heard, who make a majority."""
    old = read(WATCHED, ("h1", 26379), answer("old", 1))
    for known in (layout_of(("new", 6379), old), read(WATCHED, ("h3", 9), answer("new", 2))):
        inquiry = Inquiry(WATCHED, known)
        inquiry.answered(("h1", 26379), answer("old", 2, b"master,failover_in_progress"))
        assert known is inquiry.result()
        inquiry.answered(("h2", 26380), answer("old", 1))
        assert inquiry.is_over
        assert known is inquiry.result()


def test_who_failed_is_asked_last() -> None:
    """And of a cluster that is known another node first each time, the seeds too."""
    known = Layout([("a", 1), ("b", 2)] * 8192)
    orders = [Inquiry(CLUSTER, known, {("a", 1)}, turn).addresses for turn in range(4)]
    assert {("a", 1)} == {order[-1] for order in orders}
    assert 3 == len({order[0] for order in orders})
    assert all({("a", 1), ("b", 2), ("h1", 6379), ("h2", 7001)} == set(order) for order in orders)


@pytest.mark.parametrize(
    ("url", "text", "said"),
    [
        ("redis+sentinel://h?master=m", "No such master with that name", "knows no primary named 'm'"),
        ("redis+sentinel://h?master=m", "unknown command 'SENTINEL'", "h:26379 is no sentinel"),
        ("redis+cluster://h", "This instance has cluster support disabled", "h:6379 is no node of a cluster"),
        ("redis+cluster://h", "unknown command 'CLUSTER'", "h:6379 is a sentinel"),
    ],
)
def test_a_wrong_address_is_said(url: str, text: str, said: str) -> None:
    """From what the node at it answers, with what to write instead."""
    where = endpoint(url)
    inquiry = Inquiry(where, None)
    inquiry.failed(where.seeds[0], redis.ResponseError(text))
    with pytest.raises(ConfigurationError, match=said):
        inquiry.result()


def test_who_answers_not_is_named() -> None:
    """Each with its reason."""
    inquiry = Inquiry(CLUSTER, None)
    inquiry.failed(("h1", 6379), redis.ConnectionError("refused."))
    inquiry.failed(("h2", 7001), redis.TimeoutError())
    with pytest.raises(BrokerUnavailable, match="h1:6379: refused; h2:7001: TimeoutError; see that they run"):
        inquiry.result()


def test_an_announcement_of_another_primary_is_none_of_ours() -> None:
    """Sentinels watch several."""
    assert ("new", 2) == announced(WATCHED, b"m old 1 new 2")
    assert announced(WATCHED, b"other old 1 new 2") is None


@pytest.mark.parametrize(
    ("words", "key"),
    [
        (("SADD", "asynq:queues", "q"), "asynq:queues"),
        (("EVALSHA", "sha", 2, "asynq:{q}:", "onebeat:{q}:"), "asynq:{q}:"),
        (("object", "encoding", b"asynq:{q}:t:a"), "asynq:{q}:t:a"),
        (("PUBLISH", "onebeat:wake", "q"), None),
        (("INFO",), None),
    ],
)
def test_a_command_belongs_to_the_slot_of_its_key(words: tuple[Any, ...], key: str | None) -> None:
    """One without a key belongs to any node."""
    from onebeat.wire.keys import slot

    assert (None if key is None else slot(key)) == slot_of_command(words)
    assert 5718 == slot_of("default")  # protocol §10.3


@pytest.mark.parametrize(
    ("error", "doubtful"),
    [
        (redis.ConnectionError("gone"), True),
        (redis.TimeoutError("late"), True),
        (redis.exceptions.ReadOnlyError("…", status_code="READONLY"), True),
        (redis.ResponseError("ERR Error running script: -READONLY You can't write"), True),
        (redis.exceptions.ClusterDownError("…"), True),
        (redis.ResponseError("WRONGTYPE"), False),
        (redis.exceptions.OutOfMemoryError("…", status_code="OOM"), False),
    ],
)
def test_what_makes_a_node_doubtful(error: Exception, doubtful: bool) -> None:
    """Whatever another node would not have answered, if it is primary now."""
    assert doubtful == casts_doubt(error)


@pytest.mark.parametrize("host", ["", "?"])
def test_a_node_that_knows_no_host_of_its_own_sends_us_to_itself(host: str) -> None:
    """As with `cluster-preferred-endpoint-type unknown-endpoint`, and where a hostname is wanted and not set."""
    assert ("asked", 7) == sent_to(host, 7, ("asked", 1))
    assert ("other", 7) == sent_to("other", 7, ("asked", 1))
