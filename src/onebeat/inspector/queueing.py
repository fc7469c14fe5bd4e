"""What the asyncio inspector reads of queues, and does with them."""

from __future__ import annotations

from collections.abc import Iterable

from onebeat.broker.browse import QueueStats
from onebeat.errors import BrokerError
from onebeat.inspector import detailing, grouping, history, reading, removing, sizing, steering
from onebeat.inspector.models import DayStats, GroupInfo, GroupsFound, QueueDetails
from onebeat.inspector.series_models import Series, SizePoint, TypeSeries
from onebeat.inspector.steering import Report
from onebeat.inspector.steps import Following


class Queueing(Following):
    """The part of `Inspector` that is about queues."""

    async def queues(self) -> list[str]:
        """List the queues that anything was ever enqueued in, sorted."""
        return await self._do(reading.queues())

    async def check_queue(self, queue: str) -> None:
        """
        Make sure that a queue is known.

        Raises:
            QueueNotFound: It is not; the message lists those that are.
        """
        await self._do(reading.check_queue(queue))

    async def stats(self, queue: str) -> QueueStats:
        """
        Count what a queue holds and did.

        Raises:
            QueueNotFound: It holds nothing, did nothing and is not known.
        """
        return await self._do(reading.stats(queue))

    async def stats_each(self, queues: Iterable[str] | None = None) -> dict[str, QueueStats | BrokerError]:
        """
        Count what many queues hold and did, in a few round trips: 10,000 queues in about a second.

        Args:
            queues: Which; default: all, sorted.

        Returns:
            By name; a queue that cannot be read, since what stands in the store is damaged, has its error instead.

        Raises:
            InvalidTask: These are no names.
            QueueNotFound: One of them holds nothing, did nothing and is not known.
        """
        return await self._do(reading.stats_each(queues))

    async def details(self, queue: str, *, sample: int = 500) -> QueueDetails:
        """
        Gather what one asks first of a queue: its counts, memory, groups, servers, types, and since when it is paused.

        Args:
            sample: Of how many pending tasks the types are counted, at most 10,000.

        Raises:
            InvalidTask: The sample is none.
            QueueNotFound: The queue is not known.
        """
        return await self._do(detailing.details(queue, sample))

    async def history(self, queue: str, days: int = 10) -> list[DayStats]:
        """
        Say what a queue did on each of the last days in UTC, today first; counts are kept for 90 days.

        Raises:
            InvalidTask: The number of days is none.
            QueueNotFound: The queue is not known.
        """
        return await self._do(reading.history(queue, days))

    async def series(self, queues: str | Iterable[str] | None = None, *, minutes: int = 60) -> Series:
        """
        Say what was done, slot by slot: a minute each up to two hours back, else ten minutes.

        Args:
            queues: Of which queue, or queues, added up; default: of all, in one small read.

            minutes: How far back, this minute included: at most 1,440, a day.

        Raises:
            InvalidTask: These are no names; or the number is none.
        """
        return await self._do(history.series(queues, minutes))

    async def types(self, queues: str | Iterable[str] | None = None, *, minutes: int = 60) -> list[TypeSeries]:
        """
        Say how attempts at tasks of each type went, slot by slot as `series`; the type of most attempts first.

        Args:
            queues: As of `series`.

            minutes: As of `series`.

        Raises:
            InvalidTask: These are no names; or the number is none.
        """
        return await self._do(history.types(queues, minutes))

    async def memory(self, queue: str) -> int:
        """
        Estimate how much memory of the store a queue takes, in bytes, from a few of its tasks.

        Raises:
            QueueNotFound: The queue is not known.
            BrokerUnsupported: The store does not tell: it is a managed one that refuses `MEMORY USAGE`.
        """
        return await self._do(reading.memory(queue))

    async def groups(self, queue: str) -> list[GroupInfo]:
        """
        List the groups in which tasks of a queue wait to be aggregated, by name.

        Raises:
            QueueNotFound: The queue is not known.
        """
        return await self._do(reading.groups(queue))

    async def groups_each(self, queues: Iterable[str]) -> GroupsFound:
        """
        List the groups of many queues, and since when the first and the last of each waits, in a few round trips.

        Of a queue at most about 500 groups are listed, of all 1,000, and 200 queues are looked into; what is left out
        is said.

        Raises:
            InvalidTask: These are no names.
        """
        return await self._do(grouping.groups_each(queues))

    async def pause(self, queue: str) -> None:
        """
        Stop servers from taking tasks of a queue. What runs goes on; what is due becomes pending. A queue need not
        exist yet: it begins paused then.

        Raises:
            WrongState: It is paused already.
        """
        await self._do(steering.pause(queue))

    async def resume(self, queue: str) -> None:
        """
        Let servers take tasks of a queue again: within a second.

        Raises:
            WrongState: It is not paused.
        """
        await self._do(steering.resume(queue))

    async def remove_queue(self, queue: str, *, force: bool = False, progress: Report | None = None) -> int:
        """
        Remove a queue and all that is its own: tasks, counters, locks, groups, schedules; returns how many tasks.

        It is paused while it goes, in steps, so that no server takes what is about to be deleted. Tasks that come
        meanwhile are deleted, too; those that come later make the queue anew, as do schedules of an application that
        still declares them. If it is cut short it stays paused; the same call goes on.

        Args:
            force: Also if tasks wait in it, are archived, or retained.

            progress: Told after each step how many tasks of how many are deleted.

        Raises:
            QueueNotFound: The queue is not known.
            QueueNotEmpty: It runs tasks; it holds some and `force` is not given; or tasks kept coming.
        """
        return await self._do(removing.remove_queue(queue, is_forced=force, progress=progress))

    async def sizes(self, queues: str | Iterable[str] | None = None, *, minutes: int = 60) -> list[SizePoint]:
        """
        Say how many tasks waited, ran and failed in each of the last minutes, the oldest first, as consoles note it.

        Args:
            queues: Of which queue, or queues, added up; default: of all, in one small read.

            minutes: How far back, this minute included: at most 120.

        Raises:
            InvalidTask: These are no names; or the number is none.
        """
        return await self._do(sizing.sizes(queues, minutes))
