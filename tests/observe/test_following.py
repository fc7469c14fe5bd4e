"""Observers that follow calls, keep something in a task, or tell its process of something; and that none does harm."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from types import TracebackType
from typing import Any

import pytest

from onebeat.audience import Audience
from onebeat.client import Client
from onebeat.errors import DuplicateTask, Retry
from onebeat.events import Carried, Observer, Sending
from onebeat.server.context import Context
from onebeat.server.server import Server
from onebeat.sync import SyncClient
from onebeat.task import Task
from tests.observe.conftest import Around
from tests.server import isolated
from tests.server.conftest import Bench


class Follows(Observer):
    """Writes down what calls send, and what becomes of them."""

    def __init__(self) -> None:
        self.seen: list[str] = []

    def sending(self, *, many: bool) -> Sending:
        return _Followed(self.seen, "bulk" if many else "task")


class _Followed(Sending):
    def __init__(self, seen: list[str], what: str) -> None:
        self._seen = seen
        self._what = what

    def headers(self, task: Task[Any], queue: str, task_id: str, given: Mapping[str, str]) -> Mapping[str, str]:
        self._seen.append(f"{task_id} to {queue} with {dict(given)}")
        return {"followed": "yes"}

    def refused(self, error: BaseException) -> None:
        self._seen.append(f"refused by {type(error).__name__}")

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._seen.append(f"{self._what} ended with {error!r}")


class Harmful(Observer):
    """Raises wherever it can."""

    def sending(self, *, many: bool) -> Sending:
        if many:
            raise ValueError("sending")
        return _Harmful()

    def failing(self, queue: str, task_id: str) -> Mapping[str, str]:
        raise ValueError("failing")

    def crossing(self) -> Carried | None:
        raise ValueError("crossing")

    def aggregating(
        self, queue: str, group: str, members: Sequence[Mapping[str, str]]
    ) -> AbstractContextManager[object]:
        raise ValueError("aggregating")


class _Harmful(Sending):
    def headers(self, task: Task[Any], queue: str, task_id: str, given: Mapping[str, str]) -> Any:
        return {"x": 1}

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        raise ValueError("exit")


async def test_a_call_is_followed_to_its_end(bench: Bench) -> None:
    """What it adds is told to those after it, and stands in the task."""
    first, second = Around(first="1"), Follows()
    async with Client(bench.store, observers=[first, second]) as client:
        await client.enqueue(Task("t"), task_id="a", headers={"own": "0"})
        await client.enqueue(Task("u"), task_id="b", unique=60)
        with pytest.raises(DuplicateTask):
            await client.enqueue(Task("u"), task_id="c", unique=60)
    assert "a to default with {'own': '0', 'first': '1'}" == second.seen[0]
    assert "task ended with None" == second.seen[1]
    assert second.seen[-1].startswith("task ended with DuplicateTask(")


@pytest.mark.parametrize("blocks", [False, True])
async def test_a_bulk_is_followed_as_one(bench: Bench, url: str, blocks: bool) -> None:
    """Each task is told of, and each that is refused."""
    follows = Follows()
    tasks = [Task("t", task_id="a"), Task("t", task_id="a")]

    def enqueue() -> None:
        with SyncClient(url, observers=[follows]) as client:
            client.enqueue_many(tasks)

    if blocks:
        await asyncio.to_thread(enqueue)
    else:
        async with Client(bench.store, observers=[follows]) as client:
            await client.enqueue_many(tasks)
    told = "a to default with {}"
    assert [told, told, "refused by TaskIdConflict", "bulk ended with None"] == follows.seen


async def test_a_bulk_that_nobody_reads_to_its_end_has_ended(bench: Bench) -> None:
    """As whoever iterates stops."""
    follows = Follows()
    async with Client(bench.store, observers=[follows]) as client:
        answers = client.enqueue_many([Task("t"), Task("t")]).__aiter__()
        await anext(answers)
        await answers.aclose()  # type: ignore[attr-defined] # it is a generator
    assert follows.seen[-1].startswith("bulk ended with GeneratorExit(")


async def test_a_failed_task_keeps_what_it_is_given(bench: Bench) -> None:
    """In its next attempt; the handler of the first does not see it."""
    seen: list[Mapping[str, str]] = []

    class Keeps(Observer):
        def failing(self, queue: str, task_id: str) -> Mapping[str, str]:
            return {"kept": f"{queue} {task_id}"}

    @bench.mux.handle("t")
    async def fail_once(context: Context[Any], task: Task[Any]) -> None:
        seen.append(context.headers)
        if not context.retried:
            raise Retry("once more", delay=0)

    await bench.enqueue("t", task_id="a", headers={"own": "0"})
    async with Server(bench.store, observers=[Keeps()]).serving(bench.mux):
        await bench.reaches(processed=2)
    assert [{"own": "0"}, {"own": "0", "kept": "default a"}] == seen


@contextmanager
def noted(what: Mapping[str, str]) -> Iterator[None]:
    """Write into the notes of isolated tasks, there where one runs."""
    isolated.note(f"entered with {what['word']}")
    yield
    isolated.note("left with it")


@pytest.mark.slow
@pytest.mark.parametrize(
    "enter", ["tests.observe.test_following:noted", "tests.observe.test_following:nothing", "no_such_module:noted"]
)
async def test_the_process_of_a_task_enters_what_it_is_told_of(
    url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Any, enter: str
) -> None:
    """What cannot be entered is logged there, and its task runs."""
    notes = tmp_path / "notes"
    monkeypatch.setenv("ONEBEAT_TEST_NOTES", str(notes))

    class Tells(Observer):
        def crossing(self) -> Carried:
            return Carried(enter, {"word": "this"})

    monkeypatch.setattr(isolated.app, "audience", Audience([Tells()]))
    isolated.app.url = url
    async with isolated.app, isolated.app.serving():
        assert 5 == (await (await isolated.where.options(retention=60).enqueue(5)).result(timeout=60))[3]
    said = notes.read_text().splitlines() if notes.exists() else []
    wanted = ["entered with this", "left with it"] if enter.endswith("following:noted") else []
    assert wanted == [line for line in said if "with" in line]


async def test_a_group_is_aggregated_in_what_observers_want(bench: Bench) -> None:
    """Until the store has the combined task; they are told each member's headers."""
    seen: list[str] = []

    class Aggregates(Observer):
        @contextmanager
        def aggregating(self, queue: str, group: str, members: Sequence[Mapping[str, str]]) -> Iterator[None]:
            seen.append(f"{group} of {queue}: {members}")
            yield
            seen.append("left")

    @bench.mux.aggregate(max_size=2)
    async def join(group: str, tasks: list[Task[Any]]) -> Task[Any]:
        seen.append("combining")
        return Task("combined", queue="other")

    for number in (1, 2):
        await bench.enqueue("event", group="g", task_id=f"m{number}", headers={"n": str(number)})
    async with Server(bench.store, observers=[Aggregates()]).serving(bench.mux):
        await bench.reaches("other", pending=1)
    assert ["g of default: [{'n': '1'}, {'n': '2'}]", "combining", "left"] == seen


async def test_none_of_them_does_harm(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    """What they raise is logged, and all goes on as if they were not there."""
    harmful = Harmful()
    ran: list[Mapping[str, str]] = []

    @bench.mux.handle("t")
    async def fail_once(context: Context[Any], task: Task[Any]) -> None:
        ran.append(context.headers)
        if not context.retried:
            raise Retry("once more", delay=0)

    @bench.mux.aggregate(max_size=1)
    async def join(group: str, tasks: list[Task[Any]]) -> Task[Any]:
        return Task("t")

    async with Client(bench.store, observers=[harmful]) as client:
        await client.enqueue(Task("t"))
        assert 1 == (await client.enqueue_many([Task("t")])).enqueued
        await client.enqueue(Task("event"), group="g")
    async with Server(bench.store, observers=[harmful]).serving(bench.mux):
        await bench.reaches(processed=6)
    assert [{}] * 6 == ran
    said = {record.getMessage().partition("(")[0] for record in caplog.records if record.name == "onebeat.observers"}
    assert {"sending", "failing", "aggregating"} <= said
