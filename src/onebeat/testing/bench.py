"""
A server that works only when it is told to: the real parts, stepped by hand, on a private store.

What is pending is taken by the same script as in production, run by the same executor through the same middleware,
and its outcome written by the same acknowledger. Missing is all that waits for real time: nothing polls, no lease is
kept by a thread, no timer runs. `Driving` says when a turn is taken.
"""

from __future__ import annotations

import asyncio
from collections import Counter, deque
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import Executor as Threads
from dataclasses import dataclass, replace
from typing import Any, Literal

from onebeat.audience import Audience
from onebeat.broker import browse, registry
from onebeat.broker.connection import Endpoint
from onebeat.broker.consume import Outcome, Taken, TakenTask, extend, take, write_result
from onebeat.broker.maintain import Maintained
from onebeat.broker.private import Ahead, ahead
from onebeat.broker.store import Store
from onebeat.errors import BrokerError, RevokeTask
from onebeat.ids import new_id
from onebeat.preparing import Prepared
from onebeat.scheduler.entry import Entry
from onebeat.scheduler.periodic import Source
from onebeat.scheduler.scheduler import Scheduler
from onebeat.server.acknowledger import Acknowledger
from onebeat.server.aggregator import Aggregator
from onebeat.server.cancels import CancelEars
from onebeat.server.config import ServerConfig
from onebeat.server.context import Context
from onebeat.server.deadlines import Deadlines
from onebeat.server.executor import Executor
from onebeat.server.history import History
from onebeat.server.hooks import Hooks, HookSettings
from onebeat.server.mux import Mux
from onebeat.server.outcome import in_chain
from onebeat.server.presence import tag_of
from onebeat.server.reports import Crashes
from onebeat.server.running import Running, Stop
from onebeat.server.telling import Teller
from onebeat.states import TaskState
from onebeat.testing.clock import SimulatedClock, next_instant, seeded_delay, seeded_jitter
from onebeat.testing.faults import Faults, WatchedMux, Witness
from onebeat.testing.records import Attempt, AttemptState, Log
from onebeat.testing.words import Words
from onebeat.upkeep.maintainer import Maintainer
from onebeat.upkeep.service import Crew
from onebeat.wire import keys

TAKEN_AT_ONCE = 64
END_S = 1.0
"""How long handlers that still run as the kit ends are given, in real seconds."""

Turn = Literal["did something", "waits", "rests"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """
    What a bench runs, and how.

    Attributes:
        mux, entries: Handlers and schedules; `entries` is asked for each time that time moves, and given what the
            sources said then.

        sources: Where schedules come from.

        config: The server's.

        app: The application's name.

        clock: The kit's.

        at_once: How many handlers may run at a time.

        guard: Real seconds that a driver waits for a handler before it gives up.

        seed: Of all that is drawn by chance.

        processes: Isolated tasks run in processes of their own.

        hooks, audience: The application's.
    """

    mux: Mux
    entries: Callable[[Iterable[Entry]], Iterable[Entry]]
    sources: Sequence[Source]
    config: ServerConfig
    app: str
    clock: SimulatedClock
    at_once: int
    guard: float
    seed: int
    processes: bool
    hooks: HookSettings
    audience: Audience


class Bench:
    """
    Runs tasks and schedules, turn by turn. Made by `Bench.open`, on the loop it runs on.

    Attributes:
        log: What has happened.

        inside: Handlers that wait for the bench themselves: they hold nothing up.

        changed: Called whenever there may be something to do.

        made: Called with each task that an aggregator has made of a group.
    """

    def __init__(self, plan: Plan, store: Store, state: object, threads: Threads) -> None:
        self.store = store
        self.plan = plan
        self.log: Log = Log()
        self.inside: Counter[tuple[str, str]] = Counter()
        self.changed: Callable[[], None] = lambda: None
        self.made: Callable[[Prepared], None] = lambda _prepared: None
        self._id = new_id()
        self._crew = Crew()
        self.words: Words = Words(store, self._crew)
        self.faults: Faults = Faults(self._attempt_of, lambda attempt, why: self._executor.stop(attempt, why))
        given: HookSettings = {"retry_delay": seeded_delay(plan.seed), **plan.hooks}
        hooks = Hooks(**given, limit=plan.config.hook_timeout)
        self._crashes = Crashes(store, hooks, state)
        self._teller = Teller(plan.audience, plan.clock)
        self._observed = plan.audience.serving(plan.config.hook_timeout)
        self._executor = Executor(
            WatchedMux(plan.mux, self.faults, processes=plan.processes),
            plan.config,
            state=state,
            decided=self._decided,
            freed=lambda: self.changed(),
            clock=plan.clock,
            said=self.words.say,
            keep_result=self._keep_result,
            hooks=hooks,
            teller=self._teller,
            jitter=seeded_jitter(plan.seed),
            threads=threads,
        )
        self._executor.deadlines = _StandingStill(lambda _attempt: None, plan.clock)
        self._tag = tag_of(self._id)
        self._history = History(plan.config.attempts, self._tag)
        self._acknowledger = Acknowledger(store, self._answered, self._teller.written, kept=self._history.of)
        self._sources = [source.copy() for source in plan.sources]
        self._scheduler = Scheduler(store, app=plan.app)
        self._maintainer = Maintainer(
            store,
            plan.config.queues,
            max_crashes=plan.config.max_crashes,
            archive=plan.config.archive,
            report=self._report,
            clock=plan.clock,
            audience=plan.audience,
        )
        self._aggregator = self._maintainer.groups = Aggregator(
            store,
            plan.mux.aggregations,
            plan.config,
            owner=self._id,
            wake=lambda _queue: self.changed(),
            clock=plan.clock,
            threads=threads,
            made=lambda prepared: self.made(prepared),
            failed=self.log.group_errors.append,
            settled=lambda: self.changed(),
            is_simulated=True,
            audience=plan.audience,
        )
        self._maintainer.recovered = self._crashes.note
        self._queues: list[str] = sorted(plan.config.queues)
        self._sequences: Counter[str] = Counter()
        self._ready: deque[tuple[str, Taken, TakenTask]] = deque()
        self._finishing: set[Running] = set()
        self._lost: Counter[str] = Counter()
        self._archived: set[tuple[str, str]] = set()
        self._declared: tuple[tuple[str, str], ...] = ()
        self._ahead: list[Ahead] = []
        self._due: list[str] = []

    @classmethod
    async def open(cls, plan: Plan, where: Endpoint, state: object, threads: Threads) -> Bench:
        """Open a bench on a private store."""
        store = await Store.open(where)
        bench = cls(plan, store, state, threads)
        await plan.clock.move(store, plan.clock.now_us)
        ears = CancelEars(store, bench._executor)
        bench._crew.start(ears)
        await ears.listening.wait()
        await bench._maintainer.say_limits()
        await bench._observed.__aenter__()
        await bench.declare()
        return bench

    async def aclose(self) -> None:
        """Stop what still runs, and close the store."""
        self._ready.clear()
        hurry = asyncio.Event()
        hurry.set()
        await self._aggregator.stop(END_S, END_S, hurry)
        self._executor.cancel_all(Stop.LOST)
        await self._executor.drain(END_S)
        await self._crew.stop()
        await self._executor.aclose()
        await self._acknowledger.idle()
        await self._observed.__aexit__(None, None, None)
        await self.store.aclose()

    async def declare(self) -> None:
        """Declare the schedules, again if there are others than before."""
        provided: dict[str, Entry] = {}
        own = {item.id: item for item in self.plan.entries(())}
        for source in self._sources:
            await source.fetch_if_it_can({**own, **provided})
            provided |= source.entries or {}
        entries = list(self.plan.entries(provided.values()))
        revisions = tuple((item.id, item.rev) for item in entries)
        if revisions == self._declared:
            return
        for item in entries:  # here is nobody who could declare an older form
            await self.store.command("DEL", f"{keys.own_root(item.queue)}seen:{item.id}")
        self._scheduler = Scheduler(self.store, app=self.plan.app, entries=entries, live_ms=0)
        await self._scheduler.declare(self.store)
        self._declared = revisions
        self._queues = sorted({*self.plan.config.queues, *await registry.schedule_queues(self.store)})

    async def _report(self, queue: str, done: Maintained) -> None:
        await self._scheduler.report(self.store, queue, done)

    @property
    def running(self) -> set[Running]:
        """The attempts whose handlers run."""
        return self._executor.running

    @property
    def aggregating(self) -> list[str]:
        """The aggregators that run, in words."""
        return self._aggregator.aggregating

    @property
    def busy(self) -> int:
        """How many handlers run and do not wait for the bench themselves."""
        return sum((attempt.queue, attempt.id) not in self.inside for attempt in self._executor.running)

    async def turn(self) -> Turn:
        """Do one thing, if there is one; "waits" for handlers and answers, or at last "rests"."""
        if self.busy >= self.plan.at_once:
            return "waits"
        if self._ready:
            self._begin(*self._ready.popleft())
            return "did something"
        if self._due:
            await self._maintain(self._due.pop())
            return "did something"
        self._ahead = await self.store.run(ahead(self._queues))
        found = [item.queue for item in self._ahead if item.has_work and item.queue in self.plan.config.queues]
        for queue in found:
            await self._take(queue)
        if found:
            return "did something"
        if self._acknowledger.unanswered or self._finishing or self._aggregator.aggregating:
            return "waits"
        self._due = [item.queue for item in self._ahead if item.wants_upkeep]
        if self._due:
            return "did something"
        return "waits" if self.busy else "rests"

    def _begin(self, queue: str, taken: Taken, task: TakenTask) -> None:
        self._executor.start(queue, replace(taken, tasks=[task]))

    async def _take(self, queue: str) -> None:
        instant = self.plan.clock.now_us // 1000 if self._history.keeps_any else 0
        self._sequences[queue] = max(self._sequences[queue] + 1, instant)
        number, lease_ms = self._sequences[queue], self.plan.config.lease_ms
        call = take(queue, server=self._tag, sequence=number, limit=TAKEN_AT_ONCE, lease_ms=lease_ms)
        taken = await self.store.run(call)
        self._teller.taken(queue, taken)
        self._ready.extend((queue, taken, task) for task in taken.tasks)
        if taken.status == "more":
            await self._acknowledger.idle()  # what is archived by its outcome must be known by then
            await self._note_expired(queue)

    async def _note_expired(self, queue: str) -> None:
        ids = await self.store.run(browse.list_ids(queue, TaskState.ARCHIVED, offset=0, limit=10_000))
        new = {(queue, id_) for id_ in ids} - self._archived
        self._archived |= new
        self.log.expired += len(new)

    async def _maintain(self, queue: str) -> None:
        """Do what is due in a queue, and take what became pending."""
        done = await self._maintainer.look(queue)
        await self._crashes.tell_waiting()
        if done.errors:
            raise BrokerError(f"queue {queue!r} of the test kit: {'; '.join(done.errors)}")
        gone = {(queue, id_) for place, id_ in done.recovered if place == "archived"}
        self._archived |= gone
        self.log.lost += len(gone)
        self._lost[queue] -= len(done.recovered)
        if (done.forwarded or done.fired or done.recovered) and queue in self.plan.config.queues:
            await self._take(queue)

    async def _keep_result(self, attempt: Running, result: bytes) -> bool:
        return await self.store.run(write_result(attempt.queue, attempt.id, attempt.token, result))

    def next_instant(self) -> int | None:
        """Say when something is due next, as far as was seen when the bench came to rest."""
        return next_instant(self._ahead, self._lost_queues(), self.plan.clock.now_us)

    def _lost_queues(self) -> list[str]:
        return [queue for queue, count in self._lost.items() if count > 0]

    async def move(self, now_us: int) -> None:
        """Make it another instant, and note what is due then."""
        await self.plan.clock.move(self.store, now_us)
        for run in self._executor.running:  # what waits for us keeps its lease
            await self.store.run(extend(run.queue, [(run.id, run.token)], lease_ms=self.plan.config.lease_ms))
        lost = self._lost_queues()
        self._due = [item.queue for item in self._ahead if item.queue in lost or _is_over(item, now_us)]

    def _attempt_of(self, ctx: Context[Any]) -> Running:
        return next(run for run in self._executor.running if (run.queue, run.id) == (ctx.queue, ctx.id))

    def _decided(self, attempt: Running) -> None:
        if attempt.finished is None:
            self._lost[attempt.queue] += 1
            self._teller.lost(attempt)
            self._record(attempt, "crashed")
        elif self.words.are_unwritten:
            self._finishing.add(attempt)
            self._crew.spawn(self._finish(attempt), "last word")
        else:
            self._acknowledger.add(attempt)
        self.changed()

    async def _finish(self, attempt: Running) -> None:
        await self.words.write()
        self._acknowledger.add(attempt)
        self._finishing.discard(attempt)

    def _answered(self, attempt: Running, answer: str) -> None:
        self._teller.ended(attempt, answer)
        is_written = answer in ("applied", "already", "spent", "cancelled")
        state = _INSTEAD.get(answer) or _state(attempt, self.faults.witnesses.get(attempt))
        self._record(attempt, state if is_written else "lost")
        self.changed()

    def _record(self, attempt: Running, state: AttemptState) -> None:
        witness = self.faults.witnesses.pop(attempt, Witness())
        message = attempt.message
        if state in ("archived", "cancelled"):
            self._archived.add((attempt.queue, attempt.id))
        self.log.attempts.append(
            Attempt(
                type=message.type if message is not None else "",
                id=attempt.id,
                queue=attempt.queue,
                state=state,
                at=self.plan.clock.now(),
                error=message.error_msg if message is not None and state in ("retry", "archived") else "",
                exception=witness.exception,
                result=witness.result,
                retried=witness.retried,
            )
        )


def _is_over(item: Ahead, now_us: int) -> bool:
    return item.next_ms is not None and item.next_ms * 1000 <= now_us


def _state(attempt: Running, witness: Witness | None) -> AttemptState:
    finished = attempt.finished
    outcome = finished.outcome if finished is not None else Outcome.DONE
    if outcome is Outcome.DONE and witness is not None and in_chain(witness.exception, RevokeTask):
        return "revoked"
    return _STATES[outcome]


_INSTEAD: dict[str, AttemptState] = {"spent": "archived", "cancelled": "cancelled"}
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
