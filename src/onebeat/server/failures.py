"""Says of an attempt that has ended what becomes of its task."""

from __future__ import annotations

import logging
import random

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


def log_failure(attempt: Running, error: BaseException, finished: Finished) -> None:
    """
    Log the failure of an attempt.

    Waiting for a token of a semaphore is none: at 20 lines a second it would hide those that are.
    """
    if isinstance(error, SemaphoreFull):
        log.debug("task %s of queue %s waits: %s", attempt.id, attempt.queue, error, extra=about(attempt))
        return
    level, afterwards = _AFTERWARDS[finished.outcome]
    has_trace = level >= logging.ERROR or log.isEnabledFor(logging.DEBUG)
    text = outcome.error_text(error)
    task_type = attempt.message.type if attempt.message is not None else "?"
    carried = about(attempt, ENDS[finished.outcome], error_type=outcome.error_type(error))
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
