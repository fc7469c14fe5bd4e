"""From what happens to figures: the observer behind every kind of metrics."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from onebeat import events
from onebeat.events import Event, Figure, Observer
from onebeat.observe import instruments
from onebeat.observe.instruments import Attempts, Instrument, Record, Recorder

MAX_SERIES = 500
"""Of one instrument's labels: what comes then counts as `OTHER`."""

OTHER = "(other)"
"""Stands for every type, schedule or error that came when there were enough of them; then for queues, too."""


class Recording(Observer):
    """
    Tells a recorder what it observes.

    Args:
        recorder: Keeps the figures.

        max_series: How many pairs of queue and type, of queue and schedule, and of task and error have series of
            their own. Those that come later are counted together, as type, schedule or error "(other)" of their queue,
            and where there are as many queues of such, as queue "(other)".
    """

    def __init__(self, recorder: Recorder, *, max_series: int = MAX_SERIES) -> None:
        self._recorder = recorder
        self._most = max_series
        self._attempts: dict[tuple[str, str], Attempts] = {}
        self._records: dict[Instrument, dict[tuple[str, ...], Record]] = {each: {} for each in instruments.INSTRUMENTS}
        self._figures: dict[tuple[Figure, str], Record] = {}
        self._hear: dict[type[Event], Callable[[Any], None]] = {
            events.TaskEnqueued: self._enqueued,
            events.TaskStarted: self._started,
            events.TaskCompleted: self._completed,
            events.TaskRetried: self._unsuccessful,
            events.TaskArchived: self._unsuccessful,
            events.TaskCancelled: self._ended,
            events.TaskReturned: self._ended,
            events.LeaseLost: self._ended,
            events.TaskRecovered: self._recovered,
            events.ScheduleFired: self._fired,
            events.ScheduleMissed: self._missed,
        }

    def event(self, event: Event) -> None:
        self.hear((event,))

    def hear(self, those: Iterable[Event]) -> None:
        """Record events, the oldest first."""
        known = self._hear
        for event in those:
            record = known.get(type(event))
            if record is not None:
                record(event)

    def measured(self, figure: Figure, label: str, value: float) -> None:
        record = self._figures.get((figure, label))
        if record is None:
            labels = (label,) if _FIGURES[figure].labels else ()
            record = self._figures[figure, label] = self._recorder.bind(_FIGURES[figure], labels)
        record(value)

    def _of(self, instrument: Instrument, labels: tuple[str, ...], others: tuple[str, ...] = ()) -> Record:
        """Return what records a series; `others` stands for it where there are too many."""
        known = self._records[instrument]
        record = known.get(labels)
        if record is None:
            if others and len(known) >= self._most:
                return self._of(instrument, self._kept_apart(known, others))
            record = known[labels] = self._recorder.bind(instrument, labels)
        return record

    def _kept_apart(self, known: Mapping[Any, object], others: tuple[str, ...]) -> tuple[str, ...]:
        """Return what stands for a series: of a queue, or, if there are too many even of those, of all."""
        return others if others in known or len(known) < 2 * self._most else (OTHER, *others[1:])

    def _attempts_of(self, event: events.TaskEvent) -> Attempts:
        queue, type_ = event.queue, event.type
        known = self._attempts.get((queue, type_))
        if known is None:
            if len(self._attempts) >= self._most:
                queue, type_ = self._kept_apart(self._attempts, (queue, OTHER))
            known = self._attempts.get((queue, type_))  # it knows which of them run
            if known is None:
                known = self._attempts[queue, type_] = self._recorder.attempts(queue, type_)
        return known

    def _enqueued(self, event: events.TaskEnqueued) -> None:
        self._of(instruments.ENQUEUED, *_placed(event))(1)

    def _started(self, event: events.TaskStarted) -> None:
        self._attempts_of(event).began(event.task_id, event.waited)

    def _completed(self, event: events.TaskCompleted) -> None:
        self._attempts_of(event).ended(event.task_id, "completed", event.seconds)

    def _ended(self, event: events.TaskReturned | events.LeaseLost | events.TaskCancelled) -> None:
        self._attempts_of(event).ended(event.task_id, event.name, event.seconds)

    def _unsuccessful(self, event: events.TaskRetried | events.TaskArchived) -> None:
        self._attempts_of(event).ended(event.task_id, event.name, event.seconds)
        if event.error_type:  # else it did not fail: it waits until it can run alone
            labels = event.queue, event.type, event.error_type
            self._of(instruments.ERRORS, labels, (event.queue, OTHER, OTHER))(1)

    def _recovered(self, event: events.TaskRecovered) -> None:
        self._of(instruments.RECOVERED, *_placed(event))(1)

    def _fired(self, event: events.ScheduleFired) -> None:
        self._of(instruments.FIRES, (event.queue, event.schedule), (event.queue, OTHER))(1)
        self._of(instruments.LATENESS, (event.queue,), (OTHER,))(event.late)

    def _missed(self, event: events.ScheduleMissed) -> None:
        labels = event.queue, event.schedule, event.reason
        self._of(instruments.MISSED, labels, (event.queue, OTHER, event.reason))(event.ticks)


Labels = tuple[tuple[str, ...], tuple[str, ...]]
"""Of a series, and of the one that stands for it where there are too many."""


def _placed(event: events.TaskEnqueued | events.TaskRecovered) -> Labels:
    state = event.state.value
    return (event.queue, event.type, state), (event.queue, OTHER, state)


_FIGURES = {
    Figure.BATCH_SIZE: instruments.BATCH_SIZE,
    Figure.SCRIPT_SECONDS: instruments.SCRIPT,
    Figure.LOOP_LAG_SECONDS: instruments.LOOP_LAG,
    Figure.SLOTS: instruments.SLOTS,
}
