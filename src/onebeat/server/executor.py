"""
Runs attempts: decode, find the handler, run it, decide, hand over. One slot per attempt.

A slot is free again when the handler has really ended: a coroutine that is stopped is awaited, a process is
killed, and a thread, which cannot be stopped, keeps its slot (SE-05). The outcome is written when the handler
has ended; or, of one that does not end for a minute and more, when it is given up: then what it does later does
not count, and its slot is lost until it ends (mechanism-rules 13).
"""

from __future__ import annotations

import asyncio
import contextvars
import logging
import random
from collections.abc import Callable, Sequence
from concurrent.futures import Executor as Threads
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any

from onebeat.broker.consume import Finished, Outcome, Taken, TakenTask
from onebeat.clock import Clock
from onebeat.options import DEFAULT_TIMEOUT_S
from onebeat.server import outcome
from onebeat.server.config import ServerConfig
from onebeat.server.context import Context, running
from onebeat.server.deadlines import Deadlines
from onebeat.server.isolation.cells import Cells
from onebeat.server.isolation.frames import Job
from onebeat.server.mux import Handler, Middleware, Mux, Route
from onebeat.server.outcome import RetryDelay, StopError
from onebeat.server.running import Running, Stop
from onebeat.server.traces import in_handler
from onebeat.task import Task
from onebeat.wire.message import TaskMessage, UndecodableMessage, decode

log: logging.Logger = logging.getLogger("onebeat.executor")


class Executor:
    """
    Runs what is taken.

    Args:
        mux: Finds handlers.

        config: The server's settings.

        state: What handlers share, from the application's lifespan.

        decided: Called with each attempt whose handler has ended; its outcome is `attempt.finished`, None
            when the task is not ours any more.

        freed: Called when a handler that had been given up has ended after all.

        said: Called, from any thread, with an attempt that says how far it is, the fraction and a text.

        threads: Where plain functions run; default: a thread for each slot.
    """

    def __init__(
        self,
        mux: Mux,
        config: ServerConfig,
        *,
        state: object,
        decided: Callable[[Running], None],
        freed: Callable[[], None],
        clock: Clock,
        said: Callable[[Running, float, str], None] = lambda _attempt, _fraction, _text: None,
        retry_delay: RetryDelay = outcome.default_retry_delay,
        jitter: Callable[[], float] = random.random,
        threads: Threads | None = None,
    ) -> None:
        self._mux = mux
        self._config = config
        self._state = state
        self._decided = decided
        self._freed = freed
        self._said = said
        self._clock = clock
        self._retry_delay = retry_delay
        self._jitter = jitter
        self._cells = Cells(grace=config.grace, clock=clock)
        self._threads = threads or ThreadPoolExecutor(config.concurrency, thread_name_prefix="onebeat-task")
        self.deadlines: Deadlines = Deadlines(self._due, clock)
        self.running: set[Running] = set()
        self.overstaying: set[Running] = set()
        """Attempts that were given up and still run; each has a slot."""
        self._last_chance: Running | None = None  # at most one at a time, so that a crash blames the right one

    @property
    def free(self) -> int:
        """Slots that are free."""
        return self._config.concurrency - len(self.running) - len(self.overstaying)

    def start(self, queue: str, taken: Taken) -> list[Running]:
        """Begin an attempt at each task that was taken."""
        loop, now = asyncio.get_running_loop(), self._clock.monotonic()
        attempts = []
        for task in taken.tasks:
            attempt = Running(queue, task.id, taken.token, now)
            attempts.append(attempt)
            self.running.add(attempt)
            refusal = self._refuse(attempt, task, taken.now_us)
            if refusal is not None:
                self._end(attempt, refusal)
            else:
                attempt.work = loop.create_task(self._work(attempt))
        return attempts

    def _refuse(self, attempt: Running, task: TakenTask, now_us: int) -> Finished | None:
        """Prepare an attempt; or say what becomes of a task that no handler can be called for."""
        try:
            attempt.message = message = decode(task.message)
        except UndecodableMessage as error:
            log.error(
                "task %s of queue %s cannot be decoded and is archived as it is: %s",
                task.id,
                attempt.queue,
                error,
            )
            return outcome.undecodable(attempt, str(error), attempt.started)
        attempt.unknown_since_ms = task.unknown_since_ms
        attempt.route = self._mux.find(message.type)
        if attempt.route is None:
            log.warning(
                "task %s of queue %s: no handler for type %s here; it waits for one",
                task.id,
                attempt.queue,
                message.type,
            )
            now_ms = now_us // 1000
            return outcome.unknown_type(attempt, now_ms, attempt.started, delay=self._retry_delay, jitter=self._jitter)
        if task.crashes >= self._config.max_crashes - 1 and task.crashes > 0:
            if self._last_chance is not None:
                return outcome.kept_apart(attempt, attempt.started, jitter=self._jitter)
            self._last_chance = attempt
        left = _time_left(message, task.timeout_ms, now_us)
        if left <= 0:
            return self._failed(attempt, StopError(Stop.TIMEOUT), attempt.started)
        attempt.deadline = attempt.started + left
        self.deadlines.add(attempt, left)
        return None

    async def _work(self, attempt: Running) -> None:
        attempt.has_begun = True
        if attempt.stop is not None:
            self._end(attempt, self._stopped(attempt))
            return
        message, route = attempt.message, attempt.route
        assert message is not None  # noqa: S101 - `_refuse` has set both
        assert route is not None  # noqa: S101
        context = self._context(message, attempt)
        task = Task.received(message.type, message.payload, context.headers)
        running.set(context)
        finished: Finished | None
        result: object
        try:
            layers = route.middleware() if route.middleware is not None else ()
            if layers:
                result = await self._through(layers, partial(self._call, route, message))(context, task)
            elif route.is_async and not route.isolated:  # most tasks: no frame more than needed
                result = await route.handler(context, task)  # type: ignore[misc] # `is_async` says so
            else:
                result = await self._call(route, message, context, task)
            finished = self._returned(attempt, route, result)
        except asyncio.CancelledError:
            finished = self._stopped(attempt)
        except BaseException as error:  # noqa: BLE001 - whatever a handler raises is its task's outcome
            finished = self._raised(attempt, error)
        self._end(attempt, finished)
        attempt.work = None  # its context knows the attempt: a circle, which only the garbage collector would end

    def _context(self, message: TaskMessage, attempt: Running) -> Context[Any]:
        return Context(
            id=message.id,
            queue=message.queue,
            type=message.type,
            retried=message.retried,
            max_retry=message.retry,
            headers=dict(message.headers),
            state=self._state,
            is_stopping=lambda: attempt.stop is not None,
            say=partial(self._said, attempt),
        )

    @staticmethod
    def _through(layers: Sequence[Middleware], call: Handler) -> Handler:
        for layer in reversed(layers):
            call = _around(layer, call)
        return call

    async def _call(self, route: Route, message: TaskMessage, context: Context[Any], task: Task[Any]) -> object:
        if route.isolated:
            return await self._cells.call(_job(route, message), context._say)
        if route.is_async:
            return await route.handler(context, task)  # type: ignore[misc] # `is_async` says so
        return await self._in_thread(route, context, task)

    async def _in_thread(self, route: Route, context: Context[Any], task: Task[Any]) -> object:
        surroundings = contextvars.copy_context()

        def call() -> object:
            return surroundings.run(route.handler, context, task)

        return await asyncio.get_running_loop().run_in_executor(self._threads, call)

    def _returned(self, attempt: Running, route: Route, result: object) -> Finished | None:
        if attempt.stop in (Stop.TIMEOUT, Stop.LOST):
            return self._stopped(attempt)  # but what ended although it was cancelled has ended
        message, ended = attempt.message, self._clock.monotonic()
        if log.isEnabledFor(logging.DEBUG) and message is not None:
            log.debug(
                "task %s (%s) of queue %s is done after %.3f s",
                attempt.id,
                message.type,
                attempt.queue,
                ended - attempt.started,
            )
        if message is None or not message.retention:
            return outcome.succeeded(attempt, b"", ended)
        try:
            encoded: bytes = (
                result if route.isolated and isinstance(result, bytes) else route.encode(result, message.headers)
            )
            return outcome.succeeded(attempt, encoded, ended)
        except Exception as error:  # noqa: BLE001 - a result that cannot be encoded is the handler's failure
            return self._raised(attempt, error)

    def _raised(self, attempt: Running, error: BaseException) -> Finished | None:
        if attempt.stop is not None:
            return self._stopped(attempt)
        return self._failed(attempt, error, self._clock.monotonic())

    def _stopped(self, attempt: Running) -> Finished | None:
        """Decide for a handler that was stopped, or that cancelled itself."""
        if attempt.stop is Stop.LOST:
            return None
        ended = self._clock.monotonic()
        if attempt.stop is Stop.SHUTDOWN:
            return outcome.put_back(attempt, ended)
        if attempt.stop is Stop.TIMEOUT:
            return self._failed(attempt, StopError(Stop.TIMEOUT), ended)
        if attempt.stop is Stop.CANCELLED:
            return outcome.cancelled(attempt, ended)
        return self._failed(attempt, _CancelledItselfError("context canceled"), ended)

    def _failed(self, attempt: Running, error: BaseException, ended: float) -> Finished:
        release = self._config.release_unique_on_archive
        number = attempt.message.retried + 1 if attempt.message is not None else 1
        try:
            finished = outcome.failed(attempt, error, ended, delay=self._retry_delay, release_on_archive=release)
        except Exception:
            log.exception("back-off of task %s raised; the default is used", attempt.id)
            attempt.route = None
            default = outcome.default_retry_delay
            finished = outcome.failed(attempt, error, ended, delay=default, release_on_archive=release)
        _log_failure(attempt, number, error, finished)
        return finished

    def stop(self, attempt: Running, why: Stop) -> None:
        """Stop a handler; one that does not end within the grace period and the stall limit is given up."""
        if attempt not in self.running or attempt.stop is not None:
            return
        attempt.cancel(why)
        self.deadlines.discard(attempt)
        self.deadlines.add(attempt, self._config.grace + self._config.stall_limit)

    def cancel(self, task_id: str, queue: str | None = None) -> None:
        """Cancel what runs under an id, in one queue or, as asynq's tools know ids alone, in any."""
        for attempt in list(self.running):
            if attempt.id == task_id and queue in (None, attempt.queue):
                log.info("task %s of queue %s is cancelled", attempt.id, attempt.queue)
                self.stop(attempt, Stop.CANCELLED)

    def abandon(self, attempt: Running) -> None:
        """Put a task back although its handler still runs; what the handler does from now on does not count."""
        self._give_up(attempt, outcome.put_back(attempt, self._clock.monotonic()))

    def _give_up(self, attempt: Running, finished: Finished | None) -> None:
        self.overstaying.add(attempt)
        self._end(attempt, finished)

    def _end(self, attempt: Running, finished: Finished | None) -> None:
        if attempt not in self.running:
            self.overstaying.discard(attempt)
            self._freed()
            return
        attempt.finished = finished
        if self._last_chance is attempt:
            self._last_chance = None
        self.deadlines.discard(attempt)
        self.running.discard(attempt)
        self._decided(attempt)

    def _due(self, attempt: Running) -> None:
        if attempt.stop is not None:
            log.error(
                "task %s of queue %s was stopped (%s) and does not end: it is given up; its slot is lost until it ends",
                attempt.id,
                attempt.queue,
                attempt.stop.value,
            )
            self._give_up(attempt, self._stopped(attempt))
            return
        if attempt.route is not None and not attempt.route.can_be_stopped:
            log.warning(
                "task %s of queue %s overstays its timeout in a thread, which cannot be stopped: it keeps its slot",
                attempt.id,
                attempt.queue,
            )
        self.stop(attempt, Stop.TIMEOUT)

    async def drain(self, seconds: float) -> bool:
        """Wait until nothing runs, at most so long; true if nothing does."""
        work = [attempt.work for attempt in self.running if attempt.work is not None]
        if work:
            await asyncio.wait(work, timeout=seconds)
        return not self.running

    def cancel_all(self, why: Stop) -> None:
        """Stop every handler."""
        for attempt in list(self.running):
            attempt.cancel(why)

    async def aclose(self) -> None:
        """Let processes and threads go; threads that overstay end with this process."""
        await self._cells.aclose()
        self._threads.shutdown(wait=False, cancel_futures=True)


def _around(layer: Middleware, call_next: Handler) -> Handler:
    return lambda context, task: layer(context, task, call_next)


class _CancelledItselfError(LookupError):
    """A handler raised CancelledError though nobody stopped it. The text is asynq's."""


_AFTERWARDS = {
    Outcome.ARCHIVED: (logging.ERROR, "it is archived"),
    Outcome.RETRY: (logging.WARNING, "it will be retried"),
    Outcome.DONE: (logging.INFO, "it is revoked"),
}


def _log_failure(attempt: Running, number: int, error: BaseException, finished: Finished) -> None:
    level, afterwards = _AFTERWARDS[finished.outcome]
    has_trace = level >= logging.ERROR or log.isEnabledFor(logging.DEBUG)
    text = outcome.error_text(error)
    task_type = attempt.message.type if attempt.message is not None else "?"
    seen = {"attempt": attempt, "number": number, "failure": error}  # for whoever shows more than the line
    log.log(
        level,
        "task %s (%s) of queue %s failed: %s; %s",
        attempt.id,
        task_type,
        attempt.queue,
        text,
        afterwards,
        exc_info=in_handler(error) if has_trace else None,
        extra=seen,
    )


def _job(route: Route, message: TaskMessage) -> Job:
    return Job(
        target=route.isolated,
        id=message.id,
        queue=message.queue,
        type=message.type,
        payload=message.payload,
        retried=message.retried,
        max_retry=message.retry,
        headers=dict(message.headers),
        keeps=bool(message.retention),
    )


def _time_left(message: TaskMessage, timeout_ms: int, now_us: int) -> float:
    """Seconds until the attempt must end: its timeout or its deadline, whichever is sooner (SE-37, SE-38)."""
    limit = timeout_ms / 1000 if timeout_ms else float(message.timeout)
    left = message.deadline - now_us / 1_000_000 if message.deadline else 0.0
    if limit and message.deadline:
        return min(limit, left)
    return limit or left or float(DEFAULT_TIMEOUT_S)
