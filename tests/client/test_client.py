"""Enqueueing: every caller gets its own answer, batches form by themselves, repeats never double."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import redis
import redis.asyncio

from onebeat.broker import browse, produce
from onebeat.broker.connection import endpoint
from onebeat.broker.store import Store
from onebeat.client import Client
from onebeat.errors import (
    BrokerUnavailable,
    BrokerUnsupported,
    ConfigurationError,
    DuplicateTask,
    InvalidTask,
    PayloadError,
    TaskIdConflict,
)
from onebeat.preparing import Enqueued, Failure
from onebeat.states import TaskState
from onebeat.task import Task
from onebeat.wire.message import decode
from tests.anywhere import calls, everywhere


class Minute:
    """A clock that stands until it is told."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def now(self) -> datetime:
        return datetime.now(UTC)

    def monotonic(self) -> float:
        return self.seconds


@pytest.fixture
async def client(url: str) -> AsyncIterator[Client]:
    async with Client(url) as opened:
        yield opened


async def pending(client: Client, queue: str = "default") -> int:
    return (await (await client.store()).run(browse.stats(queue))).pending


async def test_an_accepted_task_is_told_where_it_is(client: Client) -> None:
    """A pending one has no due time, a scheduled one has its own, by the store's clock."""
    now = await client.enqueue(Task("t"), queue="low", task_id="a")
    assert Enqueued("a", "low", "t", TaskState.PENDING, None) == now
    later = await client.enqueue(Task("t"), process_at=datetime.now(UTC) + timedelta(hours=1))
    assert TaskState.SCHEDULED is later.state
    assert later.due_ms is not None


async def test_the_message_is_what_was_asked_for(client: Client) -> None:
    """All options stand in the message as Go reads them."""
    unique = await client.enqueue(
        Task("t", {"a": 1}, max_retry=7),
        queue="q",
        timeout=2.5,
        retention=9,
        unique=60,
        headers={"x": "y"},
        task_id="id",
    )
    store = await client.store()
    raw = await store.run(browse.info("q", unique.id))
    assert raw is not None
    message = decode(raw.message)
    assert ("t", b'{"a":1}', "id", "q", 7, 3, 9) == (
        message.type, message.payload, message.id, message.queue, message.retry, message.timeout, message.retention,
    )  # fmt: skip
    assert {"x": "y"} == dict(message.headers)
    assert b"id" == await store.command("GET", message.unique_key)
    assert b"2500" == await store.command("HGET", "asynq:{q}:t:id", "ob_timeout_ms")


async def test_duplicates_and_conflicts_are_told_apart(client: Client) -> None:
    """A held lock names its holder; a taken id names the id; neither writes anything."""
    first = await client.enqueue(Task("t", 1), unique=60)
    with pytest.raises(DuplicateTask, match=first.id) as refused:
        await client.enqueue(Task("t", 1), unique=60)
    assert first.id == refused.value.holder
    with pytest.raises(TaskIdConflict, match=first.id):
        await client.enqueue(Task("u"), task_id=first.id)
    assert 1 == await pending(client)


async def test_empty_bytes_are_not_the_lock_of_no_payload(client: Client) -> None:
    """Go tells the two apart, so they exclude each other no more here than there (protocol §1.4)."""
    empty = await client.enqueue(Task("t", b""), unique=60)
    none = await client.enqueue(Task("t"), unique=60)
    store = await client.store()
    locks = [b"asynq:{default}:unique:t:d41d8cd98f00b204e9800998ecf8427e", b"asynq:{default}:unique:t:"]
    assert [empty.id.encode(), none.id.encode()] == await store.command("MGET", *locks)


async def test_concurrent_calls_share_batches(client: Client) -> None:
    """A thousand concurrent calls take a handful of scripts, and each gets its own answer or error."""
    store = await client.store()
    await client.enqueue(Task("t"), task_id="5")
    before = (await calls(store))["evalsha"]
    enqueuing = (client.enqueue(Task("t"), task_id=str(number)) for number in range(1000))
    answers = await asyncio.gather(*enqueuing, return_exceptions=True)
    after = (await calls(store))["evalsha"]
    assert [5] == [number for number, answer in enumerate(answers) if isinstance(answer, TaskIdConflict)]
    assert 999 == sum(isinstance(answer, Enqueued) for answer in answers)
    assert after - before <= 6


async def test_bad_input_is_refused_before_anything_is_written(client: Client) -> None:
    """Not even the queue's name is written."""
    for task, options in [
        (Task("t"), {"queue": "a}b"}), (Task("t"), {"timeout": -1}), (Task("t"), {"colour": 1}), ("t", {}),
    ]:  # fmt: skip
        with pytest.raises(InvalidTask):
            await client.enqueue(task, **options)  # type: ignore[arg-type] # that is what is tested
    with pytest.raises(PayloadError, match="the limit is 8000000"):
        await client.enqueue(Task("t", b"x" * 8_000_001))
    assert [] == await everywhere((await client.store()), "KEYS", "*")


@pytest.mark.slow
async def test_many_from_any_iterable_with_every_failure(client: Client) -> None:
    """Counts for who awaits, each answer in order for who iterates; bad ones stop nobody else."""

    def tasks() -> Iterator[Task[Any]]:
        for number in range(5000):
            yield Task("t", number, task_id="same" if number in (10, 20) else f"n{number}")

    result = await client.enqueue_many(tasks())
    assert 4999 == result.enqueued
    assert [TaskIdConflict] == [type(failure.error) for failure in result.failures]

    async def more() -> AsyncIterator[Task[Any]]:
        yield Task("t", task_id="x1")
        yield Task("t", queue="{")
        yield Task("t", task_id="x2")

    answers = [answer async for answer in client.enqueue_many(more())]
    assert [Enqueued, Failure, Enqueued] == [type(answer) for answer in answers]


async def test_a_bulk_is_not_read_ahead_without_end(client: Client) -> None:
    """From an endless iterable only a window of tasks is taken before answers are handed out."""
    taken = 0

    def endless() -> Iterator[Task[Any]]:
        nonlocal taken
        while True:
            taken += 1
            yield Task("t", taken)

    async for _ in client.enqueue_many(endless()):
        break
    assert taken <= 2048


async def test_a_broken_connection_enqueues_once(client: Client) -> None:
    """Connections that are killed again and again lose no task and double none."""
    store = await client.store()
    killer = await Store.open(store.endpoint)

    async def kill() -> None:
        for _ in range(20):
            await everywhere(killer, "CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes")
            await asyncio.sleep(0.005)

    answers = await asyncio.gather(kill(), *(client.enqueue(Task("t", n), unique=60) for n in range(500)))
    await killer.aclose()
    assert 500 == sum(isinstance(answer, Enqueued) for answer in answers)
    assert 500 == await pending(client)


async def test_the_queue_is_known_again_after_it_was_removed(url: str) -> None:
    """The name is published again within a minute, whatever was removed meanwhile (SE-07)."""

    clock = Minute()
    async with Client(url, clock=clock) as client:
        store = await client.store()
        await client.enqueue(Task("t"))
        await store.command("SREM", "asynq:queues", "default")
        clock.seconds = 61
        await client.enqueue(Task("t"))
        assert {b"default"} == await store.command("SMEMBERS", "asynq:queues")


async def test_a_cancelled_caller_drops_what_was_not_sent(client: Client) -> None:
    """Cancelled before its batch left, the task does not exist."""
    call = asyncio.create_task(client.enqueue(Task("t")))
    await asyncio.sleep(0)
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    await client.enqueue(Task("t", "other"))
    assert 1 == await pending(client)


async def test_an_unreachable_store_is_said_in_one_sentence() -> None:
    """Opening names the address; nothing hangs."""
    with pytest.raises(BrokerUnavailable, match=r"store redis://127\.0\.0\.1:1"):
        async with Client("redis://127.0.0.1:1"):
            pass


@pytest.mark.parametrize("bad", ["http://x", "redis://h/abc", "localhost:6379", "redis://h:port", 5, ""])
async def test_bad_urls_are_refused(bad: object, monkeypatch: pytest.MonkeyPatch) -> None:
    """The sentence shows the value and how to write it."""
    with pytest.raises(ConfigurationError, match="store"):
        await Store.open(bad)


async def test_a_password_is_never_shown() -> None:
    """Neither in errors nor in the address that is logged."""
    with pytest.raises(BrokerUnavailable) as refused:
        await Store.open("redis://user:secret@127.0.0.1:1/0")
    assert "secret" not in str(refused.value)
    assert "***@127.0.0.1:1" in str(refused.value)


@pytest.mark.one_store  # of other kinds see tests/topology
async def test_a_redis_client_lends_its_settings(url: str) -> None:
    """A blocking or asyncio redis-py client may be given instead of a URL."""
    for given in (redis.Redis.from_url(url), redis.asyncio.Redis.from_url(url)):
        async with Client(given) as client:
            assert TaskState.PENDING is (await client.enqueue(Task("t"))).state


async def test_a_store_that_is_too_old_is_refused(url: str) -> None:
    """Redis 6.0 answers INFO and is told apart by it."""

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while data := await reader.read(1000):
            for _ in range(data.count(b"CLIENT")):
                writer.write(b"+OK\r\n")
            if b"INFO" in data.split(b"LIB-NAME")[-1] and b"server" in data:
                body = b"redis_version:6.0.16\r\n"
                writer.write(b"$%d\r\n%s\r\n" % (len(body), body))
        writer.close()

    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    with pytest.raises(BrokerUnsupported, match=r"version 6\.0\.16: Onebeat needs Redis 6\.2"):
        await Store.open(f"redis://127.0.0.1:{port}")
    server.close()


@pytest.mark.parametrize("kind", ["asyncio_client", "blocking_client"])
def test_redis_py_repeats_nothing_by_itself(kind: str) -> None:
    """Its ten silent repeats are off, RESP2 is on, and every wait has an end (mechanism-rules 27)."""
    client = getattr(endpoint("rediss://user:pw@h:1/2"), kind)(reply_timeout=3.0)
    settings = client.connection_pool.connection_kwargs
    assert 0 == settings["retry"].get_retries()
    assert (2, 3.0, 5.0) == (settings["protocol"], settings["socket_timeout"], settings["socket_connect_timeout"])
    assert ("h", 1, 2, "user", "pw") == tuple(settings[name] for name in ("host", "port", "db", "username", "password"))


async def test_a_client_belongs_to_its_loop(url: str) -> None:
    """On another one it says so, instead of waiting for ever on a connection that nobody reads there (rule 15)."""
    async with Client(url) as client:
        await client.enqueue(Task("t"))

        def elsewhere() -> None:
            with pytest.raises(ConfigurationError, match="was opened on another event loop: open another on this one"):
                asyncio.run(client.enqueue(Task("t")))

        await asyncio.to_thread(elsewhere)
        await client.enqueue(Task("t"))


async def test_a_client_does_not_survive_a_fork(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A child that used its parent's connections would steal the parent's answers."""
    async with Client(url) as client:
        monkeypatch.setattr("onebeat.broker.store.os.getpid", lambda: 1)
        with pytest.raises(ConfigurationError, match="of which this is a fork: open another here"):
            await client.enqueue(Task("t"))
        monkeypatch.undo()
        await client.enqueue(Task("t"))


@pytest.mark.parametrize("late", [b"OK", redis.exceptions.NoScriptError("gone"), redis.ConnectionError("closed")])
async def test_a_cancellation_that_the_driver_swallows_is_raised(
    store: Store, monkeypatch: pytest.MonkeyPatch, late: Any
) -> None:
    """Who cancels once, as `asyncio.run` does when it ends, is not left waiting: whatever the driver makes of it."""
    begun = asyncio.Event()

    async def swallow(_client: Any, *_words: Any) -> Any:
        begun.set()
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            if isinstance(late, Exception):
                raise late from None
            return late

    monkeypatch.setattr(redis.asyncio.Redis, "execute_command", swallow)
    asking = asyncio.create_task(store.run(browse.info("default", "x")))
    await begun.wait()
    asking.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asyncio.wait_for(asking, 60)


def _failing(tasks: list[Task[Any]]) -> Iterator[Task[Any]]:
    yield from tasks
    raise OSError("the file ends here")


@pytest.mark.slow
async def test_a_bulk_that_is_cut_short_sends_no_more_and_says_no_more(store: Store) -> None:
    """What its iterable raises comes through; tasks that had not left are dropped, and no error is left unseen."""
    unseen: list[object] = []
    asyncio.get_running_loop().set_exception_handler(lambda _loop, context: unseen.append(context))
    async with Client(store) as client:
        with pytest.raises(OSError, match="ends here"):
            await client.enqueue_many(_failing([Task("t", task_id="same") for _ in range(300)]))
    gc.collect()
    assert [] == unseen
    assert 0 == await store.command("LLEN", "asynq:{default}:pending")


async def test_a_bulk_that_is_cancelled_sends_no_more(store: Store) -> None:
    """Cancelling who awaits a bulk drops what had not left, as it does for one task."""
    given = asyncio.Event()

    async def tasks() -> AsyncIterator[Task[Any]]:
        for _ in range(1000):
            yield Task("t")
        given.set()
        await asyncio.Event().wait()

    async with Client(store) as client:
        bulk = asyncio.ensure_future(client.enqueue_many(tasks()))
        await given.wait()
        bulk.cancel()
        with pytest.raises(asyncio.CancelledError):
            await bulk
    assert produce.MAX_ITEMS >= await store.command("LLEN", "asynq:{default}:pending")  # one batch was on its way
