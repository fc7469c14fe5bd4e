"""Orders from operators: a server takes nothing more, stops once nothing runs, or takes tasks again."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from typing import Any

import pytest

from onebeat import Context, Inspector, ServerInfo, ServerNotFound, Task, WrongState
from onebeat.broker.orders import Order, order
from onebeat.server.health import Health
from onebeat.server.intake import Intake
from onebeat.server.serving import Serving
from onebeat.wire import keys
from onebeat.wire.records import ServerRecord
from tests.server.conftest import Bench, until


@pytest.fixture
async def inspector(bench: Bench) -> AsyncIterator[Inspector]:
    async with Inspector(bench.store) as inspector:
        yield inspector


@pytest.fixture
def go(bench: Bench) -> asyncio.Event:
    """Return what lets tasks of type "t" end."""
    event = asyncio.Event()

    @bench.mux.handle("t")
    async def handler(ctx: Context[Any], task: Task[Any]) -> None:
        bench.ran.append(ctx.id)
        await event.wait()

    return event


async def shows(inspector: Inspector, serving: Serving, status: str, active: int | None = None) -> ServerInfo:
    """Wait until a server is listed so; with whatever number of tasks where its first sign of life may say any."""

    async def holds() -> bool:
        found = [one for one in await inspector.servers() if one.id == serving.id]
        return [(status, active)] == [(one.status, active if active is None else one.active_workers) for one in found]

    await until(holds)
    return await inspector.server(serving.id)


async def test_a_drained_server_ends_what_it_runs_and_takes_nothing_more(
    bench: Bench, inspector: Inspector, go: asyncio.Event
) -> None:
    """It is shown as stopped, goes on until its last task has ended, and takes tasks again when told so."""
    first = await bench.enqueue("t")
    async with bench.serving() as serving:
        await bench.reaches(active=1)
        await shows(inspector, serving, "active")
        was = await inspector.drain_server(serving.id)
        assert ("active", serving.id) == (was.status, was.id)
        await shows(inspector, serving, "stopped", 1)
        assert Health.STOPPING is serving.health
        second = await bench.enqueue("t")
        go.set()
        await shows(inspector, serving, "stopped", 0)
        assert [first] == bench.ran
        assert not serving.stop_asked.is_set()
        await inspector.resume_server(serving.id)
        await bench.reaches(pending=0, active=0)
        assert [first, second] == bench.ran
        await shows(inspector, serving, "active", 0)


async def test_one_that_is_to_stop_does_so_once_nothing_runs(
    bench: Bench, inspector: Inspector, go: asyncio.Event
) -> None:
    """With the outcome of its last task written; what waits is left to others."""
    await bench.enqueue("t", retention=60)
    async with bench.serving() as serving:
        await bench.reaches(active=1)
        await shows(inspector, serving, "active")
        await inspector.drain_server(serving.id, stop=True)
        await shows(inspector, serving, "stopped", 1)
        assert not serving.stop_asked.is_set()
        await bench.enqueue("t")
        go.set()
        async with asyncio.timeout(60):
            await serving.stop_asked.wait()
        await bench.reaches(completed=1, pending=1)


async def test_one_that_is_idle_stops_at_once(bench: Bench, inspector: Inspector) -> None:
    """By the same order."""
    async with bench.serving() as serving:
        await shows(inspector, serving, "active", 0)
        await inspector.drain_server(serving.id, stop=True)
        async with asyncio.timeout(60):
            await serving.stop_asked.wait()


async def test_an_order_to_stop_can_be_taken_back(bench: Bench, inspector: Inspector, go: asyncio.Event) -> None:
    """Before its last task has ended."""
    await bench.enqueue("t")
    async with bench.serving() as serving:
        await bench.reaches(active=1)
        await shows(inspector, serving, "active")
        await inspector.drain_server(serving.id, stop=True)
        await shows(inspector, serving, "stopped", 1)
        await inspector.resume_server(serving.id)
        await shows(inspector, serving, "active", 1)
        go.set()
        await bench.reaches(active=0)
        assert not serving.stop_asked.is_set()


async def test_a_word_that_was_missed_is_found_with_the_next_sign_of_life(
    bench: Bench, inspector: Inspector, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The order stands in a key."""
    monkeypatch.setattr(keys, "ORDERS_CHANNEL", "onebeat:nobody-speaks-here")
    async with bench.serving() as serving:
        await shows(inspector, serving, "active", 0)
        await inspector.drain_server(serving.id)
        serving.keeper.show(takes_more=True)  # a sign of life
        await shows(inspector, serving, "stopped", 0)


async def test_an_operator_undoes_a_signal(bench: Bench, inspector: Inspector) -> None:
    """SIGTSTP, which asynq cannot take back."""
    async with bench.serving() as serving:
        await shows(inspector, serving, "active", 0)
        serving.takes_no_more()
        await shows(inspector, serving, "stopped", 0)
        await inspector.resume_server(serving.id)
        await shows(inspector, serving, "active", 0)


async def test_a_drained_server_begins_no_aggregation(bench: Bench, inspector: Inspector) -> None:
    """And does so once it takes tasks again; upkeep goes on meanwhile."""

    @bench.mux.aggregate("g", grace=0.05)
    def combine(group: str, tasks: list[Task[Any]]) -> Task[Any]:
        bench.ran.append(group)
        return Task("one")

    @bench.mux.handle("one")
    async def one(ctx: Context[Any], task: Task[Any]) -> None: ...

    async with bench.serving() as serving:
        await shows(inspector, serving, "active", 0)
        await inspector.drain_server(serving.id)
        await shows(inspector, serving, "stopped", 0)
        await bench.enqueue("t", group="g")
        await bench.enqueue("later", process_in=0.3)
        await bench.reaches(pending=1, scheduled=0)  # forwarded well after the group was due
        assert [] == bench.ran
        await inspector.resume_server(serving.id)
        await until(lambda: has_run(bench))
        assert ["g"] == bench.ran


async def has_run(bench: Bench) -> bool:
    return bool(bench.ran)


async def test_other_servers_are_left_alone(bench: Bench, inspector: Inspector) -> None:
    """Of one process, too, where an order has to name one."""
    async with bench.serving() as one, bench.serving() as other:
        await shows(inspector, one, "active", 0)
        shown = await shows(inspector, other, "active", 0)
        with pytest.raises(WrongState, match=r"is 2 servers of one process: name one by its id"):
            await inspector.drain_server(f"{shown.host}:{shown.pid}")
        await inspector.drain_server(one.id)
        await shows(inspector, one, "stopped", 0)
        await shows(inspector, other, "active", 0)


async def test_a_server_is_found_by_its_process(bench: Bench, inspector: Inspector) -> None:
    """Host and number; what is not found is told with those that live."""
    with pytest.raises(ServerNotFound, match="server 'h:1' does not live: none has given a sign of life"):
        await inspector.server("h:1")
    async with bench.serving() as serving:
        shown = await shows(inspector, serving, "active", 0)
        place = f"{shown.host}:{shown.pid}"
        assert serving.id == (await inspector.server(place)).id
        with pytest.raises(ServerNotFound, match=rf"there are {serving.id} \({place}\)"):
            await inspector.server("zz")
        with pytest.raises(ServerNotFound, match=rf"did you mean .*{place}\?"):
            await inspector.server(f"{place}9")


@pytest.mark.parametrize(
    ("method", "options", "told"),
    [
        ("drain_server", {}, "signal it on its host: kill -TSTP 7"),
        ("drain_server", {"stop": True}, "signal it on its host: kill -TERM 7"),
        ("resume_server", {}, "cannot be told to take tasks again either: restart it"),
    ],
)
async def test_servers_of_go_hear_no_orders(
    bench: Bench, inspector: Inspector, method: str, options: dict[str, Any], told: str
) -> None:
    """What to do instead is said, and nothing is written."""
    record = ServerRecord(host="web", pid=7, server_id="go", concurrency=1, queues={"q": 1}, start_time=0)
    tag = "asynq:servers:{web:7:go}"
    await bench.store.command("SET", tag, record.encode())
    await bench.store.command("ZADD", keys.SERVERS, "inf", tag)
    with pytest.raises(WrongState, match=f"server web:7 is a process of asynq's, .* {told}"):
        await getattr(inspector, method)("web:7", **options)
    assert not await bench.store.command("EXISTS", keys.order("web:7:go"))


async def test_orders_are_numbered_and_do_not_stay(bench: Bench) -> None:
    """Later ones have higher numbers, and a day later none is left."""
    first = await bench.store.run(order("h:1:id", "id", Order.DRAIN))
    second = await bench.store.run(order("h:1:id", "id", Order.TAKE))
    assert ["drain", "take"] == [text.partition(" ")[2] for text in (first, second)]
    assert int(first.partition(" ")[0]) < int(second.partition(" ")[0])
    assert second.encode() == await bench.store.command("GET", keys.order("h:1:id"))
    assert 86_000 < await bench.store.command("TTL", keys.order("h:1:id")) <= 86_400


@pytest.mark.parametrize(
    ("orders", "is_open"),
    [
        (["1 drain"], False),
        (["1 drain", "2 take"], True),
        (["2 take", "1 drain"], True),  # a word that comes late
        (["1 drain", "1 take"], False),
        (["1 stop", "2 drain"], False),
        (["1 dance", "x drain", "", "² drain"], True),  # what a newer version says, or nobody
    ],
)
def test_the_newest_order_counts(orders: list[str], is_open: bool) -> None:
    """In whatever sequence they are heard."""
    stops: list[str] = []
    intake = Intake(changed=lambda: None, is_idle=lambda: False, stop=lambda: stops.append("stop"))
    for text in orders:
        intake.obey(text)
    assert is_open == intake.is_open
    intake.note_end()
    assert [] == stops


def test_an_order_to_stop_is_obeyed_once() -> None:
    """As soon as it is idle."""
    idle, stops = [False], []
    intake = Intake(changed=lambda: None, is_idle=lambda: idle[0], stop=lambda: stops.append("stop"))
    intake.obey("1 stop")
    intake.note_end()
    assert [] == stops
    idle[0] = True
    intake.note_end()
    intake.note_end()
    assert ["stop"] == stops


async def test_a_program_may_have_its_server_take_tasks_again(bench: Bench, inspector: Inspector) -> None:
    """Itself, as it may have it take none."""
    async with bench.serving() as serving:
        serving.takes_no_more()
        assert not serving.takes_more
        await shows(inspector, serving, "stopped", 0)
        serving.takes_again()
        assert serving.takes_more
        await shows(inspector, serving, "active", 0)
