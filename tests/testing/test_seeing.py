"""What a test can see: what was enqueued and what waits, compared with what it expects; contexts for functions."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from onebeat import Client, Context, Inspector, InvalidTask, Onebeat, TaskState, current
from onebeat.task import Task

NOON = datetime(2030, 3, 17, 12, tzinfo=UTC)


@pytest.fixture
def app() -> Onebeat[Any]:
    return Onebeat("shop")


async def test_what_was_enqueued_is_found_however_it_was_enqueued(app: Onebeat[Any]) -> None:
    """Options count only where the expected task names some."""

    @app.task("send", queue="critical", max_retry=3)
    async def send(user_id: int, locale: str = "en") -> None: ...

    async with app.testing() as t:
        await send.enqueue(1)
        await send.options(queue="low", process_in=60, headers={"trace": "x", "tenant": "y"}).enqueue(2)
        enqueued = t.enqueued(send)
        assert send.bind(1) in enqueued
        assert send.bind(1, locale="en") in enqueued
        assert send.bind(1, locale="uk") not in enqueued
        assert send.bind(3) not in enqueued
        assert send.bind(2) in enqueued
        assert send.options(queue="low").bind(2) in enqueued
        assert send.options(queue="low", process_in=timedelta(minutes=1)).bind(2) in enqueued
        assert send.options(headers={"trace": "x"}).bind(2) in enqueued
        assert send.options(headers={"trace": "z"}).bind(2) not in enqueued
        assert send.options(queue="bulk").bind(2) not in enqueued
        assert send.options(queue="low").bind(1) not in enqueued
        assert [send.bind(1), send.bind(2)] == enqueued


async def test_what_was_enqueued_stays_known_when_it_has_run(app: Onebeat[Any]) -> None:
    """What waits is another question."""

    @app.task("a")
    async def a(number: int) -> None:
        if number == 0:
            raise OSError

    @app.task("b")
    async def b() -> None: ...

    async with app.testing(start=NOON) as t:
        await app.enqueue_many([a.bind(0), a.bind(1), b.bind()])
        await a.options(process_in=600).enqueue(2)
        assert [a.bind(0), a.bind(1), a.bind(2)] == t.waiting(a)
        await t.drain()
        assert [a.bind(0), a.bind(1), b.bind(), a.bind(2)] == t.enqueued()
        assert [b.bind()] == t.enqueued("b") == t.enqueued(b)
        assert [a.bind(0), a.bind(2)] == t.waiting()
        assert [NOON] * 4 == [task.enqueued_at for task in t.enqueued()]
        assert "Task('b', b'{}'" in repr(t.enqueued(b))


async def test_what_was_refused_was_not_enqueued(app: Onebeat[Any]) -> None:
    """A duplicate, for one."""

    @app.task("t")
    async def handler() -> None: ...

    async with app.testing() as t:
        await app.enqueue_many(handler.options(unique=60).bind() for _ in range(3))
        assert [handler.bind()] == t.enqueued()


async def test_tasks_of_other_programs_can_be_expected(app: Onebeat[Any]) -> None:
    """They are enqueued here and run elsewhere."""

    @app.remote("video:encode", queue="go", rename="pascal")
    def encode(url: str) -> None: ...

    async with app.testing() as t:
        await encode.enqueue("u")
        assert (await t.drain()).attempts == ()
        assert encode.bind("u") in t.enqueued(encode)
        assert encode.bind("u") in t.waiting()
        assert b'{"Url":"u"}' == t.waiting()[0].payload


async def test_what_schedules_and_others_have_enqueued_waits_too(app: Onebeat[Any]) -> None:
    """The plain form works on the kit's store."""

    @app.task("t", queue="low")
    async def handler(number: int) -> None: ...

    async with app.testing(queues={"other": 1}) as t:
        async with Client(t.store) as client:
            await client.enqueue(handler.bind(1))
        assert handler.bind(1) in t.waiting()
        assert handler.options(queue="low").bind(1) in t.waiting()
        assert handler.options(queue="critical").bind(1) not in t.waiting()
        assert [] == t.enqueued()
        async with Inspector(t.store) as inspector:
            assert 1 == (await inspector.stats("low")).pending


async def test_the_store_can_be_read_by_state(app: Onebeat[Any]) -> None:
    """What is kept of ended tasks is there, too."""

    @app.task("t", max_retry=0, retention=60)
    async def handler(number: int) -> int:
        return 1 // number

    async with app.testing() as t:
        await app.enqueue_many(handler.bind(number) for number in range(3))
        await handler.options(process_in=5).enqueue(9)
        await t.drain()
        assert ["ZeroDivisionError"] == [info.last_error.partition(": ")[0] for info in t.archived]
        assert [b"1", b"0"] == [info.result for info in t.completed]
        assert [TaskState.SCHEDULED] == [info.state for info in t.tasks("scheduled")]
        assert (4, 0) == (len(t.tasks(task=handler)), len(t.tasks(task="other")))
        with pytest.raises(InvalidTask, match="state is 'lost': give one of"):
            t.tasks("lost")


async def test_a_function_can_be_called_with_a_context(app: Onebeat[Any]) -> None:
    """Of the declared queue and retries, with the kit's state; it notes what is said."""
    app = Onebeat[str]("shop")

    @app.task("t", queue="low", max_retry=7)
    async def handler(ctx: Context[str], number: int) -> list[Any]:
        ctx.progress(number, "going", of=4)
        return [ctx.state, ctx.queue, ctx.retried, ctx.max_retry, ctx.tick, ctx.stopping]

    async with app.testing(state="fake", start=NOON) as t:
        ctx = t.context(handler, retried=2, tick=NOON)
        assert ["fake", "low", 2, 7, NOON, False] == await handler(ctx, 1)
        assert [(0.25, "going", NOON)] == [(word.fraction, word.text, word.at) for word in ctx.said]
        ctx.stop()
        assert ctx.stopping
        assert "default" == t.context().queue
        assert [] == t.ran


async def test_a_context_can_be_the_current_one(app: Onebeat[Any]) -> None:
    """For functions that take none."""

    @app.task("t")
    def handler() -> str:
        return current().id

    async with app.testing() as t:
        with t.context(id="me"):
            assert "me" == handler()
        with pytest.raises(LookupError):
            handler()


async def test_tasks_that_no_one_declared_are_compared_by_what_they_say(app: Onebeat[Any]) -> None:
    """The plain form's tasks carry their options themselves."""
    async with app.testing() as t:
        client = await app.client()
        await client.enqueue(Task("plain", {"a": 1}), queue="low")
        assert Task("plain", {"a": 1}) in t.enqueued()
        assert Task("plain", {"a": 1}, queue="low") in t.enqueued("plain")
        assert Task("plain", {"a": 1}, queue="high") not in t.enqueued()
        assert Task("plain", {"a": 2}) not in t.enqueued()
