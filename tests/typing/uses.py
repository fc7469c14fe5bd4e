"""The public types in use. A line marked `# wrong` must be refused by mypy and pyright, every other accepted."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import assert_type

from onebeat import Cancellation, Client, Context, Handle, Inspector, Mux, Onebeat, Router, Server, Task, exponential

Call = Callable[[Context[int], Task[object]], Awaitable[object]]

app: Onebeat[int] = Onebeat("shop")


@app.task("welcome", queue="critical", max_retry=3, backoff=lambda failures: 0.1)
async def welcome(user_id: int, locale: str = "en") -> str:
    return locale


@app.task("charge", backoff=lambda failures, error: 1.0, retry_on=(ConnectionError,))
def charge(ctx: Context[int], order: int) -> int:
    return ctx.state


billing: Router[int] = Router("billing:")


@billing.task(backoff=exponential(2, cap=600))
def invoice(order: int) -> str:
    return str(order)


app.include(billing)
app.include("billing")  # wrong


@app.remote("video:encode", queue="go", rename="pascal")
def encode(url: str, max_width: int = 1080) -> None: ...


app.remote("bad", rename="snake")  # wrong
exponential("2")  # wrong


@app.middleware
async def timed(ctx: Context[int], task: Task[object], call_next: Call) -> object:
    return await call_next(ctx, task)


@app.middleware  # wrong
def not_async(ctx: Context[int], task: Task[object], call_next: Call) -> object:
    return None


@app.every(1.5)
@app.cron("@daily", id="daily")
@app.task()
async def beat() -> None: ...


@app.every(2)  # wrong
@app.task("needs")
def needs(order: int) -> None: ...


@app.task(isolation="process")
def thumbnail(image: bytes, /) -> bytes:
    return image


app.task("bad", isolation="thread")  # wrong
app.task("bad", max_retri=3)  # wrong
app.task("bad", queue=5)  # wrong
app.every("1.5")  # wrong
app.cron(5)  # wrong


async def use(client: Client, context: Context[int]) -> None:
    handle = await welcome.enqueue(42, locale="uk")
    assert_type(handle, Handle[str])
    assert_type(await handle.result(timeout=5), str)
    assert_type(await (await charge.options(process_in=2).enqueue(7)).result(), int)
    assert_type(welcome.bind(1), Task[str])
    assert_type(await welcome(1), str)
    assert_type(charge(context, 7), int)
    assert_type(await (await invoice.enqueue(7)).result(), str)
    assert_type(await encode.enqueue("x", max_width=720), Handle[None])
    await encode.enqueue(max_width=720)  # wrong
    assert_type(await handle.cancel(), Cancellation)
    assert_type(await (await thumbnail.enqueue(b"")).result(), bytes)
    assert_type(context.stopping, bool)
    async with Inspector() as inspector:
        assert_type(await inspector.cancel("low", handle.id), Cancellation)
        await inspector.cancel(handle.id)  # wrong
    Server(stall_limit=10.0, grace=1)
    Server(stall_limit="10")  # wrong
    await thumbnail.enqueue("text")  # wrong
    await app.enqueue_many(welcome.bind(user) for user in range(3))
    await client.enqueue(Task("t", {"a": 1}), queue="low", unique=60)
    await welcome.enqueue("42")  # wrong
    await welcome.enqueue()  # wrong
    await welcome.enqueue(42, colour="red")  # wrong
    await charge.enqueue(context, 7)  # wrong
    await charge.options(timeout="5").enqueue(7)  # wrong
    welcome.options(que="x")  # wrong
    welcome.bind(locale="uk")  # wrong
    await client.enqueue("t")  # wrong
    await client.enqueue(Task("t"), retention="1h")  # wrong
    Mux().handle(5)  # wrong
