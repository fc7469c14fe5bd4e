"""Tells observers what becomes of the tasks that a server takes: once for each, when the store has it."""

from __future__ import annotations

from datetime import datetime

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
        self._taken = self._written = clock.now()
        """When the store last handed out a batch, and took one: to ask for each task costs more than to tell it."""

    def taken(self, queue: str, taken: Taken) -> None:
        """Tell how many were taken, and of tasks that had expired."""
        self._taken = self._clock.now()
        if taken.tasks:
            self.audience.measured(Figure.BATCH_SIZE, "take", len(taken.tasks))
        tell_filed(self.audience, queue, taken.expired, at=self._taken)

    def written(self, number: int) -> None:
        """Tell how many outcomes were written in a batch; the end of each is told next."""
        self._written = self._clock.now()
        self.audience.measured(Figure.BATCH_SIZE, "finish", number)

    def started(self, attempt: Running) -> None:
        """Tell that a handler is called next."""
        message = attempt.message
        if message is not None and self.audience.hears:
            since = attempt.since_ns
            self.audience.event(
                TaskStarted(
                    queue=attempt.queue,
                    at=self._taken,
                    task_id=attempt.id,
                    type=message.type,
                    retried=attempt.retried,
                    waited=max(0.0, (attempt.taken_us * 1000 - since) / 1e9) if since else None,
                )
            )

    def ended(self, attempt: Running, answer: str) -> None:
        """Tell what the store has answered to an outcome."""
        if self.audience.hears and attempt.finished is not None:
            self.audience.event(_end(attempt, attempt.finished, answer, self._written))

    def lost(self, attempt: Running) -> None:
        """Tell that a handler was stopped, as its task is not ours any more."""
        if self.audience.hears:
            attempt.ended = self._clock.monotonic()
            self.audience.event(_plain(LeaseLost, attempt, self._clock.now()))


def _end(attempt: Running, finished: Finished, answer: str, at: datetime) -> Event:
    if answer in ("lost", "gone"):
        return _plain(LeaseLost, attempt, at)
    outcome = _INSTEAD.get(answer, finished.outcome)
    if outcome is Outcome.DONE or outcome is Outcome.COMPLETED:
        return _plain(TaskCompleted, attempt, at)
    if outcome is Outcome.PENDING:
        return _plain(TaskReturned, attempt, at)
    queue, id_, type_ = attempt.queue, attempt.id, _type(attempt)
    seconds = attempt.ended - attempt.started
    if outcome is Outcome.CANCELLED:
        return TaskCancelled(queue=queue, at=at, task_id=id_, type=type_, seconds=seconds)
    error, kind = _failure(attempt, finished)
    if outcome is Outcome.ARCHIVED:
        return TaskArchived(
            queue=queue,
            at=at,
            task_id=id_,
            type=type_,
            retried=attempt.retried,
            error=error,
            error_type=kind,
            seconds=seconds,
        )
    return TaskRetried(
        queue=queue,
        at=at,
        task_id=id_,
        type=type_,
        retried=attempt.retried,
        seconds=seconds,
        error=error,
        error_type=kind,
        delay=finished.number / 1000,
        counts=finished.blob == "failure",
    )


def _plain(kind: type[TaskCompleted | TaskReturned | LeaseLost], attempt: Running, at: datetime) -> Event:
    """Make an event of an attempt that ended, of which there is nothing more to say."""
    return kind(
        queue=attempt.queue,
        at=at,
        task_id=attempt.id,
        type=_type(attempt),
        retried=attempt.retried,
        seconds=attempt.ended - attempt.started,
    )


def _type(attempt: Running) -> str:
    return attempt.message.type if attempt.message is not None else ""


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
