"""Observers beside events: headers, what handlers run in, figures; and that none can do harm."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, AbstractContextManager, asynccontextmanager, contextmanager
from typing import Any

import pytest

from onebeat.app.app import Onebeat
from onebeat.audience import Audience
from onebeat.client import Client
from onebeat.errors import ConfigurationError
from onebeat.events import Event, Figure, Observer
from onebeat.server.context import Context
from onebeat.server.mux import Handler
from onebeat.server.server import Server
from onebeat.sync import SyncClient
from onebeat.task import Task
from tests.observe.conftest import Around, Notes
from tests.server import isolated
from tests.server.conftest import Bench, until

Ctx = Context[Any]


class Broken(Observer):
    """Raises wherever it can."""

    def attached(self, source: object) -> None:
        raise ValueError("attached")

    def event(self, event: Event) -> None:
        raise ValueError("event")

    def measured(self, figure: Figure, label: str, value: float) -> None:
        raise ValueError("measured")

    def enqueuing(self, task: Task[Any], queue: str, task_id: str) -> Any:
        return {"x": 1} if task.type == "strange" else None

    def running(self, context: Any, task: Task[Any]) -> AbstractContextManager[object]:
        if task.type == "strange":
            raise SystemExit(3)
        return self._swallowing()

    @contextmanager
    def _swallowing(self) -> Any:
        with pytest.raises(ValueError, match="of the handler"):
            yield

    def serving(self, limit: float) -> AbstractAsyncContextManager[object]:
        raise ValueError("serving")


@asynccontextmanager
async def serving(bench: Bench, *observers: Observer, **given: Any) -> AsyncIterator[None]:
    async with Server(bench.store, shutdown_timeout=2.0, observers=observers, **given).serving(bench.mux):
        yield


async def test_headers_are_added_by_every_way_to_enqueue(url: str, bench: Bench) -> None:
    """One, many, blocking, declared; what an observer adds comes before the caller's own."""
    around = Around(trace="observer")
    app = Onebeat(url=url)
    app.observe(around)
    seen: dict[str, str] = {}

    @app.task("t")
    async def t(ctx: Ctx) -> None:
        seen[ctx.headers["way"]] = ctx.headers["trace"]

    def enqueue_blocking() -> None:
        with SyncClient(url, observers=[around]) as client:
            client.enqueue(Task("t"), headers={"way": "sync", "trace": "mine"})
            client.enqueue_many([Task("t")], headers={"way": "sync many"})
        t.options(headers={"way": "declared sync"}).enqueue_sync()

    async with app, Client(url, observers=[around]) as client:
        await client.enqueue(Task("t"), headers={"way": "one", "trace": "mine"})
        await client.enqueue_many([Task("t")], headers={"way": "many"})
        await t.options(headers={"way": "declared"}).enqueue()
        await app.enqueue_many([t.bind()], headers={"way": "declared many"})
        await asyncio.to_thread(enqueue_blocking)
        async with app.serving():
            await bench.reaches(processed=7)
    ways = ["one", "many", "declared", "declared many", "sync", "sync many", "declared sync"]
    assert dict.fromkeys(ways, "observer") == seen


@pytest.mark.parametrize("kind", ["async", "plain"])
@pytest.mark.parametrize("fails", [False, True])
async def test_handlers_run_in_what_observers_give(bench: Bench, kind: str, fails: bool) -> None:
    """Inside of the base context, outside of the middleware; the exception passes through."""
    around = Around()

    @contextmanager
    def base(ctx: Ctx) -> Any:
        around.seen.append("base")
        yield

    @bench.mux.use
    async def layer(ctx: Ctx, task: Task[Any], call_next: Handler) -> object:
        around.seen.append("middleware")
        return await call_next(ctx, task)

    def work() -> None:
        if fails:
            raise ValueError("boom")

    async def on_loop(ctx: Ctx, task: Task[Any]) -> None:
        work()

    def in_thread(ctx: Ctx, task: Task[Any]) -> None:
        work()

    handler: Any = on_loop if kind == "async" else in_thread
    bench.mux.handle("t")(handler)
    async with serving(bench, around, base_context=base):
        await bench.enqueue("t")
        await bench.reaches(processed=1)
    last = "t raised ValueError('boom')" if fails else "leave t"
    assert ["base", "enter t", "middleware", last] == around.seen


async def test_isolated_handlers_run_in_what_observers_give(
    url: str, bench: Bench, monkeypatch: pytest.MonkeyPatch, tmp_path: Any, notes: Notes
) -> None:
    """In the server's process; the error that stands for theirs passes, and the event names its class."""
    monkeypatch.setenv("ONEBEAT_TEST_NOTES", str(tmp_path / "notes"))
    around = Around()
    app = isolated.app
    async with Server(bench.store, observers=[around, notes]).serving(app.mux, state=None):
        task_id = await bench.enqueue(isolated.fails.type, {"how": "value"})
        await bench.reaches(retry=1)
    assert [f"enter {isolated.fails.type}"] == around.seen[:1]
    assert "boom" in around.seen[1]
    assert "ValueError" == notes.of(task_id)[-1].error_type


async def test_figures_are_measured(bench: Bench, notes: Notes) -> None:
    """Batches, scripts, and how late the loop is."""

    @bench.mux.handle("t")
    async def t(ctx: Ctx, task: Task[Any]) -> None: ...

    async def is_measured() -> bool:
        return any(figure is Figure.LOOP_LAG_SECONDS for figure, _, _ in notes.figures)

    async with serving(bench, notes):
        await bench.client.enqueue_many([Task("t")] * 20)
        await bench.reaches(processed=20)
        await until(is_measured)
    sizes = {label: 0.0 for figure, label, _ in notes.figures if figure is Figure.BATCH_SIZE}
    for figure, label, value in notes.figures:
        if figure is Figure.BATCH_SIZE:
            sizes[label] += value
    assert {"enqueue": 20, "take": 20, "finish": 20} == sizes
    scripts = {label for figure, label, value in notes.figures if figure is Figure.SCRIPT_SECONDS and value > 0}
    assert {"enqueue", "take", "finish"} <= scripts


async def test_an_observer_of_two_owners_of_a_store_is_told_of_a_script_once(bench: Bench, notes: Notes) -> None:
    """The client and the server share the connection."""

    @bench.mux.handle("t")
    async def t(ctx: Ctx, task: Task[Any]) -> None: ...

    async with serving(bench, notes):
        await bench.enqueue("t")
        await bench.reaches(processed=1)
    told = [label for figure, label, _ in notes.figures if figure is Figure.SCRIPT_SECONDS]
    assert 1 == told.count("enqueue")


async def test_an_observer_that_raises_harms_nothing(url: str, notes: Notes, caplog: pytest.LogCaptureFixture) -> None:
    """Its fellows are told, tasks run and fail as they would, and the log says it a few times."""
    broken = Broken()
    app = Onebeat(url=url)
    app.observe(broken)
    app.observe(notes)

    @app.task("strange", max_retry=0)
    async def strange() -> int:
        return 7

    @app.task("t", max_retry=0)
    async def t() -> None:
        raise ValueError("of the handler")

    async with app, app.serving():
        assert 7 == await (await strange.enqueue()).result(timeout=60)
        ids = [(await t.enqueue()).id for _ in range(20)]

        async def are_told() -> bool:
            return all("archived" in notes.names(id_) for id_ in ids)

        await until(are_told)
    assert 1 == caplog.text.count("event() of observer")
    said = {record.getMessage().split("()")[0] for record in caplog.records if record.name == "onebeat.observers"}
    assert {"attached", "event", "measured", "enqueuing", "running", "serving"} == said


async def test_an_observer_lives_as_long_as_the_server(bench: Bench) -> None:
    """It is entered before the first event, and left after the last."""
    told: list[str] = []

    class Living(Observer):
        def event(self, event: Event) -> None:
            told.append(event.name)

        @asynccontextmanager
        async def _life(self, limit: float) -> AsyncIterator[None]:
            told.append(f"in {limit:g}")
            yield
            told.append("out")

        def serving(self, limit: float) -> AbstractAsyncContextManager[object]:
            return self._life(limit)

    entered = asyncio.Event()

    @bench.mux.handle("t")
    async def t(ctx: Ctx, task: Task[Any]) -> None:
        entered.set()
        await asyncio.sleep(60)

    await bench.enqueue("t")
    server = Server(bench.store, shutdown_timeout=0.0, hook_timeout=3.0, observers=[Living()])
    async with server.serving(bench.mux):
        await entered.wait()
    assert ["in 3", "started", "returned", "out"] == told


@pytest.mark.parametrize("wrong", [[object()], Observer(), "x", 3])
def test_what_is_no_observer_is_refused(wrong: Any) -> None:
    """Where it is given."""
    for made in (Client, SyncClient, Server):
        with pytest.raises(ConfigurationError, match=r"observer"):
            made(observers=wrong)


def test_an_observer_is_given_once() -> None:
    """Or it would be told everything twice."""
    app, notes = Onebeat(), Notes()
    app.observe(notes)
    with pytest.raises(ConfigurationError, match="given twice"):
        app.observe(notes)
    with pytest.raises(ConfigurationError, match="give an instance"):
        app.observe(print)  # type: ignore[arg-type] # that is what is refused


def test_observers_are_asked_for_what_they_override() -> None:
    """So that who only counts events costs nothing else."""

    class Counting(Observer):
        def event(self, event: Event) -> None: ...

    audience = Audience([Counting()])
    assert (1, 0, 0, 0, 0) == tuple(
        len(those) for those in (audience.hears, audience.measures, audience.adds, audience.surrounds, audience.serves)
    )


class Hangs(Observer):
    """Never begins to live."""

    def __init__(self) -> None:
        self.entered = asyncio.Event()

    def serving(self, limit: float) -> AbstractAsyncContextManager[object]:
        return self._serving()

    @asynccontextmanager
    async def _serving(self) -> AsyncIterator[None]:
        self.entered.set()
        await asyncio.Event().wait()
        yield


async def test_an_observer_that_never_begins_holds_up_no_server(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    """It has as long as a hook has."""
    async with serving(bench, Hangs(), hook_timeout=0.05):
        assert "serving() of observer" in caplog.text


async def test_a_server_that_is_stopped_while_observers_begin_has_not_begun(bench: Bench) -> None:
    """Those that had begun end, and nobody gives signs of life for it."""
    told: list[str] = []

    class Living(Observer):
        @asynccontextmanager
        async def _life(self) -> AsyncIterator[None]:
            told.append("in")
            yield
            told.append("out")

        def serving(self, limit: float) -> AbstractAsyncContextManager[object]:
            return self._life()

    hangs = Hangs()
    began = asyncio.create_task(Server(bench.store, observers=[Living(), hangs]).serving(bench.mux).__aenter__())
    await hangs.entered.wait()
    began.cancel()
    with pytest.raises(asyncio.CancelledError):
        await began
    assert ["in", "out"] == told
    assert not [thread for thread in threading.enumerate() if thread.name == "onebeat-keeper"]
