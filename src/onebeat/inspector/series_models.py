"""What the inspector shows of the past: attempts at a task, and what queues and types did, minute by minute."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta

from onebeat.broker.series import BUCKETS


@dataclass(frozen=True, slots=True, kw_only=True)
class Attempt:
    """
    A past attempt at a task, as the server that made it, or that recovered its task, has kept it.

    Attributes:
        number: Which of those that were kept, from 1; the oldest may have been dropped.

        outcome: "retried", "archived", "cancelled", "completed", "returned" (to the front of its queue, as the server
            stopped), or "recovered" (from a server that died, or did not answer for longer than its lease).

        started_at: When it was taken, by the store's clock; None: unknown.

        ended_at: When its handler ended; of one that was recovered, when that was.

        waited: How long the task had been due by then; None: unknown.

        server: The server that made it: "<host>:<pid>:<server id>".

        error, error_type: What it failed with, the first 1,000 characters, and the class of that; "" if it did not.

        traceback: From the handler's first frame on; "" where there is none: of timeouts, and of servers that died.
    """

    number: int
    outcome: str
    started_at: datetime | None
    ended_at: datetime
    waited: timedelta | None
    server: str
    error: str
    error_type: str
    traceback: str

    @property
    def ran(self) -> timedelta | None:
        """How long it ran, if it is known when it began."""
        return max(timedelta(0), self.ended_at - self.started_at) if self.started_at is not None else None


@dataclass(frozen=True, slots=True)
class Distribution:
    """
    How long tasks waited, or ran.

    Attributes:
        counts: How many were below a millisecond, below two, four, eight …; the last count is of all from
            70 minutes on.
    """

    counts: tuple[int, ...] = (0,) * BUCKETS

    @property
    def total(self) -> int:
        """How many there are."""
        return sum(self.counts)

    def percentile(self, share: float) -> timedelta | None:
        """
        Return what so large a share of them does not exceed, exact to within its bucket; None if there are none.

        Args:
            share: From 0 to 1: 0.95 for p95.
        """
        total = self.total
        if not total:
            return None
        left = share * total
        for bucket, count in enumerate(self.counts):
            if count and left <= count:
                low, high = bounds(bucket)
                return low if high is None else low + (high - low) * (left / count)
            left -= count
        return bounds(BUCKETS - 1)[0]

    @classmethod
    def of(cls, those: Iterable[Distribution]) -> Distribution:
        """Add distributions up."""
        columns = zip(*(one.counts for one in those), strict=True)
        return cls(tuple(map(sum, columns)) or (0,) * BUCKETS)


def bounds(bucket: int) -> tuple[timedelta, timedelta | None]:
    """Return between what the values of a bucket are; the last one has no end."""
    low = timedelta(milliseconds=2 ** (bucket - 1) if bucket else 0)
    return low, timedelta(milliseconds=2**bucket) if bucket < BUCKETS - 1 else None


@dataclass(frozen=True, slots=True, kw_only=True)
class SeriesPoint:
    """
    What was done in one slot of time.

    Attributes:
        at: When the slot begins.

        processed: Attempts that ended in it and count, those that failed among them.

        failed: Those that failed.

        waits: How long the tasks that were taken in it had been due.
    """

    at: datetime
    processed: int
    failed: int
    waits: Distribution


@dataclass(frozen=True, slots=True, kw_only=True)
class Series:
    """
    What queues did in the last minutes or hours.

    Attributes:
        step: How long each slot is: a minute up to two hours back, else ten minutes.

        is_recorded: Whether servers have written anything of these queues in this time. If not, they did nothing, or
            do not record: Go's never do, nor do those of Onebeat before 0.6 or with `series=False`.

        points: The slots, the oldest first; the last one is not over yet.
    """

    step: timedelta
    is_recorded: bool
    points: tuple[SeriesPoint, ...]

    @property
    def processed(self) -> int:
        return sum(point.processed for point in self.points)

    @property
    def failed(self) -> int:
        return sum(point.failed for point in self.points)

    @property
    def waits(self) -> Distribution:
        """How long tasks had been due, over all slots."""
        return Distribution.of(point.waits for point in self.points)


@dataclass(frozen=True, slots=True, kw_only=True)
class TypePoint:
    """
    What attempts at tasks of one type did in one slot of time.

    Attributes:
        at: When the slot begins.

        processed, failed, retried: Attempts; of these that failed; of those that are retried.

        spent: How long they ran together.

        runs: How long each ran.
    """

    at: datetime
    processed: int
    failed: int
    retried: int
    spent: timedelta
    runs: Distribution


@dataclass(frozen=True, slots=True, kw_only=True)
class TypeSeries:
    """
    What attempts at tasks of one type did in the last minutes or hours.

    Attributes:
        type: Which; "(other)" stands for those that came when there were fifty of a queue, or a hundred in all.

        step: How long each slot is.

        points: The slots, the oldest first.
    """

    type: str
    step: timedelta
    points: tuple[TypePoint, ...]

    @property
    def processed(self) -> int:
        return sum(point.processed for point in self.points)

    @property
    def failed(self) -> int:
        return sum(point.failed for point in self.points)

    @property
    def retried(self) -> int:
        return sum(point.retried for point in self.points)

    @property
    def spent(self) -> timedelta:
        """How long all attempts ran together."""
        return sum((point.spent for point in self.points), timedelta(0))

    @property
    def runs(self) -> Distribution:
        """How long attempts ran, over all slots."""
        return Distribution.of(point.runs for point in self.points)


@dataclass(frozen=True, slots=True)
class Spark:
    """
    What a queue did in each of the last minutes, the oldest first.

    Attributes:
        processed, failed: Attempts, and those of them that failed.
    """

    processed: tuple[int, ...]
    failed: tuple[int, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class SizePoint:
    """
    How much work queues held in a minute, as a console noted it once.

    Attributes:
        at: When the minute begins.

        pending, active, retry, archived: Tasks in these states; None: no console ran that noted it.

        processed, failed: Attempts since the minute before, by asynq's counters, so those of Go's servers as well;
            None where that was not noted either.
    """

    at: datetime
    pending: int | None
    active: int | None
    retry: int | None
    archived: int | None
    processed: int | None
    failed: int | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Backlog:
    """
    How many tasks waited in a queue in each of the last minutes, the oldest first, as consoles noted it.

    Attributes:
        start: When the first of these minutes begins.

        pending: Tasks that waited for a server; None where no console ran that noted it.

        processed: Attempts since the minute before, by asynq's counters, so those of Go's servers as well; None where
            one of both was not noted.
    """

    start: datetime
    pending: tuple[int | None, ...]
    processed: tuple[int | None, ...]
