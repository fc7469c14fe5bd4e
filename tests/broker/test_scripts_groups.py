"""Groups: joining, staging, aggregating, going back; every answer and every key afterwards (protocol §3.2, §3.4)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from onebeat.broker import browse, groups
from onebeat.broker.consume import Finished, Outcome
from onebeat.broker.groups import Aggregating, GroupSet, Returned, Rule
from onebeat.broker.maintain import Maintained, Surveyed, maintain, survey
from onebeat.broker.maintain import look as survey_of
from onebeat.broker.produce import NewTask, enqueue
from onebeat.broker.store import Store
from onebeat.preparing import prepare
from onebeat.task import Task
from onebeat.wire.message import TaskMessage, decode, encode
from tests.anywhere import everywhere
from tests.broker.test_scripts_consume import end, grab, message
from tests.broker.test_scripts_maintain import pending
from tests.broker.test_scripts_produce import dump, pairs
from tests.conftest import NOON, Clock

LOCK = "asynq:{q}:unique:t:x"
GRACE = Rule("", 10_000, 0, 0)


async def add(store: Store, *ids: str, group: str = "g", client: str = "", **fields: Any) -> list[str]:
    """Enqueue tasks of a group."""
    key = {"unique_key": fields["unique_key"]} if "unique_key" in fields else {}
    tasks = [NewTask(id_, message(id_, group_key=group, **key), group=group, **fields) for id_ in ids]
    placed = await store.run(enqueue("q", client=client or f"c{ids[0]}", sequence=1, tasks=tasks))
    return [f"{item.status} {item.detail}".strip() for item in placed]


async def look(store: Store, *rules: Rule, owner: str = "s", **given: Any) -> Maintained:
    """Let upkeep look once, for a server with these aggregators; none is a server without any."""
    aggregating = Aggregating(owner=owner if rules else "", at_once=given.pop("at_once", 16), rules=rules, **given)
    done = await store.run(maintain("q", max_crashes=5, aggregating=aggregating))
    assert [] == done.errors
    return done


def sets(done: Maintained) -> list[GroupSet]:
    return [GroupSet("q", key) for key in done.sets]


async def staged(store: Store, clock: Clock, *ids: str, **fields: Any) -> GroupSet:
    """Have a set of these members be staged."""
    await add(store, *ids, **fields)
    await clock.advance(10)
    [found] = sets(await look(store, GRACE))
    return found


async def members(store: Store, of: GroupSet, owner: str = "s") -> list[str]:
    return [id_ for id_, _ in await store.run(groups.members(of, owner))]


async def combine(
    store: Store, of: GroupSet, count: int, *, owner: str = "s", queue: str = "q",
    locks: Sequence[tuple[str, str]] = (), **fields: Any,
) -> str:  # fmt: skip
    new = NewTask(fields.pop("id", of.id), message(of.id), **fields)
    return await store.run(groups.aggregate(of, owner, count, new, queue, locks))


async def give_back(
    store: Store, of: GroupSet, reason: str = "", *, owner: str = "s", most: int = 3, **given: Any
) -> Any:
    frees = given.get("frees", False)
    return await store.run(groups.restore(of, owner, reason=reason, most=most, backoff_ms=1000, frees=frees))


async def of_group(store: Store, group: str = "g") -> list[tuple[bytes, float]]:
    return pairs(await store.command("ZRANGE", f"asynq:{{q}}:g:{group}", 0, -1, "WITHSCORES"))


async def listed(store: Store) -> set[bytes]:
    return set(await store.command("SMEMBERS", "asynq:{q}:groups"))


# -------------------------------------------------------------- joining


async def test_a_task_joins_its_group_as_go_writes_it(store: Store, clock: Clock) -> None:
    """Golden sequence B: the member with its second, the group in `groups`, state, group and message in the hash."""
    prepared = prepare(Task("t", b"x", queue="low", group="grp", task_id="g-1"), {})
    [placed] = await store.run(enqueue("low", client="c", sequence=1, tasks=[prepared.new]))
    assert "aggregating" == placed.status
    golden = bytes.fromhex("0a01741201781a03672d3122036c6f77281940880e7203677270")
    assert [(b"g-1", float(NOON))] == pairs(await store.command("ZRANGE", "asynq:{low}:g:grp", 0, -1, "WITHSCORES"))
    assert {b"grp"} == set(await store.command("SMEMBERS", "asynq:{low}:groups"))
    raw = await store.command("HGETALL", "asynq:{low}:t:g-1")
    fields = raw if isinstance(raw, dict) else dict(zip(raw[::2], raw[1::2], strict=True))
    assert {b"msg": golden, b"state": b"aggregating", b"group": b"grp"} == fields
    assert 0 == await store.command("EXISTS", "asynq:{low}:pending", "asynq:{low}:scheduled")


async def test_a_unique_task_of_a_group_notes_its_lock(store: Store, clock: Clock) -> None:
    """In the hash, as our other ways do, where Go does not: inspectors can free it. A second one is refused."""
    assert ["aggregating"] == await add(store, "a", unique_key=LOCK, unique_ms=60_000)
    assert LOCK.encode() == await store.command("HGET", "asynq:{q}:t:a", "unique_key")
    assert ["duplicate a"] == await add(store, "b", unique_key=LOCK, unique_ms=60_000)
    assert [b"a"] == [id_ for id_, _ in await of_group(store)]
    assert 0 == await store.command("EXISTS", "asynq:{q}:t:b")


async def test_a_taken_id_joins_no_group(store: Store, clock: Clock) -> None:
    """It is a conflict, and leaves no lock behind."""
    await add(store, "a")
    assert ["conflict"] == await add(store, "a", client="d", unique_key=LOCK, unique_ms=60_000)
    assert 0 == await store.command("EXISTS", LOCK)


async def test_a_repeated_batch_joins_once(store: Store, clock: Clock) -> None:
    """It is answered as the first time, though the member may be gone by then."""
    assert ["aggregating"] == await add(store, "a")
    await store.run(browse.cancel("q", ["a"]))
    assert ["aggregating"] == await add(store, "a")
    assert [] == await of_group(store)


@pytest.mark.parametrize("key", ["asynq:{q}:g:g", "asynq:{q}:groups"])
async def test_a_foreign_type_fails_before_anything_is_written(store: Store, clock: Clock, key: str) -> None:
    """Neither lock nor hash are left, and others of the batch are not harmed."""
    await store.command("SET", key, "foreign")
    [answer] = await add(store, "a", unique_key=LOCK, unique_ms=60_000)
    assert answer.startswith("error")
    assert 0 == await store.command("EXISTS", LOCK, "asynq:{q}:t:a")


async def test_a_group_whose_key_is_foreign_harms_no_other(store: Store, clock: Clock) -> None:
    """It is told of, and put aside; a delayed task of it waits on; all others go on."""
    await add(store, "late", group="bad", due="+1000")
    await add(store, "a", "later", due="")
    await store.command("SET", "asynq:{q}:g:bad", "foreign")
    await store.command("ZADD", "onebeat:{q}:groups", 0, "bad")
    await store.command("SADD", "asynq:{q}:groups", "bad")
    await store.run(enqueue("q", client="x", sequence=1, tasks=[NewTask("alone", message("alone"), due="+1000")]))
    await clock.advance(10)
    aggregating = Aggregating(owner="s", at_once=16, rules=[GRACE], cursor="0")
    done = await store.run(maintain("q", max_crashes=5, aggregating=aggregating))
    assert [["a", "later"]] == [await members(store, of) for of in sets(done)]
    assert ["alone"] == await pending(store)
    told = " ".join(done.errors)
    assert "task late cannot join group bad, whose key holds a foreign type" in told
    assert "groups group bad: error WRONGTYPE" in told
    await store.command("DEL", "asynq:{q}:g:bad")
    await clock.advance(60)
    await look(store, GRACE)
    assert [(b"late", NOON + 70.0)] == await of_group(store, "bad")


async def test_a_set_whose_key_is_foreign_harms_no_other(store: Store, clock: Clock) -> None:
    """Nor does an entry that names none of this queue's."""
    found = await staged(store, clock, "a")
    await store.command("SET", "asynq:{q}:g:bad:1", "foreign")
    await store.command("ZADD", "asynq:{q}:aggregation_sets", 0, "asynq:{q}:g:bad:1", 0, "junk")
    errors: list[str] = []
    for _ in range(3):  # after a pause of upkeep owners may speak first
        errors += (await store.run(maintain("q", max_crashes=5))).errors
        await clock.advance(3)
    assert ["groups set asynq:{q}:g:bad:1", "groups set junk"] == sorted(text.split(": ")[0] for text in errors)
    await store.command("HSET", "onebeat:{q}:sets", found.key, "0 gone")
    await store.run(maintain("q", max_crashes=5))
    assert [b"a"] == [id_ for id_, _ in await of_group(store)]


async def test_a_delayed_task_joins_when_it_is_due(store: Store, clock: Clock) -> None:
    """SE-02: it is scheduled with its group in the hash, and joins at its millisecond."""
    assert [f"scheduled {NOON * 1000 + 1500}"] == await add(store, "a", due="+1500")
    task = (await dump(store))["asynq:{q}:t:a"]
    assert (b"scheduled", b"g") == (task[b"state"], task[b"group"])
    await clock.advance(1.5)
    done = await look(store, GRACE)
    assert (1, (NOON * 1000 + 11_500)) == (done.forwarded, done.next_due_ms)
    assert [(b"a", NOON + 1.0)] == await of_group(store)
    assert {b"g"} == await listed(store)


async def test_the_group_of_a_delayed_task_is_listed_for_gos_servers(store: Store, clock: Clock) -> None:
    """They forward to it, and do not list it; our upkeep, which does, takes an empty one from the list."""
    await add(store, "a", due="+60000")
    assert {b"g"} == await listed(store)
    await look(store, GRACE, cursor="0")
    assert set() == await listed(store)


async def test_a_group_that_was_listed_early_is_new_when_somebody_joins(store: Store, clock: Clock) -> None:
    """Its times are exact, as of any other."""
    await add(store, "a", due="+1250")
    await clock.advance(1.25)
    assert NOON * 1000 + 1250 + 3000 == (await look(store, Rule("", 10_000, 3000, 0))).next_due_ms


async def test_a_group_that_go_forwards_to_is_listed_again(store: Store, clock: Clock) -> None:
    """SE-03: Go's forwarder honours the hash, and does not list the group; our upkeep does, when the task was due."""
    await add(store, "a", due="+1500")
    await clock.advance(2)
    await store.command("ZREM", "asynq:{q}:scheduled", "a")
    await store.command("ZADD", "asynq:{q}:g:g", NOON + 2, "a")
    await store.command("HSET", "asynq:{q}:t:a", "state", "aggregating")
    await store.command("DEL", "asynq:{q}:groups")
    done = await look(store, GRACE)
    assert {b"g"} == await listed(store)
    assert NOON * 1000 + 12_000 == done.next_due_ms


async def test_what_go_schedules_is_left_as_go_has_it(store: Store, clock: Clock) -> None:
    """A group in the message alone has no effect, whoever forwards: the task runs by itself."""
    await store.command("HSET", "asynq:{q}:t:a", "msg", message("a", group_key="g"), "state", "scheduled")
    await store.command("ZADD", "asynq:{q}:scheduled", NOON, "a")
    await look(store, GRACE)
    assert ["a"] == await pending(store)


# -------------------------------------------------------------- when a group is due


async def test_grace_is_counted_from_the_last_arrival_to_the_millisecond(store: Store, clock: Clock) -> None:
    """Each arrival puts it off; a millisecond before it is over nothing is staged."""
    await clock.set(NOON + 0.25)
    await add(store, "a")
    assert NOON * 1000 + 10_250 == (await look(store, GRACE)).next_due_ms
    await clock.set(NOON + 5.75)
    await add(store, "b")
    await clock.set(NOON + 10.25)
    done = await look(store, GRACE)
    assert ([], NOON * 1000 + 15_750) == (done.sets, done.next_due_ms)
    await clock.set(NOON + 15.749)
    assert [] == (await look(store, GRACE)).sets
    await clock.set(NOON + 15.75)
    [found] = sets(await look(store, GRACE))
    assert ["a", "b"] == await members(store, found)


async def test_the_longest_delay_is_counted_from_the_first_arrival(store: Store, clock: Clock) -> None:
    """Though members still come."""
    rule = Rule("", 10_000, 12_000, 0)
    await clock.set(NOON + 0.4)
    await add(store, "a")
    await clock.set(NOON + 8)
    await add(store, "b")
    assert NOON * 1000 + 12_400 == (await look(store, rule)).next_due_ms
    await clock.set(NOON + 12.399)
    assert [] == (await look(store, rule)).sets
    await clock.set(NOON + 12.4)
    assert 1 == len((await look(store, rule)).sets)


async def test_a_full_group_is_staged_at_once(store: Store, clock: Clock) -> None:
    """The one who fills it wakes upkeep; the rest waits for its own time, cut by the size."""
    rule = Rule("", 10_000, 0, 2)
    heard = store.listen("onebeat:wake")
    await anext(heard)
    await add(store, "a")
    assert ("onebeat:wake", b"q") == await anext(heard)
    assert [] == (await look(store, rule)).sets
    await add(store, "b", "c", "d", "e")
    assert ("onebeat:wake", b"q") == await anext(heard)
    await heard.aclose()  # type: ignore[attr-defined]
    done = await look(store, rule)
    assert [2, 2] == [len(await members(store, one)) for one in sets(done)]
    assert [b"e"] == [id_ for id_, _ in await of_group(store)]
    assert NOON * 1000 + 10_000 == done.next_due_ms


async def test_members_of_go_count_by_their_seconds(store: Store, clock: Clock) -> None:
    """What Go has put into a group is found by the scan of `groups`, and is due as under asynq."""
    await go_adds(store, "a", at=NOON)
    await clock.set(NOON + 9.9)
    assert [] == (await look(store, GRACE, cursor="0")).sets
    await clock.set(NOON + 10)
    done = await look(store, GRACE)
    assert [["a"]] == [await members(store, one) for one in sets(done)]
    assert set() == await listed(store)


async def go_adds(store: Store, task_id: str, *, at: int, group: str = "g") -> None:
    """asynq: rdb.go AddToGroup."""
    await store.command(
        "HSET", f"asynq:{{q}}:t:{task_id}", "msg", message(task_id), "state", "aggregating", "group", group
    )
    await store.command("ZADD", f"asynq:{{q}}:g:{group}", at, task_id)
    await store.command("SADD", "asynq:{q}:groups", group)


async def test_a_group_that_go_fills_is_found_by_the_scan(store: Store, clock: Clock) -> None:
    """Before its grace is over."""
    rule = Rule("", 10_000, 0, 2)
    await add(store, "a")
    await look(store, rule)
    await go_adds(store, "b", at=NOON)
    assert [] == (await look(store, rule)).sets
    assert 1 == len((await look(store, rule, cursor="0")).sets)


async def test_a_server_stages_only_what_it_has_an_aggregator_for(store: Store, clock: Clock) -> None:
    """Others put a group aside, and one that has an aggregator finds it by its scan; the longest pattern counts."""
    await add(store, "a", group="mail:1")
    await clock.advance(10)
    done = await look(store, Rule("log:", 10_000, 0, 0))
    assert ([], None) == (done.sets, done.next_due_ms)
    rules = [Rule("mail:1", 60_000, 0, 0), Rule("mail:", 10_000, 0, 0)]
    assert NOON * 1000 + 60_000 == (await look(store, *rules, owner="t", cursor="0")).next_due_ms
    await clock.advance(50)
    assert 1 == len((await look(store, *rules, owner="t")).sets)


async def test_upkeep_without_aggregators_leaves_groups_alone(store: Store, clock: Clock) -> None:
    """It neither stages nor puts aside."""
    await add(store, "a")
    await clock.advance(10)
    assert ([], None) == ((done := await look(store)).sets, done.next_due_ms)
    assert 1 == len((await look(store, GRACE)).sets)


@pytest.mark.slow
async def test_a_group_that_nobody_aggregates_is_named(store: Store, clock: Clock) -> None:
    """Seconds after a minute, whether who looks has aggregators for others or none; then not for a while."""
    named: list[tuple[float, str]] = []

    async def advance(seconds: int, *rules: Rule) -> None:
        for _ in range(seconds):
            await clock.advance(1)
            if found := (await look(store, *rules)).lonely:
                named.append((clock.now - NOON, found))

    await add(store, "a")
    await advance(60)
    assert [] == named
    await advance(30)
    [(first, group)] = named
    assert group == "g"
    assert 60 < first <= 75
    await advance(600, Rule("mail:", 10_000, 0, 0))
    assert ["g", "g"] == [group for _, group in named]
    assert named[1][0] == first + 600


async def test_a_group_that_somebody_will_aggregate_is_not_named(store: Store, clock: Clock) -> None:
    """However long its grace period is, and whoever else looks; nor right after an outage."""
    await add(store, "a")
    await look(store, Rule("", 300_000, 0, 0))
    for _ in range(100):
        await clock.advance(2)
        assert "" == (await look(store)).lonely
    await clock.advance(200)
    assert "" == (await look(store)).lonely


async def test_a_server_has_no_more_sets_than_it_asks_for(store: Store, clock: Clock) -> None:
    """The rest is staged as there is room, and does not have it asked again and again meanwhile."""
    for group in "xyz":
        await add(store, group, group=group)
    await clock.advance(10)
    first = await look(store, GRACE, at_once=2)
    assert (2, None, False) == (len(first.sets), first.next_due_ms, first.was_full)
    assert sorted(first.sets) == sorted((await look(store, GRACE, at_once=2)).sets)
    assert "aggregated" == await combine(store, sets(first)[0], 1)
    assert 2 == len((await look(store, GRACE, at_once=2)).sets)


async def test_staging_goes_in_steps(store: Store, clock: Clock) -> None:
    """At most 1,000 members a set and about as many a call (SE-44); the answer says that there are more."""
    for start in range(0, 2500, 250):
        await add(store, *(f"t{n:04}" for n in range(start, start + 250)))
    await clock.advance(10)
    done = await look(store, GRACE)
    while done.was_full:
        done = await look(store, GRACE)
    sizes = [len(await members(store, one)) for one in sets(done)]
    assert [1000, 1000, 500] == sorted(sizes, reverse=True)
    found = await store.run(browse.stats("q"))
    assert 2500 == found.aggregating + found.staged


async def test_a_set_weighs_at_most_four_megabytes(store: Store, clock: Clock) -> None:
    """One heavier member goes alone."""
    for id_, size in (("a", 1_900_000), ("b", 1_900_000), ("c", 5_000_000)):
        heavy = NewTask(id_, message(id_, payload=b"x" * size), group="g")
        await store.run(enqueue("q", client=id_, sequence=1, tasks=[heavy]))
    await clock.advance(10)
    done = await look(store, GRACE)
    assert [["a", "b"], ["c"]] == sorted([await members(store, one) for one in sets(done)])


async def test_members_that_are_none_are_dropped(store: Store, clock: Clock) -> None:
    """An id without a record, one without a message, and one whose task is elsewhere; the task itself is untouched."""
    await add(store, "a", "b")
    await store.run(enqueue("q", client="d", sequence=1, tasks=[NewTask("c", message("c"))]))
    await store.command("ZADD", "asynq:{q}:g:g", NOON, "nobody", NOON, "c")
    await store.command("HDEL", "asynq:{q}:t:b", "msg")
    await clock.advance(10)
    [found] = sets(await look(store, GRACE))
    assert ["a"] == await members(store, found)
    assert ["c"] == await pending(store)
    assert 0 == await store.command("EXISTS", "asynq:{q}:g:g", "asynq:{q}:groups")


async def test_an_empty_group_is_listed_no_longer(store: Store, clock: Clock) -> None:
    """Whoever left it there."""
    await store.command("SADD", "asynq:{q}:groups", "empty")
    await look(store, GRACE, cursor="0")
    assert set() == await listed(store)


async def test_a_member_whose_time_is_over_is_archived(store: Store, clock: Clock) -> None:
    """As `expired`, its lock freed; the others are staged."""
    await add(store, "a", expires="+5000", unique_key=LOCK, unique_ms=60_000)
    await add(store, "b")
    await clock.advance(10)
    [found] = sets(await look(store, GRACE))
    assert ["b"] == await members(store, found)
    assert [b"a"] == await store.command("ZRANGE", "asynq:{q}:archived", 0, -1)
    assert "expired" == decode(await store.command("HGET", "asynq:{q}:t:a", "msg")).error_msg
    assert 0 == await store.command("EXISTS", LOCK)


async def test_a_staged_set_is_as_go_has_it(store: Store, clock: Clock) -> None:
    """Under the group's key and a UUID, with the members' scores, and its deadline two minutes ahead in the index."""
    found = await staged(store, clock, "a", "b")
    assert ("g", 36, "4") == (found.group, len(found.id), found.id[14])
    assert [(b"a", NOON + 0.0), (b"b", NOON + 0.0)] == pairs(
        await store.command("ZRANGE", found.key, 0, -1, "WITHSCORES")
    )
    index = pairs(await store.command("ZRANGE", "asynq:{q}:aggregation_sets", 0, -1, "WITHSCORES"))
    assert [(found.key.encode(), NOON + 130.0)] == index
    assert b"aggregating" == await store.command("HGET", "asynq:{q}:t:a", "state")


async def test_two_servers_never_stage_the_same_member(store: Store, clock: Clock) -> None:
    """The second finds nothing, and neither reads nor ends nor returns what is the first one's."""
    found = await staged(store, clock, "a")
    assert [] == (await look(store, GRACE, owner="t")).sets
    assert [] == await members(store, found, "t")
    assert "lost" == await combine(store, found, 1, owner="t")
    assert None is await give_back(store, found, owner="t")
    assert ["a"] == await members(store, found)


async def test_a_lost_answer_strands_no_set(store: Store, clock: Clock) -> None:
    """Each call names all sets that are the server's."""
    found = await staged(store, clock, "a")
    assert [found.key] == (await look(store, GRACE)).sets


# -------------------------------------------------------------- aggregating


async def test_a_combined_task_takes_the_place_of_the_members(store: Store, clock: Clock) -> None:
    """In one step: it is pending under the set's id, and nothing is left of members, set and index; locks are freed."""
    await add(store, "a", unique_key=LOCK, unique_ms=600_000)
    found = await staged(store, clock, "b")
    assert "aggregated" == await combine(store, found, 2, locks=[("a", LOCK), ("b", "asynq:{q}:unique:t:other")])
    left = await dump(store)
    assert {"asynq:{q}:pending", f"asynq:{{q}}:t:{found.id}"} == left.keys()
    assert [found.id] == await pending(store)
    assert 0 == await store.command("EXISTS", "onebeat:{q}:sets", "onebeat:{q}:groups", "onebeat:{q}:joined")


async def test_a_repeat_of_aggregate_changes_nothing(store: Store, clock: Clock) -> None:
    """It says that it is done."""
    found = await staged(store, clock, "a")
    assert "aggregated" == await combine(store, found, 1)
    before = await dump(store)
    assert "already" == await combine(store, found, 1)
    assert before == await dump(store)


@pytest.mark.parametrize(("due", "group", "state"), [("+5000", "", b"scheduled"), ("", "h", b"aggregating")])
async def test_a_combined_task_may_wait_itself(store: Store, clock: Clock, due: str, group: str, state: bytes) -> None:
    """Delayed, or in another group."""
    found = await staged(store, clock, "a")
    assert "aggregated" == await combine(store, found, 1, due=due, group=group)
    assert state == await store.command("HGET", f"asynq:{{q}}:t:{found.id}", "state")


async def test_a_combined_task_that_is_refused_leaves_all_as_it_was(store: Store, clock: Clock) -> None:
    """Its id is taken, or its lock is held."""
    await store.run(enqueue("q", client="d", sequence=1, tasks=[NewTask("taken", message("taken"))]))
    await store.command("SET", LOCK, "taken")
    found = await staged(store, clock, "a")
    before = await dump(store)
    assert "conflict" == await combine(store, found, 1, id="taken")
    assert "duplicate taken" == await combine(store, found, 1, unique_key=LOCK, unique_ms=1000)
    assert before == await dump(store)


@pytest.mark.parametrize("queue", ["q", "other"])
async def test_a_full_store_aggregates(store: Store, clock: Clock, queue: str) -> None:
    """One task in the place of many frees memory; refused, it would be a failure that members are archived for."""
    found = await staged(store, clock, "a", "b")
    await everywhere(store, "CONFIG", "SET", "maxmemory", "1")
    try:
        assert "aggregated" == await combine(store, found, 2, queue=queue)
    finally:
        await everywhere(store, "CONFIG", "SET", "maxmemory", "0")


async def test_a_set_that_changed_is_not_aggregated(store: Store, clock: Clock) -> None:
    """A member was taken out of it after it was read."""
    found = await staged(store, clock, "a", "b")
    await store.run(browse.cancel("q", ["a"]))
    assert "changed" == await combine(store, found, 2)
    assert ["b"] == await members(store, found)
    assert "aggregated" == await combine(store, found, 1)


async def test_a_set_that_go_has_returned_is_lost(store: Store, clock: Clock) -> None:
    """Go's recoverer knows the deadline alone; the group is listed again, which it does not do (SE-03)."""
    found = await staged(store, clock, "a")
    await go_reclaims(store, found.key, "g")
    assert "lost" == await combine(store, found, 1)
    assert set() == await listed(store)
    await look(store, GRACE, at_once=0)
    assert {b"g"} == await listed(store)
    assert 0 == await store.command("EXISTS", "onebeat:{q}:sets")


async def go_reclaims(store: Store, key: str, group: str) -> None:
    """asynq: rdb.go ReclaimStaleAggregationSets."""
    for id_, score in pairs(await store.command("ZRANGE", key, 0, -1, "WITHSCORES")):
        await store.command("ZADD", f"asynq:{{q}}:g:{group}", int(score), id_)
    await store.command("DEL", key)
    await store.command("ZREM", "asynq:{q}:aggregation_sets", key)


async def test_a_combined_task_for_another_queue_is_noted_first(store: Store, clock: Clock) -> None:
    """The members go as it is noted; enqueued twice it is there once; then it is struck off."""
    found = await staged(store, clock, "a")
    assert "aggregated" == await combine(store, found, 1, queue="other", due="+0.000")
    assert 0 == await store.command("EXISTS", found.key, "asynq:{q}:t:a", "asynq:{q}:pending")
    assert "already" == await combine(store, found, 1, queue="other")
    assert [] == list((await look(store, GRACE)).outgoing)
    await clock.advance(5)
    assert [] == list((await look(store)).outgoing)
    [item] = (await look(store, GRACE, owner="t")).outgoing
    assert (found.id, "other", message(found.id)) == (item.id, item.queue, item.message)
    for _ in range(2):
        assert "pending" == await store.run(groups.deliver(item))
    assert [found.id.encode()] == await store.command("LRANGE", "asynq:{other}:pending", 0, -1)
    await store.command(*groups.delivered("q", item.id))
    assert [] == list((await look(store, GRACE)).outgoing)


# -------------------------------------------------------------- going back


async def test_a_set_goes_back_without_a_count_when_its_server_stops(store: Store, clock: Clock) -> None:
    """With the scores it had; it is due at once."""
    found = await staged(store, clock, "a", "b")
    assert Returned(found.key, 2, 0) == await give_back(store, found)
    assert [(b"a", NOON + 0.0), (b"b", NOON + 0.0)] == await of_group(store)
    assert {b"g"} == await listed(store)
    assert None is await store.command("HGET", "asynq:{q}:t:a", "ob_fails")
    assert 0 == await store.command("EXISTS", found.key, "asynq:{q}:aggregation_sets", "onebeat:{q}:sets")
    assert 1 == len((await look(store, GRACE, owner="t")).sets)


async def test_a_failure_makes_the_group_rest_longer_and_longer(store: Store, clock: Clock) -> None:
    """1 s, 2 s; who joins meanwhile rests as well, even if they fill it."""
    rule = Rule("", 10_000, 0, 2)
    found = await staged(store, clock, "a")
    for pause in (1, 2):
        assert Returned(found.key, pause, 0) == await give_back(store, found, "boom", most=5)
        at = clock.now + pause
        assert round(at * 1000) == (await look(store, rule)).next_due_ms
        await add(store, f"b{pause}", client=f"d{pause}")
        await clock.set(at - 0.001)
        assert [] == (await look(store, rule)).sets
        await clock.set(at)
        found = sets(await look(store, rule))[0]
        assert "a" in await members(store, found)


async def test_who_has_failed_too_often_is_archived_with_the_reason(store: Store, clock: Clock) -> None:
    """Counted for each member by itself: one that came later goes back. Its lock stays, unless it is to be freed."""
    await add(store, "a", unique_key=LOCK, unique_ms=6_000_000)
    await clock.advance(10)
    for _ in range(2):
        [found] = sets(await look(store, GRACE))
        await give_back(store, found, "boom")
        await clock.advance(20)
    await add(store, "b")
    await clock.advance(10)
    [found] = sets(await look(store, GRACE))
    assert Returned(found.key, 1, 1) == await give_back(store, found, "boom")
    assert [b"b"] == [id_ for id_, _ in await of_group(store)]
    task = (await dump(store))["asynq:{q}:t:a"]
    read = decode(task[b"msg"])
    assert (b"archived", "boom", int(clock.now)) == (task[b"state"], read.error_msg, read.last_failed_at)
    assert b"a" == await store.command("GET", LOCK)
    assert b"1" == await store.command("HGET", "asynq:{q}:t:b", "ob_fails")


async def test_a_lock_is_freed_with_the_archive_where_that_is_wanted(store: Store, clock: Clock) -> None:
    """release_unique_on_archive."""
    found = await staged(store, clock, "a", unique_key=LOCK, unique_ms=6_000_000)
    assert Returned(found.key, 0, 1) == await give_back(store, found, "boom", most=1, frees=True)
    assert 0 == await store.command("EXISTS", LOCK, "asynq:{q}:groups", "onebeat:{q}:groups")


async def test_the_sets_of_a_server_that_is_gone_go_back(store: Store, clock: Clock) -> None:
    """When its lease lapses, counted as a failure, long before the deadline that Go knows."""
    found = await staged(store, clock, "a")
    await breathe(store, clock, 31)
    assert {b"g"} == await listed(store)
    assert b"1" == await store.command("HGET", "asynq:{q}:t:a", "ob_fails")
    assert [] == await members(store, found)
    await clock.advance(5)
    [again] = sets(await look(store, GRACE, owner="t"))
    assert (True, ["a"]) == (again.key != found.key, await members(store, again, "t"))


async def breathe(store: Store, clock: Clock, seconds: float) -> list[Returned]:
    """Let time pass under upkeep by somebody without aggregators."""
    returned: list[Returned] = []
    while seconds > 0:
        await clock.advance(min(seconds, 3))
        seconds -= 3
        returned += (await look(store)).returned
    return returned


async def test_a_server_that_is_there_keeps_its_sets(store: Store, clock: Clock) -> None:
    """As long as it likes: lease and public deadline are extended (SE-21)."""
    found = await staged(store, clock, "a")
    for _ in range(200):
        await clock.advance(3)
        assert [found.key] == (await look(store, GRACE)).sets
        await look(store)
    deadline = await store.command("ZSCORE", "asynq:{q}:aggregation_sets", found.key)
    assert clock.now + 120 == float(deadline)


async def test_after_an_outage_owners_may_speak_first(store: Store, clock: Clock) -> None:
    """For five seconds nothing is returned (mechanism-rules 3)."""
    found = await staged(store, clock, "a")
    await clock.advance(60)
    assert [] == list((await look(store)).returned)
    assert [found.key] == (await look(store, GRACE)).sets
    assert [] == await breathe(store, clock, 9)


@pytest.mark.slow
async def test_a_stale_set_of_go_goes_back_in_steps(store: Store, clock: Clock) -> None:
    """At its deadline, 1,000 members a call, uncounted; its group is listed."""
    await breathe(store, clock, 6)
    key = "asynq:{q}:g:g:6f1c6b0a-0000-4000-8000-000000000001"
    for n in range(1500):
        await store.command(
            "HSET", f"asynq:{{q}}:t:t{n}", "msg", message(f"t{n}"), "state", "aggregating", "group", "g"
        )
        await store.command("ZADD", key, NOON, f"t{n}")
    await store.command("ZADD", "asynq:{q}:aggregation_sets", int(clock.now) + 2, key)
    assert [] == await breathe(store, clock, 1)
    assert [Returned(key, 1000, 0), Returned(key, 500, 0)] == await breathe(store, clock, 4)
    assert (1500, {b"g"}) == (len(await of_group(store)), await listed(store))
    assert None is await store.command("HGET", "asynq:{q}:t:t1", "ob_fails")
    assert 0 == await store.command("EXISTS", key, "asynq:{q}:aggregation_sets")


async def test_a_group_that_go_returned_is_found(store: Store, clock: Clock) -> None:
    """We have seen its set, and look when that is over (SE-03)."""
    key = "asynq:{q}:g:g:6f1c6b0a-0000-4000-8000-000000000001"
    await go_adds(store, "a", at=NOON)
    await store.command("RENAME", "asynq:{q}:g:g", key)
    await store.command("DEL", "asynq:{q}:groups")
    await store.command("ZADD", "asynq:{q}:aggregation_sets", NOON + 20, key)
    await breathe(store, clock, 12)
    await go_reclaims(store, key, "g")
    await breathe(store, clock, 9)
    assert 1 == len((await look(store, GRACE)).sets)


async def test_an_entry_of_no_set_leaves_the_index(store: Store, clock: Clock) -> None:
    """An orphan of `aggregation_sets`."""
    await store.command("ZADD", "asynq:{q}:aggregation_sets", NOON + 7, "asynq:{q}:g:g:gone")
    await breathe(store, clock, 9)
    assert 0 == await store.command("EXISTS", "asynq:{q}:aggregation_sets")


async def test_misfits_are_archived_and_the_rest_goes_on(store: Store, clock: Clock) -> None:
    """Bytes that are no task stay as they are; a set without members is forgotten."""
    found = await staged(store, clock, "a", "b", "c")
    raw = await store.command("HGET", "asynq:{q}:t:a", "msg")
    call = groups.expel(found, "s", [("a", "no task", False), ("b", "no fit", True), ("x", "?", True)], frees=False)
    assert ["archived", "archived", "gone"] == await store.run(call)
    left = await dump(store)
    assert (raw, b"no task") == (left["asynq:{q}:t:a"][b"msg"], left["asynq:{q}:t:a"][b"ob_error"])
    assert "no fit" == decode(left["asynq:{q}:t:b"][b"msg"]).error_msg
    assert ["c"] == await members(store, found)
    await store.run(groups.expel(found, "s", [("c", "no fit", True)], frees=False))
    assert 0 == await store.command("EXISTS", "asynq:{q}:aggregation_sets", "onebeat:{q}:sets")


# -------------------------------------------------------------- operators


@pytest.mark.parametrize("where", ["group", "set"])
async def test_run_takes_a_task_out_of_its_group_for_good(store: Store, clock: Clock, where: str) -> None:
    """SE-22, SE-65: out of a set that is being aggregated, too; when it fails it does not come back to the group."""
    if where == "set":
        await staged(store, clock, "a")
    else:
        await add(store, "a")
    assert ["pending"] == await store.run(browse.run("q", ["a"]))
    assert ["a"] == await pending(store)
    left = await dump(store)
    assert {"asynq:{q}:pending", "asynq:{q}:t:a"} == left.keys()
    assert b"group" not in left["asynq:{q}:t:a"]


async def test_a_task_that_go_ran_by_itself_stays_out_of_its_group(store: Store, clock: Clock) -> None:
    """SE-22: Go's run leaves the group in the hash; our forwarder does not follow it."""
    await store.command("HSET", "asynq:{q}:t:a", "msg", message("a"), "state", "retry", "group", "g")
    await store.command("ZADD", "asynq:{q}:retry", NOON, "a")
    await look(store)
    assert (["a"], set()) == (await pending(store), await listed(store))
    assert None is await store.command("HGET", "asynq:{q}:t:a", "group")


@pytest.mark.parametrize("where", ["group", "set", "nowhere"])
async def test_cancel_deletes_a_task_of_a_group(store: Store, clock: Clock, where: str) -> None:
    """Nothing is left of it, its lock is freed, and no empty group is listed."""
    if where == "set":
        await staged(store, clock, "a", unique_key=LOCK, unique_ms=60_000)
    else:
        await add(store, "a", unique_key=LOCK, unique_ms=60_000)
    if where == "nowhere":
        await store.command("DEL", "asynq:{q}:g:g", "asynq:{q}:groups")
    assert ["deleted"] == await store.run(browse.cancel("q", ["a"]))
    assert {} == await dump(store)


async def test_staged_members_are_counted(store: Store, clock: Clock) -> None:
    """SE-65: beside those that wait."""
    await staged(store, clock, "a", "b")
    await add(store, "c")
    found = await store.run(browse.stats("q"))
    assert (1, 2) == (found.aggregating, found.staged)


async def test_an_archived_member_can_be_run(store: Store, clock: Clock) -> None:
    """By itself, with all its retries."""
    found = await staged(store, clock, "a")
    await give_back(store, found, "boom", most=1)
    assert ["pending"] == await store.run(browse.run("q", ["a"]))
    await grab(store)
    assert ["applied"] == await end(store, Finished("a", "s:1", Outcome.DONE))


async def test_a_queue_with_groups_is_not_at_rest(store: Store, clock: Clock) -> None:
    """The survey has somebody look after it: after groups, and after sets."""
    assert [] == await store.run(survey(["q"]))
    await go_adds(store, "a", at=NOON)
    [found] = await store.run(survey(["q"]))
    assert (False, 0) == (found.has_work, found.due_in_ms)
    await look(store, Rule("", 1, 0, 0), cursor="0")
    await clock.advance(1)
    [key] = (await look(store, Rule("", 1, 0, 0))).sets
    assert 0 == await store.command("EXISTS", "asynq:{q}:groups")
    assert [0] == [one.due_in_ms for one in await store.run(survey(["q"]))]
    assert "aggregated" == await combine(store, GroupSet("q", key), 1)
    assert [None] == [one.due_in_ms for one in await store.run(survey(["q"]))]


@pytest.mark.parametrize("is_spread", [False, True])
@pytest.mark.parametrize("what", ["waits", "staged", "outgoing"])
async def test_a_survey_finds_queues_that_hold_groups_alone(
    store: Store, clock: Clock, monkeypatch: pytest.MonkeyPatch, what: str, *, is_spread: bool
) -> None:
    """Also where queues are spread over nodes, and a first look tells which have anything at all."""
    if what == "waits":
        await add(store, "a")
    else:
        found = await staged(store, clock, "a")
        if what == "outgoing":
            await combine(store, found, 1, queue="other")
    if is_spread:
        monkeypatch.setattr(Store, "is_spread", True)
    seen: list[Surveyed] = []
    await survey_of(store, ["empty", "q"], seen.append)
    assert ["q"] == [item.queue for item in seen]


def test_a_set_knows_its_group_and_id() -> None:
    """Though both may hold colons, an id does not."""
    found = GroupSet("q", "asynq:{q}:g:a:b::6f1c")
    assert ("a:b:", "6f1c") == (found.group, found.id)


def test_a_message_names_its_group() -> None:
    """Field 14 (golden vector V4)."""
    golden = bytes.fromhex("0a01741201781a02673122036c6f77281940880e72056772703a31")
    assert golden == encode(
        TaskMessage(type="t", payload=b"x", id="g1", queue="low", retry=25, timeout=1800, group_key="grp:1")
    )
