"""take, extend, finish: every answer and every key afterwards (protocol §3.3; mechanism-rules 1, 2, 4 to 8, 20, 21)."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from onebeat.broker.consume import Finished, Outcome, Taken, extend, finish, take
from onebeat.broker.maintain import maintain
from onebeat.broker.produce import NewTask, enqueue
from onebeat.broker.store import Store
from onebeat.wire.message import TaskMessage, encode
from tests.anywhere import everywhere
from tests.broker.test_scripts_produce import dump, pairs
from tests.conftest import NOON, Clock


def message(task_id: str = "a", **fields: Any) -> bytes:
    return encode(TaskMessage(type="t", id=task_id, queue="q", retry=3, timeout=1800, **fields))


async def put(store: Store, *ids: str, queue: str = "q", **fields: Any) -> None:
    tasks = [NewTask(id_, message(id_), **fields) for id_ in ids]
    answers = await store.run(enqueue(queue, client=f"c{ids[0]}", sequence=1, tasks=tasks))
    assert {"pending"} == {answer.status for answer in answers}


async def grab(store: Store, *, server: str = "s", sequence: int = 1, limit: int = 10, lease_ms: int = 30_000) -> Taken:
    return await store.run(take("q", server=server, sequence=sequence, limit=limit, lease_ms=lease_ms))


def ids(taken: Taken) -> list[str]:
    return [task.id for task in taken.tasks]


async def end(store: Store, *items: Finished) -> list[str]:
    return await store.run(finish("q", items))


def outcome(kind: Outcome, task_id: str = "a", by: str = "s:1", **fields: Any) -> Finished:
    return Finished(task_id, by, kind, **fields)


async def test_takes_the_longest_waiting_first_up_to_the_limit(store: Store, clock: Clock) -> None:
    """Three of five, in the order they came; the rest stays where it was."""
    await put(store, *"abcde")
    assert list("abc") == ids(await grab(store, limit=3))
    assert [b"e", b"d"] == await store.command("LRANGE", "asynq:{q}:pending", 0, -1)
    assert [b"c", b"b", b"a"] == await store.command("LRANGE", "asynq:{q}:active", 0, -1)


async def test_a_taken_task_is_active_under_a_lease(store: Store, clock: Clock) -> None:
    """State, token and lease stand in the hash, the lease's whole second in `lease`; what was run-scoped is gone."""
    await put(store, "a")
    await store.command("HSET", "asynq:{q}:t:a", "ob_done", "x", "ob_prev", "x", "ob_progress", "x", "ob_crash", "2")
    await clock.set(NOON + 0.5)
    taken = await grab(store)
    assert ("taken", "s:1", 2) == (taken.status, taken.token, taken.tasks[0].crashes)
    found = await dump(store)
    assert [(b"a", NOON + 31.0)] == pairs(found["asynq:{q}:lease"])
    assert {b"msg", b"state", b"ob_own", b"ob_lease", b"ob_crash"} == found["asynq:{q}:t:a"].keys()
    assert (b"active", b"s:1", b"1900000031") == tuple(
        found["asynq:{q}:t:a"][name] for name in (b"state", b"ob_own", b"ob_lease")
    )


async def test_a_success_that_is_later_than_the_wait_is_refused(store: Store, clock: Clock) -> None:
    """Somebody has begun the task since, Go for one, and it waits again: its first holder has no say any more."""
    await put(store, "a")
    taken = await grab(store)
    await store.command("LREM", "asynq:{q}:active", 0, "a")
    await store.command("ZREM", "asynq:{q}:lease", "a")
    await store.command("RPUSH", "asynq:{q}:pending", "a")
    await store.command("HSET", "asynq:{q}:t:a", "state", "pending", "pending_since", "8", "ob_prev", "s:1@7")
    assert ["lost"] == await store.run(extend("q", [("a", taken.token)], lease_ms=30_000))
    assert ["lost"] == await end(store, outcome(Outcome.DONE))


async def test_what_belongs_to_one_run_goes_with_it(store: Store, clock: Clock) -> None:
    """Fields of an earlier run are gone when a task is taken; those of the task itself stay (rule 21)."""
    await put(store, "a")
    of_run = ("ob_done", "ob_prev", "ob_progress", "ob_cancel")
    of_task = ("ob_crash", "ob_timeout_ms", "ob_tick", "ob_unknown")
    await store.command("HSET", "asynq:{q}:t:a", *(word for name in (*of_run, *of_task) for word in (name, "7")))
    await grab(store)
    assert [None] * 4 == await store.command("HMGET", "asynq:{q}:t:a", *of_run)
    assert [b"7"] * 4 == await store.command("HMGET", "asynq:{q}:t:a", *of_task)


async def test_a_paused_queue_gives_nothing(store: Store, clock: Clock) -> None:
    """And says so."""
    await put(store, "a")
    await store.command("SET", "asynq:{q}:paused", "1")
    assert ("paused", []) == ((await grab(store)).status, (await grab(store, sequence=2)).tasks)


async def test_an_id_without_a_message_is_dropped(store: Store, clock: Clock) -> None:
    """It is not handed out, not active, and does not hide what waits behind it (SE-13)."""
    await store.command("RPUSH", "asynq:{q}:pending", "ghost")
    await put(store, "a")
    assert ["a"] == ids(await grab(store))
    assert [b"a"] == await store.command("LRANGE", "asynq:{q}:active", 0, -1)
    assert 0 == await store.command("EXISTS", "asynq:{q}:t:ghost")


async def test_a_fetch_stops_when_it_is_heavy(store: Store, clock: Clock) -> None:
    """Messages of 1.5 MB each: two fit into 4 MB; one always goes."""
    big = [NewTask(str(n), b"x" * 1_500_000) for n in range(4)]
    await store.run(enqueue("q", client="c", sequence=1, tasks=big))
    assert ["0", "1"] == ids(await grab(store))
    huge = NewTask("huge", b"x" * 5_000_000)
    await store.run(enqueue("h", client="c", sequence=1, tasks=[huge]))
    assert 1 == len((await store.run(take("h", server="s", sequence=1, limit=5, lease_ms=1000))).tasks)


async def test_a_lost_answer_is_asked_for_again(store: Store, clock: Clock) -> None:
    """The same sequence gives the same tasks under the same token, and pops nothing (mechanism-rules 6)."""
    await put(store, *"abc")
    first = await grab(store, limit=2)
    again = await grab(store, limit=2)
    assert [msgspec.structs.replace(task, since_ns=0) for task in first.tasks] == again.tasks  # it was forgotten
    assert [b"c"] == await store.command("LRANGE", "asynq:{q}:pending", 0, -1)
    assert None is await store.command("HGET", "asynq:{q}:t:a", "ob_crash")


async def test_an_overtaken_fetch_gives_nothing(store: Store, clock: Clock) -> None:
    """A sequence below the last one never pops."""
    await put(store, *"ab")
    await grab(store, sequence=5, limit=1)
    assert ("stale", []) == ((await grab(store, sequence=4)).status, (await grab(store, sequence=4)).tasks)
    assert 1 == await store.command("LLEN", "asynq:{q}:pending")


async def test_a_repeat_leaves_out_what_was_lost_meanwhile(store: Store, clock: Clock) -> None:
    """A task that another server has taken since is not handed out again."""
    await put(store, *"ab")
    await grab(store)
    await store.command("HSET", "asynq:{q}:t:a", "ob_own", "other:1")
    assert ["b"] == ids(await grab(store))


async def test_a_lease_is_extended_for_its_holder_only(store: Store, clock: Clock) -> None:
    """ok, lost to another token, and gone."""
    await put(store, *"ab")
    await grab(store)
    await clock.advance(10)
    answers = await store.run(extend("q", [("a", "s:1"), ("b", "other:9"), ("c", "s:1")], lease_ms=30_000))
    assert ["ok", "lost", "gone"] == answers
    leases = dict(pairs((await dump(store))["asynq:{q}:lease"]))
    assert {b"a": NOON + 40.0, b"b": NOON + 30.0} == leases
    assert b"1900000040" == await store.command("HGET", "asynq:{q}:t:a", "ob_lease")


async def go_takes(store: Store, task_id: str, lease: int) -> None:
    """Take a task as Go does: none of our fields are touched."""
    await store.command("RPUSH", "asynq:{q}:active", task_id)
    await store.command("HSET", f"asynq:{{q}}:t:{task_id}", "state", "active")
    await store.command("ZADD", "asynq:{q}:lease", lease, task_id)


async def test_a_recovered_task_that_still_waits_is_taken_back(store: Store, clock: Clock) -> None:
    """Its owner only slept: the extension takes it from the queue again, and forgives the crash that never was."""
    await put(store, "a", "b")
    taken = await grab(store, limit=1)
    await store.command("HSET", "onebeat:{q}:beat", "last", (NOON + 31) * 1000, "hold_until", 0)
    await clock.advance(31)
    await store.run(maintain("q", max_crashes=5))
    assert b"1" == await store.command("HGET", "asynq:{q}:t:a", "ob_crash")
    assert ["ok"] == await store.run(extend("q", [("a", taken.token)], lease_ms=30_000))
    assert ([b"b"], [b"a"]) == (
        await store.command("LRANGE", "asynq:{q}:pending", 0, -1),
        await store.command("LRANGE", "asynq:{q}:active", 0, -1),
    )
    fields = await store.command("HMGET", "asynq:{q}:t:a", "state", "ob_own", "ob_lease", "ob_crash", "ob_prev")
    assert [b"active", b"s:1", str(NOON + 61).encode(), b"0", None] == fields
    assert NOON + 61 == int(await store.command("ZSCORE", "asynq:{q}:lease", "a"))
    assert ["applied"] == await end(store, outcome(Outcome.DONE))


async def test_a_recovered_task_that_runs_elsewhere_is_lost(store: Store, clock: Clock) -> None:
    """Once another server has it, its first owner is told so."""
    await put(store, "a")
    taken = await grab(store)
    await store.command("HSET", "onebeat:{q}:beat", "last", (NOON + 31) * 1000, "hold_until", 0)
    await clock.advance(31)
    await store.run(maintain("q", max_crashes=5))
    assert ["a"] == ids(await grab(store, server="other"))
    assert ["lost"] == await store.run(extend("q", [("a", taken.token)], lease_ms=30_000))


async def test_gos_retake_is_noticed(store: Store, clock: Clock) -> None:
    """The token still stands, but the lease is not ours: neither extend nor finish touches it (mechanism-rules 1)."""
    await put(store, "a")
    await grab(store)
    await clock.advance(60)
    await go_takes(store, "a", NOON + 90)
    before = await dump(store)
    assert ["lost"] == await store.run(extend("q", [("a", "s:1")], lease_ms=30_000))
    assert ["lost"] == await end(store, outcome(Outcome.DONE))
    assert before == await dump(store)


async def test_a_lapsed_lease_that_nobody_recovered_is_renewed(store: Store, clock: Clock) -> None:
    """Being late is not losing."""
    await put(store, "a")
    await grab(store)
    await clock.advance(300)
    assert ["ok"] == await store.run(extend("q", [("a", "s:1")], lease_ms=30_000))


async def test_done_forgets_the_task(store: Store, clock: Clock) -> None:
    """Only the counters of all days and of this one remain; the day's expire in 90 days."""
    await put(store, "a")
    await grab(store)
    assert ["applied"] == await end(store, outcome(Outcome.DONE))
    assert {"asynq:{q}:processed": b"1", "asynq:{q}:processed:2030-03-17": b"1"} == await dump(store)
    assert NOON + 7_776_000 == await store.command("EXPIRETIME", "asynq:{q}:processed:2030-03-17")


async def test_only_its_own_lock_is_released(store: Store, clock: Clock) -> None:
    """A lock that somebody else holds by now stays."""
    for holder, left in (("a", 0), ("b", 1)):
        await everywhere(store, "FLUSHALL")
        await clock.set(NOON)
        await put(store, "a")
        await grab(store)
        await store.command("SET", "asynq:{q}:unique:t:x", holder)
        await end(store, outcome(Outcome.DONE, unique_key="asynq:{q}:unique:t:x"))
        assert left == await store.command("EXISTS", "asynq:{q}:unique:t:x")


async def test_a_requeue_goes_to_the_front_as_if_never_taken(store: Store, clock: Clock) -> None:
    """It runs next, with a fresh pending_since (SE-40), uncounted."""
    await put(store, *"abc")
    await grab(store, limit=1)
    assert ["applied"] == await end(store, outcome(Outcome.PENDING))
    assert [b"c", b"b", b"a"] == await store.command("LRANGE", "asynq:{q}:pending", 0, -1)
    assert [b"pending", b"1900000000000000000"] == await store.command(
        "HMGET", "asynq:{q}:t:a", "state", "pending_since"
    )
    assert None is await store.command("GET", "asynq:{q}:processed")


@pytest.mark.parametrize(
    ("kind", "counted", "crash"),
    [("failure", 1, None), ("soft", 0, None), ("waits", 0, None), ("unknown", 0, b"2"), ("apart", 0, b"2")],
)
async def test_kinds_of_retries(store: Store, clock: Clock, kind: str, counted: int, crash: bytes | None) -> None:
    """Only a failure counts; an unknown type is marked; one kept apart keeps its bytes and its crashes."""
    await put(store, "a")
    await store.command("HSET", "asynq:{q}:t:a", "ob_crash", "2")
    await grab(store)
    await end(store, outcome(Outcome.RETRY, head=b"H", tail=b"T", number=500, blob=kind))
    found = await dump(store, "*")
    task = found["asynq:{q}:t:a"]
    assert (message() if kind == "apart" else b"H\x58\x80\xe6\xfe\x89\x07T") == task[b"msg"]
    assert (crash, (b"1900000000000" if kind == "unknown" else None)) == (
        task.get(b"ob_crash"),
        task.get(b"ob_unknown"),
    )
    assert counted == int(found.get("asynq:{q}:failed", 0))
    assert (b"1" if kind == "soft" else None) == task.get(b"ob_soft")
    assert [(b"a", NOON * 1000 + 500.0)] == pairs(found["onebeat:{q}:exact"])


async def test_answers_of_a_repeat(store: Store, clock: Clock) -> None:
    """already for what still stands, gone for what was forgotten, lost for what another took (mechanism-rules 5)."""
    await put(store, *"abc")
    await grab(store)
    batch = [
        outcome(Outcome.DONE, "a"),
        outcome(Outcome.RETRY, "b", head=b"H", number=1000),
        outcome(Outcome.DONE, "c", "x:1"),
    ]
    assert ["applied", "applied", "lost"] == await end(store, *batch)
    before = await dump(store)
    assert ["gone", "already", "lost"] == await end(store, *batch)
    assert before == await dump(store)


async def test_a_late_success_counts_while_the_task_waits(store: Store, clock: Clock) -> None:
    """Recovered but not yet taken again, it is done after all; a late failure is not (mechanism-rules 5)."""
    await put(store, *"ab")
    await grab(store)
    for task_id in "ab":
        await store.command("LREM", "asynq:{q}:active", 0, task_id)
        await store.command("ZREM", "asynq:{q}:lease", task_id)
        await store.command("RPUSH", "asynq:{q}:pending", task_id)
        await store.command("HSET", f"asynq:{{q}}:t:{task_id}", "state", "pending", "pending_since", "7")
        await store.command("HSET", f"asynq:{{q}}:t:{task_id}", "ob_prev", "s:1@7", "ob_own", "")
    late = [outcome(Outcome.DONE, "a"), outcome(Outcome.RETRY, "b", head=b"H", number=1)]
    assert ["applied", "lost"] == await end(store, *late)
    assert [b"b"] == await store.command("LRANGE", "asynq:{q}:pending", 0, -1)


async def test_undecodable_bytes_are_archived_as_they_are(store: Store, clock: Clock) -> None:
    """The reason stands beside them, and the lock that the hash names is freed."""
    await put(store, "a", unique_key="asynq:{q}:unique:t:x", unique_ms=60_000)
    await store.command("HSET", "asynq:{q}:t:a", "msg", b"\xff")
    await grab(store)
    await end(store, outcome(Outcome.ARCHIVED, blob="no TaskMessage"))
    task = (await dump(store))["asynq:{q}:t:a"]
    assert (b"\xff", b"archived", b"no TaskMessage") == (task[b"msg"], task[b"state"], task[b"ob_error"])
    assert 0 == await store.command("EXISTS", "asynq:{q}:unique:t:x")


async def test_the_archive_is_trimmed_with_its_hashes(store: Store, clock: Clock) -> None:
    """What is older than 90 days goes, hash and all, at most 100 a call (SE-09, SE-10)."""
    for number in range(150):
        await store.command("ZADD", "asynq:{q}:archived", NOON - 7_776_001, f"old{number}")
        await store.command("HSET", f"asynq:{{q}}:t:old{number}", "msg", "x", "state", "archived")
    await put(store, *"ab")
    await grab(store)
    await end(store, outcome(Outcome.ARCHIVED, "a", head=message(), tail=b""))
    assert 51 == await store.command("ZCARD", "asynq:{q}:archived")
    await end(store, outcome(Outcome.ARCHIVED, "b", head=message("b"), tail=b""))
    assert {b"a", b"b"} == set(await store.command("ZRANGE", "asynq:{q}:archived", 0, -1))
    assert 2 == len(await everywhere(store, "KEYS", "asynq:{q}:t:*"))


async def test_what_is_trimmed_away_frees_its_lock(store: Store, clock: Clock) -> None:
    """If it is its own; a lock that another task holds, and a key that is none, stay."""
    for id_ in "abc":
        await store.command("ZADD", "asynq:{q}:archived", NOON - 7_776_001, id_)
        await store.command("HSET", f"asynq:{{q}}:t:{id_}", "msg", "x", "unique_key", f"asynq:{{q}}:unique:t:{id_}")
    await store.command("SET", "asynq:{q}:unique:t:a", "a")
    await store.command("SET", "asynq:{q}:unique:t:b", "other")
    await store.command("RPUSH", "asynq:{q}:unique:t:c", "c")
    await put(store, "new")
    await grab(store)
    await end(store, outcome(Outcome.ARCHIVED, "new", head=message("new"), tail=b""))
    assert [b"new"] == await store.command("ZRANGE", "asynq:{q}:archived", 0, -1)
    locks = await everywhere(store, "KEYS", "asynq:{q}:unique:*")
    assert [b"asynq:{q}:unique:t:b", b"asynq:{q}:unique:t:c"] == sorted(locks)


async def test_the_archive_holds_9999(store: Store, clock: Clock) -> None:
    """The oldest makes room for the newest (asynq: maxArchiveSize)."""
    entries: list[Any] = [word for number in range(9_999) for word in (NOON - 10_000 + number, f"x{number}")]
    await store.command("ZADD", "asynq:{q}:archived", *entries)
    await put(store, "a")
    await grab(store)
    await end(store, outcome(Outcome.ARCHIVED, head=message(), tail=b""))
    assert 9_999 == await store.command("ZCARD", "asynq:{q}:archived")
    assert None is await store.command("ZSCORE", "asynq:{q}:archived", "x0")


async def test_a_foreign_type_fails_before_anything_moves(store: Store, clock: Clock) -> None:
    """The task stays active and leased; its neighbour in the batch is written (mechanism-rules 8)."""
    await put(store, *"ab")
    await grab(store)
    await store.command("SET", "asynq:{q}:retry", "x")
    bad, good = await end(store, outcome(Outcome.RETRY, "a", head=b"H", number=1), outcome(Outcome.DONE, "b"))
    assert ("error", "applied") == (bad.split(" ")[0], good)
    assert [b"a"] == await store.command("LRANGE", "asynq:{q}:active", 0, -1)
    assert NOON + 30 == int(await store.command("ZSCORE", "asynq:{q}:lease", "a"))


async def test_totals_start_again_before_they_overflow(store: Store, clock: Clock) -> None:
    """At 2^63 - 1 both become what is added now (asynq: doneCmd)."""
    await put(store, "a")
    await grab(store)
    await store.command("SET", "asynq:{q}:processed", str(2**63 - 1))
    await store.command("SET", "asynq:{q}:failed", "77")
    await end(store, outcome(Outcome.RETRY, head=b"H", number=1, blob="failure"))
    assert [b"1", b"1"] == await store.command("MGET", "asynq:{q}:processed", "asynq:{q}:failed")


@pytest.mark.parametrize("tail_first", [False, True])
async def test_an_id_is_found_from_either_side(store: Store, clock: Clock, tail_first: bool) -> None:
    """The direction is a matter of speed only (mechanism-rules 25)."""
    await put(store, *"abc")
    await grab(store)
    assert ["applied"] == await end(store, outcome(Outcome.DONE, "b", tail_first=tail_first))
    assert [b"c", b"a"] == await store.command("LRANGE", "asynq:{q}:active", 0, -1)


async def test_work_ends_and_begins_while_the_store_is_full(store: Store, clock: Clock) -> None:
    """Taking, extending and finishing go through, so that a full store can become empty (mechanism-rules 4)."""
    await put(store, *"abc")
    await everywhere(store, "CONFIG", "SET", "maxmemory", "1")
    try:
        assert ["a", "b"] == ids(await grab(store, limit=2))
        assert ["ok"] == await store.run(extend("q", [("a", "s:1")], lease_ms=30_000))
        batch = [
            outcome(Outcome.DONE, "a"),
            outcome(Outcome.RETRY, "b", head=message("b"), number=1000, blob="failure"),
        ]
        assert ["applied", "applied"] == await end(store, *batch)
    finally:
        await everywhere(store, "CONFIG", "SET", "maxmemory", "0")


async def test_what_a_full_archive_drops_at_once_leaves_nothing_behind(store: Store, clock: Clock) -> None:
    """Of two that are archived in one second it keeps one; the other has no record that nobody would delete."""
    await put(store, "b", "a")
    taken = await grab(store)
    await store.command("HSET", "onebeat:{q}:limits", "size", "1", "age", "0")
    spoiled = [Finished(id_, taken.token, Outcome.ARCHIVED, blob="spoiled") for id_ in ("b", "a")]
    assert ["applied", "applied"] == await store.run(finish("q", spoiled, [(1, "{}"), (2, "{}")]))
    assert [b"b"] == await store.command("ZRANGE", "asynq:{q}:archived", 0, -1)
    assert 0 == await store.command("EXISTS", "asynq:{q}:t:a")
