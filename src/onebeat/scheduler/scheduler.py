"""
Declares schedules, keeps their calendars filled, and shows them to asynq's tools.

It does not fire them: `maintain` does, in the store, whoever calls it (docs/decisions/0004). So nothing here
is urgent, nothing here needs a leader, and any number of instances may do it at once.
"""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any, Unpack

from onebeat.audience import Audience
from onebeat.broker import browse, registry, schedules
from onebeat.broker.maintain import Maintained
from onebeat.broker.schedules import Declaration, ShownEntry
from onebeat.broker.store import Store, check_source
from onebeat.errors import BrokerError, ConfigurationError, shown
from onebeat.events import Observers
from onebeat.options import Duration, EnqueueOptions, text
from onebeat.scheduler.entry import Entry, check_task, coming, entry, id_of, rebuild
from onebeat.scheduler.periodic import SYNC_EVERY_S, Provider, Source, as_trigger
from onebeat.scheduler.triggers import Trigger, latest
from onebeat.task import Task
from onebeat.upkeep.maintainer import Maintainer
from onebeat.upkeep.service import Backoff, Crew, Service, TroubleLog, supervise
from onebeat.wire.message import TaskMessage
from onebeat.wire.records import EntryRecord

log: logging.Logger = logging.getLogger("onebeat.scheduler")

DECLARE_EVERY_S = 15.0
"""Well within the 60 s after which an instance counts as gone."""

LEAVE_WITHIN_S = 5.0
"""How long an observer may take to end: the default of a server's `hook_timeout`."""

SHOW_EVERY_S = 5.0
SHOWN_FOR_S = 20
MAX_SHOWN_PAYLOAD = 1000


class Scheduler:
    """
    The schedules of one application on one instance.

    asynq: `Scheduler`, except that any number of instances may register the same entries: each tick fires once.

    Args:
        store: A URL, a redis-py client whose settings are used, or an open `Store`.

        app: Names the application; schedules that none of its instances declares any more are parked.

        observers: Told of schedules that this instance fires, and of tasks that it recovers in their queues; see
            `onebeat.events.Observer`.

    Raises:
        ConfigurationError: The name is blank, or an observer is none.
    """

    def __init__(
        self,
        store: object = None,
        *,
        app: str = "onebeat",
        entries: Iterable[Entry] = (),
        sources: Iterable[Source] = (),
        live_ms: int = schedules.LIVE_MS,
        observers: Observers | Audience = (),
    ) -> None:
        self._source = check_source(store)
        self._audience = Audience.of(observers)
        self._audience.attach(self._source)
        self._sources = list(sources)
        self._live_ms = live_ms
        self._syncing = asyncio.Lock()
        self._serves: Store | None = None
        self._app = text("application name", app, refusal=ConfigurationError)
        self._entries = {item.id: item for item in entries}
        self._refilling: set[tuple[str, str]] = set()
        self._troubles: dict[tuple[str, str], TroubleLog] = {}

    def register(
        self,
        spec: str | Trigger,
        task: Task[Any],
        *,
        id: str | None = None,
        tz: str | None = None,
        **options: Unpack[EnqueueOptions],
    ) -> str:
        """
        Add a schedule; returns its id, which is the task's type unless given. Nothing is written yet.

        Args:
            spec: A `Trigger`, five cron fields, a descriptor such as "@daily", or "@every 1.5s".

            tz: The zone of cron fields, an IANA name; default UTC.

        Raises:
            ConfigurationError: The spec, the id or an option cannot be used, or the id is taken.
            InvalidTask: The task is none, or an option cannot be used at all.
        """
        check_task(task)
        trigger = as_trigger(spec, tz)
        added = entry(id if id is not None else id_of(task.type), trigger, task, options)
        if added.id in self._entries:
            raise ConfigurationError(f"schedule {added.id!r} is registered twice: give one of them another id")
        self._entries[added.id] = added
        return added.id

    def unregister(self, id: str) -> None:
        """
        Take a schedule out again, before the scheduler runs or while it does.

        Once no instance of the application has it any more, it fires for another minute at most.

        Raises:
            ConfigurationError: None of that id is registered here.
        """
        if self._entries.pop(id, None) is None:
            raise ConfigurationError(
                f"schedule {shown(id)} is not registered: choose from {', '.join(sorted(self._entries)) or 'none'}"
            )

    def provide(self, provider: Provider, *, every: Duration = SYNC_EVERY_S) -> None:
        """
        Add schedules from a source of your own, which is asked again and again. asynq: `PeriodicTaskManager`.

        Any number of instances may ask theirs: each tick fires once. What is new or changed counts from then on; what
        has vanished from the answers of all instances is over about a minute later. While a source fails, or gives
        something that cannot be used, its last answer stays in force and the log says why.

        Args:
            provider: A function, async or plain, that returns all of its schedules: an iterable of `PeriodicTask`.

            every: Seconds, or a `timedelta`, between two calls.

        Raises:
            ConfigurationError: It is no function, or the interval is none.
        """
        self._sources.append(Source(provider, every))

    async def sync_now(self) -> None:
        """
        Ask all sources now, and put their answers into force.

        Raises:
            ConfigurationError: The scheduler does not run here; or a source fails, and its last answer stays in force.
            BrokerUnavailable: The store could not be reached; it is tried again by itself.
        """
        if self._serves is None:
            raise ConfigurationError("sync_now() of a scheduler that does not run: call it while run() does")
        for source in self._sources:
            await source.fetch(self._others(source))
        await self.declare(self._serves)

    def _others(self, asking: Source | None) -> dict[str, Entry]:
        """Return the schedules but those of one source; of several sources the first that was added has an id."""
        found = dict(self._entries)
        for source in self._sources:
            if source is asking:
                break
            found.update(source.entries or {})
        return found

    async def run(self) -> None:
        """Declare, fill, show and fire until cancelled, whatever happens to the store meanwhile."""
        owns_store = not isinstance(self._source, Store)
        store = self._source if isinstance(self._source, Store) else await Store.open(self._source)
        store.measured_by(self._audience)
        crew = Crew()
        try:
            crew.start(
                Maintainer(
                    store, [], report=lambda queue, done: self.report(store, queue, done), audience=self._audience
                )
            )
            async with self._audience.serving(LEAVE_WITHIN_S):
                await supervise(self.keeping(store))
        finally:
            await crew.stop()
            if owns_store:
                await store.aclose()

    def keeping(self, store: Store) -> Service:
        """Return the service that declares and shows, for a process whose maintainer fires."""
        return _Keeping(self, store)

    async def serve(self, store: Store) -> None:
        """Declare and show for ever, on a store that somebody else maintains."""
        crew, self._serves = Crew(), store
        try:
            for source in self._sources:
                crew.start(_Syncing(self, source, store))
            while True:
                await self.declare(store)
                for _ in range(round(DECLARE_EVERY_S / SHOW_EVERY_S)):
                    await self.show(store)
                    await asyncio.sleep(SHOW_EVERY_S)
        finally:
            self._serves = None
            await crew.stop()

    async def sync(self, store: Store, source: Source) -> None:
        """Ask a source, and declare at once if it says something new."""
        if await source.fetch_if_it_can(self._others(source)):
            await self.declare(store)

    async def declare(self, store: Store) -> None:
        """Say once which schedules this instance has; sources that were not asked yet are."""
        async with self._syncing:
            for source in self._sources:
                if not source.was_asked:
                    await source.fetch_if_it_can(self._others(source))
                await self._tell_changes(store, source)
            await self._declare(store, self._others(None))

    async def _tell_changes(self, store: Store, source: Source) -> None:
        """Say what has come and gone in a source, so that whoever has an older answer of it is not listened to."""
        added, removed, in_force = source.added, source.removed, self._others(None)
        gone = {id_: item for id_, item in removed.items() if id_ not in in_force}
        for queue, forms in _by_queue(gone).items():
            for over in await store.run(schedules.retire(queue, self._app, forms)):
                log.info("schedule %s on queue %s: source %s has it no more; it is over", over, queue, source.name)
                await registry.forget_schedule(store, over, queue)
        for queue, forms in _by_queue(added).items():
            await store.command(*schedules.unretire(queue, forms))
        source.told(added, removed)

    async def _declare(self, store: Store, entries: Mapping[str, Entry]) -> None:
        homes: defaultdict[str, list[Entry]] = defaultdict(list)
        for item in entries.values():
            homes[item.queue].append(item)
        for queue in sorted(homes.keys() | await registry.schedule_queues(store)):
            settled = [await self._settle(store, item) for item in homes[queue]]
            await self._declare_on(store, queue, [one for one in settled if one is not None], entries)

    async def _settle(self, store: Store, item: Entry) -> Declaration | None:
        """Find out whether a schedule lives on the queue we want it on, and fetch it there if we may (rule 32)."""
        home = await registry.schedule_queue(store, item.id)
        if home is None or home == item.queue:
            return Declaration(item.id, item.rev)
        handed = await store.run(schedules.handoff(home, item.id, item.rev, item.queue, live_ms=self._live_ms))
        if handed is None:
            return None
        log.info("schedule %s moves from queue %s to %s", item.id, home, item.queue)
        return Declaration(item.id, item.rev, after_ms=handed.boundary_ms, seen=handed.seen, paused=handed.paused)

    async def _declare_on(
        self, store: Store, queue: str, declarations: list[Declaration], entries: Mapping[str, Entry]
    ) -> None:
        if declarations:
            await registry.announce_schedule_queue(store, queue)
        is_complete = all(source.entries is not None for source in self._sources)
        answers = await store.run(
            schedules.declare(queue, self._app, declarations, live_ms=self._live_ms, is_complete=is_complete)
        )
        wanted = [declaration for declaration, answer in zip(declarations, answers, strict=False) if answer == "wanted"]
        if wanted:
            now_ms = await store.run(browse.now(queue)) // 1000
            full = [_defined(entries[declaration.id], declaration, now_ms) for declaration in wanted]
            call = schedules.declare(queue, self._app, full, live_ms=self._live_ms, is_complete=False)
            self._note(queue, full, await store.run(call))
        for dropped in self._note(queue, declarations, answers):
            await registry.forget_schedule(store, dropped, queue)
        for declaration in declarations:
            await registry.place_schedule(store, declaration.id, queue)

    def _note(self, queue: str, declarations: list[Declaration], answers: list[str]) -> list[str]:
        """Log what is to be known; returns the ids of schedules that are forgotten."""
        dropped = []
        for declaration, answer in zip(declarations, answers, strict=False):
            if answer.startswith("error "):
                log.error("schedule %s on queue %s was refused: %s", declaration.id, queue, answer)
            elif answer == "outvoted":
                log.debug("schedule %s on queue %s: a newer form is in force", declaration.id, queue)
        for answer in answers[len(declarations) :]:
            what, _, id_ = answer.partition(" ")
            if what == "dropped":
                log.info("schedule %s on queue %s: no source has it any more; it is over", id_, queue)
                dropped.append(id_)
                continue
            log.warning("schedule %s on queue %s: no live instance declares it any more; it is parked", id_, queue)
        return dropped

    async def report(self, store: Store, queue: str, done: Maintained) -> None:
        """Fill the calendars that `maintain` found low. Whoever comes second changes nothing."""
        for id_ in done.low:
            if (queue, id_) in self._refilling:
                continue
            self._refilling.add((queue, id_))
            trouble = self._troubles.setdefault(
                (queue, id_), TroubleLog(f"filling schedule {id_} of queue {queue}", log)
            )
            try:
                await self._refill(store, queue, id_)
                trouble.over()
            except (BrokerError, ConfigurationError) as error:
                trouble.trouble(error)
            finally:
                self._refilling.discard((queue, id_))

    async def _refill(self, store: Store, queue: str, id_: str) -> None:
        end = await store.run(schedules.tape(queue, id_))
        if end is None:
            return
        trigger = rebuild(end.timing)
        missed = latest(trigger, end.last_ms, end.now_ms)  # of a long outage only the latest: the tape reaches past now
        after = end.last_ms if missed is None else missed - 1
        await store.run(schedules.refill(queue, id_, end, coming(trigger, after)))

    async def show(self, store: Store) -> None:
        """Show the schedules to asynq's tools, where it is our turn."""
        for queue in sorted(await registry.schedule_queues(store)):
            shown = await store.run(schedules.entries(queue, turn_ms=round(SHOW_EVERY_S * 900)))
            if shown is None:
                continue
            now_s = await store.run(browse.now(queue)) // 1_000_000
            await store.run(schedules.mirror(queue, [_record(queue, item) for item in shown], ttl_s=SHOWN_FOR_S))
            await registry.list_scheduler(store, queue, now_s + SHOWN_FOR_S)


def _by_queue(entries: Mapping[str, Entry]) -> dict[str, dict[str, str]]:
    homes: defaultdict[str, dict[str, str]] = defaultdict(dict)
    for id_, item in entries.items():
        homes[item.queue][id_] = item.rev
    return homes


def _defined(item: Entry, declaration: Declaration, now_ms: int) -> Declaration:
    after = max(now_ms, declaration.after_ms or 0)
    return replace(declaration, definition=item.definition, tape=item.tape(after))


class _Syncing:
    """Asks one source again and again; one that has given nothing yet, sooner."""

    def __init__(self, scheduler: Scheduler, source: Source, store: Store) -> None:
        self.name = f"source of schedules {source.name}"
        self._scheduler = scheduler
        self._source = source
        self._store = store
        self._backoff = Backoff(1.0, source.every)

    async def run(self) -> None:
        while True:
            has_answer = self._source.entries is not None
            await asyncio.sleep(self._source.every if has_answer else min(self._backoff.pause(), self._source.every))
            await self._scheduler.sync(self._store, self._source)


class _Keeping:
    name = "scheduler"

    def __init__(self, scheduler: Scheduler, store: Store) -> None:
        self._scheduler = scheduler
        self._store = store

    async def run(self) -> None:
        await self._scheduler.serve(self._store)


def _record(queue: str, item: ShownEntry) -> bytes:
    template = TaskMessage.FromString(item.template)
    return EntryRecord(
        id=f"{{{queue}}}:{item.id}",
        spec=item.spec,
        task_type=template.type,
        task_payload=template.payload[:MAX_SHOWN_PAYLOAD],
        enqueue_options=item.options,
        next_enqueue_time=item.next_ms * 1_000_000,
        prev_enqueue_time=None if item.prev_ms is None else item.prev_ms * 1_000_000,
    ).encode()
