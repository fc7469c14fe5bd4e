"""Tells observers what becomes of the tasks that a server takes: once for each, when the store has it."""

from __future__ import annotations

from datetime import datetime
from typing import TypedDict

from onebeat.audience import Audience
from onebeat.broker.consume import Finished, Outcome, Taken
from onebeat.clock import Clock
from onebeat.events import (
    Event,
    Figure,
    LeaseLost,
    TaskArchived,
    TaskCancelled,
    TaskCompleted,
    TaskRetried,
    TaskReturned,
    TaskStarted,
)
from onebeat.server.outcome import error_type
from onebeat.server.running import Running
from onebeat.upkeep.telling import tell_filed


class _Which(TypedDict):
    queue: str
    at: datetime
    task_id: str
    type: str


class Teller:
    """
    Makes events of attempts.

    Args:
        audience: Who is told. While it is empty nothing is made.

        clock: The server's.
    """

    def __init__(self, audience: Audience, clock: Clock) -> None:
        self.audience = audience
        self._clock = clock

    def taken(self, queue: str, taken: Taken) -> None:
        """Tell how many were taken, and of tasks that had expired."""
        if taken.tasks:
            self.audience.measured(Figure.BATCH_SIZE, "take", len(taken.tasks))
        tell_filed(self.audience, queue, taken.expired, at=self._clock.now())

    def written(self, number: int) -> None:
        """Tell how many outcomes were written in a batch."""
        self.audience.measured(Figure.BATCH_SIZE, "finish", number)

    def started(self, attempt: Running) -> None:
        """Tell that a handler is called next."""
        if self.audience.hears:
            waited = max(0.0, attempt.taken_us / 1e6 - attempt.since_ns / 1e9) if attempt.since_ns else None
            self.audience.event(TaskStarted(**self._which(attempt), retried=attempt.retried, waited=waited))

    def ended(self, attempt: Running, answer: str) -> None:
        """Tell what the store has answered to an outcome."""
        if self.audience.hears and attempt.finished is not None:
            self.audience.event(self._end(attempt, attempt.finished, answer))

    def lost(self, attempt: Running) -> None:
        """Tell that a handler was stopped, as its task is not ours any more."""
        if self.audience.hears:
            attempt.ended = self._clock.monotonic()
            self.audience.event(self._lost(attempt))

    def _end(self, attempt: Running, finished: Finished, answer: str) -> Event:
        which, seconds = self._which(attempt), attempt.ended - attempt.started
        outcome = _INSTEAD.get(answer, finished.outcome)
        if answer in ("lost", "gone"):
            return self._lost(attempt)
        if outcome is Outcome.RETRY:
            return self._retried(attempt, finished)
        if outcome is Outcome.ARCHIVED:
            error, kind = _failure(attempt, finished)
            return TaskArchived(**which, retried=attempt.retried, error=error, error_type=kind, seconds=seconds)
        if outcome is Outcome.CANCELLED:
            return TaskCancelled(**which, seconds=seconds)
        kind_of_end = TaskReturned if outcome is Outcome.PENDING else TaskCompleted
        return kind_of_end(**which, retried=attempt.retried, seconds=seconds)

    def _retried(self, attempt: Running, finished: Finished) -> TaskRetried:
        error, kind = _failure(attempt, finished)
        return TaskRetried(
            **self._which(attempt),
            retried=attempt.retried,
            seconds=attempt.ended - attempt.started,
            error=error,
            error_type=kind,
            delay=finished.number / 1000,
            counts=finished.blob == "failure",
        )

    def _lost(self, attempt: Running) -> LeaseLost:
        seconds = attempt.ended - attempt.started
        return LeaseLost(**self._which(attempt), retried=attempt.retried, seconds=seconds)

    def _which(self, attempt: Running) -> _Which:
        message = attempt.message
        return {
            "queue": attempt.queue,
            "at": self._clock.now(),
            "task_id": attempt.id,
            "type": message.type if message is not None else "",
        }


_INSTEAD = {"spent": Outcome.ARCHIVED, "cancelled": Outcome.CANCELLED}
"""What the store has made of an outcome for reasons of its own."""


def _failure(attempt: Running, finished: Finished) -> tuple[str, str]:
    """Return what an attempt failed with, as the store has it, and the class of that."""
    message = attempt.message
    if message is None:
        return str(finished.blob), "UndecodableMessage"
    if finished.blob == "apart":  # it did not fail, it waits until it can run alone
        return "", ""
    return message.error_msg, "HandlerNotFound" if finished.blob == "unknown" else error_type(attempt.failure)
