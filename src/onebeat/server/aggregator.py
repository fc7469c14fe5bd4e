"""
Aggregates groups: reads the sets that upkeep has staged for this server, has them combined, and puts the combined
task in their place.

Members are never in two sets, and a set is one server's at a time, so of any number of servers one aggregates a
member. What fails, takes too long or is killed goes back to its group, rests, and is tried again; after some failures
its members are archived, so that nothing loops for ever (SE-21).
"""

from __future__ import annotations

import asyncio
import contextvars
import logging
from collections.abc import Callable, Sequence
from concurrent.futures import Executor as Threads
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Any, TypeVar

from onebeat.audience import Audience
from onebeat.broker import groups, produce, registry
from onebeat.broker.call import Call, Filed
from onebeat.broker.groups import Aggregating, GroupSet, Outgoing
from onebeat.broker.maintain import Maintained
from onebeat.broker.store import Store
from onebeat.clock import Clock
from onebeat.errors import BrokerError, BrokerUnavailable, InvalidTask
from onebeat.events import Sending
from onebeat.preparing import Prepared, tell_combined, tell_delivered
from onebeat.server.aggregation import Aggregation, Aggregations, rule
from onebeat.server.combining import Misfit, Read, add, checked
from onebeat.server.config import ServerConfig
from onebeat.server.outcome import PlainError, error_text, error_type
from onebeat.server.traces import in_handler
from onebeat.upkeep.foreign import in_pool
from onebeat.upkeep.service import Backoff, TroubleLog, cancelled, is_being_cancelled
from onebeat.upkeep.telling import tell_filed

log: logging.Logger = logging.getLogger("onebeat.aggregator")

T = TypeVar("T")

AT_ONCE = 16
"""Sets that a server aggregates at the same time."""

SCAN_EVERY_S = 1.0
"""Between looks at up to 500 groups of a queue, for those that Go has put tasks into."""


class Refused(Exception):  # noqa: N818 - it says what became of a combined task
    """The store did not take the combined task. The text says why."""


class OverTime(Exception):  # noqa: N818 - read as a sentence, as others
    """An aggregator took too long."""


class Aggregator:
    """
    Aggregates the groups of the queues that a server serves.

    Args:
        store: The server's.

        aggregations: Its aggregators.

        config: Its settings.

        owner: Its id.

        wake: Called with a queue in which there is room for another set.

        threads: Where plain functions run; default: threads of its own.

        made: Called with each combined task that was enqueued.

        failed: Called with what an aggregation failed with.

        settled: Called whenever an aggregation has ended.

        audience: The server's.

        is_simulated: Time stands still, as in the test kit: no limit counts, and it looks after every queue, also
            without aggregators, so that groups that nobody aggregates are put aside.
    """

    def __init__(
        self,
        store: Store,
        aggregations: Aggregations,
        config: ServerConfig,
        *,
        owner: str,
        wake: Callable[[str], None],
        clock: Clock,
        threads: Threads | None = None,
        made: Callable[[Prepared], None] = lambda _prepared: None,
        failed: Callable[[BaseException], None] = lambda _error: None,
        settled: Callable[[], None] = lambda: None,
        is_simulated: bool = False,
        audience: Audience | None = None,
    ) -> None:
        self._audience = audience or Audience()
        self._store = store
        self._aggregations = aggregations
        self._config = config
        self._owner = owner
        self._wake = wake
        self._clock = clock
        self._own_threads = threads is None
        self._threads = threads
        self._made = made
        self._tell_failed = failed
        self._settled = settled
        self._is_simulated = is_simulated
        self._working: dict[str, asyncio.Task[None]] = {}
        self._queues: dict[str, str] = {}
        self._overstaying = 0
        self._limited: set[str] = set()
        self._cursors: dict[str, tuple[str, float]] = {}
        self._is_stopping = self._is_held = False
        self._trouble = TroubleLog("aggregating groups", log)

    @property
    def aggregating(self) -> list[str]:
        """What it aggregates now, in words."""
        return [f"aggregator of {GroupSet(queue, key).group} (queue {queue})" for key, queue in self._queues.items()]

    def hold(self, *, is_held: bool) -> None:
        """Begin with no more sets, or do so again; those that are being aggregated go on."""
        self._is_held = is_held
        for queue in self._config.queues if self._aggregations and not is_held else ():
            self._wake(queue)

    def wants(self, queue: str) -> Aggregating:
        """Say what upkeep is to stage for it in a queue."""
        config = self._config
        asks = Aggregating(
            most=config.group_max_failures,
            backoff_ms=round(config.group_backoff * 1000),
            frees=config.release_unique_on_archive,
        )
        if not self._is_simulated and (queue not in config.queues or not self._aggregations):
            return asks
        here = sum(name == queue for name in self._queues.values())
        free = 0 if self._is_held else max(0, AT_ONCE - len(self._working) - self._overstaying)
        cursor, next_scan = self._cursors.get(queue, ("0", 0.0))
        is_due = not (self._is_stopping or self._is_held) and self._clock.monotonic() >= next_scan
        return replace(
            asks,
            owner=self._owner,
            lease_ms=config.lease_ms,
            at_once=0 if self._is_stopping else here + free,
            cursor=cursor if is_due else "",
            rules=[rule(one, config) for one in self._aggregations],
        )

    def seen(self, queue: str, asked: Aggregating, done: Maintained) -> None:
        """Begin with what upkeep has staged."""
        if done.cursor:
            self._cursors[queue] = (done.cursor, self._clock.monotonic() + SCAN_EVERY_S)
        for returned in done.returned:
            _log_returned(GroupSet(queue, returned.key), returned.back, returned.archived)
        if asked.owner and len(done.sets) >= asked.at_once:
            self._limited.add(queue)
        for key in done.sets:
            if key not in self._working and not self._is_stopping:
                self._begin(key, queue, self._work(GroupSet(queue, key)))
        for item in done.outgoing:
            if item.id not in self._working and not self._is_stopping:
                self._begin(item.id, queue, self._deliver(queue, item))

    def _begin(self, key: str, queue: str, work: Any) -> None:
        task = asyncio.get_running_loop().create_task(work, name=f"aggregation of {key}")
        self._working[key], self._queues[key] = task, queue
        task.add_done_callback(lambda ended: self._ended(key, ended))

    def _ended(self, key: str, task: asyncio.Task[None]) -> None:
        del self._working[key], self._queues[key]
        if not task.cancelled() and task.exception() is not None:
            log.error("%s ended by a bug of ours", task.get_name(), exc_info=task.exception())
        limited, self._limited = self._limited, set()
        for queue in limited:
            self._wake(queue)
        self._settled()

    async def _work(self, of: GroupSet) -> None:
        try:
            while await self._aggregate(of) == "changed":
                log.info("group %s of queue %s lost members while it was aggregated; once more", of.group, of.queue)
        except GeneratorExit:  # the loop is gone, nothing can be awaited
            raise
        except BaseException as error:  # whatever a function raises is what its group fails with
            if isinstance(error, asyncio.CancelledError) and is_being_cancelled():
                await self._give_back(of, "")
                raise
            await self._failed(of, error)

    async def _aggregate(self, of: GroupSet) -> str:
        aggregation = self._aggregations.find(of.group)
        if aggregation is None:
            raise PlainError(f"aggregator not found for group {of.group!r}")
        read = await self._read(of, aggregation)
        if not read.items:
            return "lost"
        with self._audience.aggregating(of.queue, of.group, read.headers), self._audience.sending() as sending:
            combined = await self._combine(aggregation, of.group, read.items)
            return await self._replace(of, read, combined, sending)

    async def _replace(self, of: GroupSet, read: Read, combined: object, sending: Sending) -> str:
        """Put the combined task in the place of what was read."""
        prepared = checked(of, combined, self._audience, sending)
        call = groups.aggregate(of, self._owner, len(read.items), prepared.new, prepared.queue, read.locks)
        answer, is_repeated = await self._ask_again(call)
        if answer == "aggregated" or (answer == "already" and is_repeated):
            log.debug("group %s of queue %s: %d tasks became %s", of.group, of.queue, len(read.items), prepared.new.id)
            self._made(prepared)
            if prepared.queue == of.queue:
                tell_combined(self._audience, prepared, self._clock.now())
            await self._hand_over(of, prepared)
        elif answer == "lost":
            sending.refused(Refused("the set is not this server's any more"))
            log.warning(
                "group %s of queue %s: its tasks were returned, run or cancelled meanwhile; what became of them does "
                "not count",
                of.group,
                of.queue,
            )
        elif answer == "changed":
            sending.refused(Refused("members have left the set meanwhile"))
        elif answer != "already":
            raise Refused(f"combined task {prepared.new.id} was refused by the store: {answer}")
        return answer

    async def _read(self, of: GroupSet, aggregation: Aggregation) -> Read:
        """Read a set, and archive the members that cannot be aggregated."""
        read = Read()
        for task_id, message in await self._ask(groups.members(of, self._owner)):
            add(read, task_id, message, aggregation)
        if read.misfits:
            for misfit in read.misfits:
                log.error("task %s in group %s of queue %s is archived: %s", misfit.id, of.group, of.queue, misfit.why)
            frees = self._config.release_unique_on_archive
            words = [(misfit.id, misfit.why, misfit.is_read) for misfit in read.misfits]
            answers, is_repeated = await self._ask_again(groups.expel(of, self._owner, words, frees=frees))
            written = ("archived", "gone") if is_repeated else ("archived",)
            out = [misfit for misfit, answer in zip(read.misfits, answers, strict=True) if answer in written]
            self._tell_expelled(of.queue, out)
        return read

    def _tell_expelled(self, queue: str, misfits: Sequence[Misfit]) -> None:
        for misfit in misfits:
            kind = "PayloadError" if misfit.is_read else "UndecodableMessage"
            facts = [Filed(misfit.id, misfit.type, misfit.retried, misfit.why)]
            tell_filed(self._audience, queue, facts, at=self._clock.now(), error_type=kind)

    async def _combine(self, aggregation: Aggregation, group: str, items: list[Any]) -> object:
        timeout = self._config.group_timeout if aggregation.timeout is None else aggregation.timeout
        limit = None if self._is_simulated else timeout
        if not aggregation.is_async:
            return await self._in_thread(aggregation, group, items, limit)
        running = asyncio.timeout(limit)
        try:
            async with running:
                return await aggregation.function(group, items)  # type: ignore[misc] # `is_async` says so
        except TimeoutError:
            if running.expired():
                raise OverTime(f"aggregator did not end within {timeout:g} s") from None
            raise

    async def _in_thread(self, aggregation: Aggregation, group: str, items: list[Any], limit: float | None) -> object:
        self._threads = self._threads or ThreadPoolExecutor(AT_ONCE, thread_name_prefix="onebeat-group")
        surroundings = contextvars.copy_context()

        def combine() -> object:
            return surroundings.run(in_pool, aggregation.function, group, items)

        call: asyncio.Future[object] = asyncio.get_running_loop().run_in_executor(self._threads, combine)
        done, _ = await asyncio.wait([call], timeout=limit)
        if not done:  # a thread cannot be stopped: what it returns does not count
            self._overstaying += 1
            call.add_done_callback(self._came_late)
            raise OverTime(f"aggregator did not end within {limit:g} s, and runs on in its thread")
        return call.result()

    def _came_late(self, call: asyncio.Future[Any]) -> None:
        self._overstaying -= 1
        if not call.cancelled():
            call.exception()

    async def _hand_over(self, of: GroupSet, prepared: Prepared) -> None:
        """Bring a combined task to another queue, if that is where it goes."""
        if prepared.queue != of.queue:
            new = prepared.new
            item = Outgoing(new.id, prepared.queue, new.message, new.due, produce.rest(new))
            await self._deliver(of.queue, item)

    async def _deliver(self, home: str, item: Outgoing) -> None:
        """Enqueue a combined task where it goes. What does not succeed is done again, by any server."""
        try:
            await registry.publish_queue(self._store, item.queue)
            answer = await self._ask(groups.deliver(item))
            if not answer.startswith("error"):
                await self._store.command(*groups.delivered(home, item.id))
                tell_delivered(self._audience, item, answer, self._clock.now())
                return
        except BrokerError as error:
            answer = str(error)
        log.warning("combined task %s is not yet in queue %s: %s; trying again", item.id, item.queue, answer)

    async def _ask(self, call: Call[T]) -> T:
        """Ask until there is an answer, but for errors that repeating does not mend."""
        return (await self._ask_again(call))[0]

    async def _ask_again(self, call: Call[T]) -> tuple[T, bool]:
        """Ask until there is an answer; say whether it had been asked before."""
        backoff, is_repeated = Backoff(), False
        while True:
            try:
                answer = await self._store.run(call)
            except BrokerUnavailable as error:
                self._trouble.trouble(error)
            else:
                self._trouble.over()
                return answer, is_repeated
            is_repeated = True
            await asyncio.sleep(backoff.pause())

    async def _failed(self, of: GroupSet, error: BaseException) -> None:
        text = error_text(error)
        trace = None if isinstance(error, (Refused, OverTime, InvalidTask, BrokerError)) else in_handler(error)
        log.warning("group %s of queue %s was not aggregated: %s", of.group, of.queue, text, exc_info=trace)
        self._tell_failed(error)
        await self._give_back(of, text, error_type(error))

    async def _give_back(self, of: GroupSet, reason: str, kind: str = "") -> None:
        asks = self.wants(of.queue)
        call = groups.restore(
            of, self._owner, reason=reason, most=asks.most, backoff_ms=asks.backoff_ms, frees=asks.frees
        )
        try:
            returned = await self._ask(call) if reason else await self._store.run(call)
        except BrokerError as error:
            log.error("group %s of queue %s was not returned, which others will do: %s", of.group, of.queue, error)
            return
        if returned is not None:
            tell_filed(self._audience, of.queue, returned.filed, at=self._clock.now(), error_type=kind)
            _log_returned(of, returned.back, returned.archived)

    async def _all_ended(self) -> None:
        if self._working:
            await asyncio.wait(self._working.values())

    async def stop(self, seconds: float, grace: float, hurry: asyncio.Event) -> None:
        """Begin no more; give what runs so long to end, or until told to hurry; then return it to its groups."""
        self._is_stopping = True
        hurried = asyncio.get_running_loop().create_task(hurry.wait())
        ended = asyncio.get_running_loop().create_task(self._all_ended())
        await asyncio.wait([hurried, ended], timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
        await cancelled(hurried)
        await cancelled(ended)
        left: Sequence[asyncio.Task[None]] = list(self._working.values())
        for task in left:
            task.cancel()
        if left:
            await asyncio.wait(left, timeout=max(grace, 1.0))
        for key, queue in list(self._queues.items()):  # these do not end although they are cancelled
            await self._give_back(GroupSet(queue, key), "")
        if self._threads is not None and self._own_threads:
            self._threads.shutdown(wait=False, cancel_futures=True)


def _log_returned(of: GroupSet, back: int, archived: int) -> None:
    if back:
        log.warning("group %s of queue %s: %d tasks were returned to it", of.group, of.queue, back)
    if archived:
        log.error("group %s of queue %s: %d tasks failed too often and are archived", of.group, of.queue, archived)
