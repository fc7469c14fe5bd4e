"""maintain.lua: forwarding, recovery, expiry (protocol §3.4; mechanism-rules 3, 10, 11, 16, 17); run, list, stats."""

from __future__ import annotations

import pytest

from onebeat.broker import browse
from onebeat.broker.maintain import Maintained, maintain
from onebeat.broker.produce import NewTask, enqueue
from onebeat.broker.store import Store
from onebeat.states import TaskState
from onebeat.wire.message import decode
from tests.anywhere import everywhere
from tests.broker.test_scripts_consume import go_takes, grab, message, put
from tests.broker.test_scripts_produce import dump, pairs
from tests.conftest import NOON, NOW_KEYS, Clock


async def look(store: Store, *, crashes: int = 5) -> Maintained:
    return await store.run(maintain("q", max_crashes=crashes))


async def delay(store: Store, **due: str) -> None:
    tasks = [NewTask(id_, message(id_), when) for id_, when in due.items()]
    await store.run(enqueue("q", client="d", sequence=1, tasks=tasks))


async def pending(store: Store) -> list[str]:
    """Return the waiting ids, the next to run first."""
    return [id_.decode() for id_ in reversed(await store.command("LRANGE", "asynq:{q}:pending", 0, -1))]


async def beating(store: Store, clock: Clock, seconds: float) -> None:
    """Let time pass while somebody calls, so that no outage is seen; 6 s end the wait of a fresh store."""
    await look(store)
    while seconds > 0:
        step = min(seconds, 4)
        await clock.advance(step)
        seconds -= step
        await look(store)


async def test_nothing_is_forwarded_early(store: Store, clock: Clock) -> None:
    """A millisecond before it is due a task waits; then it moves, and the answer said when."""
    await delay(store, a="+1500")
    await clock.set(NOON + 1.499)
    done = await look(store)
    assert (0, NOON * 1000 + 1500) == (done.forwarded, done.next_due_ms)
    await clock.set(NOON + 1.5)
    assert 1 == (await look(store)).forwarded
    assert ["a"] == await pending(store)
    assert [] == await everywhere(store, "KEYS", "onebeat:{q}:exact")


async def test_the_earlier_due_runs_first(store: Store, clock: Clock) -> None:
    """Within one call too."""
    await delay(store, late="+900", early="+100", middle="+500")
    await clock.set(NOON + 1)
    await look(store)
    assert ["early", "middle", "late"] == await pending(store)


async def test_gos_tasks_are_forwarded_by_their_whole_second(store: Store, clock: Clock) -> None:
    """They have no exact time; scheduled and retry alike."""
    for state in ("scheduled", "retry"):
        await store.command("HSET", f"asynq:{{q}}:t:{state}", "msg", "m", "state", state)
        await store.command("ZADD", f"asynq:{{q}}:{state}", NOON + 2, state)
    assert NOON * 1000 + 2000 == (await look(store)).next_due_ms
    await clock.set(NOON + 2)
    assert 2 == (await look(store)).forwarded


@pytest.mark.parametrize("stale", ["no such task", "pending", "another score"])
async def test_an_exact_time_counts_only_while_it_is_true(store: Store, clock: Clock, stale: str) -> None:
    """A stale entry is dropped and touches nothing else (mechanism-rules 17)."""
    await store.command("ZADD", "onebeat:{q}:exact", NOON * 1000 - 5, "a")
    if stale == "pending":
        await put(store, "a")
    if stale == "another score":
        await store.command("HSET", "asynq:{q}:t:a", "msg", "m", "state", "retry")
        await store.command("ZADD", "asynq:{q}:retry", NOON + 60, "a")
    before = await dump(store)
    assert 0 == (await look(store)).forwarded
    assert before == await dump(store)
    assert 0 == await store.command("EXISTS", "onebeat:{q}:exact")


async def test_a_task_of_a_group_joins_it(store: Store, clock: Clock) -> None:
    """And the group is listed again (SE-03)."""
    await store.command("HSET", "asynq:{q}:t:a", "msg", "m", "state", "scheduled", "group", "g")
    await store.command("ZADD", "asynq:{q}:scheduled", NOON, "a")
    await look(store)
    assert b"aggregating" == await store.command("HGET", "asynq:{q}:t:a", "state")
    assert [(b"a", float(NOON))] == pairs(await store.command("ZRANGE", "asynq:{q}:g:g", 0, -1, "WITHSCORES"))
    assert {b"g"} == await store.command("SMEMBERS", "asynq:{q}:groups")


async def test_forwarding_goes_in_steps(store: Store, clock: Clock) -> None:
    """At most 100 a call, and the answer says that there may be more."""
    await delay(store, **{f"t{number}": "+10" for number in range(150)})
    await clock.set(NOON + 1)
    first, second = await look(store), await look(store)
    assert ((100, True), (50, False)) == ((first.forwarded, first.was_full), (second.forwarded, second.was_full))


async def test_a_lapsed_task_goes_back_to_the_front(store: Store, clock: Clock) -> None:
    """The first crash: next to run, in the order they were taken, message and counters untouched."""
    await look(store)
    await put(store, *"abc")
    await grab(store, lease_ms=15_000)
    await put(store, "d")
    await beating(store, clock, 14)
    assert [] == (await look(store)).recovered
    await clock.advance(1)
    assert [("front", "a"), ("front", "b"), ("front", "c")] == (await look(store)).recovered
    assert list("abcd") == await pending(store)
    task = (await dump(store))["asynq:{q}:t:a"]
    assert {b"msg": message("a"), b"state": b"pending", b"ob_crash": b"1"}.items() <= task.items()
    assert b"s:1@" + task[b"pending_since"] == task[b"ob_prev"]
    assert 0 == await store.command("EXISTS", "asynq:{q}:processed", "asynq:{q}:lease", "asynq:{q}:active")


async def crash(store: Store, clock: Clock, sequence: int, *, limit: int = 10, server: str = "s") -> Maintained:
    """Take what waits, let the lease lapse, and recover."""
    await grab(store, server=server, sequence=sequence, lease_ms=1000, limit=limit)
    await clock.advance(2)
    return await look(store)


async def test_later_crashes_wait_longer_and_longer(store: Store, clock: Clock) -> None:
    """About 5 s · 2^n in retry, then the archive with `crashed n times`, both counters counted once (rule 10)."""
    await beating(store, clock, 6)
    await put(store, "a")
    assert [("front", "a")] == (await crash(store, clock, 1)).recovered
    for number, base in ((2, 5), (3, 10), (4, 20)):
        assert [("retry", "a")] == (await crash(store, clock, number)).recovered
        wait = (await look(store)).next_due_ms or 0
        assert 0.5 * base <= wait / 1000 - clock.now <= 1.5 * base + 0.001
        await beating(store, clock, 1.5 * base + 1)
    assert [("archived", "a")] == (await crash(store, clock, 5)).recovered
    task = (await dump(store))["asynq:{q}:t:a"]
    read = decode(task[b"msg"])
    assert ("crashed 5 times", 0, int(clock.now)) == (read.error_msg, read.retried, read.last_failed_at)
    assert b"ob_crash" not in task
    assert [b"1", b"1"] == await store.command("MGET", "asynq:{q}:processed", "asynq:{q}:failed")


async def test_only_the_most_suspect_is_charged(store: Store, clock: Clock) -> None:
    """Of tasks that died with one server, those that crashed less often go back as they were."""
    await beating(store, clock, 6)
    await put(store, *"ab")
    await store.command("HSET", "asynq:{q}:t:a", "ob_crash", "2")
    assert [("retry", "a"), ("front", "b")] == (await crash(store, clock, 1)).recovered
    assert [b"3", b"0"] == [await store.command("HGET", f"asynq:{{q}}:t:{id_}", "ob_crash") for id_ in "ab"]


async def test_servers_are_judged_apart(store: Store, clock: Clock) -> None:
    """A suspect on one server excuses nobody on another."""
    await beating(store, clock, 6)
    await put(store, *"ab")
    await store.command("HSET", "asynq:{q}:t:a", "ob_crash", "2")
    await grab(store, server="one", limit=1, lease_ms=1000)
    await grab(store, server="two", limit=1, lease_ms=1000)
    await clock.advance(2)
    await look(store)
    assert [b"3", b"1"] == [await store.command("HGET", f"asynq:{{q}}:t:{id_}", "ob_crash") for id_ in "ab"]


async def test_gos_lease_gets_thirty_seconds_more(store: Store, clock: Clock) -> None:
    """It was written by Go's clock (mechanism-rules 11)."""
    await look(store)
    await put(store, "a")
    await store.command("RPOP", "asynq:{q}:pending")
    await go_takes(store, "a", NOON + 30)
    await beating(store, clock, 59)
    assert [] == await pending(store)
    await beating(store, clock, 1)
    assert ["a"] == await pending(store)


async def test_after_an_outage_owners_speak_first(store: Store, clock: Clock) -> None:
    """More than 5 s without a call, or a clock that stepped back: nothing is recovered for 5 s (mechanism-rules 3)."""
    await look(store)
    await clock.advance(4)
    await look(store)
    await put(store, "a")
    await grab(store, lease_ms=1000)
    await clock.advance(30)
    assert [] == (await look(store)).recovered
    await clock.advance(4.9)
    assert [] == (await look(store)).recovered
    await clock.advance(0.1)
    assert [("front", "a")] == (await look(store)).recovered


async def test_broken_leases_are_cleaned(store: Store, clock: Clock) -> None:
    """Without a hash, or of a task that is not active, the lease goes and nothing else happens."""
    await put(store, "waits")
    await store.command("ZADD", "asynq:{q}:lease", NOON - 100, "ghost", NOON - 100, "waits")
    await store.command("LPUSH", "asynq:{q}:active", "ghost")
    await look(store)
    await clock.advance(4)
    await look(store)
    await clock.advance(4)
    assert [] == (await look(store)).recovered
    assert 0 == await store.command("EXISTS", "asynq:{q}:lease", "asynq:{q}:active")
    assert ["waits"] == await pending(store)


async def test_completed_tasks_expire(store: Store, clock: Clock) -> None:
    """When their time is over, hash and all; not a second before."""
    await store.command("ZADD", "asynq:{q}:completed", NOON + 5, "a")
    await store.command("HSET", "asynq:{q}:t:a", "msg", "m", "state", "completed")
    await clock.set(NOON + 4.999)
    assert 0 == (await look(store)).expired
    await clock.set(NOON + 5)
    assert 1 == (await look(store)).expired
    assert [] == await everywhere(store, "KEYS", "asynq:*")


async def test_a_part_that_fails_does_not_stop_the_others(store: Store, clock: Clock) -> None:
    """A foreign type under one name is reported, and the rest of the upkeep is done."""
    await store.command("SET", "asynq:{q}:completed", "x")
    await delay(store, a="+10")
    await clock.set(NOON + 1)
    done = await look(store)
    assert (1, True) == (done.forwarded, any("expire" in text for text in done.errors))


async def test_upkeep_goes_on_while_the_store_is_full(store: Store, clock: Clock) -> None:
    """Forwarding and recovery need no free memory to begin (mechanism-rules 4)."""
    await beating(store, clock, 6)
    await put(store, "a")
    await delay(store, b="+1500")
    await grab(store, lease_ms=1000)
    await clock.advance(2)
    await everywhere(store, "CONFIG", "SET", "maxmemory", "1")
    try:
        done = await look(store)
    finally:
        await everywhere(store, "CONFIG", "SET", "maxmemory", "0")
    assert (1, [("front", "a")]) == (done.forwarded, done.recovered)


async def test_recovery_alone_goes_on_while_the_store_is_full(store: Store, clock: Clock) -> None:
    """Also when nothing else in the call has made room before."""
    await beating(store, clock, 6)
    await put(store, "a")
    await grab(store, lease_ms=1000)
    await clock.advance(2)
    await everywhere(store, "CONFIG", "SET", "maxmemory", "1")
    try:
        done = await look(store)
    finally:
        await everywhere(store, "CONFIG", "SET", "maxmemory", "0")
    assert [("front", "a")] == done.recovered


@pytest.mark.parametrize("state", ["scheduled", "retry", "archived", "completed"])
async def test_run_makes_a_task_pending_now(store: Store, clock: Clock, state: str) -> None:
    """With a fresh pending_since, crash count and exact time forgotten; what had ended has all its retries again."""
    await store.command("HSET", "asynq:{q}:t:a", "msg", "m", "state", state, "ob_crash", "4")
    await store.command("ZADD", f"asynq:{{q}}:{state}", NOON + 60, "a")
    await store.command("ZADD", "onebeat:{q}:exact", (NOON + 60) * 1000, "a")
    assert ["pending"] == await store.run(browse.run("q", ["a"]))
    found = await dump(store, "*")
    message = (
        b"m\x30\x00" if state in ("archived", "completed") else b"m"
    )  # field 6, retried, is 0: the last one counts
    assert {b"msg": message, b"state": b"pending", b"pending_since": b"1900000000000000000"} == found["asynq:{q}:t:a"]
    assert {"asynq:{q}:t:a", "asynq:{q}:pending"} == found.keys() - set(NOW_KEYS)


async def test_run_says_what_it_leaves_alone(store: Store, clock: Clock) -> None:
    """Pending, active and missing tasks are told apart; one whose group was lost is put back."""
    await put(store, *"ab")
    await grab(store, limit=1)
    await store.command("HSET", "asynq:{q}:t:broken", "msg", "m", "state", "aggregating")
    answers = await store.run(browse.run("q", ["a", "b", "nobody", "broken"]))
    assert ["already active", "already pending", "gone", "pending"] == answers


async def test_lists_are_in_asynqs_order(store: Store, clock: Clock) -> None:
    """Pending with the next to run first, in pages; zsets by rising score (protocol §10.9)."""
    await put(store, *(f"p{number}" for number in range(5)))
    await delay(store, **{f"s{number}": f"+{number + 1}000" for number in range(5)})
    pages = [await store.run(browse.list_ids("q", TaskState.PENDING, offset=at, limit=2)) for at in (0, 2, 4, 6)]
    assert [["p0", "p1"], ["p2", "p3"], ["p4"], []] == pages
    assert ["s2", "s3"] == await store.run(browse.list_ids("q", TaskState.SCHEDULED, offset=2, limit=2))


async def test_info_shows_the_exact_due_time(store: Store, clock: Clock) -> None:
    """To the millisecond for ours, to the second for Go's, none where it does not apply."""
    await delay(store, a="+1500")
    await store.command("HSET", "asynq:{q}:t:go", "msg", "m", "state", "retry")
    await store.command("ZADD", "asynq:{q}:retry", NOON + 7, "go")
    found = {id_: await store.run(browse.info("q", id_)) for id_ in ("a", "go", "nobody")}
    assert (NOON * 1000 + 1500, NOON * 1000 + 7000) == tuple(found[id_].next_due_ms for id_ in ("a", "go"))  # type: ignore[union-attr] # both are there
    assert None is found["nobody"]


async def test_stats_count_what_there_is(store: Store, clock: Clock) -> None:
    """By state, of today and in all, with the age of the next task."""
    await put(store, *"abc")
    await grab(store, limit=1)
    await delay(store, d="+60000")
    await clock.advance(2.5)
    found = await store.run(browse.stats("q"))
    assert (2, 1, 1, 4, 2500, False) == (
        found.pending,
        found.active,
        found.scheduled,
        found.size,
        found.latency_ms,
        found.paused,
    )


async def test_every_script_has_a_contract() -> None:
    """Each begins with its name, its keys, mostly two roots, and what it returns; libraries with their name."""
    from importlib.resources import files

    scripts = files("onebeat.broker") / "scripts"
    for script in scripts.iterdir():
        if script.name.endswith(".lua"):
            head = script.read_text().split("\n\n", 1)[0]
            name = script.name.removesuffix(".lua")
            assert head.startswith(f"-- {name}: "), name
            own = {"semaphore": "KEYS[1] zset", "audit": "KEYS[1] stream"}  # of no queue
            own |= dict.fromkeys(("job", "job_beat", "job_begin", "job_stop"), "KEYS[1] hash")
            own["job_turn"] = "KEYS[1] str"
            own |= dict.fromkeys(("session_see", "session_end", "sessions"), "KEYS[1] hash")
            own |= dict.fromkeys(("views", "view_save", "view_delete"), "KEYS[1] hash")
            words = (own[name], "returns") if name in own else ("KEYS[1] root", "KEYS[2] root", "returns")
            assert all(word in head for word in words), name
    for library in (scripts / "lib").iterdir():
        assert library.read_text().startswith(f"-- {library.name.removesuffix('.lua').removesuffix('_injected')}: ")


async def test_run_begins_a_new_life(store: Store, clock: Clock) -> None:
    """Whoever recovered or ended an archived task before has no say in what becomes of it now."""
    await put(store, "a")
    await store.command("HSET", "asynq:{q}:t:a", "state", "archived", "ob_prev", "s:1", "ob_done", "s:2")
    await store.command("ZADD", "asynq:{q}:archived", NOON, "a")
    await store.command("LREM", "asynq:{q}:pending", 0, "a")
    assert ["pending"] == await store.run(browse.run("q", ["a"]))
    assert [None, None] == await store.command("HMGET", "asynq:{q}:t:a", "ob_prev", "ob_done")


async def test_the_age_of_the_next_task_is_exact_to_the_millisecond(store: Store, clock: Clock) -> None:
    """Nanoseconds since 1970 are more than a number of Lua's holds, so they are not put into one."""
    await clock.set(NOON + 1.75)
    await put(store, "a")
    await clock.set(NOON + 2)
    assert 250 == (await store.run(browse.stats("q"))).latency_ms
