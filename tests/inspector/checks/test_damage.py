"""
Damage, made by hand in a live store: it is found, named, and mended, each task where it belongs.

`check_places` is the judge: after a repair every record is listed once, where its state says.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable

import pytest

from onebeat.broker.browse import info
from onebeat.broker.maintain import maintain
from onebeat.broker.store import Store
from onebeat.wire.message import TaskMessage, decode
from tests.conftest import NOON, Clock
from tests.inspector.conftest import Face, check_places, everything, grab, put, put_in, put_in_group

ROOT = "asynq:{q}:"

Break = Callable[[Store], Awaitable[None]]


async def lose(store: Store, *places: str) -> None:
    for place in places:
        verb = ("LREM", ROOT + place, 0, "a") if place in ("pending", "active") else ("ZREM", ROOT + place, "a")
        await store.command(*verb)


def lost_from(state: str) -> Break:
    async def damage(store: Store) -> None:
        await put_in(store, state, "a")
        await lose(store, *(["active", "lease"] if state == "active" else [state]))

    return damage


async def lost_scheduled_in_time(store: Store) -> None:
    """Its exact time is still known."""
    await put_in(store, "scheduled", "a")
    await lose(store, "scheduled")


async def lost_time(store: Store) -> None:
    """As one that Go scheduled: nothing but its score had the time."""
    await put_in(store, "scheduled", "a")
    await lose(store, "scheduled")
    await store.command("ZREM", "onebeat:{q}:exact", "a")


async def lost_retry_time(store: Store) -> None:
    await put_in(store, "retry", "a")
    await lose(store, "retry")
    await store.command("ZREM", "onebeat:{q}:exact", "a")


async def lost_member(store: Store) -> None:
    await put_in_group(store, "g", "a")
    await put_in_group(store, "g", "b")
    await store.command("ZREM", ROOT + "g:g", "a")


async def trimmed(store: Store) -> None:
    """asynq's inspector trims the archive and leaves the records, with their locks."""
    await put(store, "a", unique=3600)
    await store.command("LREM", ROOT + "pending", 0, "a")
    await store.command("HSET", ROOT + "t:a", "state", "archived")
    await put_in(store, "archived", "newest")
    await store.command("HSET", "onebeat:{q}:limits", "size", 1, "age", 0)


async def expired(store: Store) -> None:
    """Its retention is over."""
    await put_in(store, "completed", "a")
    await lose(store, "completed")
    message = TaskMessage.FromString(await store.command("HGET", ROOT + "t:a", "msg"))
    message.retention, message.completed_at = 10, NOON - 100
    await store.command("HSET", ROOT + "t:a", "msg", message.SerializeToString())


async def kept(store: Store) -> None:
    """Its retention is not over."""
    await expired(store)
    message = TaskMessage.FromString(await store.command("HGET", ROOT + "t:a", "msg"))
    message.retention = 7200
    await store.command("HSET", ROOT + "t:a", "msg", message.SerializeToString())


async def unknown_state(store: Store) -> None:
    await put(store, "a")
    await lose(store, "pending")
    await store.command("HSET", ROOT + "t:a", "state", "sleeping")


async def no_state(store: Store) -> None:
    await put(store, "a")
    await lose(store, "pending")
    await store.command("HDEL", ROOT + "t:a", "state")


LOST: list[tuple[Break, str]] = [
    (lost_from("pending"), "pending"),
    (lost_from("active"), "active"),
    (lost_scheduled_in_time, "scheduled"),
    (lost_time, "archived"),
    (lost_from("retry"), "retry"),
    (lost_retry_time, "retry"),
    (lost_from("archived"), "archived"),
    (lost_member, "aggregating"),
    (trimmed, "deleted"),
    (expired, "deleted"),
    (kept, "completed"),
    (unknown_state, "archived"),
    (no_state, "archived"),
]


async def active_in_archive(store: Store) -> None:
    """asynq's worker archives half-way: the id is in the archive, the state still says active (SE-09)."""
    await put_in(store, "active", "a")
    await lose(store, "active", "lease")
    await store.command("ZADD", ROOT + "archived", NOON, "a")


async def twice_pending(store: Store) -> None:
    await put(store, "a")
    await store.command("LPUSH", ROOT + "pending", "a")


async def pending_and_retry(store: Store) -> None:
    await put(store, "a")
    await store.command("ZADD", ROOT + "retry", NOON, "a")


async def pending_while_active(store: Store) -> None:
    await put_in(store, "active", "a")
    await store.command("LPUSH", ROOT + "pending", "a")


async def active_says_pending(store: Store) -> None:
    """It is in `active` under a lease, and says that it waits."""
    await put_in(store, "active", "a")
    await store.command("HSET", ROOT + "t:a", "state", "pending")


async def retry_says_archived(store: Store) -> None:
    await put_in(store, "retry", "a")
    await store.command("HSET", ROOT + "t:a", "state", "archived")


async def pending_says_completed(store: Store) -> None:
    await put(store, "a")
    await store.command("HSET", ROOT + "t:a", "state", "completed")


MISFILED: list[tuple[Break, str]] = [
    (active_in_archive, "archived"),
    (twice_pending, "pending"),
    (pending_and_retry, "pending"),
    (pending_while_active, "active"),
    (active_says_pending, "pending"),
    (retry_says_archived, "retry"),
    (pending_says_completed, "pending"),
]


async def without_lease(store: Store) -> None:
    await put_in(store, "active", "a")
    await lose(store, "lease")


async def without_active(store: Store) -> None:
    await put_in(store, "active", "a")
    await lose(store, "active")


async def no_record(store: Store) -> None:
    """The store evicted the record."""
    for place in ("pending", "active"):
        await store.command("RPUSH", ROOT + place, "a")
    for place in ("scheduled", "retry", "archived", "completed", "lease"):
        await store.command("ZADD", ROOT + place, NOON + 60, "a")


async def zombie(store: Store) -> None:
    """A Go server took an id without a record: what is left has a state and no message (SE-13)."""
    await store.command("RPUSH", ROOT + "active", "a")
    await store.command("ZADD", ROOT + "lease", NOON + 60, "a")
    await store.command("HSET", ROOT + "t:a", "state", "active")


async def late_result(store: Store) -> None:
    """A result that came after the task was gone (SE-14)."""
    await store.command("HSET", ROOT + "t:a", "result", "late")


async def member_without_record(store: Store) -> None:
    await put_in_group(store, "g", "b")
    await store.command("ZADD", ROOT + "g:g", NOON, "a")


OTHERS: list[tuple[str, Break, str]] = [
    ("active-without-lease", without_lease, "leased"),
    ("lease-without-active", without_active, "active"),
    ("dangling-id", no_record, "dropped"),
    ("dangling-id", zombie, "dropped"),
    ("lost-record", late_result, "dropped"),
    ("dangling-id", member_without_record, "dropped"),
]
CASES = [
    *(("lost-record", damage, deed) for damage, deed in LOST),
    *(("misfiled-task", damage, deed) for damage, deed in MISFILED),
    *OTHERS,
]


def named(value: object) -> str:
    return getattr(value, "__name__", str(value))


@pytest.mark.slow
@pytest.mark.parametrize(("check", "damage", "deed"), CASES, ids=named)
async def test_a_damaged_task_is_found_and_put_where_it_belongs(
    inspector: Face, store: Store, check: str, damage: Break, deed: str
) -> None:
    """A dry run says so and writes nothing; then it is so; and a second repair has nothing to do."""
    await put_in(store, "retry", "other")
    await damage(store)
    before = await everything(store)
    found = await inspector.diagnose([check])
    assert [check] == [one.check for one in found.findings]
    foreseen = await inspector.repair(dry_run=True)
    assert [(check, "q", "a", deed, False)] == [(o.check, o.queue, o.name, o.deed, o.is_done) for o in foreseen]
    assert before == await everything(store)
    done = await inspector.repair()
    assert [(check, "a", deed, True)] == [(o.check, o.name, o.deed, o.is_done) for o in done]
    await check_places(store)
    raw = await store.run(info("q", "a"))
    if deed in ("dropped", "deleted"):
        assert raw is None
    else:
        assert raw is not None
        assert {"leased": "active"}.get(deed, deed) == raw.state.value
        assert b"x" == decode(raw.message).payload
    assert [] == await inspector.repair()
    assert () == (await inspector.diagnose([check])).findings


async def test_a_deleted_record_frees_its_lock(inspector: Face, store: Store) -> None:
    """So that the same task can be enqueued again."""
    await trimmed(store)
    await inspector.repair(["lost-record"])
    assert "pending" == await put(store, "again", unique=3600)


@pytest.mark.parametrize("damage", [without_lease, without_active, lost_from("active")], ids=named)
async def test_a_server_that_lives_goes_on_with_what_is_repaired(
    inspector: Face, store: Store, damage: Break, clock: Clock
) -> None:
    """It gets the lease that its server believes in: nothing runs twice."""
    await damage(store)
    await inspector.repair()
    assert await store.command("HGET", ROOT + "t:a", "ob_lease") == b"%d" % await store.command(
        "ZSCORE", ROOT + "lease", "a"
    )
    for _ in range(8):
        await clock.advance(1)
        assert [] == (await store.run(maintain("q", max_crashes=5))).recovered


@pytest.mark.parametrize("damage", [without_lease, without_active, lost_from("active")], ids=named)
async def test_a_task_whose_server_is_gone_is_recovered_after_the_repair(
    inspector: Face, store: Store, damage: Break, clock: Clock
) -> None:
    """It waits again, and is run: at least once."""
    await damage(store)
    await clock.advance(60)
    await inspector.repair()
    recovered = []
    for _ in range(60):
        await clock.advance(1)
        recovered += (await store.run(maintain("q", max_crashes=5))).recovered
    assert [("front", "a")] == recovered
    assert await check_places(store) == 1
    await grab(store, "a")


async def test_a_task_whose_time_is_lost_is_not_run_early(inspector: Face, store: Store, clock: Clock) -> None:
    """It is in the archive, with a sentence that says why; whoever knows better runs it."""
    await lost_time(store)
    await inspector.repair()
    await clock.advance(3600)
    await store.run(maintain("q", max_crashes=5))
    task = await inspector.task("q", "a")
    assert "archived" == task.state.value
    assert "when it was to run is lost" in task.last_error
    await inspector.run("q", "a")
    assert await check_places(store) == 1


@pytest.mark.slow
async def test_what_moves_while_one_looks_is_no_damage(inspector: Face, store: Store) -> None:
    """A thousand tasks that are taken, retried and ended: every one of them is where it belongs."""
    for number in range(30):
        for state in ("pending", "active", "scheduled", "retry", "archived", "completed", "aggregating"):
            await put_in(store, state, f"{state}-{number}")
    assert 210 == await check_places(store)
    before = await everything(store)
    found = await inspector.diagnose()
    assert [] == [one for one in found.findings if one.repair]
    assert [] == await inspector.repair(["stale-lock", "lost-record", "misfiled-task", "dangling-id"])
    assert before == await everything(store)


async def unlisted_group(store: Store) -> None:
    """asynq returns tasks to their group and does not list it (SE-03)."""
    await put_in_group(store, "g", "a")
    await store.command("SREM", ROOT + "groups", "g")


async def empty_group(store: Store) -> None:
    await put(store, "other")
    await store.command("SADD", ROOT + "groups", "g")


async def forgotten_set(store: Store) -> None:
    """A set that is in no index."""
    await put_in_group(store, "g", "a")
    await store.command("RENAME", ROOT + "g:g", ROOT + "g:g:11111111-2222-4333-8444-555555555555")
    await store.command("SREM", ROOT + "groups", "g")


async def old_set(store: Store) -> None:
    """Its deadline is long past."""
    await forgotten_set(store)
    key = ROOT + "g:g:11111111-2222-4333-8444-555555555555"
    await store.command("ZADD", ROOT + "aggregation_sets", NOON - 600, key)


GROUPS: list[tuple[str, Break, str]] = [
    ("group-unlisted", unlisted_group, "listed"),
    ("group-empty", empty_group, "unlisted"),
    ("group-set-stale", forgotten_set, "returned"),
    ("group-set-stale", old_set, "returned"),
]


@pytest.mark.parametrize(("check", "damage", "deed"), GROUPS, ids=named)
async def test_a_damaged_group_is_found_and_mended(
    inspector: Face, store: Store, check: str, damage: Break, deed: str
) -> None:
    """Its tasks wait in it, and it is listed, so that it is aggregated."""
    await damage(store)
    before = await everything(store)
    assert [check] == [one.check for one in (await inspector.diagnose([check])).findings]
    assert [(check, deed)] == [(one.check, one.deed) for one in await inspector.repair(dry_run=True)]
    assert before == await everything(store)
    assert [(check, deed, True)] == [(one.check, one.deed, one.is_done) for one in await inspector.repair()]
    await check_places(store)
    assert [] == await inspector.repair()


async def test_a_set_that_is_being_aggregated_is_left_alone(inspector: Face, store: Store) -> None:
    """Go's until its deadline and a minute more, ours while its server's word for it holds."""
    await old_set(store)
    key = ROOT + "g:g:11111111-2222-4333-8444-555555555555"
    await store.command("ZADD", ROOT + "aggregation_sets", NOON - 30, key)
    assert [] == await inspector.repair()
    await store.command("ZREM", ROOT + "aggregation_sets", key)
    await store.command("HSET", "onebeat:{q}:sets", key, f"{(NOON + 10) * 1000} server")
    assert [] == await inspector.repair()


async def test_a_lock_of_nobody_is_freed(inspector: Face, store: Store) -> None:
    """Without an end at once; with one only if it is named, since it may be meant so."""
    await put(store, "other", unique=3600)
    await store.command("SET", ROOT + "unique:t:endless", "gone")
    await store.command("SET", ROOT + "unique:t:stale", "gone", "EX", 500)
    found = await inspector.diagnose(["endless-lock", "stale-lock"])
    assert [("endless-lock", "error"), ("stale-lock", "hint")] == [(o.check, o.severity.value) for o in found.findings]
    assert [("endless-lock", ROOT + "unique:t:endless")] == [(o.check, o.name) for o in await inspector.repair()]
    assert [("stale-lock", "freed")] == [(o.check, o.deed) for o in await inspector.repair(["stale-lock"])]
    assert [] == await inspector.repair(["endless-lock", "stale-lock"])
    assert "duplicate other" == await put(store, "again", unique=3600)


async def test_a_queue_that_no_tool_lists_is_listed(inspector: Face, store: Store) -> None:
    """A removed queue whose counters are left is none."""
    await put(store, "a")
    await store.command("DEL", "asynq:queues")
    await store.command("SET", "asynq:{removed}:processed", 7)
    assert ["queue q"] == [one.subject for one in (await inspector.diagnose(["queue-unlisted"])).findings]
    assert [("queue-unlisted", "q", "listed")] == [(o.check, o.queue, o.deed) for o in await inspector.repair()]
    assert ["q"] == await inspector.queues()


async def test_a_fractional_score_is_rounded_up(inspector: Face, store: Store) -> None:
    """asynqmon cannot read it; nothing runs early."""
    await put_in(store, "scheduled", "a")
    await store.command("ZADD", ROOT + "scheduled", f"{NOON + 600}.5", "a")
    assert ["score-fractional"] == [o.check for o in (await inspector.diagnose(["score-fractional"])).findings]
    assert [("scheduled a", "rounded")] == [(o.name, o.deed) for o in await inspector.repair()]
    assert NOON + 601 == await store.command("ZSCORE", ROOT + "scheduled", "a")


async def test_a_key_of_a_foreign_type_is_told_and_nothing_is_touched(inspector: Face, store: Store) -> None:
    """And the other queues are looked at all the same."""
    await put(store, "a")
    await put_in_group(store, "g", "m")
    await store.command("SADD", "asynq:queues", "bad")
    await store.command("SET", "asynq:{bad}:pending", "text")
    await store.command("LREM", ROOT + "pending", 0, "a")
    before = await everything(store)
    found = {one.check: one for one in (await inspector.diagnose()).findings}
    assert "queue bad" == found["key-damaged"].subject
    assert "key asynq:{bad}:pending is a string, where a list belongs" == found["key-damaged"].text
    assert "redis-cli RENAMENX 'asynq:{bad}:pending' 'moved:asynq:{bad}:pending'" == found["key-damaged"].remedies[0]
    assert "queue q" == found["lost-record"].subject
    assert before == await everything(store)


@pytest.mark.slow
async def test_hundreds_of_lost_records_are_put_back_in_steps(inspector: Face, store: Store) -> None:
    """Each once."""
    for number in range(300):
        await put(store, f"t{number}")
    await store.command("DEL", ROOT + "pending")
    [found] = (await inspector.diagnose(["lost-record"])).findings
    assert found.text.startswith("300 tasks have a record and are in no list: ")
    assert 300 == len(await inspector.repair())
    assert 300 == await check_places(store)
