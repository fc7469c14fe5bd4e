"""Progress: said as often as one likes, written once a second at most, read from the handle."""

from __future__ import annotations

import asyncio
import math
import threading
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from onebeat import Context, Handle, InvalidTask, Onebeat, Progress, Retry, TaskState
from onebeat.broker import browse
from onebeat.broker.call import Call
from onebeat.broker.consume import Noted, Outcome, finish, progress
from onebeat.broker.store import Store
from onebeat.errors import BrokerUnavailable
from onebeat.server.reporter import Reporter
from onebeat.server.running import Running
from tests.broker.test_scripts_consume import grab, outcome, put
from tests.conftest import NOON, Clock
from tests.server import isolated
from tests.server.conftest import until


async def said(handle: Handle[Any], text: str) -> Progress:
    """Wait until a task's progress says this."""
    found: list[Progress] = []

    async def is_there() -> bool:
        now = await handle.progress()
        if now is not None and now.text == text:
            found.append(now)
        return bool(found)

    await until(is_there)
    return found[0]


@pytest.fixture
async def app(url: str) -> AsyncIterator[Onebeat[Any]]:
    async with Onebeat[Any]("progress", url=url) as app:
        yield app


async def test_a_coroutine_and_a_thread_say_how_far_they_are(app: Onebeat[Any]) -> None:
    """Both at once; nothing is said before they are begun, and the last word stays with a kept result."""
    done, done_too = asyncio.Event(), threading.Event()

    @app.task(retention=60)
    async def on_loop(ctx: Context[Any]) -> None:
        ctx.progress(0.5, "half way")
        await done.wait()

    @app.task(retention=60)
    def in_thread(ctx: Context[Any]) -> None:
        ctx.progress(3, of=12)
        ctx.progress(4, "a third", of=12)
        done_too.wait(60)

    first, second = await on_loop.enqueue(), await in_thread.enqueue()
    assert await first.progress() is None
    async with app.serving():
        assert 0.5 == (await said(first, "half way")).fraction
        third = await said(second, "a third")
        assert third.fraction == pytest.approx(1 / 3, abs=1e-5)
        done.set()
        done_too.set()
        assert await second.result(timeout=60) is None
    ended = await second.info()
    assert (TaskState.COMPLETED, third) == (ended.state, ended.progress)


@pytest.mark.slow
async def test_a_process_says_it_to_its_server(url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Through the pipe by which its verdict comes."""
    monkeypatch.setenv("ONEBEAT_TEST_NOTES", str(tmp_path / "notes"))
    monkeypatch.setattr(isolated.app, "url", url)
    async with isolated.app, isolated.app.serving(concurrency=1):
        handle = await isolated.tells.enqueue()
        assert 0.25 == (await said(handle, "one of four")).fraction
        (tmp_path / "seen").touch()


async def test_the_next_attempt_begins_with_none(app: Onebeat[Any]) -> None:
    """What the failed one said is no word of this one."""
    seen: list[Progress | None] = []
    handles: list[Handle[None]] = []

    @app.task(max_retry=3)
    async def twice(ctx: Context[Any]) -> None:
        if not seen:
            ctx.progress(0.9, "nearly")
            seen.append(await said(handles[0], "nearly"))
            raise Retry(delay=0)
        seen.append(await handles[0].progress())

    handles.append(await twice.enqueue())
    async with app.serving():
        await until(lambda: asyncio.sleep(0, len(seen) == 2))
    assert (0.9, None) == (seen[0] and seen[0].fraction, seen[1])


@pytest.mark.parametrize(
    ("done", "of", "text", "words"),
    [
        (1.1, 1, "", "progress is 1.1 of 1: give numbers, from 0 to all there is"),
        (-1, 10, "", "progress is -1 of 10"),
        (math.nan, 1, "", "progress is nan of 1"),
        (1, math.inf, "", "progress is 1 of inf"),
        (0, 0, "", "progress is 0 of 0"),
        (True, 1, "", "progress is True of 1"),
        ("half", 1, "", "progress is 'half' of 1"),
        (0.5, 1, b"half", "text of progress is b'half': give a string"),
    ],
)
def test_what_is_no_progress_is_refused(done: Any, of: Any, text: Any, words: str) -> None:
    """In the handler, where it is said."""
    context = Context(id="a", queue="q", type="t", retried=0, max_retry=1, headers={}, state=None)
    with pytest.raises(InvalidTask, match=words.replace("(", r"\(")):
        context.progress(done, text, of=of)


def test_a_text_is_cut_and_made_writable() -> None:
    """Two hundred characters; what UTF-8 cannot hold becomes question marks."""
    told: list[tuple[float, str]] = []
    context = Context(
        id="a", queue="q", type="t", retried=0, max_retry=1, headers={}, state=None, say=lambda *it: told.append(it)
    )
    context.progress(1, "x" * 500)
    context.progress(0, "\ud800")
    assert [(1, "x" * 200), (0, "?")] == told


async def test_only_the_holder_is_believed(store: Store, clock: Clock) -> None:
    """Who lost the task says nothing about it any more; who has it, does; `take` forgets it."""
    await put(store, "a")
    await grab(store)
    answers = await store.run(progress("q", [Noted("a", "s:9", 0.1, "no"), Noted("b", "s:1", 0.1, "no")]))
    assert ["lost", "lost"] == answers
    assert ["noted"] == await store.run(progress("q", [Noted("a", "s:1", 0.25, "a b")]))
    raw = await store.run(browse.info("q", "a"))
    assert raw is not None
    assert f"{NOON * 1000} 0.25 a b" == raw.progress
    await store.run(finish("q", [outcome(Outcome.PENDING)]))
    await grab(store, sequence=2)
    assert await store.command("HGET", "asynq:{q}:t:a", "ob_progress") is None


class Counting:
    """A store that counts what is written; away for the first `away` calls."""

    def __init__(self, away: int = 0) -> None:
        self.away = away
        self.written: list[tuple[Any, ...]] = []

    async def run(self, call: Call[Any]) -> Any:
        if self.away:
            self.away -= 1
            raise BrokerUnavailable("away")
        self.written.append(tuple(call.arguments))


def attempt(task_id: str, queue: str = "q") -> Running:
    return Running(queue, task_id, "s:1", 0.0)


async def test_a_thousand_words_are_one_write() -> None:
    """The latest of each task, one call for each queue; nothing is written twice, nor of what has ended."""
    store = Counting()
    reporter = Reporter(store)  # type: ignore[arg-type] # as far as it is used
    a, b, c, ended = attempt("a"), attempt("b"), attempt("c", "low"), attempt("d")
    for number in range(1000):
        reporter.say(a, number / 1000, str(number))
    for one in (b, c, ended):
        reporter.say(one, 1.0, "all")
    await asyncio.sleep(0)
    ended.finished = outcome(Outcome.DONE, "d")
    await reporter.write()
    await reporter.write()
    assert [("a", "s:1", "0.999", "999", "b", "s:1", "1", "all"), ("c", "s:1", "1", "all")] == store.written


async def test_what_cannot_be_written_is_written_later() -> None:
    """A word is not lost with an outage, and a newer one takes its place."""
    store = Counting(away=1)
    reporter = Reporter(store)  # type: ignore[arg-type] # as far as it is used
    a = attempt("a")
    reporter.say(a, 0.1, "old")
    await asyncio.sleep(0)
    with pytest.raises(BrokerUnavailable):
        await reporter.write()
    reporter.say(a, 0.2, "new")
    await asyncio.sleep(0)
    await reporter.write()
    assert [("a", "s:1", "0.2", "new")] == store.written
