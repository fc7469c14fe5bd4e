"""
A server that works only when it is told to: the real parts, stepped by hand, on a private store.

What is pending is taken by the same script as in production, run by the same executor through the same middleware,
and its outcome written by the same acknowledger. Missing is all that waits for real time: nothing polls, no lease is
kept by a thread, no timer runs. One task of the loop, the pump, does what is due while somebody drives; whoever
drives (`drain`, `advance`, a `result()` that is waited for) waits until nothing is left to do, and moves time.
"""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import AsyncIterator, Callable, Iterable
from concurrent.futures import Executor as Threads
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any

from onebeat.broker import browse, registry
from onebeat.broker.browse import RawTask
from onebeat.broker.connection import Endpoint
from onebeat.broker.consume import Noted, Outcome, Taken, TakenTask, extend, progress, take
from onebeat.broker.maintain import Maintained
from onebeat.broker.private import Ahead, ahead
from onebeat.broker.store import Store
from onebeat.errors import BrokerError, OnebeatError, RevokeTask
from onebeat.ids import new_id
from onebeat.scheduler.entry import Entry
from onebeat.scheduler.scheduler import Scheduler
from onebeat.server.acknowledger import Acknowledger
from onebeat.server.cancels import CancelEars
from onebeat.server.config import ServerConfig
from onebeat.server.context import Context
from onebeat.server.deadlines import Deadlines
from onebeat.server.executor import Executor
from onebeat.server.mux import Mux
from onebeat.server.outcome import in_chain
from onebeat.server.running import Running, Stop
from onebeat.states import TaskState
from onebeat.testing.clock import SimulatedClock, next_instant, seeded_delay, seeded_jitter
from onebeat.testing.faults import Faults, WatchedMux, Witness
from onebeat.testing.records import Attempt, AttemptState, Drained
from onebeat.upkeep.maintainer import Maintainer
from onebeat.upkeep.service import Crew

TAKEN_AT_ONCE = 64
END_S = 1.0
"""How long handlers that still run as the kit ends are given, in real seconds."""


class HandlerStuck(OnebeatError):  # noqa: N818 - read as a sentence, as others
    """Handlers did not end, or what is waited for cannot happen. The message names them and what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """
    What a bench runs, and how.

    Attributes:
        mux, entries: Handlers and schedules; `entries` is asked for each time that time moves.

        config: The server's.

        app: The application's name.

        clock: The kit's.

        at_once: How many handlers may run at a time.

        guard: Real seconds that a driver waits for a handler before it gives up.

        seed: Of all that is drawn by chance.

        processes: Isolated tasks run in processes of their own.
    """

    mux: Mux
    entries: Callable[[], Iterable[Entry]]
    config: ServerConfig
    app: str
    clock: SimulatedClock
    at_once: int
    guard: float
    seed: int
    processes: bool


@dataclass(slots=True)
class Log:
    """What has happened so far."""

    attempts: list[Attempt] = field(default_factory=list)
    expired: int = 0
    lost: int = 0

    def mark(self) -> tuple[int, int, int]:
        return len(self.attempts), self.expired, self.lost

    def since(self, mark: tuple[int, int, int]) -> Drained:
        return Drained(tuple(self.attempts[mark[0] :]), self.expired - mark[1], self.lost - mark[2])


class Bench:
    """
    Runs tasks and schedules when it is driven. Made by `Bench.open`, on the loop it runs on.

    Attributes:
        log: What has happened.

        inside: Handlers that wait for the bench themselves: they hold nothing up.
    """

    def __init__(self, plan: Plan, store: Store, state: object, threads: Threads) -> None:
        self.loop = asyncio.get_running_loop()
        self.store = store
        self.log = Log()
        self.inside: Counter[tuple[str, str]] = Counter()
        self._plan = plan
        self._clock = plan.clock
        self._id = new_id()
        self._sequences: Counter[str] = Counter()
        self.faults = Faults(self._attempt_of, lambda attempt, why: self._executor.stop(attempt, why))
        self._executor = Executor(
            WatchedMux(plan.mux, self.faults, processes=plan.processes),
            plan.config,
            state=state,
            decided=self._decided,
            freed=self.poke,
            clock=plan.clock,
            said=self._said,
            retry_delay=seeded_delay(plan.seed),
            jitter=seeded_jitter(plan.seed),
            threads=threads,
        )
        self._executor.deadlines = _StandingStill(lambda _attempt: None, plan.clock)
        self._acknowledger = Acknowledger(store, self._answered)
        self._scheduler = Scheduler(store, app=plan.app)
        self._maintainer = Maintainer(
            store, plan.config.queues, max_crashes=plan.config.max_crashes, report=self._report, clock=plan.clock
        )
        self._ready: deque[tuple[str, Taken, TakenTask]] = deque()
        self._words: dict[Running, Noted] = {}
        self._expired: set[tuple[str, str]] = set()
        self._declared: tuple[str, ...] = ()
        self._lost: Counter[str] = Counter()
        self._ahead: list[Ahead] = []
        self._due: list[str] = []
        self._queues: list[str] = sorted(plan.config.queues)
        self._crew = Crew()
        self._woken = asyncio.Event()
        self._listeners: set[asyncio.Event] = set()
        self._stepping = asyncio.Lock()
        self._drivers = 0
        self._is_idle = False
        self._broken: BaseException | None = None

    @classmethod
    async def open(cls, plan: Plan, where: Endpoint, state: object, threads: Threads) -> Bench:
        """Open a bench on a private store."""
        store = await Store.open(where)
        bench = cls(plan, store, state, threads)
        await plan.clock.move(store, plan.clock.now_us)
        ears = CancelEars(store, bench._executor)
        bench._crew.start(ears)
        await ears.listening.wait()
        await bench._declare()
        bench._crew.spawn(bench._pump(), "pump of the test kit")
        return bench

    async def aclose(self) -> None:
        """Stop what still runs, and close the store."""
        self._ready.clear()
        await self._crew.stop()
        self._executor.cancel_all(Stop.LOST)
        await self._executor.drain(END_S)
        await self._executor.aclose()
        await self._acknowledger.idle()
        await self.store.aclose()

    async def _declare(self) -> None:
        """Declare the schedules, again if there are others than before."""
        entries = list(self._plan.entries())
        revisions = tuple(item.rev for item in entries)
        if revisions == self._declared:
            return
        self._scheduler = Scheduler(self.store, app=self._plan.app, entries=entries)
        await self._scheduler.declare(self.store)
        self._declared = revisions
        self._queues = sorted({*self._plan.config.queues, *await registry.schedule_queues(self.store)})

    async def _report(self, queue: str, done: Maintained) -> None:
        await self._scheduler.report(self.store, queue, done)

    # -------------------------------------------------------------------------------------------- the pump

    def poke(self) -> None:
        """Say that there may be something to do."""
        self._is_idle = False
        self._woken.set()

    def poke_soon(self) -> None:
        """Say so from any thread."""
        if not self.loop.is_closed():
            self.loop.call_soon_threadsafe(self.poke)

    async def _pump(self) -> None:
        try:
            while True:
                self._woken.clear()
                if not self._drivers or not await self._turn():
                    self._tell()
                    await self._woken.wait()
        except BaseException as error:
            self._broken = error
            self._tell()
            raise

    async def _turn(self) -> bool:
        """Do one thing, if there is one; at last find that there is none."""
        if self._busy >= self._plan.at_once:
            return False
        if self._ready:
            self._begin(*self._ready.popleft())
            return True
        if self._due:
            return await self._maintain(self._due.pop())
        self._ahead = await self.store.run(ahead(self._queues))
        found = [item.queue for item in self._ahead if item.has_work and item.queue in self._plan.config.queues]
        if found:
            await self._take(found)
            return True
        if self._acknowledger.unanswered:
            return False
        self._due = [item.queue for item in self._ahead if item.wants_upkeep]
        if self._due:
            return True
        self._is_idle = not self._busy and not self._woken.is_set()
        return False

    @property
    def _busy(self) -> int:
        """How many handlers run and do not wait for the bench themselves."""
        return sum((attempt.queue, attempt.id) not in self.inside for attempt in self._executor.running)

    def _begin(self, queue: str, taken: Taken, task: TakenTask) -> None:
        self._executor.start(queue, replace(taken, tasks=[task]))

    async def _take(self, queues: list[str]) -> None:
        for queue in queues:
            await self._take_from(queue)

    async def _take_from(self, queue: str) -> None:
        self._sequences[queue] += 1
        taken = await self.store.run(
            take(
                queue,
                server=self._id,
                sequence=self._sequences[queue],
                limit=TAKEN_AT_ONCE,
                lease_ms=self._plan.config.lease_ms,
            )
        )
        self._ready.extend((queue, taken, task) for task in taken.tasks)
        if taken.status == "more":
            await self._acknowledger.idle()  # what is archived by its outcome must be known by then
            await self._note_expired(queue)

    async def _note_expired(self, queue: str) -> None:
        ids = await self.store.run(browse.list_ids(queue, TaskState.ARCHIVED, offset=0, limit=10_000))
        ran = {
            (attempt.queue, attempt.id) for attempt in self.log.attempts if attempt.state in ("archived", "cancelled")
        }
        new = {(queue, id_) for id_ in ids} - self._expired - ran
        self._expired |= new
        self.log.expired += len(new)

    async def _maintain(self, queue: str) -> bool:
        """Do what is due in a queue."""
        done = await self._maintainer.look(queue)
        if done.errors:
            raise BrokerError(f"queue {queue!r} of the test kit: {'; '.join(done.errors)}")
        gone = [id_ for place, id_ in done.recovered if place == "archived"]
        self.log.lost += len(gone)
        self._expired |= {(queue, id_) for id_ in gone}
        self._lost[queue] -= len(done.recovered)
        if (done.forwarded or done.fired or done.recovered) and queue in self._plan.config.queues:
            await self._take([queue])
        return True

    def _attempt_of(self, ctx: Context[Any]) -> Running:
        return next(run for run in self._executor.running if (run.queue, run.id) == (ctx.queue, ctx.id))

    def _said(self, attempt: Running, fraction: float, text: str) -> None:
        self.loop.call_soon_threadsafe(self._note_word, Noted(attempt.id, attempt.token, fraction, text), attempt)

    def _note_word(self, noted: Noted, attempt: Running) -> None:
        self._words[attempt] = noted
        self._crew.spawn(self._write(attempt), "progress")

    async def _write(self, attempt: Running) -> None:
        noted = self._words.pop(attempt, None)
        if noted is not None:
            await self.store.run(progress(attempt.queue, [noted]))

    def _decided(self, attempt: Running) -> None:
        if attempt.finished is None:
            self._lost[attempt.queue] += 1
            self._record(attempt, "crashed")
        elif attempt in self._words:
            self._crew.spawn(self._finish(attempt), "last word")
        else:
            self._acknowledger.add(attempt)
        self.poke()

    async def _finish(self, attempt: Running) -> None:
        await self._write(attempt)
        self._acknowledger.add(attempt)

    def _answered(self, attempt: Running, answer: str) -> None:
        is_written = answer in ("applied", "already")
        self._record(attempt, _state(attempt, self.faults.witnesses.get(attempt)) if is_written else "lost")
        self.poke()

    def _record(self, attempt: Running, state: AttemptState) -> None:
        witness = self.faults.witnesses.pop(attempt, Witness())
        message = attempt.message
        failed = message is not None and state in ("retry", "archived")
        self.log.attempts.append(
            Attempt(
                type=message.type if message is not None else "",
                id=attempt.id,
                queue=attempt.queue,
                state=state,
                error=message.error_msg if message is not None and failed else "",
                exception=witness.exception,
                result=witness.result,
                retried=witness.retried,
                at=self._clock.now(),
            )
        )
        self._tell()

    # ----------------------------------------------------------------------------------------- the drivers

    def _tell(self) -> None:
        for listener in self._listeners:
            listener.set()

    @asynccontextmanager
    async def _driving(self, own: Context[Any] | None) -> AsyncIterator[None]:
        key = (own.queue, own.id) if own is not None else None
        if key is not None:
            self.inside[key] += 1
        self._drivers += 1
        self.poke()
        try:
            yield
        finally:
            self._drivers -= 1
            if key is not None:
                self.inside[key] -= 1
                self.inside += Counter()  # drops what is zero

    async def _until(self, condition: Callable[[], bool]) -> None:
        """
        Wait for the pump.

        Raises:
            HandlerStuck: Nothing happened for as long as the guard allows.
        """
        heard = asyncio.Event()
        self._listeners.add(heard)
        try:
            while not condition():
                if self._broken is not None:
                    raise self._broken
                heard.clear()
                async with asyncio.timeout(self._plan.guard):
                    await heard.wait()
        except TimeoutError:
            raise self._stuck() from None
        finally:
            self._listeners.discard(heard)

    def _stuck(self) -> HandlerStuck:
        names = [
            f"{run.message.type if run.message is not None else '?'} ({run.id}, queue {run.queue})"
            for run in self._executor.running
        ]
        shown = ", ".join(names[:5]) + (", …" if len(names) > 5 else "")
        return HandlerStuck(
            f"{len(names)} handlers still run after {self._plan.guard:g} s: {shown}. Time stands still while a handler "
            "runs: replace what it waits for (a sleep, a network) in the test; let it wait for other handlers with "
            "testing(concurrency=…); or give it longer with testing(guard=…)"
        )

    def _rests(self, own: Context[Any] | None) -> bool:
        return self._is_idle and (own is not None or not self._executor.running)

    async def drain(self, own: Context[Any] | None) -> Drained:
        """Run what is pending until nothing is."""
        mark = self.log.mark()
        async with self._driving(own):
            await self._until(lambda: self._rests(own))
        return self.log.since(mark)

    async def advance(self, own: Context[Any] | None, target_us: int) -> Drained:
        """Move time to an instant, from due instant to due instant."""
        mark = self.log.mark()
        async with self._driving(own):
            await self._declare()
            while True:
                await self._until(lambda: self._rests(own))
                if self._clock.now_us >= target_us:
                    return self.log.since(mark)
                await self._step(target_us)

    async def _step(self, limit_us: int | None) -> bool:
        """Move time to the next due instant, or to the limit if that is earlier; false if nothing is due till then."""
        async with self._stepping:
            if not self._is_idle:
                return True
            lost = [queue for queue, count in self._lost.items() if count > 0]
            due = next_instant(self._ahead, lost, self._clock.now_us)
            if due is None and limit_us is None:
                return False
            is_due = due is not None and (limit_us is None or due <= limit_us)
            await self._move(due if due is not None and is_due else limit_us or 0)
            self._due = [item.queue for item in self._ahead if item.queue in lost or _is_over(item, self._clock.now_us)]
            return is_due

    async def _move(self, now_us: int) -> None:
        await self._clock.move(self.store, now_us)
        for run in self._executor.running:  # what waits for us keeps its lease
            held = [(run.id, run.token)]
            await self.store.run(extend(run.queue, held, lease_ms=self._plan.config.lease_ms))
        self.poke()

    async def settle(self, own: Context[Any] | None, queue: str, task_id: str) -> Attempt | None:
        """Run until a task has been attempted once, and return that attempt; None if it was not run."""
        count = len(self.log.attempts)

        def found() -> Attempt | None:
            new = self.log.attempts[count:]
            return next((attempt for attempt in new if (attempt.queue, attempt.id) == (queue, task_id)), None)

        async with self._driving(own):
            await self._until(lambda: self._is_idle or found() is not None)
        return found()

    async def end(
        self,
        own: Context[Any] | None,
        queue: str,
        task_id: str,
        has_ended: Callable[[RawTask | None], bool],
        limit: float | None,
    ) -> RawTask | None:
        """
        Run until a task has ended, moving time if need be, and return its record then.

        Raises:
            TimeoutError: `limit` simulated seconds were over before.
            HandlerStuck: It will never end, or a handler does not.
        """
        limit_us = None if limit is None else self._clock.now_us + round(limit * 1_000_000)
        async with self._driving(own):
            while True:
                count = len(self.log.attempts)
                raw = await self.store.run(browse.info(queue, task_id))
                if has_ended(raw):
                    return raw
                await self._until(lambda: self._is_idle or len(self.log.attempts) > count)  # noqa: B023 - at once
                raw = await self.store.run(browse.info(queue, task_id))
                if has_ended(raw):
                    return raw
                if self._is_idle and not await self._step(limit_us):
                    if limit_us is not None:
                        raise TimeoutError
                    raise HandlerStuck(
                        f"task {task_id} of queue {queue!r} will not end: nothing is due any more, and it is "
                        f"{raw.state if raw is not None else 'gone'}; is its queue among those that the application "
                        "serves, testing(queues=…)?"
                    )


def _is_over(item: Ahead, now_us: int) -> bool:
    return item.next_ms is not None and item.next_ms * 1000 <= now_us


def _state(attempt: Running, witness: Witness | None) -> AttemptState:
    finished = attempt.finished
    outcome = finished.outcome if finished is not None else Outcome.DONE
    if outcome is Outcome.DONE and witness is not None and in_chain(witness.exception, RevokeTask):
        return "revoked"
    return _STATES[outcome]


_STATES: dict[Outcome, AttemptState] = {
    Outcome.DONE: "completed",
    Outcome.COMPLETED: "completed",
    Outcome.RETRY: "retry",
    Outcome.ARCHIVED: "archived",
    Outcome.PENDING: "lost",
    Outcome.CANCELLED: "cancelled",
}


class _StandingStill(Deadlines):
    """No deadline comes while time stands still."""

    def add(self, attempt: Running, left: float) -> None:
        attempt.due = self._clock.monotonic() + left

    def discard(self, attempt: Running) -> None:
        """Nothing was noted."""
