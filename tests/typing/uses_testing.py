"""The test kit. A line marked `# wrong` must be refused by mypy and pyright, every other accepted."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import assert_type

from onebeat import Client, Context, Inspector, Onebeat, TaskInfo
from onebeat.testing import Attempt, Drained, EnqueuedTask, Kit, KitContext, SyncTesting, Testing, private_store


@dataclass
class State:
    greeting: str


@asynccontextmanager
async def lifespan() -> AsyncIterator[State]:
    yield State("hello")


app = Onebeat("shop", lifespan=lifespan)
bare = Onebeat("bare")


@app.task("send")
async def send(ctx: Context[State], user_id: int) -> str:
    return ctx.state.greeting


assert_type(app.testing(), Kit[State])
assert_type(app.testing(state=State("hi")), Kit[State])
assert_type(bare.testing(), Kit[None])
app.testing(start=datetime.now(UTC), schedules=False, eager=True, processes=True, guard=1, seed=5)
app.testing(concurrency=2, queues={"low": 1}, max_crashes=3)
app.testing(state="hi")  # wrong
app.testing(State("hi"))  # wrong
app.testing(start="now")  # wrong
app.testing(guard="1")  # wrong
app.testing(retries=3)  # wrong
bare.testing(state=State("hi"))  # wrong


async def asynchronous() -> None:
    async with app.testing() as t:
        assert_type(t, Testing[State])
        assert_type(t.state, State)
        assert_type(t.now, datetime)
        assert_type(await t.drain(), Drained)
        assert_type(await t.advance(2), Drained)
        assert_type(await t.advance(timedelta(days=1)), Drained)
        assert_type(await t.advance_to(t.now), Drained)
        assert_type(t.enqueued(send), list[EnqueuedTask])
        assert_type(t.waiting("send"), list[EnqueuedTask])
        assert_type(t.tasks("archived"), list[TaskInfo])
        assert_type(t.ran, list[Attempt])
        assert_type(t.context(), KitContext[State])
        assert_type(await send(t.context(send, retried=2), 42), str)
        Client(t.store)
        Inspector(t.store)
        t.fail(send, ValueError("no"), times=2)
        t.fail("send", ValueError)
        t.crash(send, when="before")
        with t.store_down():
            pass
        await t.advance("2")  # wrong
        await t.advance_to(2)  # wrong
        t.fail(send, "no")  # wrong
        t.crash(send, when="during")  # wrong
        await send(t.context(), "42")  # wrong
        t.context(retried="2")  # wrong
        t.now = datetime.now(UTC)  # wrong
    async with bare.testing() as u:
        assert_type(u.context(), KitContext[None])


def blocking() -> None:
    with app.testing() as t:
        assert_type(t, SyncTesting[State])
        assert_type(t.drain(), Drained)
        assert_type(t.advance(2).completed, int)
        assert_type(t.advance_to(t.now).of(send), list[Attempt])
    with private_store() as url:
        assert_type(url, str)
