"""
What is measured of clients, servers and schedulers: each instrument once, whoever keeps its figures.

A `Recorder` keeps them: `Tally` for Prometheus, another for OpenTelemetry. `Recording` tells it what happens.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from typing import Protocol

WAITS: tuple[float, ...] = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300, 900, 3600)
"""Bounds for what tasks wait and run: from a few milliseconds to an hour."""

QUICK: tuple[float, ...] = (0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10)
"""Bounds for the machinery: what is beyond ten seconds there is simply too long."""

SIZES: tuple[float, ...] = (1, 2, 5, 10, 25, 50, 100, 250, 500, 1000)


class Kind(Enum):
    """How an instrument counts."""

    COUNTER = "counter"
    """It only rises."""

    LEVEL = "level"
    """It is added to and taken from: how many there are in this process now."""

    HISTOGRAM = "histogram"
    """Values fall into buckets."""


@dataclass(frozen=True, slots=True, eq=False)
class Instrument:
    """
    One thing that is measured.

    Attributes:
        name: In snake case, without unit: "task_run".

        kind: How it counts.

        unit: "s" for seconds, else "" for a plain number of what the name says.

        help: What it says, in one line.

        labels: The names of its labels.

        buckets: The upper bounds of a histogram, the last one, infinity, left out.
    """

    name: str
    kind: Kind
    unit: str
    help: str
    labels: tuple[str, ...] = ()
    buckets: tuple[float, ...] = ()

    @property
    def series(self) -> str:
        """The name of its series in Prometheus, such as "onebeat_task_run_seconds"."""
        unit = "_seconds" if self.unit == "s" else ""
        return f"onebeat_{self.name}{unit}{'_total' if self.kind is Kind.COUNTER else ''}"


_TASK = ("queue", "type")

ENQUEUED = Instrument(
    "tasks_enqueued",
    Kind.COUNTER,
    "",
    "Tasks that clients of this process enqueued, by the state they began in.",
    (*_TASK, "state"),
)
WAIT = Instrument(
    "task_wait",
    Kind.HISTOGRAM,
    "s",
    "How long tasks were due before a server of this process took them.",
    _TASK,
    WAITS,
)
RUN = Instrument("task_run", Kind.HISTOGRAM, "s", "How long attempts had their slot.", _TASK, WAITS)
IN_PROGRESS = Instrument(
    "tasks_in_progress",
    Kind.LEVEL,
    "",
    "Attempts that hold a slot of this process now.",
    _TASK,
)
ENDED = Instrument(
    "tasks_ended",
    Kind.COUNTER,
    "",
    "Attempts that ended here, by outcome: completed, retried, archived, cancelled, returned, lease_lost.",
    (*_TASK, "outcome"),
)
ERRORS = Instrument(
    "task_errors",
    Kind.COUNTER,
    "",
    "Attempts that failed here, by the class of their error.",
    (*_TASK, "error"),
)
RECOVERED = Instrument(
    "tasks_recovered",
    Kind.COUNTER,
    "",
    "Tasks of dead servers that this process took back, by where it put them: pending, retry, archived.",
    (*_TASK, "state"),
)
FIRES = Instrument(
    "schedule_fires",
    Kind.COUNTER,
    "",
    "Ticks that this process turned into tasks.",
    ("queue", "schedule"),
)
LATENESS = Instrument(
    "schedule_lateness",
    Kind.HISTOGRAM,
    "s",
    "How long after their instant ticks fired.",
    ("queue",),
    (0.001, *WAITS),
)
MISSED = Instrument(
    "schedule_missed_ticks",
    Kind.COUNTER,
    "",
    "Ticks that passed without becoming tasks, as far as this process found out; reason: late, locked, full.",
    ("queue", "schedule", "reason"),
)
LOOP_LAG = Instrument(
    "loop_lag",
    Kind.HISTOGRAM,
    "s",
    "How much later than asked the event loop ran a timer.",
    (),
    QUICK,
)
BATCH_SIZE = Instrument(
    "batch_size",
    Kind.HISTOGRAM,
    "",
    "Items that went to the store in one script.",
    ("script",),
    SIZES,
)
SCRIPT = Instrument(
    "script",
    Kind.HISTOGRAM,
    "s",
    "How long the store took to answer a script, the way there and back included.",
    ("script",),
    QUICK,
)
SLOTS = Instrument("slots", Kind.LEVEL, "", "Tasks that the servers of this process run at the same time at most.")

INSTRUMENTS: tuple[Instrument, ...] = (
    ENQUEUED,
    WAIT,
    RUN,
    IN_PROGRESS,
    ENDED,
    ERRORS,
    RECOVERED,
    FIRES,
    LATENESS,
    MISSED,
    LOOP_LAG,
    BATCH_SIZE,
    SCRIPT,
    SLOTS,
)

OUTCOMES = ("completed", "retried", "archived", "cancelled", "returned", "lease_lost")
"""How an attempt ends."""

Record = Callable[[float], None]
"""Adds to a counter or a level, or puts a value into a histogram."""


class Recorder(ABC):
    """Keeps figures."""

    @abstractmethod
    def bind(self, instrument: Instrument, labels: tuple[str, ...]) -> Record:
        """
        Return what records one series, for the caller to keep: it is called for every event, from any thread.
        Asked again for the same labels, it returns what records the same series.

        Args:
            instrument: One of `INSTRUMENTS`.

            labels: The values of its labels, in their order.
        """

    def attempts(self, queue: str, type_: str) -> Attempts:
        """Return what records the attempts of one type in one queue, by four instruments at once."""
        return Bound(self, (queue, type_))


class Attempts(Protocol):
    """Records attempts of one type in one queue: the only thing that is done for every task, and so in one call."""

    def began(self, task_id: str, waited: float | None) -> None:
        """Record that a handler is called, its task having been due for so many seconds if that is known."""

    def ended(self, task_id: str, outcome: str, seconds: float | None) -> None:
        """
        Record an outcome, after so many seconds; None: the attempt was another process's. One that ended before its
        handler was called is not among those that ran.
        """


class Bound:
    """Attempts by four single records."""

    def __init__(self, recorder: Recorder, labels: tuple[str, str]) -> None:
        self._in_progress = recorder.bind(IN_PROGRESS, labels)
        self._wait = recorder.bind(WAIT, labels)
        self._run = recorder.bind(RUN, labels)
        self._outcomes = {outcome: recorder.bind(ENDED, (*labels, outcome)) for outcome in OUTCOMES}
        self._running: set[str] = set()

    def began(self, task_id: str, waited: float | None) -> None:
        self._running.add(task_id)
        self._in_progress(1)
        if waited is not None:
            self._wait(waited)

    def ended(self, task_id: str, outcome: str, seconds: float | None) -> None:
        self._outcomes[outcome](1)
        if seconds is not None and task_id in self._running:
            self._running.discard(task_id)
            self._in_progress(-1)
            self._run(seconds)
