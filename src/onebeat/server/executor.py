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
from collections.abc import Awaitable, Callable, Sequence
from concurrent.futures import Executor as Threads
from concurrent.futures import ThreadPoolExecutor
from contextlib import AsyncExitStack
from functools import partial
from typing import Any

from onebeat.audience import Audience, Surroundings
from onebeat.broker.consume import Finished, Taken, TakenTask
from onebeat.clock import Clock
from onebeat.errors import TaskNotFound
from onebeat.server import outcome
from onebeat.server.config import ServerConfig
from onebeat.server.context import Context, running
from onebeat.server.deadlines import Deadlines, time_left
from onebeat.server.deciding import Decider, task_of
from onebeat.server.hooks import Hooks
from onebeat.server.isolation.cells import Cells
from onebeat.server.isolation.frames import job
from onebeat.server.logs import about
from onebeat.server.mux import Handler, Middleware, Mux, Route
from onebeat.server.outcome import TimeIsOverError
from onebeat.server.running import Running, Stop
from onebeat.server.telling import Teller
from onebeat.task import Task
from onebeat.upkeep.foreign import in_pool
from onebeat.wire.message import TaskMessage, UndecodableMessage, decode

log: logging.Logger = logging.getLogger("onebeat.executor")


_NO_HOOKS = Hooks()


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

        keep_result: Writes a result of an attempt that runs; false if its task is not ours any more.

        hooks: The user's.

        teller: Tells observers.

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
        keep_result: Callable[[Running, bytes], Awaitable[bool]],
        hooks: Hooks = _NO_HOOKS,
        teller: Teller | None = None,
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
        self._keep_result = keep_result
        self._hooks = hooks
        self._teller = teller or Teller(Audience(), clock)
        self._audience = self._teller.audience
        self._jitter = jitter
        self._decider = Decider(config, hooks=hooks, clock=clock, audience=self._audience, jitter=jitter)
        self._loop = asyncio.get_running_loop()
        self._cells = Cells(grace=config.grace, clock=clock)
        self._threads = threads or ThreadPoolExecutor(config.concurrency, thread_name_prefix="onebeat-task")
        self.deadlines: Deadlines = Deadlines(self._due, clock)
        self.running: set[Running] = set()
        self.overstaying: set[Running] = set()
        """Attempts that were given up and still run; each has a slot."""
        self._reports: set[asyncio.Task[None]] = set()
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
            attempt.taken_us = taken.now_us
            attempts.append(attempt)
            self.running.add(attempt)
            refusal = self._refuse(attempt, task, taken.now_us)
            if refusal is not None:
                self._end_elsewhere(attempt, refusal)
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
                extra=about(attempt, "archived", error_type="UndecodableMessage"),
            )
            return outcome.undecodable(attempt, str(error), attempt.started)
        attempt.unknown_since_ms = task.unknown_since_ms
        attempt.since_ns = task.since_ns
        attempt.route = self._mux.find(message.type)
        if attempt.route is None:
            return self._decider.unknown(attempt, attempt.started)
        if task.crashes >= self._config.max_crashes - 1 and task.crashes > 0:
            if self._last_chance is not None:
                return outcome.kept_apart(attempt, attempt.started, jitter=self._jitter)
            self._last_chance = attempt
        left = time_left(message, task.timeout_ms, now_us)
        if left <= 0:
            return self._decider.failed(attempt, TimeIsOverError(), attempt.started)
        attempt.deadline = attempt.started + left
        self.deadlines.add(attempt, left)
        return None

    async def _work(self, attempt: Running) -> None:
        attempt.has_begun = True
        if attempt.stop is not None:
            self._end(attempt, self._decider.stopped(attempt))
            return
        message, route = attempt.message, attempt.route
        assert message is not None  # noqa: S101 - `_refuse` has set both
        assert route is not None  # noqa: S101
        context = self._context(message, attempt)
        task = Task.received(message.type, message.payload, context.headers)
        running.set(context)
        if self._audience.hears:
            self._teller.started(attempt)
        finished: Finished | None
        result: object
        within: AsyncExitStack | None = None
        observed: Surroundings | None = None
        raised: BaseException | None = None
        try:
            if self._hooks.base_context is not None:
                within = await self._hooks.enter(context)
            if self._audience.surrounds:
                observed = self._audience.running(context, task).__enter__()
            layers = route.middleware() if route.middleware is not None else ()
            if layers:
                result = await self._through(layers, partial(self._call, route, message))(context, task)
            elif route.is_async and not route.isolated:  # most tasks: no frame more than needed
                result = await route.handler(context, task)  # type: ignore[misc] # `is_async` says so
            else:
                result = await self._call(route, message, context, task)
            finished = self._decided_by(attempt, partial(self._decider.returned, attempt, route, result))
        except BaseException as error:  # noqa: BLE001 - whatever a handler raises is its task's outcome
            raised, finished = error, self._decided_by(attempt, partial(self._decider.raised, attempt, error))
        if attempt.failure is not None and self._hooks.on_error is not None and attempt not in self.overstaying:
            finished = await self._told(attempt, context, task, finished)
        if observed is not None:  # only now, so that what is logged and reported of a failure is so within
            observed.__exit__(type(raised) if raised is not None else None, raised, None)
        raised = None  # it knows this frame: another circle
        if within is not None:
            await self._hooks.leave(context, within)
        if attempt in self.overstaying:
            self._ended_after_all(attempt)
        else:
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
            deadline_us=lambda: attempt.store_us(attempt.deadline),
            write=partial(self._write, attempt),
            loop=self._loop,
        )

    async def _write(self, attempt: Running, result: bytes) -> None:
        if attempt.stop is Stop.LOST or attempt.finished is not None or not await self._keep_result(attempt, result):
            raise TaskNotFound(f"task {attempt.id!r} of queue {attempt.queue!r} is not this attempt's any more")

    @staticmethod
    def _through(layers: Sequence[Middleware], call: Handler) -> Handler:
        for layer in reversed(layers):
            call = _around(layer, call)
        return call

    async def _call(self, route: Route, message: TaskMessage, context: Context[Any], task: Task[Any]) -> object:
        if route.isolated:
            carried = self._audience.crossing()
            return await self._cells.call(job(route.isolated, message, context, carried), context._say)
        if route.is_async:
            return await route.handler(context, task)  # type: ignore[misc] # `is_async` says so
        return await self._in_thread(route, context, task)

    async def _in_thread(self, route: Route, context: Context[Any], task: Task[Any]) -> object:
        surroundings = contextvars.copy_context()

        def call() -> object:
            return surroundings.run(in_pool, route.handler, context, task)

        return await asyncio.get_running_loop().run_in_executor(self._threads, call)

    def _decided_by(self, attempt: Running, decide: Callable[[], Finished | None]) -> Finished | None:
        """Decide, unless the handler was given up: then it is decided what becomes of its task."""
        return None if attempt in self.overstaying else decide()

    async def _told(
        self, attempt: Running, context: Context[Any], task: Task[Any], finished: Finished | None
    ) -> Finished | None:
        """Tell the user's hook of a failure before anything is written; returns what is written then."""
        assert attempt.failure is not None  # noqa: S101 - it is what is told
        self.deadlines.discard(attempt)
        attempt.decided = finished
        try:
            await self._hooks.tell(context, task, attempt.failure)
        except asyncio.CancelledError:
            log.warning("on_error, called for task %s of queue %s, was cut short", attempt.id, attempt.queue)
        return finished if attempt.stop is not Stop.LOST else None

    def _end_elsewhere(self, attempt: Running, finished: Finished | None) -> None:
        """End an attempt whose handler was not called, or does not end."""
        if attempt.failure is None or self._hooks.on_error is None:
            self._end(attempt, finished)
            return
        report = asyncio.get_running_loop().create_task(self._tell_and_end(attempt, finished))
        self._reports.add(report)
        report.add_done_callback(self._reports.discard)

    async def _tell_and_end(self, attempt: Running, finished: Finished | None) -> None:
        message = attempt.message
        assert message is not None  # noqa: S101 - a failure has one
        context = self._context(message, attempt)
        running.set(context)
        finished = await self._told(attempt, context, task_of(attempt), finished)
        self._end(attempt, finished)

    def stop(self, attempt: Running, why: Stop) -> None:
        """Stop a handler; one that does not end within the grace period and the stall limit is given up."""
        if attempt not in self.running or attempt.stop is not None:
            return
        if why is Stop.CANCELLED:
            log.debug("task %s of queue %s is to be cancelled", attempt.id, attempt.queue, extra=about(attempt))
        attempt.cancel(why)
        self.deadlines.discard(attempt)
        self.deadlines.add(attempt, self._config.grace + self._config.stall_limit)

    def cancel(self, task_id: str, queue: str | None = None) -> None:
        """Cancel what runs under an id, in one queue or, as asynq's tools know ids alone, in any."""
        for attempt in list(self.running):
            if attempt.id == task_id and queue in (None, attempt.queue):
                self.stop(attempt, Stop.CANCELLED)

    def abandon(self, attempt: Running) -> None:
        """Put a task back although its handler still runs; what the handler does from now on does not count."""
        self.overstaying.add(attempt)
        self._end(attempt, attempt.decided or outcome.put_back(attempt, self._clock.monotonic()))

    def _ended_after_all(self, attempt: Running) -> None:
        """Free the slot of a handler that had been given up."""
        self.overstaying.discard(attempt)
        if attempt not in self.running:  # else the hook is still being told of it
            self._freed()

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
                extra=about(attempt),
            )
            self.overstaying.add(attempt)
            self._end_elsewhere(attempt, self._decider.stopped(attempt))
            return
        if attempt.route is not None and not attempt.route.can_be_stopped:
            log.warning(
                "task %s of queue %s overstays its timeout in a thread, which cannot be stopped: it keeps its slot",
                attempt.id,
                attempt.queue,
                extra=about(attempt),
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
