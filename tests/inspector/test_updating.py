"""`update`: one atomic change of a task that waits, and its move to another queue."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from onebeat.broker.call import Call
from onebeat.broker.consume import Outcome, take
from onebeat.broker.maintain import maintain
from onebeat.broker.store import Store
from onebeat.errors import (
    BrokerError,
    BrokerUnavailable,
    DuplicateTask,
    InvalidTask,
    PayloadError,
    TaskIdConflict,
    TaskNotFound,
    WrongState,
)
from onebeat.inspector.inspector import Inspector
from onebeat.options import Unique
from onebeat.states import TaskState
from onebeat.wire.message import decode
from tests.anywhere import everywhere
from tests.conftest import NOON, Clock
from tests.inspector.conftest import Face, check_places, end, everything, grab, put, put_in, put_in_group

ROOT = "asynq:{q}:"
CHANGEABLE = ("pending", "scheduled", "retry", "archived", "aggregating")


def at(seconds: float) -> datetime:
    return datetime.fromtimestamp(NOON + seconds, UTC)


async def locks(store: Store, queue: str = "q") -> dict[str, str]:
    """Return the unique locks of a queue: the last part of the key, and who holds it."""
    root = f"asynq:{{{queue}}}:unique:t:"
    names = await everywhere(store, "KEYS", f"{root}*")
    return {name.decode().removeprefix(root): (await store.command("GET", name)).decode() for name in names}


X, Y = "9dd4e461268c8034f5c8564e155c67a6", "415290769594460e2e485922904f345d"
"""The digests of "x" and "y"."""


@pytest.mark.parametrize("state", CHANGEABLE)
async def test_message_and_options_change_where_a_task_waits(inspector: Face, store: Store, state: str) -> None:
    """What is not named stays, its place among it; the id, type and queue are what they were."""
    for name in ("before", "a", "after"):
        await put_in(store, state, name, timeout=60, headers={"old": "1"}, max_retry=7)
    places = [await store.command("DUMP", f"{ROOT}{name}") for name in ("pending", "scheduled", "retry", "archived")]
    was = await inspector.task("q", "a")
    new = await inspector.update(
        "q", "a", payload={"n": 1}, max_retry=2, timeout=1.5, deadline=at(900), retention=timedelta(hours=1),
        headers={"new": "2"},
    )  # fmt: skip
    assert (b'{"n":1}', 2, timedelta(seconds=2), at(900), timedelta(hours=1), {"new": "2"}) == (
        new.payload, new.max_retry, new.timeout, new.deadline, new.retention, new.headers,
    )  # fmt: skip
    assert b"1500" == await store.command("HGET", f"{ROOT}t:a", "ob_timeout_ms")
    same = ("id", "queue", "type", "state", "next_process_at", "group", "retried", "last_error")
    assert [getattr(was, name) for name in same] == [getattr(new, name) for name in same]
    assert places == [
        await store.command("DUMP", f"{ROOT}{name}") for name in ("pending", "scheduled", "retry", "archived")
    ]
    assert new == await inspector.task("q", "a")
    same_again = await inspector.update("q", "a", timeout=3)
    assert None is await store.command("HGET", f"{ROOT}t:a", "ob_timeout_ms")
    assert (2, {"new": "2"}) == (same_again.max_retry, same_again.headers)


async def test_a_payload_may_be_bytes_none_or_anything_with_a_form(inspector: Face, store: Store) -> None:
    """As for `Task`."""
    await put(store, "a")
    assert b"\0raw" == (await inspector.update("q", "a", payload=b"\0raw")).payload
    assert b"" == (await inspector.update("q", "a", payload=None)).payload
    assert b"[1,2]" == (await inspector.update("q", "a", payload=[1, 2])).payload


@pytest.mark.parametrize("state", ["scheduled", "retry"])
async def test_a_due_time_moves_either_way(inspector: Face, store: Store, clock: Clock, state: str) -> None:
    """To the millisecond, in both of its places; an earlier one wakes who waits for it."""
    await put_in(store, state, "a")
    heard = store.listen("onebeat:wake")
    await anext(heard)
    later = await inspector.update("q", "a", process_at=at(5000.25))
    assert (TaskState(state), at(5000.25)) == (later.state, later.next_process_at)
    assert NOON + 5001 == int(await store.command("ZSCORE", ROOT + state, "a"))
    sooner = await inspector.update("q", "a", process_in=1.5)
    assert (TaskState(state), at(1.5)) == (sooner.state, sooner.next_process_at)
    assert ("onebeat:wake", b"q") == await anext(heard)
    await heard.aclose()  # type: ignore[attr-defined] # an async generator has it
    await clock.advance(1.4)
    assert 0 == (await store.run(maintain("q", max_crashes=5))).forwarded
    await clock.advance(0.1)
    assert 1 == (await store.run(maintain("q", max_crashes=5))).forwarded


@pytest.mark.parametrize("state", ["scheduled", "retry"])
@pytest.mark.parametrize("when", [{"process_in": 0}, {"process_at": at(-60)}])
async def test_due_now_is_pending(inspector: Face, store: Store, state: str, when: dict[str, Any]) -> None:
    """At once, rather than at the next upkeep."""
    await put_in(store, state, "a")
    assert TaskState.PENDING is (await inspector.update("q", "a", **when)).state
    assert 1 == await check_places(store)
    assert 0 == await store.command("EXISTS", "onebeat:{q}:exact")
    await grab(store, "a")


async def test_a_pending_task_can_be_put_off(inspector: Face, store: Store) -> None:
    """It is scheduled; due now it stays where it is."""
    for name in ("a", "b"):
        await put(store, name)
    assert TaskState.PENDING is (await inspector.update("q", "a", process_in=0)).state
    off = await inspector.update("q", "b", process_in=60)
    assert (TaskState.SCHEDULED, at(60), None) == (off.state, off.next_process_at, off.pending_since)
    assert 2 == await check_places(store)


async def test_a_task_of_a_group_that_is_put_off_joins_it_again(inspector: Face, store: Store, clock: Clock) -> None:
    """When it is due; the empty group is listed no longer meanwhile."""
    await put_in_group(store, "g", "a")
    assert TaskState.SCHEDULED is (await inspector.update("q", "a", process_in=60)).state
    assert ([], 1) == (await inspector.groups("q"), await check_places(store))
    await clock.advance(61)
    await store.run(maintain("q", max_crashes=5))
    assert [("g", 1)] == [(group.name, group.size) for group in await inspector.groups("q")]
    assert 1 == await check_places(store)


async def test_expiry_counts_from_when_it_is_due(inspector: Face, store: Store) -> None:
    """By seconds from the time it has or is given; or an instant."""
    await put(store, "a", process_in=100)
    assert at(110) == (await inspector.update("q", "a", expires=10)).expires_at
    assert at(210) == (await inspector.update("q", "a", expires=10, process_in=200)).expires_at
    assert at(7) == (await inspector.update("q", "a", expires=at(7))).expires_at


# ---------------------------------------------------------------------------------------------- locks


@pytest.mark.parametrize("state", CHANGEABLE)
async def test_the_lock_goes_along_with_the_payload(inspector: Face, store: Store, state: str) -> None:
    """SE-12: under asynq the old payload stays blocked, and the new one is not protected."""
    await put_in(store, state, "a", b"x", unique=3600)
    assert {X: "a"} == await locks(store)
    left = await store.command("PTTL", f"{ROOT}unique:t:{X}")
    await inspector.update("q", "a", payload=b"y")
    assert {Y: "a"} == await locks(store)
    assert f"{ROOT}unique:t:{Y}" == decode(await store.command("HGET", f"{ROOT}t:a", "msg")).unique_key
    assert left - 60_000 < await store.command("PTTL", f"{ROOT}unique:t:{Y}") <= left
    assert "duplicate a" == await put(store, "b", b"y", unique=60)
    await inspector.delete("q", "a")
    assert {} == await locks(store)


async def test_a_payload_whose_lock_is_held_is_refused_before_anything_is_written(
    inspector: Face, store: Store
) -> None:
    """The error names the holder."""
    await put(store, "a", b"x", unique=3600, process_in=60)
    await put(store, "b", b"y", unique=3600)
    before = await everything(store)
    with pytest.raises(
        DuplicateTask, match="task 'a' of queue 'q' was left as it is: task already exists, b holds"
    ) as refusal:
        await inspector.update("q", "a", payload=b"y", process_in=5, max_retry=1, timeout=0.5)
    assert "b" == refusal.value.holder
    assert before == await everything(store)


async def test_a_lock_that_is_another_tasks_by_now_stays_its(inspector: Face, store: Store) -> None:
    """SE-52: the task's own ran out; none is taken for the new payload."""
    await put(store, "a", b"x", unique=3600)
    await store.command("SET", f"{ROOT}unique:t:{X}", "other")
    await inspector.update("q", "a", payload=b"y")
    assert {X: "other"} == await locks(store)


async def test_a_lock_on_a_key_of_its_own_does_not_follow_the_payload(inspector: Face, store: Store) -> None:
    """It stands for what it names."""
    await put(store, "a", b"x", unique=Unique(3600, key="customer 7"))
    before = await locks(store)
    await inspector.update("q", "a", payload=b"y")
    assert before == await locks(store)


async def test_a_lock_until_the_start_is_freed_at_the_start(inspector: Face, store: Store) -> None:
    """Under its new name."""
    await put(store, "a", b"x", unique=Unique(3600, until="start"))
    await inspector.update("q", "a", payload=b"y")
    await grab(store, "a")
    assert {} == await locks(store)


# ---------------------------------------------------------------------------------------------- refusals


@pytest.mark.parametrize("state", ["active", "completed"])
@pytest.mark.parametrize("change", [{"payload": b"y"}, {"process_in": 5}, {"move_to": "p"}])
async def test_what_runs_or_is_completed_is_left_as_it_is(
    inspector: Face, store: Store, state: str, change: dict[str, Any]
) -> None:
    """Nobody changes what somebody else works on."""
    await put_in(store, state, "a", retention=3600)
    before = await everything(store)
    with pytest.raises(WrongState, match=r"task 'a' of queue 'q' was left as it is: it is (running|completed)"):
        await inspector.update("q", "a", **change)
    assert before == await everything(store)


@pytest.mark.parametrize("change", [{"process_in": 5}, {"process_in": 0}, {"move_to": "p"}])
async def test_an_archived_task_is_not_due(inspector: Face, store: Store, change: dict[str, Any]) -> None:
    """It is run first."""
    await put_in(store, "archived", "a")
    before = await everything(store)
    with pytest.raises(WrongState, match=r"it is archived.*run it first"):
        await inspector.update("q", "a", **change)
    assert before == await everything(store)


async def test_a_staged_task_is_not_put_off(inspector: Face, store: Store) -> None:
    """SE-65: it is being aggregated; its payload may still be changed."""
    await put_in_group(store, "g", "a")
    await store.command("DEL", f"{ROOT}g:g", f"{ROOT}groups")
    await store.command("ZADD", f"{ROOT}g:g:set", NOON, "a")
    with pytest.raises(WrongState, match="it is being aggregated"):
        await inspector.update("q", "a", process_in=60)
    assert b"y" == (await inspector.update("q", "a", payload=b"y")).payload


async def test_bytes_that_are_no_message_cannot_be_changed(inspector: Face, store: Store) -> None:
    """The sentence says what can be done."""
    await put(store, "a")
    await store.command("HSET", f"{ROOT}t:a", "msg", b"\xff")
    with pytest.raises(WrongState, match=r"cannot be changed: 1 bytes are no TaskMessage.*delete it"):
        await inspector.update("q", "a", payload=b"y")


@pytest.mark.parametrize("change", [{"payload": b"y"}, {"move_to": "p"}])
async def test_a_task_that_is_not_there(inspector: Face, store: Store, change: dict[str, Any]) -> None:
    """Is not found."""
    await put(store, "a")
    with pytest.raises(TaskNotFound, match="task 'b' is not in queue 'q'"):
        await inspector.update("q", "b", **change)


# ---------------------------------------------------------------------------------------------- others, meanwhile

Hook = Callable[[Store, Call[Any]], Any]


def before_script(monkeypatch: pytest.MonkeyPatch, script: str, hook: Hook) -> None:
    """Do something each time before a script is run."""
    real = Store.run

    async def run(self: Store, call: Call[Any]) -> Any:
        if call.script == script:
            with monkeypatch.context() as undone:
                undone.setattr(Store, "run", real)
                await hook(self, call)
        return await real(self, call)

    monkeypatch.setattr(Store, "run", run)


async def test_a_change_of_others_is_not_undone(store: Store, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    """An update that read before another one wrote is made again: both are in."""
    await put(store, "a", process_in=60)
    others: Iterator[dict[str, Any]] = iter([{"max_retry": 1}, {"headers": {"by": "other"}}])

    async def other(store: Store, call: Call[Any]) -> None:
        change = next(others, None)
        if change:
            await Inspector(store).update("q", "a", **change)

    before_script(monkeypatch, "update", other)
    new = await Inspector(store).update("q", "a", payload=b"mine")
    assert (b"mine", 1, {"by": "other"}) == (new.payload, new.max_retry, new.headers)


async def test_an_update_gives_up_in_the_end(store: Store, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> None:
    """Rather than try for ever against somebody who is always faster."""
    await put(store, "a", process_in=60)
    numbers = iter(range(1000))

    async def other(store: Store, call: Call[Any]) -> None:
        await Inspector(store).update("q", "a", max_retry=next(numbers))

    before_script(monkeypatch, "update", other)
    with pytest.raises(BrokerError, match="was changed by others 10 times meanwhile"):
        await Inspector(store).update("q", "a", payload=b"mine")


async def test_a_task_that_is_taken_meanwhile_is_left_to_who_took_it(
    store: Store, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Its message is not touched."""
    await put(store, "a")

    async def other(store: Store, call: Call[Any]) -> None:
        await grab(store, "a")

    before_script(monkeypatch, "update", other)
    with pytest.raises(WrongState, match="it is running"):
        await Inspector(store).update("q", "a", payload=b"y")
    assert b"x" == (await Inspector(store).task("q", "a")).payload


async def test_updates_at_once_are_all_made(store: Store, clock: Clock) -> None:
    """Of different things, by eight writers: each is in."""
    await put(store, "a", process_in=60)
    inspector = Inspector(store)
    moment = at(900)
    await asyncio.gather(
        inspector.update("q", "a", max_retry=3), inspector.update("q", "a", retention=9),
        inspector.update("q", "a", headers={"h": "1"}), inspector.update("q", "a", deadline=moment),
        inspector.update("q", "a", payload=b"y"), inspector.update("q", "a", timeout=7),
        inspector.update("q", "a", process_in=30), inspector.update("q", "a", expires=moment),
    )  # fmt: skip
    new = await inspector.task("q", "a")
    assert (3, timedelta(seconds=9), {"h": "1"}, moment, b"y", timedelta(seconds=7), at(30), moment) == (
        new.max_retry, new.retention, new.headers, new.deadline, new.payload, new.timeout, new.next_process_at,
        new.expires_at,
    )  # fmt: skip


# ---------------------------------------------------------------------------------------------- moving


@pytest.mark.parametrize("state", ["pending", "scheduled", "retry"])
async def test_a_task_moves_with_all_that_is_its_own(inspector: Face, store: Store, state: str) -> None:
    """Due as before, with its options, its private limits and its lock; nothing stays behind."""
    await put_in(store, state, "a", b"x", timeout=0.25, expires=9000, unique=7200, retention=60, headers={"h": "1"})
    was, left = await inspector.task("q", "a"), await store.command("PTTL", f"{ROOT}unique:t:{X}")
    new = await inspector.update("q", "a", move_to="p")
    place = TaskState.PENDING if state == "pending" else TaskState.SCHEDULED
    assert ("p", place, was.next_process_at, was.expires_at) == (
        new.queue,
        new.state,
        new.next_process_at,
        new.expires_at,
    )
    same = ("id", "type", "payload", "timeout", "retention", "headers", "retried", "max_retry", "last_failed_at")
    assert [getattr(was, name) for name in same] == [getattr(new, name) for name in same]
    assert b"250" == await store.command("HGET", "asynq:{p}:t:a", "ob_timeout_ms")
    assert ({}, {X: "a"}) == (await locks(store), await locks(store, "p"))
    assert left - 60_000 < await store.command("PTTL", f"asynq:{{p}}:unique:t:{X}") <= left + 1
    assert (0, 1) == (await check_places(store), await check_places(store, "p"))
    assert ["p", "q"] == await inspector.queues()
    assert "p" == decode(await store.command("HGET", "asynq:{p}:t:a", "msg")).queue


async def test_a_task_moves_with_its_past(inspector: Face, store: Store) -> None:
    """Its attempts, byte for byte, how often it crashed and failed softly, and how far it had come."""
    await put_in(store, "retry", "a", b"x")
    past = {b"ob_attempts": b"1\nretried \xff{}\n", b"ob_crash": b"2", b"ob_soft": b"3", b"ob_progress": b"1 0.5 half"}
    await store.command("HSET", f"{ROOT}t:a", *(part for pair in past.items() for part in pair))
    info = await inspector.update("q", "a", move_to="p")
    assert list(past.values()) == await store.command("HMGET", "asynq:{p}:t:a", *past)
    assert (2, 3) == (info.crashes, info.soft_failures)


async def test_a_move_may_change_it_as_well(inspector: Face, store: Store) -> None:
    """All that `update` can."""
    await put(store, "a", b"x", unique=60)
    new = await inspector.update("q", "a", move_to="p", payload=b"y", process_in=90, max_retry=1, expires=5)
    assert (b"y", at(90), 1, at(95)) == (new.payload, new.next_process_at, new.max_retry, new.expires_at)
    assert {Y: "a"} == await locks(store, "p")


async def test_a_move_to_where_it_is_is_none(inspector: Face, store: Store) -> None:
    """The task keeps its place."""
    await put(store, "a")
    assert ("q", b"y") == ((new := await inspector.update("q", "a", move_to="q", payload=b"y")).queue, new.payload)


@pytest.mark.parametrize("state", ["pending", "scheduled", "retry"])
async def test_a_move_that_is_refused_leaves_it_as_it_was(inspector: Face, store: Store, state: str) -> None:
    """An id or a lock is taken in the other queue: the task is due when it was."""
    await put_in(store, state, "a", b"x", unique=3600)
    await put(store, "a", queue="p")
    due = (await inspector.task("q", "a")).next_process_at
    with pytest.raises(TaskIdConflict, match="task 'a' was not moved to queue 'p': another task of that id is there"):
        await inspector.update("q", "a", move_to="p")
    await inspector.delete("p", "a")
    await put(store, "b", b"x", queue="p", unique=3600)
    with pytest.raises(DuplicateTask, match="task 'a' was not moved to queue 'p': task b holds its unique lock there"):
        await inspector.update("q", "a", move_to="p")
    info = await inspector.task("q", "a")
    assert (TaskState(state), due, {X: "a"}) == (info.state, info.next_process_at, await locks(store))
    assert (1, 1) == (await check_places(store), await check_places(store, "p"))


@pytest.mark.parametrize("script", ["update", "carry", "enqueue", "moved"])
async def test_a_move_that_is_cut_short_is_finished_by_the_same_call(
    store: Store, clock: Clock, monkeypatch: pytest.MonkeyPatch, script: str
) -> None:
    """Wherever it broke: the task is in the old queue, or in both, never in none; nobody can take it meanwhile."""
    await put(store, "a", b"x", unique=3600)

    async def cut(store: Store, call: Call[Any]) -> None:
        raise asyncio.CancelledError

    with monkeypatch.context() as undone:
        before_script(undone, script, cut)
        with pytest.raises(asyncio.CancelledError):
            await Inspector(store).update("q", "a", move_to="p")
    assert 1 == await check_places(store)
    assert (1 if script == "moved" else 0) == await check_places(store, "p")
    taken = await store.run(take("q", server="s", sequence=1, limit=5, lease_ms=60_000))
    if script == "update":
        assert ["a"] == [task.id for task in taken.tasks]
        return
    assert [] == taken.tasks
    new = await Inspector(store).update("q", "a", move_to="p")
    assert "p" == new.queue
    assert (0, 1) == (await check_places(store), await check_places(store, "p"))
    assert ({}, {X: "a"}) == (await locks(store), await locks(store, "p"))


async def test_a_move_that_nobody_finishes_runs_a_minute_later(
    store: Store, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where it was."""
    await put(store, "a")

    async def cut(store: Store, call: Call[Any]) -> None:
        raise asyncio.CancelledError

    before_script(monkeypatch, "enqueue", cut)
    with pytest.raises(asyncio.CancelledError):
        await Inspector(store).update("q", "a", move_to="p")
    await clock.advance(60)
    await store.run(maintain("q", max_crashes=5))
    await grab(store, "a")


async def test_a_task_that_is_taken_in_spite_of_all_is_taken_once(
    store: Store, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By an operator's `run` in between: the copy is deleted again."""
    await put(store, "a")

    async def other(store: Store, call: Call[Any]) -> None:
        if call.queue == "q":
            await Inspector(store).run("q", "a")
            await grab(store, "a")

    before_script(monkeypatch, "moved", other)
    with pytest.raises(WrongState, match="was not moved: it was taken meanwhile"):
        await Inspector(store).update("q", "a", move_to="p")
    assert (1, 0) == (await check_places(store), await check_places(store, "p"))


async def test_a_store_that_fails_while_it_moves_is_told(
    store: Store, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And the task is due again as it was."""
    await put(store, "a", process_in=5)

    async def fail(store: Store, call: Call[Any]) -> None:
        raise BrokerUnavailable("gone")

    before_script(monkeypatch, "enqueue", fail)
    with pytest.raises(BrokerUnavailable, match="gone"):
        await Inspector(store).update("q", "a", move_to="p")
    assert at(5) == (await Inspector(store).task("q", "a")).next_process_at


async def test_a_task_of_a_group_does_not_move(inspector: Face, store: Store) -> None:
    """Groups are of one queue."""
    await put_in_group(store, "g", "a")
    with pytest.raises(WrongState, match="was not moved: it is of group 'g'; run it first"):
        await inspector.update("q", "a", move_to="p")


@pytest.mark.parametrize("state", ["pending", "retry"])
async def test_a_member_that_was_run_by_itself_moves(inspector: Face, store: Store, clock: Clock, state: str) -> None:
    """As the refusal says: run it first. In its new queue it joins no group either."""
    await put_in_group(store, "g", "a")
    await inspector.run("q", "a")
    if state == "retry":
        await end(store, "a", Outcome.RETRY, 60_000)
    await inspector.update("q", "a", move_to="p")
    with pytest.raises(TaskNotFound):
        await inspector.task("q", "a")
    await clock.advance(61)
    await store.run(maintain("p", max_crashes=5))
    assert (TaskState.PENDING, []) == ((await inspector.task("p", "a")).state, await inspector.groups("p"))


BAD: list[tuple[dict[str, Any], type[Exception], str]] = [
    ({}, InvalidTask, "update has nothing to change"),
    ({"max_retry": None}, InvalidTask, "update has nothing to change"),
    ({"max_retry": -1}, InvalidTask, "option max_retry is -1"),
    ({"timeout": "soon"}, InvalidTask, "option timeout is 'soon'"),
    ({"process_in": -1}, InvalidTask, "option process_in is -1"),
    ({"process_in": 1, "process_at": at(1)}, InvalidTask, "exclude each other"),
    ({"process_at": datetime(2030, 1, 1)}, InvalidTask, "has no time zone"),  # noqa: DTZ001 - the mistake
    ({"deadline": 5}, InvalidTask, "option deadline is 5"),
    ({"headers": {"a": 1}}, InvalidTask, "header 'a' is 1"),
    ({"retention": float("nan")}, InvalidTask, "option retention is nan"),
    ({"expires": 0}, InvalidTask, "option expires is 0"),
    ({"move_to": " "}, InvalidTask, "queue name is ' '"),
    ({"move_to": "a{b"}, InvalidTask, "leave out braces"),
    ({"unique": 5}, InvalidTask, "option unique is unknown"),
    ({"retries": 5}, InvalidTask, "did you mean max_retry"),
    ({"payload": object()}, PayloadError, "has no JSON form"),
    ({"payload": b"x" * 8_000_001}, PayloadError, "payload has 8000001 bytes, the limit is 8000000"),
]


@pytest.mark.parametrize(("change", "kind", "sentence"), BAD)
async def test_a_change_that_cannot_be_is_refused_before_anything_is_written(
    inspector: Face, store: Store, change: dict[str, Any], kind: type[Exception], sentence: str
) -> None:
    """By its name and value."""
    await put(store, "a")
    before = await everything(store)
    with pytest.raises(kind, match=sentence):
        await inspector.update("q", "a", **change)
    assert before == await everything(store)


async def test_a_key_of_a_foreign_type_stops_it_before_anything_is_written(inspector: Face, store: Store) -> None:
    """The lock is not renamed either."""
    await put(store, "a", b"x", unique=60, process_in=60)
    await store.command("SET", f"{ROOT}retry", "no zset")
    before = await everything(store)
    with pytest.raises(BrokerError, match="WRONGTYPE"):
        await inspector.update("q", "a", payload=b"y")
    assert before == await everything(store)


@pytest.mark.parametrize("state", ["pending", "aggregating", "scheduled"])
async def test_now_is_now_within_a_millisecond_too(inspector: Face, store: Store, clock: Clock, state: str) -> None:
    """What is pending or in its group stays where it stands; what waits for its time is pending."""
    await clock.advance(0.0005)
    await put_in(store, state, "a")
    if state != "scheduled":
        await put_in(store, state, "b")
    assert ("pending" if state == "scheduled" else state) == (await inspector.update("q", "a", process_in=0)).state
    assert 0 == await store.command("ZCARD", "onebeat:{q}:exact")


async def test_a_task_that_is_put_off_is_of_its_group_only_if_it_was(
    inspector: Face, store: Store, clock: Clock
) -> None:
    """One out of a group joins it again; one that Go ran by itself stays out (SE-22)."""
    await put_in_group(store, "g", "member")
    await put(store, "alone")
    await store.command("HSET", "asynq:{q}:t:alone", "group", "g")  # as asynq's runTask leaves it
    for task_id in ("member", "alone"):
        assert "scheduled" == (await inspector.update("q", task_id, process_in=60)).state
    await clock.advance(60)
    await store.run(maintain("q", max_crashes=5))
    assert [b"member"] == await store.command("ZRANGE", "asynq:{q}:g:g", 0, -1)
    assert [b"alone"] == await store.command("LRANGE", "asynq:{q}:pending", 0, -1)
