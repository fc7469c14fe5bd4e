"""The doctor at a live store: facts of servers, schedules and queues, what it is refused and what it leaves out."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from datetime import datetime, timedelta
from typing import Any, TypeVar, cast

import pytest

from onebeat.broker.maintain import maintain
from onebeat.broker.store import Store
from onebeat.client import Client
from onebeat.clock import SystemClock
from onebeat.errors import ConfigurationError, QueueNotFound
from onebeat.inspector.checks.finding import Diagnosis, Finding
from onebeat.inspector.diagnosing import Doctor
from onebeat.inspector.inspector import Inspector
from onebeat.inspector.steps import Pause, Procedure, taken
from onebeat.scheduler.scheduler import Scheduler
from onebeat.server.mux import Mux
from onebeat.server.server import Server
from onebeat.server.serving import Serving
from onebeat.task import Task
from onebeat.wire import keys
from onebeat.wire.records import EntryRecord
from tests.conftest import NOON, Clock
from tests.inspector.conftest import Face, everything, put, put_in, put_in_group
from tests.inspector.test_fleet import list_server, server
from tests.server.conftest import until

ROOT = "asynq:{q}:"
T = TypeVar("T")


def of(found: Diagnosis, check: str) -> list[Finding]:
    return [one for one in found.findings if one.check == check]


def texts(found: Diagnosis, check: str) -> list[str]:
    return [one.text for one in of(found, check)]


async def handler(ctx: Any, task: Any) -> None: ...


class FastClock(SystemClock):
    """A clock that is 40 s fast."""

    def now(self) -> datetime:
        return super().now() + timedelta(seconds=40)


async def test_servers_say_what_only_they_know(url: str) -> None:
    """Which types they handle, and how far their clocks are off; what they run is left in peace."""
    mux = Mux()
    mux.handle("mail:")(handler)
    async with await Store.open(url) as store, Client(store) as client, Inspector(store) as inspector:
        serving = Server(store, queues={"mail": 1}, clock=FastClock(), lease=1.0, allow_short_lease=True).serving(mux)
        async with serving as one:
            one.takes_no_more()
            await client.enqueue(Task("report:make"), queue="mail")
            await client.enqueue(Task("mail:send"), queue="mail")
            await until(lambda: is_measured(inspector, one))
            found = await inspector.diagnose(["type-without-handler", "clock-skew"])
    [skew] = texts(found, "clock-skew")
    assert skew == "its clock is 40 s ahead of the store's"
    [unhandled] = texts(found, "type-without-handler")
    assert "no server that serves it has a handler for type 'report:make': 1 of 2 tasks" in unhandled


async def is_measured(inspector: Inspector, serving: Serving) -> bool:
    """Whether the server has measured its clock, and said so; it is asked for signs of life meanwhile."""
    serving.keeper._presence._next = 0.0
    return any(one.sheet is not None and one.sheet.clock_ahead for one in await inspector.servers())


async def test_a_type_that_nobody_handles_is_named(inspector: Face, store: Store, clock: Clock) -> None:
    """From samples of what is pending, against the sheets of the servers of its queue."""
    await list_server(store, 1, server(1).encode(), {})
    await store.command(
        "SET", keys.sheet("web-1:41:id1"), b'{"version":"0.5","application":"shop","patterns":["mail:"]}'
    )
    await put(store, "a")
    [finding] = of(await inspector.diagnose(), "type-without-handler")
    assert "queue q" == finding.subject
    assert "no server that serves it has a handler for type 't': 1 of 1 tasks" in finding.text
    assert "served by web-1:41 of shop (handles mail:)" in finding.text
    await store.command("SET", keys.sheet("web-1:41:id1"), b'{"version":"0.5","patterns":["mail:","t"]}')
    assert [] == of(await inspector.diagnose(), "type-without-handler")
    await store.command("DEL", keys.sheet("web-1:41:id1"))  # a server of Go may handle anything
    assert [] == of(await inspector.diagnose(), "type-without-handler")


async def test_a_go_hosts_clock_shows_in_its_entry(inspector: Face, store: Store, clock: Clock) -> None:
    """Its end is written by that clock, the life of its record by the store's; also if it is not listed any more."""
    real = await store.command("TIME")
    await clock.set(float(real[0]))
    for number, skew in ((1, 0), (2, 45), (3, -45)):
        key = f"asynq:servers:{{web-{number}:{40 + number}:id{number}}}"
        await store.command("SET", key, server(number).encode(), "EX", 10)
        await store.command("ZADD", "asynq:servers", int(clock.now) + 10 + skew, key)
    found = of(await inspector.diagnose(["clock-skew"]), "clock-skew")
    assert {"host web-2", "host web-3"} == {one.subject for one in found}
    assert {"ahead of", "behind"} == {"ahead of" if "ahead of" in one.text else "behind" for one in found}


@pytest.mark.parametrize(
    ("words", "check", "said"),
    [
        ([("SET", ROOT + "paused", NOON - 60)], "paused-with-backlog", "1 task waits in it"),
        ([("HSET", ROOT + "t:a", "pending_since", (NOON - 7200) * 10**9)], "backlog-old", "has waited for 2 h"),
        ([("ZADD", ROOT + "lease", NOON - 300, "a"), ("LPUSH", ROOT + "active", "a")], "lease-lapsed", "1 task lost"),
        ([("ZADD", ROOT + "scheduled", NOON - 300, "a")], "upkeep-late", "due 5 min ago"),
        ([("HSET", ROOT + "t:a", "msg", b"\xff\xff")], "message-unreadable", "no message of asynq's: a"),
        ([("HSET", "onebeat:{q}:limits", "size", 1, "age", 0), ("ZADD", ROOT + "archived", 1, "x")],
         "archive-nearly-full", "1 of the 1 tasks"),
    ],
)  # fmt: skip
async def test_a_queue_that_is_in_trouble(
    inspector: Face, store: Store, clock: Clock, words: list[tuple[Any, ...]], check: str, said: str
) -> None:
    """It is said of it alone; another, that is well, is left in peace."""
    await list_server(store, 1, server(1, queues={"q": 1, "well": 1}).encode(), {})
    await put(store, "a")
    await put(store, "b", queue="well")
    assert [] == of(await inspector.diagnose(), check)
    await store.commands(words)
    [finding] = of(await inspector.diagnose(), check)
    assert "queue q" == finding.subject
    assert said in finding.text


async def test_a_lease_that_recovery_waits_for_is_no_trouble(inspector: Face, store: Store, clock: Clock) -> None:
    """One of Go's clock is given half a minute more; so is one that a repair wrote."""
    await list_server(store, 1, server(1).encode(), {})
    await store.command("SET", keys.sheet("web-1:41:id1"), b'{"version":"0.5","patterns":["t"]}')
    await put_in(store, "active", "a")
    await store.commands([("DEL", ROOT + "lease"), ("ZADD", ROOT + "lease", NOON - 44, "a")])
    assert [] == of(await inspector.diagnose(["lease-lapsed"]), "lease-lapsed")
    await clock.advance(2)
    assert 1 == len(of(await inspector.diagnose(["lease-lapsed"]), "lease-lapsed"))


async def test_many_that_fail_alike_are_a_storm(inspector: Face, store: Store, clock: Clock) -> None:
    """Sixty tasks in retry, of one error."""
    for number in range(60):
        await put_in(store, "retry", f"t{number}")
    [finding] = of(await inspector.diagnose(["retry-storm"]), "retry-storm")
    assert "60 tasks wait to be retried; of 20 that were looked at 20 are t and failed alike" in finding.text


async def follow_with(store: Store, procedure: Procedure[T], meanwhile: Callable[[], Awaitable[None]]) -> T:
    """Carry a procedure out, and do something in its pauses."""
    step = next(procedure)
    while True:
        if isinstance(step, Pause):
            await meanwhile()
        try:
            step = procedure.send(await taken(store, step))
        except StopIteration as end:
            return cast("T", end.value)


async def test_two_looks_see_what_grows(url: str) -> None:
    """What comes in between counts."""
    async with await Store.open(url) as store, Client(store) as client, Inspector(store) as inspector:
        await client.enqueue(Task("t"), queue="q")

        async def meanwhile() -> None:
            await client.enqueue_many([Task("t", queue="q") for _ in range(5)])

        looked = await follow_with(store, Doctor(store, checks=["backlog-growing"], seconds=0.01).diagnose(), meanwhile)
        [finding] = of(looked, "backlog-growing")
        assert "about 5 tasks came and 0 were processed; 6 are pending, 5 more than before" in finding.text
        quiet = await inspector.diagnose(["backlog-growing"], seconds=0.01)
        once = await inspector.diagnose(["backlog-growing"])
    assert () == quiet.findings
    assert [("backlog-growing", "it takes two looks: give the seconds between them, by `--for 10`")] == [
        (one.check, one.why) for one in once.not_checked
    ]


async def test_a_schedule_that_nobody_fires(inspector: Face, store: Store, clock: Clock) -> None:
    """While somebody declares it, all is well; once nobody does, it says when the next tick will be missed."""
    scheduler = Scheduler(store)
    scheduler.register("@every 1h", Task("t"), queue="q", id="hourly")
    await scheduler.declare(store)
    assert [] == of(await inspector.diagnose(), "schedule-unfired")
    await clock.advance(600)
    [finding] = of(await inspector.diagnose(), "schedule-unfired")
    assert finding.text.startswith("nobody will fire its next tick, at 2030-03-17 18:00:00 UTC: no server of Onebeat")
    await clock.advance(3600)
    [finding] = of(await inspector.diagnose(), "schedule-unfired")
    assert "its tick of 2030-03-17 18:00:00 UTC was due 57 min ago and has not fired" in finding.text
    await store.run(maintain("q", max_crashes=5))
    await scheduler.declare(store)
    assert [] == of(await inspector.diagnose(), "schedule-unfired")


async def test_a_schedule_that_missed_ticks(inspector: Face, store: Store, clock: Clock) -> None:
    """Nobody was there for three hours."""
    scheduler = Scheduler(store)
    scheduler.register("@every 1h", Task("t"), queue="q", id="hourly")
    await scheduler.declare(store)
    await clock.advance(4 * 3600)
    await store.run(maintain("q", max_crashes=5))
    [finding] = of(await inspector.diagnose(), "schedule-missed")
    assert "schedule hourly" == finding.subject
    assert "3 ticks came while nobody was there to fire" in finding.text


async def test_what_two_go_schedulers_keep_fires_twice(inspector: Face, store: Store, clock: Clock) -> None:
    """Under names as Go writes them; our own list of schedules for asynq's tools is none of theirs."""
    record = EntryRecord(id="e", spec="@daily", task_type="t", next_enqueue_time=(NOON + 60) * 10**9)
    for number in range(2):
        key = f"asynq:schedulers:{{web:{number}:11111111-2222-4333-8444-55555555555{number}}}"
        await store.command("ZADD", "asynq:schedulers", NOON + 20, key)
        await store.command("RPUSH", key, record.encode())
    await store.command("ZADD", "asynq:schedulers", NOON + 20, "asynq:schedulers:{q}")
    await store.command("RPUSH", "asynq:schedulers:{q}", record.encode())
    [finding] = of(await inspector.diagnose(), "schedule-twice")
    assert "each tick fires 2 times: 2 schedulers keep it: web:0:" in finding.text


async def test_only_named_checks_and_queues_are_looked_at(inspector: Face, store: Store) -> None:
    """And what they need."""
    await put(store, "a")
    await put(store, "b", queue="other")
    found = await inspector.diagnose(["queue-without-server"], queues=["other"])
    assert (("queue-without-server",), ["queue other"]) == (found.checked, [one.subject for one in found.findings])
    assert ("0 servers", "1 queue") == found.looked


async def test_a_budget_bounds_what_is_looked_at_and_says_so(inspector: Face, store: Store) -> None:
    """Of a long list both ends."""
    for number in range(60):
        await put(store, f"t{number}")
    await store.command("LSET", ROOT + "pending", 0, "first")
    await store.command("LSET", ROOT + "pending", 30, "middle")
    await store.command("LSET", ROOT + "pending", -1, "last")
    found = await inspector.diagnose(["dangling-id"], budget=10)
    assert "10 of 60 entries of lists" in found.looked
    [finding] = found.findings
    assert "2 ids stand in lists without a task: first, last" == finding.text
    [finding] = (await inspector.diagnose(["dangling-id"])).findings
    assert finding.text.startswith("3 ids")
    few = await inspector.diagnose(["queue-without-server"], budget=1)
    assert "1 queue" in few.looked


async def test_of_very_many_the_first_are_told_and_the_others_counted(inspector: Face, store: Store) -> None:
    """Twenty of a check."""
    for number in range(25):
        await put(store, "a", queue=f"q{number:02}")
    found = of(await inspector.diagnose(), "queue-without-server")
    assert 21 == len(found)
    assert ("5 others", "the same is so of 5 others: queue q20, queue q21, queue q22 and 2 more") == (
        found[-1].subject, found[-1].text,
    )  # fmt: skip


async def test_a_diagnosis_writes_nothing(inspector: Face, store: Store) -> None:
    """Whatever is there."""
    for state in ("pending", "active", "scheduled", "retry", "archived", "completed"):
        await put_in(store, state, state)
    await put_in_group(store, "g", "m")
    scheduler = Scheduler(store)
    scheduler.register("@every 1h", Task("t"), queue="q", id="hourly")
    await scheduler.declare(store)
    before = await everything(store)
    found = await inspector.diagnose()
    assert () == found.not_checked
    assert before == await everything(store)


@pytest.mark.one_store
@pytest.mark.parametrize(
    ("forbidden", "not_checked"),
    [
        ("-slowlog", {"store-slow"}),
        ("-scan", {"lost-record", "group-unlisted", "group-set-stale", "endless-lock", "stale-lock", "queue-unlisted"}),
    ],
)
async def test_what_a_managed_store_forbids_is_not_checked_and_all_else_is(
    url: str, store: Store, clock: Clock, forbidden: str, not_checked: set[str]
) -> None:
    """With the store's own reason; a reader's account does for all of it."""
    await put(store, "a")
    await store.command(
        "ACL", "SETUSER", "reader", "on", ">pw", "~*", "&*", "+@read", "+@scripting", "+@connection", "+info", "+time",
        "+slowlog", "+@keyspace", forbidden,
    )  # fmt: skip
    try:
        async with Inspector(url.replace("unix://", "unix://reader:pw@")) as inspector:
            inspector.store._injected_clock = True
            found = await inspector.diagnose()
    finally:
        await store.command("ACL", "DELUSER", "reader")
    assert not_checked == {one.check for one in found.not_checked}
    assert all("permission" in one.why for one in found.not_checked)
    assert of(found, "queue-without-server")
    [finding] = of(found, "store-rights")
    assert "its user may not HSET asynq:{q}:t:id" in finding.text


@pytest.mark.parametrize(
    ("call", "error", "said"),
    [
        (lambda face: face.diagnose(["nope"]), ConfigurationError, "check 'nope' is none: choose from store-version"),
        (lambda face: face.diagnose("clock-skew"), ConfigurationError, "give a list of ids"),
        (lambda face: face.diagnose(queues="q"), ConfigurationError, "give a list of names"),
        (lambda face: face.diagnose(queues=["nowhere"]), QueueNotFound, "queue 'nowhere' is not known here"),
        (lambda face: face.diagnose(budget=0), ConfigurationError, "budget is 0: give a whole number from 1"),
        (lambda face: face.diagnose(seconds=-1), ConfigurationError, "seconds is -1: give 0 to 3600"),
        (lambda face: face.repair(["clock-skew"]), ConfigurationError, "finds what cannot be repaired from here"),
    ],
)
async def test_what_cannot_be_asked_is_refused(
    inspector: Face, store: Store, call: Callable[[Face], Any], error: type[Exception], said: str
) -> None:
    """By a sentence that says what can."""
    with pytest.raises(error, match=said.replace("(", r"\(")):
        await call(inspector)


async def test_all_of_an_empty_store_is_looked_at(inspector: Face, store: Store) -> None:
    """There is nothing to find but the store's own settings."""
    found = await inspector.diagnose()
    assert {"store-persistence"} >= {one.check for one in found.findings} - {"store-replicas"}
    assert () == found.not_checked
