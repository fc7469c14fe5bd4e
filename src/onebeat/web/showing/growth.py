"""
Whether a backlog grows, since when, and how fast: from what consoles noted of it minute by minute.

Better nothing is said than something that is not so. What is asked for, and why, is in decision 0040.
"""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from onebeat.broker.browse import QueueStats
from onebeat.inspector.series_models import Backlog, SizePoint
from onebeat.web.showing.words import counted

LEAST_MINUTES = 10
"""For so long it grows before a word is said: a burst of some minutes is what queues are for."""

LEAST_TASKS, LEAST_SHARE = 100, 0.1
"""By so many tasks it has grown, and by such a part of what it holds now."""

STEADY = 7 / 8
"""In which part of all pairs of minutes the later one held more."""

EVEN = 1 / 2
"""Of its fair part, what each third of the time, and the first minutes, add at least; these 1 / EVEN at most."""

RECENT, STILL = 5, 1 / 4
"""Minutes that must have added to it, too, and how much of their fair part: what is worked off does not grow."""

GAP, STALE = 5, 3
"""Minutes without a note beyond which nothing is said of what was before, or nothing at all."""

HORIZON = 120
"""Minutes: a queue that will not be slow within them at this pace is none to look at."""

MOST_QUEUES = 100
"""Queues of which it is asked, those that hold most."""

Point = tuple[int, int]
"""A minute that was noted, counted from the first one, and what waited in it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Growth:
    """
    How a backlog grew.

    Attributes:
        minutes: For how long, until it was noted last.

        tasks, added: What waited then, and how much of it came in this time.

        before: What waited some minutes earlier. If it is no more now, the growth has ended since.

        attempts: At its tasks, a minute; None: not known.

        is_longer: Since when is not known: since the first minute that was read, or longer.
    """

    minutes: int
    tasks: int
    added: int
    before: int
    attempts: float | None
    is_longer: bool = False

    @property
    def pace(self) -> float:
        """How many tasks came a minute, beyond those that were done."""
        return self.added / self.minutes

    @property
    def slow_in(self) -> float | None:
        """
        Minutes until the next task has waited for one, if all goes on like this; None: not known.

        What waits came within the time that the next task has waited: as many as come in a minute, once that is one.
        """
        return None if self.attempts is None else (self.attempts + self.pace - self.tasks) / self.pace

    @property
    def is_soon(self) -> bool:
        """Whether it is slow before long at this pace, as far as one knows."""
        return self.slow_in is None or self.slow_in <= HORIZON

    @property
    def amount(self) -> str:
        """Say for how long, by how much, and how fast: "has grown for 14 minutes, by 1,200, 86 a minute"."""
        return f"{self._time}, by {self.added:,}{self._pace}"

    @property
    def told(self) -> str:
        """Say what waited in the end, too, and what comes of it."""
        return f"{self._time}, by {self.added:,} to {counted(self.tasks, 'task')}{self._pace}{self._ahead}"

    @property
    def _time(self) -> str:
        return f"has grown for {counted(self.minutes, 'minute')}{' or longer' if self.is_longer else ''}"

    @property
    def _pace(self) -> str:
        return f", {self.pace:,.0f} a minute" if self.pace >= 9.5 else f", {self.pace:.1f} a minute"

    @property
    def _ahead(self) -> str:
        left = self.slow_in
        if left is None or left <= 0:
            return ""
        step = 1 if left <= LEAST_MINUTES else 5
        return f"; at this pace it is slow in about {counted(step * max(1, round(left / step)), 'minute')}"


def to_ask(stats: Mapping[str, QueueStats]) -> list[str]:
    """Return the queues whose backlog may be said to grow, at most so many: those that hold most, by their names."""
    found = [name for name, one in stats.items() if one.pending >= LEAST_TASKS and not one.paused]
    found.sort(key=lambda name: (-stats[name].pending, name))
    return sorted(found[:MOST_QUEUES])


def of_points(points: Sequence[SizePoint]) -> Growth | None:
    """Judge what was noted of one queue, as its page reads it."""
    return growth([point.pending for point in points], [point.processed for point in points])


def of_backlog(backlog: Backlog | None) -> Growth | None:
    """Judge what was noted of one queue among many."""
    if backlog is None:
        return None
    upto = len(backlog.pending) - (backlog.pending[-1] is None)  # this minute may be noted yet, as on the queue's page
    return growth(backlog.pending[:upto], backlog.processed[:upto])


def growth(pending: Sequence[int | None], processed: Sequence[int | None]) -> Growth | None:
    """
    Judge whether a backlog grows: for how long at most, all things being asked of the whole time.

    Args:
        pending: What waited in each minute, this one or the one before as the last; None where nobody noted it.

        processed: Attempts since the minute before; None where they are not known.
    """
    points = [(minute, tasks) for minute, tasks in enumerate(pending) if tasks is not None]
    if len(points) < 2 or len(pending) - 1 - points[-1][0] > STALE:
        return None
    recent, last = _recent(points), points[-1][1]
    if last <= recent or last - min(held for _, held in points) < LEAST_TASKS:
        return None
    for first in reversed(_starts(points)):
        run = points[first:]
        (start, low), (end, tasks) = run[0], run[-1]
        minutes, added = end - start, tasks - low
        if minutes < LEAST_MINUTES or added < max(LEAST_TASKS, LEAST_SHARE * tasks):
            continue
        if tasks - recent < STILL * added / minutes * RECENT:
            continue
        if not _is_begun(run, added / minutes) or not _is_even(run, added):
            continue
        known = [number for number in processed[start + 1 : end + 1] if number is not None]
        return Growth(
            minutes=minutes, tasks=tasks, added=added, before=recent,
            attempts=sum(known) / len(known) if known else None, is_longer=start == 0,
        )  # fmt: skip
    return None


def _recent(points: Sequence[Point]) -> int:
    """Return what waited some minutes ago, as far as that was noted: in the middle one of three minutes."""
    end = points[-1][0]
    return _middle([held for minute, held in points if end - minute >= RECENT][-3:] or [points[0][1]])


def _starts(points: Sequence[Point]) -> list[int]:
    """Return from where on it held more in every minute, and nearly all the time more than before; the last first."""
    found, rising, later = [], 0, [points[-1][1]]
    for first in range(len(points) - 2, -1, -1):
        minute, tasks = points[first]
        if points[first + 1][0] - minute > GAP:
            break
        rising += len(later) - bisect_right(later, tasks)
        is_lowest = tasks < later[0]  # else it held no more later: if it grew, then from there on
        insort(later, tasks)
        if is_lowest and rising >= STEADY * len(later) * (len(later) - 1) / 2:
            found.append(first)
    return found


def _is_begun(run: Sequence[Point], pace: float) -> bool:
    """Whether the first minutes had their part in it: before what grows it often lay still, or came at once."""
    start, low = run[0]
    early = [held for minute, held in run if abs(minute - start - RECENT) <= 1]
    return not early or EVEN <= (_middle(early) - low) / (pace * RECENT) <= 1 / EVEN


def _is_even(run: Sequence[Point], added: int) -> bool:
    """Whether each third of the time had its part in it: a burst, and what is worked off after it, have none."""
    start, end = run[0][0], run[-1][0]
    minutes = [minute for minute, _ in run]
    cuts = [0, *(bisect_left(minutes, start + (end - start) * part / 3) for part in (1, 2)), len(run)]
    thirds = [[held for _, held in run[low:high]] for low, high in pairwise(cuts)]
    if not all(thirds):
        return False
    first, middle, last = map(_middle, thirds)
    return min(middle - first, last - middle) >= EVEN * added / 3


def _middle(numbers: Sequence[int]) -> int:
    return sorted(numbers)[len(numbers) // 2]
