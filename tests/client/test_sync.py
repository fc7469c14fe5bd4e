"""Blocking twins: the same core over a transport of their own, for threads, forks and code without a loop."""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from typing import Any

import pytest

from onebeat import (
    BrokerUnavailable,
    Cancellation,
    ConfigurationError,
    DuplicateTask,
    InvalidTask,
    Onebeat,
    ResultNotKept,
    ResultTimeout,
    Retry,
    SkipRetry,
    SyncClient,
    Task,
    TaskFailed,
    TaskIdConflict,
    TaskNotFound,
    TaskState,
)
from onebeat.broker import browse
from onebeat.broker.store import BlockingStore
from tests.anywhere import everywhere_blocking, keys_of
from tests.server.conftest import served_in_thread


@pytest.fixture
def client(url: str) -> Iterator[SyncClient]:
    with SyncClient(url) as opened:
        yield opened


@pytest.fixture
def app(url: str) -> Iterator[Onebeat[Any]]:
    app: Onebeat[Any] = Onebeat("sync", url=url)

    @app.task()
    def double(number: int) -> int:
        if number == 0:
            raise SkipRetry("zero is zero")
        return 2 * number

    @app.task()
    def silent() -> None: ...

    @app.task(timeout=60)
    def waits() -> int:
        raise Retry(delay=3600)

    yield app
    app.close()


def pending(client: SyncClient, queue: str = "default") -> int:
    return client.store.run(browse.stats(queue)).pending


def test_what_it_enqueues_is_what_the_asyncio_client_enqueues(client: SyncClient) -> None:
    """The same options, the same answer, the same refusals."""
    now = client.enqueue(Task("t", {"a": 1}), queue="low", task_id="a", retention=9)
    assert ("a", "low", "t", TaskState.PENDING, None) == (now.id, now.queue, now.type, now.state, now.due_ms)
    assert client.enqueue(Task("t"), process_in=60).state is TaskState.SCHEDULED
    with pytest.raises(TaskIdConflict, match="'a' is taken"):
        client.enqueue(Task("t"), queue="low", task_id="a")
    client.enqueue(Task("u"), unique=60)
    with pytest.raises(DuplicateTask):
        client.enqueue(Task("u"), unique=60)
    assert 1 == pending(client, "low")
    assert [b"default", b"low"] == sorted(client.store.commands([("SMEMBERS", "asynq:queues")])[0])


def test_bulks_from_any_iterable_over_several_queues(client: SyncClient) -> None:
    """Counts and failures; what is wrong with one task is no other's trouble, nor is the size of a batch."""
    many: Iterator[Task[bytes]] = (Task("t", index, queue="ab"[index % 2]) for index in range(1000))
    result = client.enqueue_many([*many, Task("t", queue="{x}"), Task("t", b"x" * 600_000), Task("t", b"y" * 600_000)])
    assert (1002, ["queue name is '{x}': leave out braces, which mark the cluster slot of a queue's keys"]) == (
        result.enqueued, [str(failure.error) for failure in result.failures],
    )  # fmt: skip
    assert (500, 500, 2) == (pending(client, "a"), pending(client, "b"), pending(client))
    with pytest.raises(InvalidTask, match="give an iterable"):
        client.enqueue_many(5)  # type: ignore[arg-type] # that is what is tested
    with pytest.raises(InvalidTask, match="option que is unknown"):
        client.enqueue_many([], que="x")  # type: ignore[call-arg] # likewise


def test_many_threads_share_one_client(client: SyncClient) -> None:
    """Every task is there once, and the store keeps no more records than threads were at it together."""
    with ThreadPoolExecutor(8) as threads:
        placed = list(threads.map(lambda index: client.enqueue(Task("t", index)), range(400)))
    assert 400 == len({item.id for item in placed}) == pending(client)
    records = keys_of(client.store, "onebeat:{default}:c:*")
    assert 1 <= len(records) <= 8


def _in_child(client: SyncClient, answers: Any) -> None:
    answers.put((os.getpid(), client.enqueue(Task("t", b"child")).id))


@pytest.mark.filterwarnings("ignore:This process .* is multi-threaded:DeprecationWarning")
def test_a_forked_child_has_connections_and_names_of_its_own(client: SyncClient) -> None:
    """With its parent's name and number, the child's first batch would be taken for a repeat and written nowhere."""
    client.enqueue(Task("t", b"parent"))
    context = multiprocessing.get_context("fork")
    answers = context.Queue()
    children = [context.Process(target=_in_child, args=(client, answers)) for _ in range(3)]
    for child in children:
        child.start()
    ids = {answers.get(timeout=60) for _ in children}
    for child in children:
        child.join()
    client.enqueue(Task("t", b"parent again"))
    assert (3, 5) == (len(ids), pending(client))


async def test_it_is_refused_where_it_would_block_a_loop(url: str, app: Onebeat[Any]) -> None:
    """Each blocking call says what to write instead, before anything is opened."""
    double = app.tasks["double"]
    with SyncClient(url) as client, pytest.raises(ConfigurationError, match=r"await Client.enqueue\(\)"):
        client.enqueue(Task("t"))
    with pytest.raises(ConfigurationError, match=r"enqueue_sync\(\) of task double .*: await enqueue\(\) instead"):
        double.enqueue_sync(1)
    with pytest.raises(ConfigurationError, match=r"await Client.enqueue_many\(\)"):
        app.enqueue_many_sync([])
    handle = double.handle_sync("x")
    for method in (handle.info, handle.cancel, handle.result):
        with pytest.raises(ConfigurationError, match=rf"SyncHandle.{method.__name__}\(\) would block"):
            method()


def test_a_store_that_is_away_is_waited_for_and_then_given_up(url: str) -> None:
    """The pauses double, up to a second, until `give_up_after` is over; they are counted here, not slept."""
    waited: list[float] = []

    class Waits:
        def now(self) -> datetime:
            return datetime.now(UTC)

        def monotonic(self) -> float:
            return sum(waited)

    def away(_call: Any) -> Any:
        raise BrokerUnavailable("away")

    with SyncClient(url, give_up_after=3, clock=Waits(), jitter=lambda: 0.5, sleep=waited.append) as client:
        client.store.run = away  # type: ignore[assignment, method-assign] # that is the fault
        with pytest.raises(BrokerUnavailable):
            client.enqueue(Task("t"))
    assert [0.02, 0.04, 0.08, 0.16, 0.32, 0.64, 1.0] == waited


def test_a_batch_whose_answer_was_lost_is_repeated_and_written_once(client: SyncClient) -> None:
    """The repeat has the number of the first, so it is answered and not written again."""
    run, lost = client.store.run, 2

    def loses(call: Any) -> Any:
        nonlocal lost
        answer = run(call)
        if call.script == "enqueue" and lost:
            lost -= 1
            raise BrokerUnavailable("the answer was lost")
        return answer

    client.store.run = loses  # type: ignore[method-assign] # that is the fault
    client.enqueue(Task("t"))
    assert (0, 1) == (lost, pending(client))


def test_results_of_sync_handles(app: Onebeat[Any], url: str) -> None:
    """A result, a failure, a wait that ends; none is kept where none was asked for."""
    double, silent = app.tasks["double"], app.tasks["silent"]
    with served_in_thread(app):
        assert 42 == double.enqueue_sync(21).result(timeout=60)
        with ThreadPoolExecutor(4) as threads:
            assert [0, 2, 4, 6] == list(
                threads.map(lambda n: double.options().enqueue_sync(n).result(60) if n else 0, range(4))
            )
        with pytest.raises(TaskFailed, match="zero is zero"):
            double.enqueue_sync(0).result(timeout=60)
        with pytest.raises(ResultNotKept, match="keeps no result"):
            silent.enqueue_sync().result()
    assert {"onebeat-keeper"}.isdisjoint(thread.name for thread in threading.enumerate())


def test_a_wait_that_runs_out_and_a_task_that_is_cancelled(app: Onebeat[Any]) -> None:
    """Nobody serves: the task waits, can be looked at, and is deleted."""
    double = app.tasks["double"]
    handle = double.enqueue_sync(1)
    assert handle == double.handle_sync(handle.id)
    with pytest.raises(ResultTimeout, match=r"did not end within 0\.01 s; it goes on"):
        handle.result(timeout=0.01)
    assert handle.info().state is TaskState.PENDING
    assert handle.cancel() is Cancellation.DELETED
    with pytest.raises(TaskNotFound):
        handle.info()
    with pytest.raises(ResultNotKept, match="is gone from queue"):
        handle.result()
    with pytest.raises(TaskNotFound):
        handle.cancel()


def test_many_from_code_that_blocks(app: Onebeat[Any]) -> None:
    """Bound tasks, options over all of them."""
    double = app.tasks["double"]
    assert 5 == app.enqueue_many_sync((double.bind(n) for n in range(5)), queue="low").enqueued
    assert 5 == pending(app.sync_client(), "low")


def test_closing_leaves_alone_who_is_at_it(client: SyncClient) -> None:
    """As when `app.url` is set while threads enqueue: a call under way gets its answer."""
    other = BlockingStore.open(client.store.endpoint.shown)
    with ThreadPoolExecutor(1) as threads, contextlib.closing(other):
        asking = threads.submit(client.store.commands, [("BLPOP", "bell", 10)])
        while not any(info["blocked_clients"] for info in everywhere_blocking(other, "INFO", "clients")):
            assert not asking.done()
        client.close()
        other.commands([("RPUSH", "bell", "rings")])
        assert [(b"bell", b"rings")] == asking.result(60)
