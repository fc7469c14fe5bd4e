"""
Reads and steers tasks and queues. asynq: `Inspector`.

Every fact that a tool shows comes from here, so it is computed in one place: in the procedures that this
inspector shares with the blocking one.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from types import TracebackType
from typing import Self, TypeVar

from onebeat.broker.store import Store, check_source
from onebeat.clock import SystemClock
from onebeat.errors import ConfigurationError
from onebeat.inspector import about, fleet, history, sizing
from onebeat.inspector.checks.finding import Diagnosis, Repaired
from onebeat.inspector.diagnosing import BUDGET, Doctor, repairable
from onebeat.inspector.filtering import Filtering
from onebeat.inspector.models import ScheduleEntry, ScheduleEvent, ServerInfo, StoreInfo
from onebeat.inspector.operating import Operating
from onebeat.inspector.overseeing import Overseeing
from onebeat.inspector.queueing import Queueing
from onebeat.inspector.series_models import Backlog, Spark
from onebeat.inspector.steps import Procedure, follow
from onebeat.inspector.store_models import StoreReport
from onebeat.inspector.store_report import Reporter
from onebeat.inspector.tasking import Tasking
from onebeat.options import text
from onebeat.wire import keys

T = TypeVar("T")


class Inspector(Queueing, Tasking, Filtering, Operating, Overseeing):
    """
    Looks into one store, and does what an operator does. Code that blocks has `SyncInspector`.

    Use it as `async with Inspector(url) as inspector`.

    Args:
        store: A URL, a redis-py client whose settings are used, or an open `Store`.
    """

    def __init__(self, store: object = None) -> None:
        self._source = check_source(store)
        self._store: Store | None = store if isinstance(store, Store) else None

    async def __aenter__(self) -> Self:
        if self._store is None:
            self._store = await Store.open(self._source)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._store is not None and self._store is not self._source:
            await self._store.aclose()
            self._store = None

    @property
    def store(self) -> Store:
        if self._store is None:
            raise ConfigurationError("inspector is not open: use it as `async with Inspector(url) as inspector`")
        return self._store.here()

    async def _do(self, procedure: Procedure[T]) -> T:
        return await follow(self.store, procedure)

    async def servers(self) -> list[ServerInfo]:
        """List the servers that live, Onebeat's and Go's, with what they run; by host and process."""
        return await self._do(fleet.servers())

    async def sample_sizes(self) -> int:
        """
        Note how many tasks each queue holds now, for `sizes`, once a minute whoever asks; `onebeat web` does it.

        Returns:
            Of how many queues it was noted: 0 if this minute was noted before, or there are more than 5,000.
        """
        return await self._do(sizing.sample_sizes(is_spread=self.store.is_spread))

    async def sparks(self, queues: Iterable[str] | None = None, *, minutes: int = 60) -> dict[str, Spark | None]:
        """
        Say what many queues did in each of the last minutes, in as few round trips as there are nodes.

        Args:
            queues: Which; default: all, sorted.

            minutes: How many, this one included: at most 60.

        Returns:
            By name; None where nothing was recorded in these two hours, or what stands in the store is damaged.

        Raises:
            InvalidTask: These are no names; or the number is none.
        """
        return await self._do(history.sparks(queues, minutes, is_spread=self.store.is_spread))

    async def backlogs(self, queues: Iterable[str] | None = None, *, minutes: int = 60) -> dict[str, Backlog | None]:
        """
        Say how many tasks waited in many queues in each of the last minutes, in as few round trips as there are nodes.

        Args:
            queues: Which; default: all, sorted.

            minutes: How many, this one included: at most 60.

        Returns:
            By name; None where nothing was noted in these two hours, or what stands in the store is damaged.

        Raises:
            InvalidTask: These are no names; or the number is none.
        """
        return await self._do(sizing.backlogs(queues, minutes, is_spread=self.store.is_spread))

    async def schedules(self) -> list[ScheduleEntry]:
        """List the schedules that some scheduler keeps, Onebeat's and Go's; the next to fire first."""
        return await self._do(fleet.schedules())

    async def events(self, entry_id: str, *, page: int = 1, size: int = 30) -> list[ScheduleEvent]:
        """
        Read one page of a schedule's fires, the latest first; pages are numbered as by `page`.

        Args:
            entry_id: The id of a `ScheduleEntry`.

        Raises:
            InvalidTask: The id is blank, or a number is none.
        """
        return await self._do(fleet.events(entry_id, page, size))

    async def store_info(self) -> StoreInfo:
        """Ask the store for its version, its memory, its clients, and the state of a cluster."""
        return await self._do(about.store_info(self.store.endpoint.shown))

    async def store_report(self) -> StoreReport:
        """
        Ask the store, and each of its primaries, for all that they say of themselves. What one refuses to tell, as
        managed stores do, is left out and named; a node that is away leaves the others.

        Raises:
            BrokerUnavailable: No node can be reached.
        """
        store = self.store
        return await self._do(Reporter(store.endpoint, store.primaries(), SystemClock().monotonic).report())

    async def key_slot(self, queue: str) -> int:
        """Return the slot of a Redis Cluster that all keys of a queue are in."""
        return keys.slot(keys.root(text("queue name", queue)))

    async def nodes(self, queue: str) -> list[str]:
        """
        List the nodes that hold a queue, "host:port", the one that takes writes first. Where there is no cluster it is
        one: of what sentinels watch, the primary.

        Raises:
            BrokerError: No node of the cluster holds it now.
        """
        return await self._do(fleet.nodes(queue, fleet.address(self.store.where())))

    async def diagnose(
        self, checks: Collection[str] = (), *, queues: Collection[str] = (), budget: int = BUDGET, seconds: float = 0.0
    ) -> Diagnosis:
        """
        Look for what is wrong in the whole system, or may go wrong: see the reference of checks. Nothing is written. A
        check that the store refuses to answer is named in the diagnosis, with why; the others are made.

        Args:
            checks: Only these; none: all.

            queues: Only what concerns these, beside the store and the servers; none: all.

            budget: Queues, entries of lists, and keys that are looked at, each, at most; what is left out is said.

            seconds: Look twice at each queue, so far apart, and so find backlogs that grow; 0: once.

        Raises:
            ConfigurationError, QueueNotFound: There is no such check or queue; or a number is none.
        """
        return await self._do(
            Doctor(self.store, checks=checks, queues=queues, budget=budget, seconds=seconds).diagnose()
        )

    async def repair(
        self, checks: Collection[str] = (), *, queues: Collection[str] = (), budget: int = BUDGET, dry_run: bool = False
    ) -> list[Repaired]:
        """
        Mend what is damaged: records and lists that disagree, groups and queues that no tool sees, locks of nobody.

        Each item is looked at once more and mended in one step of the store, so what is right again is left alone. A
        task that is put back runs at least once, as one whose server died.

        Args:
            checks: To mend what these find; none: all but "stale-lock", which has to be named.

            dry_run: Only say what would be done.

        Raises:
            ConfigurationError, QueueNotFound: As `diagnose`; or what a check finds cannot be mended.
        """
        return await self._do(
            Doctor(self.store, checks=repairable(checks), queues=queues, budget=budget).repair(dry_run=dry_run)
        )
