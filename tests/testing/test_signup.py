"""The example of the surface, as it stands there: the real engine, no sleeping."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import pytest

from onebeat import Context, Onebeat


class Mailer:
    async def send(self, user_id: int, locale: str) -> str:
        raise OSError("no mail is sent by tests")


class FakeMailer(Mailer):
    async def send(self, user_id: int, locale: str) -> str:
        return "sent"


@dataclass
class State:
    mailer: Mailer


@asynccontextmanager
async def lifespan() -> AsyncIterator[State]:
    yield State(Mailer())


app = Onebeat(name="shop", lifespan=lifespan)


@app.task("email:welcome", queue="critical", max_retry=3, timeout=30)
async def send_welcome(ctx: Context[State], user_id: int, locale: str = "en") -> str:
    return await ctx.state.mailer.send(user_id, locale)


async def signup(user_id: int) -> None:
    handle = await send_welcome.enqueue(user_id, locale="uk")
    await send_welcome.options(process_in=2, retention=86_400, task_id=f"hi:{user_id}").enqueue(user_id)
    await app.enqueue_many(send_welcome.bind(u) for u in range(10_000))
    receipt = await handle.result(timeout=5)
    state = (await send_welcome.handle(handle.id).info()).state
    assert ("sent", "completed") == (receipt, state)


@pytest.mark.slow
async def test_signup() -> None:
    async with app.testing(state=State(FakeMailer())) as t:  # private embedded store, simulated clock
        await signup(42)
        assert send_welcome.bind(42, locale="uk") in t.enqueued(send_welcome)
        await t.advance(2)  # due tasks, retries and ticks happen now
        assert (await t.drain()).archived == 0
        assert await send_welcome(t.context(), 42) == "sent"  # the function stays callable as written
