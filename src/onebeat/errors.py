"""
Every exception Onebeat raises.

    OnebeatError
    ├── ConfigurationError            a setting, URL or declaration that cannot work
    ├── InvalidTask (ValueError)      a task or option refused before anything was written
    ├── InvalidFilter (ValueError)    a filter that cannot be read
    ├── PayloadError (ValueError)     a payload that cannot be encoded, or does not fit its handler
    ├── DuplicateTask                 a unique lock is held by another task
    ├── TaskIdConflict                the id is taken by another task of the queue
    ├── QueueFull                     the queue refuses more work
    ├── BrokerError                   the store answered with an error that Onebeat did not expect
    │   ├── BrokerUnavailable (ConnectionError)   it cannot be reached, or refuses for now
    │   ├── BrokerUnsupported         it is too old, or of a kind that does not work yet
    │   └── NotReplicated             accepted, but too few replicas confirmed it (`durability=`)
    ├── TaskNotFound · QueueNotFound · ScheduleNotFound · ServerNotFound · JobNotFound
    ├── WrongState                    a task, queue … is not in the state that this needs; it was left alone
    ├── QueueNotEmpty                 a queue that holds or runs tasks was to be removed
    ├── HandlerNotFound (LookupError) no handler for a task's type here
    ├── TaskCrashed                   the process that ran a task died, or its lease lapsed
    ├── TaskFailed                    `result()` of a task that ended in the archive
    ├── ResultTimeout (TimeoutError)  `result(timeout=)` ran out; the task goes on
    ├── ResultNotKept                 the task keeps no result
    └── MissingExtra (ImportError)    an optional dependency is not installed

    TaskControl                       not errors: what a handler raises to say what happens next
    ├── SkipRetry                     archive now, whatever is left of the retries
    ├── RevokeTask                    forget the task: neither retried nor archived
    └── Retry                         run again, after `delay`, counted as a failure or not
        └── SemaphoreFull             run again, as soon as a semaphore may have a token

A message names the object, the value and the remedy, in that order.
"""

from __future__ import annotations

import math
from datetime import timedelta
from typing import TypeGuard

MAX_SHOWN = 200


def shown(value: object) -> str:
    """Return how a message shows a value: as Python writes it, but never long, and whatever the value."""
    try:
        text = repr(value)
    except Exception:  # noqa: BLE001 - a number of 5,000 digits, or an object of somebody else's class
        text = f"<{type(value).__name__}>"
    return text if len(text) <= MAX_SHOWN else text[: MAX_SHOWN - 1] + "…"


def is_number(value: object) -> TypeGuard[float]:
    """Whether a value is a number, which True and False are not, though Python counts them as such."""
    return isinstance(value, (int, float)) and not isinstance(value, bool)


class OnebeatError(Exception):
    """The base of every error raised by Onebeat; control flow (`TaskControl`) stands apart."""


class ConfigurationError(OnebeatError):
    """A setting, URL or declaration cannot work. Raised before anything is started or written."""


class InvalidTask(OnebeatError, ValueError):  # noqa: N818 - a name that reads as a sentence where it is raised
    """A task or one of its options was refused. Nothing was written."""


class InvalidFilter(OnebeatError, ValueError):  # noqa: N818 - see InvalidTask
    """A filter cannot be read. `column` is where the bad word begins, from 1."""

    def __init__(self, message: str, *, column: int = 1) -> None:
        super().__init__(message)
        self.column = column


class PayloadError(OnebeatError, ValueError):
    """A payload cannot be encoded, or does not fit the handler's signature."""


class DuplicateTask(OnebeatError):  # noqa: N818 - see InvalidTask
    """
    A unique task was refused because another task holds its lock.

    asynq: `ErrDuplicateTask`. `holder` is the id of the task that holds the lock.
    """

    def __init__(self, message: str, *, holder: str = "") -> None:
        super().__init__(message)
        self.holder = holder


class TaskIdConflict(OnebeatError):  # noqa: N818 - see InvalidTask
    """A task was refused because its id is taken in its queue, in whatever state. asynq: `ErrTaskIDConflict`."""


class QueueFull(OnebeatError):  # noqa: N818 - see InvalidTask
    """The queue holds as many waiting tasks as it may."""


class BrokerError(OnebeatError):
    """The store answered with an error that Onebeat did not expect, such as a key of a foreign type."""


class BrokerUnavailable(BrokerError, ConnectionError):  # noqa: N818 - see InvalidTask
    """The store cannot be reached, or refuses for now (full memory, read-only, loading). Worth repeating later."""


class BrokerUnsupported(BrokerError):  # noqa: N818 - see InvalidTask
    """The store is too old, or of a kind that does not work yet. Repeating does not help."""


class NotReplicated(BrokerError):  # noqa: N818 - see InvalidTask
    """
    What was asked for took place, but fewer replicas confirmed it in time than `durability=` demands.

    Nothing is to be repeated by the caller, who would do it twice: it is lost only if the primary fails before its
    replicas have caught up.
    """


class TaskNotFound(OnebeatError):  # noqa: N818 - see InvalidTask
    """No task of that id is in that queue: it never was, or it ended and was not retained."""


class QueueNotFound(OnebeatError):  # noqa: N818 - see InvalidTask
    """No queue of that name is known: nothing was ever enqueued there."""


class ScheduleNotFound(OnebeatError):  # noqa: N818 - see InvalidTask
    """No schedule of that id is known: no application has declared it, or its queue was removed."""


class ServerNotFound(OnebeatError):  # noqa: N818 - see InvalidTask
    """No server of that id lives: it never did, or it has ended, or it was silent for ten seconds."""


class JobNotFound(OnebeatError):  # noqa: N818 - see InvalidTask
    """There is no such job, or no more: jobs are remembered for two days."""


class WrongState(OnebeatError):  # noqa: N818 - see InvalidTask
    """
    A task, queue, schedule or server was left alone, since what was asked of it cannot be done in the state that it
    is in.

    asynq: `FAILED_PRECONDITION`.
    """


class QueueNotEmpty(OnebeatError):  # noqa: N818 - see InvalidTask
    """A queue was not removed, since it holds or runs tasks. asynq: `ErrQueueNotEmpty`."""


class HandlerNotFound(OnebeatError, LookupError):  # noqa: N818 - see InvalidTask
    """
    A server has no handler for a task's type. asynq: `ErrHandlerNotFound`.

    Raised by a handler for `not_found`, or by middleware, it makes the task wait for a server that has one.
    """


class TaskCrashed(OnebeatError):  # noqa: N818 - see InvalidTask
    """
    The process that ran a task died, or its lease lapsed; the task itself is run again, or archived.

    Never raised: what an error handler is given. asynq: `ErrLeaseExpired`, and what `IsPanicError` tells.
    """


class TaskFailed(OnebeatError):  # noqa: N818 - see InvalidTask
    """`result()` of a task that ended in the archive. The message is its last error."""


class ResultTimeout(OnebeatError, TimeoutError):  # noqa: N818 - see InvalidTask
    """`result(timeout=)` ran out. The task itself goes on."""


class ResultNotKept(OnebeatError):  # noqa: N818 - see InvalidTask
    """The task keeps no result: it has no retention, or its retention is over."""


class MissingExtra(OnebeatError, ImportError):  # noqa: N818 - see InvalidTask
    """An optional dependency is not installed. The message is the command that installs it."""


class TaskControl(Exception):  # noqa: N818 - control flow, not an error
    """The base of what a handler raises to decide what happens to its task."""


class SkipRetry(TaskControl):
    """Archive the task now, whatever is left of its retries. asynq: `SkipRetry`."""


class RevokeTask(TaskControl):
    """Forget the task: neither retried, archived nor retained. It counts as processed. asynq: `RevokeTask`."""


class Retry(TaskControl):
    """
    Run the task again.

    Args:
        message: Kept as the task's last error.

        delay: How long to wait, seconds or `timedelta`; default: the task's own back-off.

        counts: False leaves the number of retries as it is ("not now"); the attempt
            is then in no failure statistics either.

    Raises:
        InvalidTask: The delay is no duration. One that is over by now, a negative one, is no delay.
    """

    def __init__(
        self, message: str = "retry requested", *, delay: float | timedelta | None = None, counts: bool = True
    ) -> None:
        super().__init__(message)
        self.delay: float | None = delay.total_seconds() if isinstance(delay, timedelta) else delay
        given: object = self.delay
        if given is not None and (not is_number(given) or math.isnan(given)):
            raise InvalidTask(f"delay of Retry is {shown(delay)}: give seconds as a number, or a timedelta")
        self.counts = counts


class SemaphoreFull(Retry):
    """
    Run the task again when its semaphore may have a token: raised by `Semaphore.held`.

    It costs no retry, not even of a task that has none left, and is no error that hooks are told of.
    """

    def __init__(self, message: str = "semaphore is full", *, delay: float | timedelta | None = None) -> None:
        super().__init__(message, delay=delay, counts=False)
