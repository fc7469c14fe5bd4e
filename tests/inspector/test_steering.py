"""Run, archive, delete and cancel one task, pause and resume a queue: in each state, by each inspector."""

from __future__ import annotations

from typing import Any

import pytest

from onebeat.broker.consume import Outcome, take
from onebeat.broker.maintain import maintain
from onebeat.broker.store import Store
from onebeat.errors import BrokerError, TaskNotFound, WrongState
from onebeat.states import Cancellation
from onebeat.wire.message import decode
from tests.anywhere import everywhere
from tests.broker.test_scripts_produce import dump
from tests.conftest import NOON, Clock
from tests.inspector.conftest import STATES, Face, check_places, end, everything, grab, put, put_in, put_in_group

ALL = ("run", "archive", "delete")
ROOT = "asynq:{q}:"
ENDS_AS = {"run": "pending", "archive": "archived"}
REFUSED = {
    ("run", "pending"): "task is already in pending state",
    ("run", "active"): "task is already running",
    ("archive", "archived"): "task is already archived",
    ("archive", "active"): "cannot archive task in active state",
    ("delete", "active"): "cannot delete task in active state",
}


async def state_of(store: Store, task_id: str) -> str:
    return (await store.command("HGET", f"{ROOT}t:{task_id}", "state") or b"").decode()


@pytest.mark.parametrize("state", STATES)
@pytest.mark.parametrize("method", ALL)
async def test_each_does_what_it_says_in_each_state_or_refuses(
    inspector: Face, store: Store, method: str, state: str
) -> None:
    """As asynq, in its words; the task is then in one place, and its neighbours are where they were."""
    for name in ("before", "a", "after"):
        await put_in(store, state, name, retention=3600)
    before = await everything(store)
    refusal = REFUSED.get((method, state))
    if refusal is None:
        await getattr(inspector, method)("q", "a")
        assert ENDS_AS.get(method, "") == await state_of(store, "a")
        assert (2 if method == "delete" else 3) == await check_places(store)
    else:
        with pytest.raises(WrongState, match=f"task 'a' of queue 'q' was left alone: {refusal}"):
            await getattr(inspector, method)("q", "a")
        assert before == await everything(store)
    assert [state, state] == [await state_of(store, name) for name in ("before", "after")]


@pytest.mark.parametrize("method", [*ALL, "cancel", "task"])
async def test_what_is_not_there_is_not_found(inspector: Face, store: Store, method: str) -> None:
    """And nothing is written."""
    await put(store, "a")
    before = await everything(store)
    with pytest.raises(TaskNotFound, match="task 'b' is not in queue 'q'"):
        await getattr(inspector, method)("q", "b")
    assert before == await everything(store)


@pytest.mark.parametrize("state", [state for state in STATES if state != "active"])
async def test_delete_frees_the_lock_wherever_it_waits(inspector: Face, store: Store, state: str) -> None:
    """SE-11: also of pending tasks and of those of a group, whose lock stands in the message alone."""
    await put_in(store, state, "a", unique=3600, retention=3600)
    await inspector.delete("q", "a")
    assert [] == await everywhere(store, "KEYS", f"{ROOT}unique:*")


@pytest.mark.parametrize("state", [state for state in STATES if state != "active"])
async def test_delete_leaves_the_lock_of_another_task(inspector: Face, store: Store, state: str) -> None:
    """The task's own ran out, and another has taken it since."""
    await put_in(store, state, "a", unique=3600, retention=3600)
    key = decode(await store.command("HGET", f"{ROOT}t:a", "msg")).unique_key
    await store.command("SET", key, "other")
    await inspector.delete("q", "a")
    assert b"other" == await store.command("GET", key)


async def test_archive_keeps_message_counters_and_lock(inspector: Face, store: Store) -> None:
    """As asynq: an operator's word is no failure."""
    await put(store, "a", unique=3600)
    message = await store.command("HGET", f"{ROOT}t:a", "msg")
    await inspector.archive("q", "a")
    assert message == await store.command("HGET", f"{ROOT}t:a", "msg")
    assert (b"a", None) == (
        await store.command("GET", decode(message).unique_key),
        await store.command("GET", f"{ROOT}processed"),
    )
    assert NOON == int(await store.command("ZSCORE", f"{ROOT}archived", "a"))


@pytest.mark.slow
async def test_archive_makes_room_with_records_and_all(inspector: Face, store: Store, clock: Clock) -> None:
    """SE-10: of the oldest beyond 9,999 and of those older than 90 days, nothing is left."""
    await store.commands(
        [("HSET", f"{ROOT}t:old{number}", "msg", b"m", "state", "archived") for number in range(10_050)]
    )
    for start in range(0, 10_050, 50):
        scores = [word for number in range(start, start + 50) for word in (NOON - 10_050 + number, f"old{number}")]
        await store.command("ZADD", f"{ROOT}archived", *scores)
    await put(store, "a")
    await inspector.archive("q", "a")
    assert 9_999 == await check_places(store)
    await clock.advance(91 * 86_400)
    await put(store, "b")
    await inspector.archive("q", "b")
    assert 9_999 - 200 + 1 == await check_places(store)
    assert None is await store.command("ZSCORE", f"{ROOT}archived", "old52")


@pytest.mark.parametrize("state", ["scheduled", "retry", "archived", "completed", "aggregating"])
async def test_a_task_that_is_run_begins_anew(inspector: Face, store: Store, clock: Clock, state: str) -> None:
    """SE-40, SE-22: since when it waits is written; its group, exact time, crashes and expiry are forgotten."""
    await put_in(store, state, "a", expires=1, retention=3600)
    await store.command("HSET", f"{ROOT}t:a", "ob_crash", 3, "ob_unknown", 1)
    await clock.advance(5)
    await inspector.run("q", "a")
    info = await inspector.task("q", "a")
    assert (0, None, NOON + 5) == (info.crashes, info.expires_at, info.pending_since and info.pending_since.timestamp())
    assert [0, 0] == [await store.command("EXISTS", key) for key in ("onebeat:{q}:exact", f"{ROOT}groups")]
    await end(store, "a", Outcome.RETRY, 1000)
    await clock.advance(2)
    await store.run(maintain("q", max_crashes=5))
    assert "pending" == await state_of(store, "a"), "back in its group rather than pending"


async def test_who_waits_for_a_task_is_told_of_its_end(inspector: Face, store: Store) -> None:
    """`result()` then need not look by itself."""
    heard = store.listen("onebeat:reply:me")
    await anext(heard)
    for method in ("archive", "delete"):
        await put(store, method)
        await store.command("HSET", f"{ROOT}t:{method}", "ob_wait", "me")
        await getattr(inspector, method)("q", method)
        assert ("onebeat:reply:me", b"q\0" + method.encode()) == await anext(heard)
    await heard.aclose()  # type: ignore[attr-defined] # an async generator has it


@pytest.mark.parametrize("method", ALL)
@pytest.mark.parametrize("state", ["pending", "scheduled", "archived"])
async def test_a_record_whose_lists_were_lost_is_mended(inspector: Face, store: Store, method: str, state: str) -> None:
    """Rather than refused for ever: it is then where it was asked to be."""
    await put_in(store, state, "a")
    await store.command("DEL", f"{ROOT}{state}", "onebeat:{q}:exact")
    await getattr(inspector, method)("q", "a")
    assert (0 if method == "delete" else 1) == await check_places(store)


@pytest.mark.parametrize("state", ["", "active"])
async def test_a_record_without_a_message_can_be_deleted(inspector: Face, store: Store, state: str) -> None:
    """SE-13, SE-14: under asynq its id is a conflict for ever."""
    await store.command("HSET", f"{ROOT}t:a", "result", "late", *(["state", state] if state else []))
    if state:
        await store.command("LPUSH", f"{ROOT}active", "a")
        await store.command("ZADD", f"{ROOT}lease", NOON, "a")
    await inspector.delete("q", "a")
    assert [] == await everywhere(store, "KEYS", f"{ROOT}*")


@pytest.mark.parametrize("method", ALL)
async def test_a_staged_task_leaves_its_set(inspector: Face, store: Store, method: str) -> None:
    """SE-65: it stands in a set beside its group; the set, empty then, is in no index any more."""
    await put_in_group(store, "g", "a")
    await store.command("DEL", f"{ROOT}g:g", f"{ROOT}groups")
    await store.command("ZADD", f"{ROOT}g:g:set", NOON, "a")
    await store.command("ZADD", f"{ROOT}aggregation_sets", NOON + 120, f"{ROOT}g:g:set")
    await getattr(inspector, method)("q", "a")
    left = {"run": {"pending", "t:a"}, "archive": {"archived", "t:a"}, "delete": set()}[method]
    assert {f"{ROOT}{name}" for name in left} == set(await dump(store, f"{ROOT}*"))


@pytest.mark.parametrize("key", ["asynq:{q}:pending", "asynq:{q}:archived", "onebeat:{q}:exact"])
@pytest.mark.parametrize("method", ALL)
async def test_a_key_of_a_foreign_type_stops_it_before_anything_moves(
    inspector: Face, store: Store, method: str, key: str
) -> None:
    """The store's own words, and nothing written."""
    await put_in(store, "retry", "a")
    await store.command("SET", key, "no list")
    before = await everything(store)
    with pytest.raises(BrokerError, match="WRONGTYPE"):
        await getattr(inspector, method)("q", "a")
    assert before == await everything(store)


async def test_cancel_frees_a_lock_that_stands_in_the_message_alone(inspector: Face, store: Store) -> None:
    """As Go writes it for tasks of a group (SE-11)."""
    await put_in_group(store, "g", "a", unique=3600)
    assert Cancellation.DELETED is await inspector.cancel("q", "a")
    left = [key for key in await everything(store) if not key.startswith(b"onebeat:test:now")]
    assert [b"asynq:queues"] == left


async def test_a_paused_queue_hands_out_nothing_until_it_is_resumed(inspector: Face, store: Store) -> None:
    """Go's servers see it, too: the key holds the second (protocol §10.5)."""
    await put(store, "a")
    await inspector.pause("q")
    assert b"%d" % NOON == await store.command("GET", f"{ROOT}paused")
    taken = await store.run(take("q", server="s", sequence=1, limit=1, lease_ms=15_000))
    assert ("paused", []) == (taken.status, taken.tasks)
    await inspector.resume("q")
    await grab(store, "a")


async def test_pausing_twice_is_told_in_asynqs_words(inspector: Face) -> None:
    """§10.8; a queue need not exist to be paused (§3.6)."""
    with pytest.raises(WrongState, match='queue "q" is not paused'):
        await inspector.resume("q")
    await inspector.pause("q")
    with pytest.raises(WrongState, match='queue "q" is already paused'):
        await inspector.pause("q")


@pytest.mark.parametrize("method", ["run_all", "archive_all", "delete_all"])
async def test_a_state_without_tasks_is_none_to_do(inspector: Face, store: Store, method: str) -> None:
    """Zero, where the queue is known."""
    await store.command("SADD", "asynq:queues", "q")
    heard: list[Any] = []
    assert 0 == await getattr(inspector, method)("q", "retry", progress=lambda *words: heard.append(words))
    assert [] == heard
