"""Says of an attempt that has ended what becomes of its task."""

from __future__ import annotations

import logging
import random
import time
from collections.abc import Callable
from dataclasses import dataclass

from onebeat.broker.consume import Finished, Outcome
from onebeat.errors import SemaphoreFull
from onebeat.server import outcome
from onebeat.server.logs import ENDS, about
from onebeat.server.running import Running
from onebeat.server.traces import in_handler
from onebeat.wire.message import TaskMessage

log: logging.Logger = logging.getLogger("onebeat.executor")

_AFTERWARDS = {
    Outcome.ARCHIVED: (logging.ERROR, "it is archived"),
    Outcome.RETRY: (logging.WARNING, "it will be retried"),
    Outcome.DONE: (logging.INFO, "it is revoked"),
}


STORM, STORM_S = 10, 10.0
"""Failures of one kind that have a line each in so many seconds; the others are counted."""

KINDS = 500
"""Kinds of failures that are told apart."""


class Storm:
    """
    Counts failures that are alike, so that one cause does not fill the log with a line for each task.

    Args:
        clock: Gives seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._kinds: dict[tuple[str, str, str], _Kind] = {}

    def said(self, *kind: str) -> int | None:
        """
        Return how many of a kind went without a line since the last one, None if this is one more of them.

        Args:
            kind: Queue, type of the task, class of the error.
        """
        found = self._kinds.get((kind[0], kind[1], kind[2]))
        now = self._clock()
        if found is None or now - found.since >= STORM_S:
            while found is None and len(self._kinds) >= KINDS:
                self._kinds.pop(next(iter(self._kinds)))
            self._kinds[kind[0], kind[1], kind[2]] = _Kind(now)
            return 0 if found is None else found.silent
        found.lines += 1
        if found.lines <= STORM:
            return 0
        found.silent += 1
        return None


@dataclass(slots=True)
class _Kind:
    """What is known of one kind: since when, and how many failures had a line since then, and how many had none."""

    since: float
    lines: int = 1
    silent: int = 0


def log_failure(attempt: Running, error: BaseException, finished: Finished, storm: Storm) -> None:
    """
    Log the failure of an attempt.

    Waiting for a token of a semaphore is none: at 20 lines a second it would hide those that are. Of failures that are
    alike and are retried, ten in ten seconds have a line; the others are at DEBUG, and the next line says how many.
    """
    if isinstance(error, SemaphoreFull):
        log.debug("task %s of queue %s waits: %s", attempt.id, attempt.queue, error, extra=about(attempt))
        return
    level, afterwards = _AFTERWARDS[finished.outcome]
    has_trace = level >= logging.ERROR or log.isEnabledFor(logging.DEBUG)
    text = outcome.error_text(error)
    kind = outcome.error_type(error)
    task_type = attempt.message.type if attempt.message is not None else "?"
    carried = about(attempt, ENDS[finished.outcome], error_type=kind)
    if finished.outcome is Outcome.RETRY:
        silent = storm.said(attempt.queue, task_type, kind)
        level = logging.DEBUG if silent is None else level
        afterwards += f"; {silent:,} more failed with {kind} since the last line" if silent else ""
    seen = {"running": attempt, "failure": error}  # for whoever shows more than the line
    log.log(
        level,
        "task %s (%s) of queue %s failed: %s; %s",
        attempt.id,
        task_type,
        attempt.queue,
        text,
        afterwards,
        exc_info=in_handler(error) if has_trace else None,
        extra={**carried, **seen},
    )


def log_success(attempt: Running, message: TaskMessage, *, share: float) -> None:
    """Log the end of an attempt that succeeded: a share of them at INFO, the others at DEBUG."""
    level = logging.INFO if share >= 1 or random.random() < share else logging.DEBUG  # noqa: S311 - a sample
    if log.isEnabledFor(level):
        log.log(
            level,
            "task %s (%s) of queue %s is done after %.3f s",
            attempt.id,
            message.type,
            attempt.queue,
            attempt.ended - attempt.started,
            extra=about(attempt, "completed"),
        )
