"""Aggregation by servers: when, what of, what its failures and its server's death come to, and that nothing doubles."""

from __future__ import annotations

import asyncio
import re
import sys
import threading
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from onebeat.broker.store import Store
from onebeat.errors import ConfigurationError
from onebeat.inspector.inspector import Inspector
from onebeat.preparing import prepare
from onebeat.server.config import ServerConfig
from onebeat.server.context import Context
from onebeat.server.mux import Mux
from onebeat.server.server import Server
from onebeat.states import TaskState
from onebeat.sync import SyncClient
from onebeat.task import Task
from tests.anywhere import everywhere
from tests.server.conftest import Bench, until

Ctx = Context[Any]


def collect(bench: Bench) -> list[bytes]:
    """Have combined tasks run, and return what they carry as they do."""
    ran: list[bytes] = []

    @bench.mux.handle("combined")
    async def combined(ctx: Ctx, task: Task[Any]) -> None:
        ran.append(task.payload)

    return ran


def join(group: str, tasks: list[Task[Any]]) -> Task[Any]:
    return Task("combined", group.encode() + b": " + b" ".join(task.payload for task in tasks))


def join_bytes(group: str, tasks: list[Task[Any]]) -> Task[Any]:
    return Task(
        "combined", group.encode("utf-8", "surrogateescape") + b": " + b" ".join(task.payload for task in tasks)
    )


async def test_a_group_becomes_one_task(bench: Bench) -> None:
    """When nobody has joined for the grace period; in the order in which they joined; then nothing is left of it."""
    ran = collect(bench)
    bench.mux.aggregate()(join)
    for payload in (b"a", b"b", b"c"):
        await bench.enqueue("event", payload, group="g")
    assert 3 == (await bench.stats()).aggregating
    async with bench.serving(group_grace=0.05):
        await bench.reaches(processed=1, aggregating=0)
    assert 1 == len(ran)
    assert (b"g:", [b"a", b"b", b"c"]) == (ran[0].split()[0], sorted(ran[0].split()[1:]))
    assert [] == [key for key in await everywhere(bench.store, "KEYS", "*{default}:g*") if b"groups" not in key]


async def test_enqueue_says_that_a_task_aggregates(bench: Bench, url: str) -> None:
    """Both clients, one task and many; a delayed one is scheduled."""
    accepted = await bench.client.enqueue(Task("event"), group="g")
    assert (TaskState.AGGREGATING, None) == (accepted.state, accepted.process_at)
    assert TaskState.SCHEDULED is (await bench.client.enqueue(Task("event"), group="g", process_in=60)).state

    def blocking() -> None:
        with SyncClient(url) as client:
            assert TaskState.AGGREGATING is client.enqueue(Task("event", group="g")).state
            assert 2 == client.enqueue_many([Task("event"), Task("event")], group="g").enqueued

    await asyncio.to_thread(blocking)
    assert 4 == (await bench.stats()).aggregating


async def test_coroutines_and_plain_functions_aggregate(bench: Bench) -> None:
    """The longest pattern counts; a plain function runs in a thread."""
    ran, threads = collect(bench), dict[str, str]()

    @bench.mux.aggregate("mail:")
    async def on_loop(group: str, tasks: list[Task[Any]]) -> Task[Any]:
        threads["async"] = threading.current_thread().name
        return join(group, tasks)

    @bench.mux.aggregate()
    def in_thread(group: str, tasks: list[Task[Any]]) -> Task[Any]:
        threads["plain"] = threading.current_thread().name
        return join(group, tasks)

    await bench.enqueue("event", b"a", group="mail:1")
    await bench.enqueue("event", b"b", group="other")
    async with bench.serving(group_grace=0.01):
        await bench.reaches(processed=2, aggregating=0)
    assert [b"mail:1: a", b"other: b"] == sorted(ran)
    assert "MainThread" == threads["async"]
    assert threads["plain"].startswith("onebeat-group")


async def test_a_failing_aggregator_is_tried_again(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    """After a rest, with the same members; the failures are logged, and cost the members nothing."""
    ran, tries = collect(bench), list[int]()

    @bench.mux.aggregate()
    async def unsteady(group: str, tasks: list[Task[Any]]) -> Task[Any]:
        tries.append(len(tasks))
        if len(tries) < 3:
            raise ValueError("not now")
        return join(group, tasks)

    await bench.enqueue("event", b"a", group="g")
    async with bench.serving(group_grace=0.01, group_backoff=0.01):
        await bench.reaches(processed=1, aggregating=0)
    assert ([1, 1, 1], [b"g: a"]) == (tries, ran)
    told = [record.getMessage() for record in caplog.records if record.name == "onebeat.aggregator"]
    assert "group g of queue default was not aggregated: ValueError: not now" in told
    assert "group g of queue default: 1 tasks were returned to it" in told


async def test_what_fails_too_often_is_archived_and_can_be_run(bench: Bench) -> None:
    """After `group_max_failures`, with the error; from there each runs by itself (SE-21, SE-22)."""
    ran: list[bytes] = []

    @bench.mux.handle("event")
    async def event(ctx: Ctx, task: Task[Any]) -> None:
        ran.append(task.payload)

    @bench.mux.aggregate()
    def broken(group: str, tasks: list[Task[Any]]) -> Task[Any]:
        raise ValueError("never")

    task_id = await bench.enqueue("event", b"a", group="g")
    async with bench.serving(group_grace=0.01, group_backoff=0.01, group_max_failures=2):
        await bench.reaches(archived=1, aggregating=0)
        info = await Inspector(bench.store).task("default", task_id)
        assert ("ValueError: never", "g") == (info.last_error, info.group)
        await Inspector(bench.store).run("default", task_id)
        await bench.reaches(archived=0, processed=1)
    assert [b"a"] == ran


class Odd(BaseException):
    """No Exception."""


@pytest.mark.parametrize("is_async", [True, False])
@pytest.mark.parametrize("error", [asyncio.CancelledError, SystemExit, StopIteration, Odd])
async def test_whatever_an_aggregator_raises_is_counted(
    bench: Bench, error: type[BaseException], *, is_async: bool
) -> None:
    """Also what is no Exception, or what no future takes: the group does not go round for ever, the server goes on."""

    async def on_loop(group: str, tasks: list[Task[Any]]) -> Task[Any]:
        raise error

    def in_thread(group: str, tasks: list[Task[Any]]) -> Task[Any]:
        raise error

    bench.mux.aggregate()(on_loop if is_async else in_thread)
    task_id = await bench.enqueue("event", b"a", group="g")
    async with bench.serving(group_grace=0.01, group_backoff=0.01, group_max_failures=2):
        await bench.reaches(archived=1, aggregating=0)
    assert error.__name__ in (await Inspector(bench.store).task("default", task_id)).last_error


@pytest.mark.parametrize(
    ("returned", "sentence"),
    [
        (None, "aggregator of group 'g' returned None: return a Task, or what bind() returns"),
        (
            Task("t", group="g"),
            "returned a task of that very group, which would go round for ever: leave out its group",
        ),
        (Task("t", queue="low", unique=60), "a task for another queue, 'low', that is unique or has an id of its own"),
        (Task("t", queue="low", task_id="x"), "when the group is gone: leave out unique and task_id, or its queue"),
        (Task("t", max_retry=-1), "option max_retry is -1: give 0 for no retry"),
    ],
)
async def test_a_result_that_cannot_be_used_is_a_failure(bench: Bench, returned: Any, sentence: str) -> None:
    """Its sentence says what to return, and nothing is lost."""

    @bench.mux.aggregate()
    async def wrong(group: str, tasks: list[Task[Any]]) -> Task[Any]:
        result: Task[Any] = returned
        return result

    task_id = await bench.enqueue("event", group="g")
    async with bench.serving(group_grace=0.01, group_max_failures=1):
        await bench.reaches(archived=1, aggregating=0)
    assert sentence in (await Inspector(bench.store).task("default", task_id)).last_error


@pytest.mark.parametrize("is_async", [True, False])
async def test_an_aggregator_that_takes_too_long_has_failed(bench: Bench, is_async: bool) -> None:
    """A coroutine is cancelled; what a thread returns later does not count."""
    freed, ended = threading.Event(), list[str]()

    async def slow(group: str, tasks: list[Task[Any]]) -> Task[Any]:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append("cancelled")
        raise AssertionError

    def blocked(group: str, tasks: list[Task[Any]]) -> Task[Any]:
        freed.wait(60)
        return join(group, tasks)

    bench.mux.aggregate(timeout=0.02)(slow if is_async else blocked)
    task_id = await bench.enqueue("event", b"a", group="g")
    async with bench.serving(group_grace=0.01, group_max_failures=1):
        await bench.reaches(archived=1, aggregating=0)
        freed.set()
    assert (await Inspector(bench.store).task("default", task_id)).last_error.startswith(
        "OverTime: aggregator did not end within 0.02 s"
    )
    assert (["cancelled"] if is_async else []) == ended
    assert 0 == (await bench.stats()).pending


async def test_bytes_that_are_no_task_do_not_stop_a_group(bench: Bench) -> None:
    """They are archived as they are; the others are aggregated."""
    ran = collect(bench)
    bench.mux.aggregate()(join)
    broken = await bench.enqueue("event", b"a", group="g")
    await bench.enqueue("event", b"b", group="g")
    await bench.store.command("HSET", f"asynq:{{default}}:t:{broken}", "msg", b"\xff\xff")
    async with bench.serving(group_grace=0.01):
        await bench.reaches(processed=1, archived=1, aggregating=0)
    assert [b"g: b"] == ran
    assert b"\xff\xff" == await bench.field(broken, "msg")


async def test_a_task_that_is_cancelled_while_its_group_is_aggregated_is_not_in_it(bench: Bench) -> None:
    """The set is read again: what was made of it with the task does not count (SE-65)."""
    ran, sizes, begun, go_on = collect(bench), list[int](), asyncio.Event(), asyncio.Event()

    @bench.mux.aggregate()
    async def patient(group: str, tasks: list[Task[Any]]) -> Task[Any]:
        sizes.append(len(tasks))
        begun.set()
        await go_on.wait()
        return join(group, tasks)

    gone = await bench.enqueue("event", b"gone", group="g")
    await bench.enqueue("event", b"stays", group="g")
    async with bench.serving(group_grace=0.01):
        await begun.wait()
        await Inspector(bench.store).cancel("default", gone)
        go_on.set()
        await bench.reaches(processed=1, aggregating=0)
    assert ([2, 1], [b"g: stays"]) == (sizes, ran)


async def test_unique_tasks_are_accepted_again_when_their_group_was_aggregated(bench: Bench) -> None:
    """Go keeps the lock until its time is over; ours is freed with the task."""
    ran = collect(bench)
    bench.mux.aggregate()(join)
    await bench.enqueue("event", b"a", group="g", unique=3600)
    async with bench.serving(group_grace=0.01):
        await bench.reaches(processed=1)
        await bench.enqueue("event", b"a", group="g", unique=3600)
        await bench.reaches(processed=2)
    assert [b"g: a", b"g: a"] == ran


async def test_a_combined_task_may_hold_the_lock_of_a_member(bench: Bench) -> None:
    """As where a group of one is passed on as it is: the member's lock ends with it."""
    ran: list[bytes] = []

    @bench.mux.handle("event")
    async def event(ctx: Ctx, task: Task[Any]) -> None:
        ran.append(task.payload)

    @bench.mux.aggregate()
    async def first(group: str, tasks: list[Task[Any]]) -> Task[Any]:
        return Task("event", tasks[0].payload, unique=60)

    await bench.enqueue("event", b"a", group="g", unique=60)
    async with bench.serving(group_grace=0.01, group_max_failures=1):
        await bench.reaches(processed=1, aggregating=0)
    assert [b"a"] == ran
    assert [] == await everywhere(bench.store, "KEYS", "*:unique:*")


async def test_a_mounted_mux_brings_its_aggregators(bench: Bench) -> None:
    """Also those that come later; the same groups in both are refused."""
    ran, inner = collect(bench), Mux()
    bench.mux.mount("inner:", inner)
    inner.aggregate("g")(join)
    await bench.enqueue("event", b"a", group="g")
    async with bench.serving(group_grace=0.01):
        await bench.reaches(processed=1, aggregating=0)
    assert [b"g: a"] == ran
    other = Mux()
    other.aggregate("g")(join)
    with pytest.raises(ConfigurationError, match="groups 'g' have an aggregator already"):
        bench.mux.mount("other:", other)


async def test_a_group_whose_name_is_no_text_is_aggregated(bench: Bench) -> None:
    """Strangers may write any bytes: its queue's upkeep goes on."""
    ran = collect(bench)
    bench.mux.aggregate()(join_bytes)
    await bench.enqueue("event", b"a", group="x")
    await bench.store.command("RENAME", "asynq:{default}:g:x", b"asynq:{default}:g:\xff")
    await bench.store.command("SADD", "asynq:{default}:groups", b"\xff")
    async with bench.serving(group_grace=0.01):
        await bench.reaches(processed=1, aggregating=0)
    assert [b"\xff: a"] == ran


async def test_the_shortest_delay_is_one(bench: Bench) -> None:
    """Less than half a millisecond is not no limit."""
    ran = collect(bench)
    bench.mux.aggregate(grace=3600, max_delay=0.0001)(join)
    await bench.enqueue("event", b"a", group="g")
    async with bench.serving():
        await bench.reaches(processed=1, aggregating=0)
    assert [b"g: a"] == ran


async def test_delayed_tasks_join_their_group_when_they_are_due(bench: Bench) -> None:
    """SE-02: none runs alone."""
    ran = collect(bench)
    bench.mux.aggregate(max_size=3)(join)
    await bench.client.enqueue_many(
        Task("event", payload, group="g", process_in=delay)
        for payload, delay in ((b"a", 0.03), (b"b", 0.06), (b"c", 0))
    )
    async with bench.serving():
        await bench.reaches(processed=1, aggregating=0, scheduled=0)
    assert {b"a", b"b", b"c"} == set(ran[0].split()[1:])


async def test_a_combined_task_may_go_to_another_queue(bench: Bench) -> None:
    """Its own queue counts where it names one; that queue is known then, and nothing is left of the hand-over."""
    ran = collect(bench)

    @bench.mux.aggregate()
    async def elsewhere(group: str, tasks: list[Task[Any]]) -> Task[Any]:
        return Task("combined", tasks[0].payload, queue="low")

    await bench.enqueue("event", b"a", group="g")
    async with bench.serving(group_grace=0.01, queues={"default": 1, "low": 1}):
        await bench.reaches("low", processed=1)
        await until_gone(bench, "onebeat:{default}:out")
    assert [b"a"] == ran
    assert b"low" in await bench.store.command("SMEMBERS", "asynq:queues")
    assert 0 == (await bench.stats()).processed


async def until_gone(bench: Bench, key: str) -> None:
    async def is_gone() -> bool:
        return bool(await bench.store.command("EXISTS", key) == 0)

    await until(is_gone)


async def test_a_hand_over_that_was_cut_short_is_finished_by_another(bench: Bench) -> None:
    """The server died after the members were deleted, and before the combined task was in its queue."""
    ran = collect(bench)
    bench.mux.aggregate()(join)
    new = prepare(Task("combined", b"late", queue="low", task_id="c1"), {}).new
    note = "redis.call('HSET', KEYS[1], 'c1', cmsgpack.pack({ 1, 'low', ARGV[1], '', '' }))"
    await bench.store.command("EVAL", note, 1, "onebeat:{default}:out", new.message)
    async with bench.serving(queues={"default": 1, "low": 1}):
        await bench.reaches("low", processed=1)
        await until_gone(bench, "onebeat:{default}:out")
    assert [b"late"] == ran


async def test_a_server_that_stops_returns_what_it_aggregates(bench: Bench) -> None:
    """At once after its time to end is over, uncounted; another server finds the group as it was."""
    begun = asyncio.Event()

    @bench.mux.aggregate()
    async def endless(group: str, tasks: list[Task[Any]]) -> Task[Any]:
        begun.set()
        await asyncio.Event().wait()
        raise AssertionError

    task_id = await bench.enqueue("event", group="g")
    async with bench.serving(group_grace=0.01, shutdown_timeout=0.05):
        await begun.wait()
        assert b"aggregating" == await bench.field(task_id, "state")
    assert (b"aggregating", None) == (await bench.field(task_id, "state"), await bench.field(task_id, "ob_fails"))
    assert [task_id.encode()] == await bench.store.command("ZRANGE", "asynq:{default}:g:g", 0, -1)
    assert {b"g"} == set(await bench.store.command("SMEMBERS", "asynq:{default}:groups"))
    assert 0 == await bench.store.command("EXISTS", "asynq:{default}:aggregation_sets", "onebeat:{default}:sets")


async def test_an_aggregation_may_end_while_its_server_stops(bench: Bench) -> None:
    """It is given the same time as handlers, and what it made is there for the next server."""
    begun, go_on = asyncio.Event(), asyncio.Event()

    @bench.mux.aggregate()
    async def patient(group: str, tasks: list[Task[Any]]) -> Task[Any]:
        begun.set()
        await go_on.wait()
        return join(group, tasks)

    await bench.enqueue("event", group="g")
    async with bench.serving(group_grace=0.01):
        await begun.wait()
        asyncio.get_running_loop().call_soon(go_on.set)
    found = await bench.stats()
    assert (1, 0) == (found.pending, found.aggregating)


async def test_an_outage_of_the_store_costs_no_group(bench: Bench) -> None:
    """Connections are cut while sets are read and aggregated; no member is missing in the end."""
    ran = collect(bench)

    @bench.mux.aggregate(max_size=5)
    async def cutting(group: str, tasks: list[Task[Any]]) -> Task[Any]:
        await asyncio.sleep(0)
        return join(group, tasks)

    await bench.client.enqueue_many(Task("event", f"{n}".encode(), group=f"g{n % 7}") for n in range(300))
    async with bench.serving(group_grace=0.01), bench.knife() as knife:
        for _ in range(10):
            await knife.command("CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
            await asyncio.sleep(0.02)  # so that something is under way again
        await bench.reaches(aggregating=0, staged=0, pending=0, active=0)
    found = Counter(int(part) for payload in ran for part in payload.split()[1:])
    assert set(range(300)) == set(found)


@pytest.mark.slow
async def test_two_servers_never_aggregate_a_member_twice(bench: Bench, url: str) -> None:
    """Hundreds of groups that fill while they are aggregated, on two servers; each member is in one combined task."""
    made: list[bytes] = []

    def counted(group: str, tasks: list[Task[Any]]) -> Task[Any]:
        made.extend(task.payload for task in tasks)
        return Task("combined", len(tasks))

    @bench.mux.handle("combined")
    async def combined(ctx: Ctx, task: Task[Any]) -> None:
        await asyncio.sleep(0)

    bench.mux.aggregate(max_size=7)(counted)
    async with (
        await Store.open(url) as other,
        Server(other, group_grace=0.05).serving(bench.mux),
        bench.serving(group_grace=0.05),
    ):
        for start in range(0, 3000, 500):
            await bench.client.enqueue_many(
                Task("event", f"{n}".encode(), group=f"g{n % 300}") for n in range(start, start + 500)
            )
        await bench.reaches(aggregating=0, staged=0, pending=0, active=0)
    assert [f"{n}".encode() for n in range(3000)] == sorted(made, key=int)


VICTIM = """
import asyncio, sys
from onebeat import Mux, Server, Task

mux = Mux()

@mux.handle("combined")
async def combined(ctx, task): ...

@mux.aggregate()
async def dies(group, tasks):
    print(len(tasks), flush=True)
    await asyncio.Event().wait()

asyncio.run(Server(sys.argv[1], group_grace=0.01, lease=1.5, allow_short_lease=True).run(mux))
"""


@pytest.mark.slow
async def test_the_groups_of_a_killed_server_are_aggregated_by_another(bench: Bench, url: str, tmp_path: Path) -> None:
    """SIGKILL amid aggregation: another server has them back when the lease has lapsed, and aggregates them once."""
    ran = collect(bench)
    bench.mux.aggregate()(join)
    script = tmp_path / "victim.py"
    script.write_text(VICTIM)
    for n in range(10):
        await bench.enqueue("event", f"{n}".encode(), group="g")
    victim = await asyncio.create_subprocess_exec(sys.executable, str(script), url, stdout=asyncio.subprocess.PIPE)
    assert victim.stdout is not None
    assert b"10\n" == await victim.stdout.readline()
    async with bench.serving(group_grace=0.01, group_backoff=0.01):
        victim.kill()
        await victim.wait()
        await bench.reaches(processed=1, aggregating=0)
    assert [b"0", b"1", b"2", b"3", b"4", b"5", b"6", b"7", b"8", b"9"] == sorted(ran[0].split()[1:])


async def test_groups_without_an_aggregator_wait(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    """A server takes only those that it has one for; the others are there still."""
    ran = collect(bench)
    bench.mux.aggregate("mail:")(join)
    await bench.enqueue("event", b"a", group="other")
    await bench.enqueue("event", b"b", group="mail:1")
    async with bench.serving(group_grace=0.01):
        await bench.reaches(processed=1, aggregating=1)
    assert [b"mail:1: b"] == ran


@pytest.mark.slow
async def test_servers_with_different_aggregators_share_a_queue(bench: Bench, url: str) -> None:
    """Each finds its own groups, also those that the other has put aside."""
    other = Bench(bench.store, bench.client)
    mail, logs = collect(bench), collect(other)
    bench.mux.aggregate("mail:")(join)
    other.mux.aggregate("log:")(join)
    async with bench.serving(group_grace=0.01), other.serving(group_grace=0.01):
        for n in range(5):
            await bench.enqueue("event", b"x", group=f"mail:{n}")
            await bench.enqueue("event", b"x", group=f"log:{n}")
        await bench.reaches(aggregating=0, staged=0, pending=0, active=0)
    assert {f"{kind}:{n}: x".encode() for kind in ("mail", "log") for n in range(5)} == {*mail, *logs}
    assert 10 == len(mail) + len(logs)


def test_an_aggregator_is_checked_where_it_is_registered() -> None:
    """By a sentence that says what to write."""
    mux = Mux()
    mux.aggregate("a")(join)
    wrong: list[tuple[Callable[[], object], str]] = [
        (lambda: mux.aggregate("a")(join), "groups 'a' have an aggregator already"),
        (lambda: mux.aggregate("b")(lambda group: Task("t")), "give a function of two, the group's name and the list"),  # type: ignore[type-var]
        (lambda: mux.aggregate(join)(join), "write aggregate() with its brackets"),  # type: ignore[arg-type]
        (lambda: mux.aggregate(" ")(join), "give the start of their names"),
        (lambda: mux.aggregate(grace=0)(join), "option grace is 0 seconds: give a value from 0.001"),
        (
            lambda: mux.aggregate(max_size=-1)(join),
            "option max_size is -1: give a whole number of tasks up to 1000, 0 for no limit",
        ),
        (lambda: mux.aggregate(timeout="1")(join), "option timeout is '1': give seconds as a number"),  # type: ignore[arg-type]
    ]
    for declare, sentence in wrong:
        with pytest.raises(ConfigurationError, match=re.escape(sentence)):
            declare()


def test_bad_settings_of_groups_are_named_together() -> None:
    """All in one message."""
    with pytest.raises(ConfigurationError) as caught:
        ServerConfig(group_grace=0, group_max_delay=-1, group_max_size=1001, group_max_failures=0)
    for name in ("group_grace is 0 s", "group_max_delay is -1 s", "group_max_size is 1001", "group_max_failures is 0"):
        assert name in str(caught.value)
