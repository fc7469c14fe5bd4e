"""Routers, middleware, tasks of other programs, and back-offs."""

from __future__ import annotations

import asyncio
from typing import Any, cast

import pytest

from onebeat import ConfigurationError, Context, Inspector, Onebeat, Router, Task, TaskFailed, current, exponential
from onebeat.broker.store import Store
from onebeat.server.mux import Handler

Ctx = Context[Any]


async def test_a_router_declares_for_the_application_that_includes_it(url: str) -> None:
    """Under its prefix, before and after it is included; its tasks run and are enqueued as the application's own."""
    billing: Router[None] = Router("billing:")

    @billing.task()
    async def invoice(order: int) -> str:
        return f"{current().type} {order}"

    with pytest.raises(ConfigurationError, match=r"billing:invoice belongs to no application yet: call app.include"):
        await invoice.enqueue(1)
    app: Onebeat[None] = Onebeat("shop", url=url)
    app.include(billing)

    @billing.task("pay")
    async def late(order: int) -> str:
        return f"{current().type} {order}"

    assert ["billing:invoice", "billing:pay"] == list(app.tasks)
    async with app, app.serving(concurrency=2):
        assert "billing:invoice 1" == await (await invoice.enqueue(1)).result(60)
        assert "billing:pay 2" == await (await late.enqueue(2)).result(60)


def test_routers_in_routers_and_their_schedules() -> None:
    """A router may include another; schedules come with it, and two of one id are refused."""
    app: Onebeat[None] = Onebeat("shop")
    outer: Router[None] = Router()
    inner: Router[None] = Router("inner:")

    @inner.every(5)
    @inner.task()
    async def beat() -> None: ...

    outer.include(inner)
    app.include(outer)
    assert (["inner:beat"], ["inner-beat"]) == (list(app.tasks), list(app.entries))
    with pytest.raises(ConfigurationError, match="'inner-beat' is declared twice"):
        app.every(6, id="inner-beat")(beat)


@pytest.mark.parametrize("what", ["router", None, Onebeat("self")])
def test_only_routers_are_included_and_only_once(what: Any) -> None:
    """A router that has a home, and anything that is no router, is refused by name."""
    app: Onebeat[None] = Onebeat("shop")
    if isinstance(what, Onebeat):
        what.include(router := Router[None]())
        what = router
    with pytest.raises(ConfigurationError, match="cannot be included: give a Router that nobody has included yet"):
        app.include(what)


def test_one_type_is_declared_once() -> None:
    """Also across routers; nothing of the second is taken in by its application then."""
    app: Onebeat[None] = Onebeat("shop")
    first: Router[None] = Router()
    app.include(first)
    app.task("t")(lambda: None)
    with pytest.raises(ConfigurationError, match="task 't' is declared twice: give one of them another type"):
        first.task("t")(lambda: None)


async def test_middleware_stands_around_handlers(url: str) -> None:
    """The application's outside, the router's inside and for its own tasks only; around coroutines and threads."""
    app: Onebeat[None] = Onebeat("shop", url=url)
    router: Router[None] = Router("in:")
    seen: list[str] = []

    @app.middleware
    async def outer(ctx: Ctx, task: Task[Any], call_next: Any) -> object:
        seen.append(f"> {ctx.type}")
        result = await call_next(ctx, task)
        seen.append(f"< {result}")
        return result

    @router.middleware
    async def inner(ctx: Ctx, task: Task[Any], call_next: Any) -> object:
        seen.append("inner")
        return await call_next(ctx, task)

    @app.task()
    def plain() -> str:
        return "plain"

    @router.task()
    async def own() -> str:
        return "own"

    app.include(router)
    async with app, app.serving(concurrency=1):
        assert "plain" == await (await plain.enqueue()).result(60)
        assert "own" == await (await own.enqueue()).result(60)
    assert ["> plain", "< plain", "> in:own", "inner", "< own"] == seen


async def test_middleware_may_answer_refuse_and_change(url: str) -> None:
    """What it returns is the result, what it raises is the task's failure, and it need not call the handler."""
    app: Onebeat[None] = Onebeat("shop", url=url)

    @app.middleware
    async def gate(ctx: Ctx, task: Task[Any], call_next: Any) -> object:
        if ctx.type == "refused":
            raise PermissionError("not today")
        return "cached" if ctx.type == "cached" else f"<{await call_next(ctx, task)}>"

    for name in ("refused", "cached", "changed"):

        @app.task(name, max_retry=0)
        async def handler() -> str:
            return current().type

    async with app, app.serving():
        assert "cached" == await (await app.tasks["cached"].enqueue()).result(60)
        assert "<changed>" == await (await app.tasks["changed"].enqueue()).result(60)
        with pytest.raises(TaskFailed, match="PermissionError: not today"):
            await (await app.tasks["refused"].enqueue()).result(60)


async def test_a_cancelled_task_is_cancelled_through_its_middleware(url: str) -> None:
    """The middleware sees it as anywhere in asyncio, and may clean up."""
    app: Onebeat[None] = Onebeat("shop", url=url)
    began, cleaned = asyncio.Event(), asyncio.Event()

    @app.middleware
    async def layer(ctx: Ctx, task: Task[Any], call_next: Any) -> object:
        try:
            return await call_next(ctx, task)
        finally:
            cleaned.set()

    @app.task(retention=60)
    async def waits() -> None:
        began.set()
        await asyncio.Event().wait()

    async with app, app.serving():
        handle = await waits.enqueue()
        await began.wait()
        await handle.cancel()
        with pytest.raises(TaskFailed, match="cancelled"):
            await handle.result(60)
    assert cleaned.is_set()


@pytest.mark.parametrize("what", [5, lambda ctx, task, call_next: None])
def test_a_middleware_is_an_async_function_of_three(what: Any) -> None:
    """Anything else is refused where it is added."""
    with pytest.raises(ConfigurationError, match="write an async function of three"):
        Onebeat("shop").middleware(what)


@pytest.mark.parametrize(
    ("rename", "payload"),
    [
        (None, b'{"url":"x","max_width":720}'),
        ("camel", b'{"url":"x","maxWidth":720}'),
        ("pascal", b'{"Url":"x","MaxWidth":720}'),
        ({"url": "URL"}, b'{"URL":"x","max_width":720}'),
    ],
)
async def test_a_remote_task_is_enqueued_and_never_served(url: str, rename: Any, payload: bytes) -> None:
    """Typed here, run by another program: its names are written as that one reads them."""
    app: Onebeat[None] = Onebeat("shop", url=url)

    @app.remote("video:encode", queue="go", rename=rename)
    def encode(url: str, max_width: int = 1080) -> None: ...

    assert {} == app.tasks
    async with app:
        handle = await encode.enqueue("x", max_width=720)
        async with await Store.open(url) as store, Inspector(store) as inspector:
            info = await inspector.task("go", handle.id)
    assert ("video:encode", payload) == (info.type, info.payload)


@pytest.mark.parametrize("rename", ["snake", 5, {"nobody": "x"}, {"url": 5}])
def test_a_rename_that_cannot_be(rename: Any) -> None:
    """Refused at the declaration."""
    with pytest.raises(ConfigurationError, match="task encode: rename is"):

        @Onebeat("shop").remote("encode", rename=rename)
        def encode(url: str) -> None: ...


def test_an_exponential_backoff() -> None:
    """Doubles up to its cap, never overflows, and is spread by its jitter."""
    waits = exponential(2, cap=600)
    assert [2, 4, 8, 512, 600, 600] == [waits(n) for n in (0, 1, 2, 8, 9, 10_000)]
    assert [3.0, 30.0] == [exponential(3, factor=10)(n) for n in (0, 1)]
    spread = exponential(10, jitter=0.5, uniform=lambda low, high: high)
    assert 15.0 == spread(0)


@pytest.mark.parametrize(
    "arguments",
    [{"first": -1}, {"first": "2"}, {"first": 1, "factor": 0.5}, {"first": 1, "jitter": 2}, {"first": 1, "cap": -1}],
)
def test_a_backoff_that_cannot_be(arguments: dict[str, Any]) -> None:
    """Refused by name."""
    with pytest.raises(ConfigurationError, match=r"exponential\(\) \w+ is"):
        exponential(**arguments)


async def test_a_middleware_may_name_its_parameters_as_it_likes(url: str) -> None:
    """They are given by place."""
    app: Onebeat[Any] = Onebeat(url=url)

    @app.middleware
    async def doubled(context: Context, it: Task, go_on: Handler) -> object:
        return 2 * cast("int", await go_on(context, it))

    @app.task("number")
    async def number() -> int:
        return 21

    async with app, app.serving():
        assert 42 == await (await number.enqueue()).result(60)


@pytest.mark.parametrize("rename", [{"a": "b"}, {"a": "x", "b": "x"}], ids=["another's", "one"])
def test_two_arguments_of_one_name_on_the_wire_are_refused(rename: dict[str, str]) -> None:
    """One of them would be lost."""
    with pytest.raises(ConfigurationError, match="rename gives two of its arguments the name"):
        Onebeat().remote("t", rename=rename)(lambda a, b: None)
