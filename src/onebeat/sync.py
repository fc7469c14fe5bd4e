"""
Putting tasks on queues from code that blocks: scripts, Flask and Django views, threads.

A blocking transport of its own over the same core as the asyncio client, not a loop in a thread: one call is one
round trip in the caller's thread. Any number of threads may share a client; a forked child makes its own
connections the first time it uses one (gunicorn's `preload_app`, uWSGI, `multiprocessing`).
"""

from __future__ import annotations

import asyncio
import math
import os
import random
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from itertools import islice
from types import TracebackType
from typing import Any, Self, TypeVar, Unpack

from onebeat.audience import Audience
from onebeat.broker import browse, produce, registry
from onebeat.broker.browse import RawTask
from onebeat.broker.produce import Placed
from onebeat.broker.store import BlockingStore, Ear, check_source
from onebeat.clock import Clock, SystemClock
from onebeat.errors import BrokerUnavailable, ConfigurationError, NotReplicated, OnebeatError
from onebeat.events import Figure, Observers, Sending
from onebeat.ids import new_id
from onebeat.options import EnqueueOptions, resolve
from onebeat.preparing import (
    GIVE_UP_AFTER_S,
    MAX_PAYLOAD,
    PUBLISH_AGAIN_S,
    PUBLISH_EVERY_S,
    BulkResult,
    Enqueued,
    Failure,
    Prepared,
    batches,
    check_settings,
    check_tasks,
    prepare,
    tell_enqueued,
    understand,
)
from onebeat.task import Task

T = TypeVar("T")

FIRST_LOOK_S, LONGEST_LOOK_S = 0.25, 2.0
"""How soon a waiter looks by itself: for tasks that Go runs, and for words that were lost."""

IDLE_EARS = 8
"""Listening connections that are kept for the next who waits."""


def refuse_in_loop(call: str, instead: str) -> None:
    """
    Refuse to block an event loop.

    Raises:
        ConfigurationError: One runs in this thread.
    """
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return
    raise ConfigurationError(f"{call} would block the event loop that runs in this thread: {instead}")


def _last(items: deque[T]) -> T | None:
    """Take the last one, if there is one: another thread may be at it, too."""
    try:
        return items.pop()
    except IndexError:
        return None


class _Lane:
    """
    A name under which the store knows one batch after another, so that a repeat is known as one.

    One caller at a time has it, and there are as many as callers were ever at it together.
    """

    def __init__(self) -> None:
        self.id = new_id()
        self._sequences: dict[str, int] = {}

    def next(self, queue: str) -> int:
        """Number the next batch of a queue."""
        number = self._sequences[queue] = self._sequences.get(queue, 0) + 1
        return number


class _Opened:
    """What one process holds open."""

    def __init__(self, source: object, durability: str | None) -> None:
        self.pid = os.getpid()
        self.store = BlockingStore.open(source, durability=durability)
        self.lanes: deque[_Lane] = deque()
        self.ears: deque[Ear] = deque()
        self.published: dict[str, float] = {}

    def close(self) -> None:
        while self.ears:
            self.ears.pop().close()
        self.store.close()


class SyncClient:
    """
    Enqueues tasks from code that blocks: the twin of `Client`, for any number of threads.

    Use it as `with SyncClient(url) as client`, or keep one for the life of the process.

    Args:
        store: A URL, or a redis-py client whose settings are used; default: `ONEBEAT_URL`, else the embedded store
            of the project.

        give_up_after: Seconds for which a batch is repeated while the store cannot be reached, 10 unless given. A
            repeat never enqueues twice.

        max_payload: Largest payload accepted, bytes; 8,000,000 unless given.

        durability: "replicas:n" has n replicas confirm every task before it counts as enqueued (`NotReplicated` if they
            do not); default: as the URL says, else none.

        observers: Told of every task that the store has taken, in the thread that enqueued it; see
            `onebeat.events.Observer`.

    Raises:
        ConfigurationError: A setting is no such number, or an observer none.
    """

    def __init__(
        self,
        store: object = None,
        *,
        durability: str | None = None,
        give_up_after: float = GIVE_UP_AFTER_S,
        max_payload: int = MAX_PAYLOAD,
        clock: Clock | None = None,
        jitter: Callable[[], float] = random.random,
        sleep: Callable[[float], None] = time.sleep,
        observers: Observers | Audience = (),
    ) -> None:
        self._source = check_source(store, durability)
        self._durability = durability
        self.audience: Audience = Audience.of(observers)
        self.audience.attach(self._source)
        check_settings(give_up_after, max_payload)
        self._give_up_after = give_up_after
        self.max_payload = max_payload
        self._clock = clock or SystemClock()
        self._jitter = jitter
        self._sleep = sleep
        self._opening = threading.Lock()
        self._opened: _Opened | None = None

    def __enter__(self) -> Self:
        self._open()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the connections; the next use opens others."""
        with self._opening:
            opened, self._opened = self._opened, None
        if opened is not None and opened.pid == os.getpid():
            opened.close()

    @property
    def store(self) -> BlockingStore:
        """The store, opened if need be."""
        return self._open().store

    def _open(self) -> _Opened:
        opened = self._opened
        if opened is not None and opened.pid == os.getpid():
            return opened
        if opened is not None:
            self._opening = threading.Lock()  # of the parent, some thread of which may have held it at the fork
        with self._opening:
            if self._opened is None or self._opened.pid != os.getpid():
                self._opened = _Opened(self._source, self._durability)
                self._opened.store.measured_by(self.audience)
            return self._opened

    def enqueue(self, task: Task[Any], **options: Unpack[EnqueueOptions]) -> Enqueued:
        """
        Enqueue one task; options override the task's own. See `Client.enqueue`.

        Raises:
            ConfigurationError: An event loop runs in this thread, which the call would block.
            InvalidTask, PayloadError: Refused before anything was written.
            DuplicateTask, TaskIdConflict: Refused by the store; nothing was written.
            BrokerUnavailable: The store could not be reached for `give_up_after` seconds; the task may exist.
            NotReplicated: The task exists, but for as long too few replicas have confirmed it (`durability`).
        """
        refuse_in_loop("SyncClient.enqueue()", "await Client.enqueue() instead")
        with self.audience.sending() as sending:
            prepared = prepare(task, options, max_payload=self.max_payload, audience=self.audience, sending=sending)
            [placed] = self._place(prepared.queue, [prepared])
            return understand(prepared, placed)

    def enqueue_many(self, tasks: Iterable[Task[Any]], **options: Unpack[EnqueueOptions]) -> BulkResult:
        """
        Enqueue any number of tasks from any iterable, in bounded memory; returns counts and failures.

        Raises:
            ConfigurationError: An event loop runs in this thread, which the call would block.
            InvalidTask: What is given is no iterable, or an option cannot be used.
        """
        refuse_in_loop("SyncClient.enqueue_many()", "await Client.enqueue_many() instead")
        check_tasks(tasks, Iterable)
        resolve(options)
        result = BulkResult()
        with self.audience.sending(many=True) as sending:
            for answer in self._each(iter(tasks), options, sending):
                if isinstance(answer, Failure):
                    result.failures.append(answer)
                    sending.refused(answer.error)
                else:
                    result.enqueued += 1
        return result

    def _each(
        self, tasks: Iterator[Task[Any]], options: Mapping[str, Any], sending: Sending
    ) -> Iterator[Enqueued | Failure]:
        while chunk := list(islice(tasks, produce.MAX_ITEMS)):
            good: list[tuple[Task[Any], Prepared]] = []
            for task in chunk:
                try:
                    prepared = prepare(
                        task, options, max_payload=self.max_payload, audience=self.audience, sending=sending
                    )
                    good.append((task, prepared))
                except OnebeatError as error:
                    yield Failure(task, error)
            for queue, part in batches(good):
                yield from self._answers(queue, part)

    def _answers(self, queue: str, part: list[tuple[Task[Any], Prepared]]) -> Iterator[Enqueued | Failure]:
        try:
            placed = self._place(queue, [prepared for _, prepared in part])
        except OnebeatError as error:
            yield from (Failure(task, error) for task, _ in part)
            return
        for (task, prepared), place in zip(part, placed, strict=True):
            try:
                yield understand(prepared, place)
            except OnebeatError as error:
                yield Failure(task, error)

    def _place(self, queue: str, batch: list[Prepared]) -> list[Placed]:
        opened = self._open()
        lane = _last(opened.lanes) or _Lane()
        try:
            call = produce.enqueue(
                queue, client=lane.id, sequence=lane.next(queue), tasks=[prepared.new for prepared in batch]
            )
            until, pause = self._clock.monotonic() + self._give_up_after, 0.02
            while True:
                try:
                    self._publish(opened, queue)
                    answers = opened.store.run(call)
                except (BrokerUnavailable, NotReplicated):
                    if self._clock.monotonic() + pause > until:
                        raise
                else:
                    self._tell(batch, answers)
                    return answers
                self._sleep(pause * (0.5 + self._jitter()))
                pause = min(pause * 2, 1.0)
        finally:
            opened.lanes.append(lane)

    def _tell(self, batch: list[Prepared], answers: list[Placed]) -> None:
        self.audience.measured(Figure.BATCH_SIZE, "enqueue", len(batch))
        if self.audience.hears:
            now = self._clock.now()
            for prepared, placed in zip(batch, answers, strict=True):
                tell_enqueued(self.audience, prepared, placed, now)

    def _publish(self, opened: _Opened, queue: str) -> None:
        now = self._clock.monotonic()
        if now >= opened.published.get(queue, now):
            try:
                opened.store.commands([registry.published(queue)])
            except BrokerUnavailable:
                if not opened.store.is_spread or queue not in opened.published:
                    raise
                opened.published[queue] = self._clock.monotonic() + PUBLISH_AGAIN_S  # see `Client`
            else:
                opened.published[queue] = now + PUBLISH_EVERY_S

    def end(
        self, queue: str, task_id: str, has_ended: Callable[[RawTask | None], bool], limit: float | None
    ) -> RawTask | None:
        """
        Wait for the end of a task, and return its record then.

        Raises:
            TimeoutError: `limit` seconds were over before.
        """
        until = math.inf if limit is None else time.monotonic() + limit
        patience = FIRST_LOOK_S
        with self.listening() as ear:
            while True:
                raw = self.store.run(browse.info(queue, task_id, waiter=ear.id))
                if has_ended(raw):
                    return raw
                left = until - time.monotonic()
                if left <= 0:
                    raise TimeoutError
                ear.wait(min(patience, left))
                patience = min(patience * 2, LONGEST_LOOK_S)

    @contextmanager
    def listening(self) -> Iterator[Ear]:
        """Lend an ear: a connection that hears of ended tasks, whoever marks them with its name."""
        opened = self._open()
        ear = _last(opened.ears) or opened.store.ear()
        try:
            yield ear
        except BaseException:
            ear.close()
            raise
        if len(opened.ears) < IDLE_EARS:
            opened.ears.append(ear)
        else:
            ear.close()
