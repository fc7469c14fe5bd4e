"""
Figures kept in memory: what an event costs here is an addition, not the machinery of a metrics library.

A forked child begins at nothing: what its parent counted is the parent's to report.
"""

from __future__ import annotations

import os
import threading
import weakref
from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from onebeat.observe.instruments import (
    ENDED,
    IN_PROGRESS,
    INSTRUMENTS,
    OUTCOMES,
    RUN,
    WAIT,
    WAITS,
    Instrument,
    Kind,
    Record,
    Recorder,
)


class Number:
    """The value of a counter or a level."""

    __slots__ = ("_lock", "value")

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self.value: float = 0.0

    def add(self, amount: float) -> None:
        with self._lock:
            self.value += amount

    def read(self, labels: tuple[str, ...]) -> Series:
        return Series(labels, self.value)

    def clear(self) -> None:
        self._lock = threading.Lock()  # a thread that is not in this process may hold the other
        self.value = 0.0


class Spread:
    """How the values of a histogram are spread."""

    __slots__ = ("_bounds", "_lock", "counts", "sum")

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self._bounds = bounds
        self.clear()

    def add(self, value: float) -> None:
        place = bisect_left(self._bounds, value)
        with self._lock:
            self.counts[place] += 1
            self.sum += value

    def read(self, labels: tuple[str, ...]) -> Series:
        with self._lock:
            return Series(labels, self.sum, self.counts.copy())

    def clear(self) -> None:
        self._lock = threading.Lock()
        self.counts: list[int] = [0] * (len(self._bounds) + 1)
        self.sum: float = 0.0


class AttemptsTally:
    """
    What is counted of the attempts of one type in one queue.

    No lock: their events come from the loop of their server, and what is read meanwhile may be one event old.
    """

    __slots__ = ("outcomes", "run_sum", "running", "runs", "wait_sum", "waits")

    def __init__(self) -> None:
        self.clear()

    def began(self, task_id: str, waited: float | None) -> None:
        self.running.add(task_id)
        if waited is not None:
            self.waits[bisect_left(WAITS, waited)] += 1
            self.wait_sum += waited

    def ended(self, task_id: str, outcome: str, seconds: float | None) -> None:
        self.outcomes[outcome] += 1
        if seconds is not None and task_id in self.running:
            self.running.discard(task_id)
            self.runs[bisect_left(WAITS, seconds)] += 1
            self.run_sum += seconds

    def clear(self) -> None:
        self.running: set[str] = set()
        self.waits: list[int] = [0] * (len(WAITS) + 1)
        self.wait_sum: float = 0.0
        self.runs: list[int] = [0] * (len(WAITS) + 1)
        self.run_sum: float = 0.0
        self.outcomes: dict[str, int] = dict.fromkeys(OUTCOMES, 0)


@dataclass(frozen=True, slots=True)
class Series:
    """
    One series as it stands.

    Attributes:
        labels: The values of its labels.

        value: Its value; of a histogram, the sum of what fell into it.

        counts: Of a histogram, how many values are in each bucket, those beyond the last bound at the end.
    """

    labels: tuple[str, ...]
    value: float
    counts: Sequence[int] = ()


class Tally(Recorder):
    """A recorder that keeps its figures in this process, for who asks."""

    def __init__(self) -> None:
        self._cells: dict[Instrument, dict[tuple[str, ...], Number | Spread]] = {each: {} for each in INSTRUMENTS}
        self._attempts: dict[tuple[str, str], AttemptsTally] = {}
        os.register_at_fork(after_in_child=_clearing(weakref.ref(self)))

    def bind(self, instrument: Instrument, labels: tuple[str, ...]) -> Record:
        cells = self._cells[instrument]
        if instrument.kind is Kind.HISTOGRAM:
            return cells.setdefault(labels, Spread(instrument.buckets)).add
        return cells.setdefault(labels, Number()).add

    def attempts(self, queue: str, type_: str) -> AttemptsTally:
        return self._attempts.setdefault((queue, type_), AttemptsTally())

    def series(self, instrument: Instrument) -> list[Series]:
        """Return the series that an instrument has so far."""
        kept = [cell.read(labels) for labels, cell in list(self._cells[instrument].items())]
        read = _OF_ATTEMPTS.get(instrument)
        if read is not None:
            for labels, attempts in list(self._attempts.items()):
                kept += read(labels, attempts)
        return kept

    def clear(self) -> None:
        for cells in self._cells.values():
            for cell in cells.values():
                cell.clear()
        for attempts in self._attempts.values():
            attempts.clear()


def _outcomes(labels: tuple[str, ...], attempts: AttemptsTally) -> list[Series]:
    return [Series((*labels, outcome), number) for outcome, number in attempts.outcomes.items()]


_OF_ATTEMPTS: dict[Instrument, Callable[[tuple[str, ...], AttemptsTally], list[Series]]] = {
    IN_PROGRESS: lambda labels, attempts: [Series(labels, len(attempts.running))],
    ENDED: _outcomes,
    WAIT: lambda labels, attempts: [Series(labels, attempts.wait_sum, attempts.waits.copy())],
    RUN: lambda labels, attempts: [Series(labels, attempts.run_sum, attempts.runs.copy())],
}


def _clearing(known: weakref.ref[Tally]) -> Callable[[], None]:
    def clear() -> None:
        tally = known()
        if tally is not None:
            tally.clear()

    return clear
