"""
What happens to a task now: pure functions from what an attempt did to what is written (asynq: processor.go).

The order of the rules is the wire's: revoke, then exhausted or skipped, then retry. What Onebeat adds is
`Retry`, the handler's own lists of errors, and that crashes and unknown types cost no retry.
"""

from __future__ import annotations

import random
from collections.abc import Callable

from onebeat.broker.consume import TAIL_AFTER_S, Finished, Outcome
from onebeat.errors import HandlerNotFound, PayloadError, Retry, RevokeTask, SemaphoreFull, SkipRetry
from onebeat.server.mux import Route
from onebeat.server.running import Running, Stop
from onebeat.wire.message import TaskMessage, around, clean_text

LAST_FAILED_AT = 11
COMPLETED_AT = 13
MAX_ERROR_TEXT = 8192
MAX_DELAY_S = 100 * 366 * 86_400.0
"""A century: what a back-off without bounds comes to before the store's numbers end."""

UNKNOWN_FOR_MS = 600_000
"""How long a task without a handler waits for a server that has one, before it fails (mechanism-rules 26)."""

RetryDelay = Callable[[int, BaseException], float]


def default_retry_delay(
    retried: int, _error: BaseException, *, randint: Callable[[int, int], int] = random.randint
) -> float:
    """Return n⁴ + 15 + r·(n+1) s with r from 0 to 29 and n failures so far (asynq: `DefaultRetryDelayFunc`)."""
    return float(retried**4 + 15 + randint(0, 29) * (retried + 1))


def succeeded(attempt: Running, result: bytes, ended: float) -> Finished:
    """The handler returned: forget the task, or keep it with its result for as long as it asked."""
    message = _message(attempt)
    if not message.retention:
        return _finished(attempt, Outcome.DONE, ended)
    message.completed_at = 0
    head, tail = around(message, COMPLETED_AT)
    return _finished(attempt, Outcome.COMPLETED, ended, head=head, tail=tail, number=message.retention, blob=result)


def failed(
    attempt: Running,
    error: BaseException,
    ended: float,
    *,
    delay: RetryDelay,
    release_on_archive: bool = False,
    is_failure: Callable[[BaseException], bool] = lambda _error: True,
    soft_limit: int = 0,
) -> Finished:
    """
    The handler raised, ran out of time, or could not be called.

    Args:
        delay: The server's back-off.

        release_on_archive: Free the task's unique lock if it is archived.

        is_failure: Whether an error counts; one that does not costs no retry.

        soft_limit: How often a task may fail without its counting; 0: for ever.
    """
    message = _message(attempt)
    if in_chain(error, RevokeTask):
        return _finished(attempt, Outcome.DONE, ended)
    message.error_msg = error_text(error)
    waits = isinstance(error, SemaphoreFull)
    if (message.retried >= message.retry and not waits) or not worth_retrying(attempt.route, error):
        head, tail = around(message, LAST_FAILED_AT)
        blob = "release" if release_on_archive else ""
        return _finished(attempt, Outcome.ARCHIVED, ended, head=head, tail=tail, blob=blob)
    delay_ms = round(min(_delay(attempt, error, delay), MAX_DELAY_S) * 1000)
    counts = error.counts if isinstance(error, Retry) else is_failure(error)
    if counts:
        message.retried += 1
        attempt.counts = True
    head, tail = around(message, LAST_FAILED_AT)
    blob = "failure" if counts else "waits" if waits else f"soft {soft_limit}" if soft_limit else "soft"
    if blob.startswith("soft") and release_on_archive:
        blob += " release"
    return _finished(attempt, Outcome.RETRY, ended, head=head, tail=tail, number=delay_ms, blob=blob)


def unknown(message: TaskMessage) -> HandlerNotFound:
    """Return what is wrong with a task that there is no handler for. The text is asynq's."""
    return HandlerNotFound(f'handler not found for task "{message.type}"')


def was_unknown_for_long(attempt: Running, now_ms: int) -> bool:
    """Whether no server had a handler for ten minutes: then that is a failure like any other."""
    return attempt.unknown_since_ms > 0 and now_ms - attempt.unknown_since_ms > UNKNOWN_FOR_MS


def unknown_type(attempt: Running, ended: float, *, jitter: Callable[[], float]) -> Finished:
    """No handler here: wait for a server that has one."""
    message = _message(attempt)
    message.error_msg = str(unknown(message))
    head, tail = around(message, LAST_FAILED_AT)
    pause_ms = round(5000 + 25_000 * jitter())
    return _finished(attempt, Outcome.RETRY, ended, head=head, tail=tail, number=pause_ms, blob="unknown")


def kept_apart(attempt: Running, ended: float, *, jitter: Callable[[], float]) -> Finished:
    """Its last chance before it is archived for crashing, and another such task runs here: it waits a little."""
    return _finished(attempt, Outcome.RETRY, ended, number=round(500 + 1000 * jitter()), blob="apart")


def undecodable(attempt: Running, reason: str, ended: float) -> Finished:
    """The bytes are no task: set them aside untouched, with the reason."""
    return _finished(attempt, Outcome.ARCHIVED, ended, blob=clean_text(reason))


def put_back(attempt: Running, ended: float) -> Finished:
    """The server stops: to the front of the queue, as if never taken."""
    return _finished(attempt, Outcome.PENDING, ended)


def cancelled(attempt: Running, ended: float) -> Finished:
    """Somebody cancelled it: to the archive, as that."""
    return _finished(attempt, Outcome.CANCELLED, ended)


def error_text(error: BaseException) -> str:
    """Say an error in one line of valid UTF-8, at most 8,192 characters."""
    text = str(error).strip()
    plain = isinstance(error, (SkipRetry, Retry, StopError, HandlerError, HandlerNotFound, PlainError))
    name = type(error).__name__
    shown = (text or name) if plain else f"{name}: {text}" if text else name
    return clean_text(shown[:MAX_ERROR_TEXT])


def error_type(error: BaseException | None) -> str:
    """Name the class of an error, as whoever wrote the handler knows it."""
    if error is None:
        return ""
    if isinstance(error.__cause__, HandlerError):
        error = error.__cause__
    if isinstance(error, HandlerError) and error.kind:
        return error.kind
    return _NAMES.get(type(error).__name__, type(error).__name__)


_NAMES = {
    "TimeIsOverError": "TimeoutError",
    "StopError": "CancelledError",
    "_CancelledItselfError": "CancelledError",
    "ProcessEndedError": "TaskCrashed",
}
"""Classes of our own that stand for one that is known."""


class PlainError(LookupError):
    """An error of our own whose text says it all, as asynq's does."""


class HandlerError(Exception):
    """
    Stands for an error that stayed in the process of an isolated task; its text is what is stored.

    Args:
        delay: Seconds until the retry, if the task's own back-off says so; it was asked in that process.

        trace: The traceback as that process wrote it.

        kind: The name of the error's class.
    """

    def __init__(self, text: str, *, delay: float | None = None, trace: str = "", kind: str = "") -> None:
        super().__init__(text)
        self.delay = delay
        self.kind = kind
        self.trace: str = trace
        if trace:
            self.add_note(trace.rstrip())


class StopError(Exception):
    """Stands for a handler that was stopped by the server; its text is the reason."""

    def __init__(self, why: Stop) -> None:
        super().__init__(why.value)


class TimeIsOverError(StopError, TimeoutError):
    """Stands for a handler whose timeout or deadline is over."""

    def __init__(self) -> None:
        super().__init__(Stop.TIMEOUT)


def _message(attempt: Running) -> TaskMessage:
    assert attempt.message is not None  # noqa: S101 - undecodable attempts take none of these ways
    return attempt.message


def _finished(
    attempt: Running,
    outcome: Outcome,
    ended: float,
    *,
    head: bytes = b"",
    tail: bytes = b"",
    number: int = 0,
    blob: bytes | str = b"",
) -> Finished:
    message = attempt.message
    attempt.ended = ended
    return Finished(
        attempt.id,
        attempt.token,
        outcome,
        ended - attempt.started > TAIL_AFTER_S,
        message.unique_key if message is not None else "",
        head,
        tail,
        number,
        blob,
    )


def in_chain(error: BaseException | None, kind: type[BaseException]) -> bool:
    """Whether an error is, or was raised from, one of a kind (as Go's errors.Is looks through wrapping)."""
    while error is not None:
        if isinstance(error, kind):
            return True
        error = error.__cause__
    return False


def worth_retrying(route: Route | None, error: BaseException) -> bool:
    """Whether an error leads to a retry, if there are any left, rather than to the archive at once."""
    if in_chain(error, SkipRetry) or isinstance(error, PayloadError):
        return False
    if isinstance(error, (Retry, StopError, HandlerError)) or route is None:
        return True
    if isinstance(error, route.archive_on):
        return False
    return route.retry_on is None or isinstance(error, route.retry_on)


def _delay(attempt: Running, error: BaseException, delay: RetryDelay) -> float:
    if isinstance(error, (Retry, HandlerError)) and error.delay is not None:
        return max(0.0, error.delay)
    own = attempt.route.backoff if attempt.route is not None else None
    return max(0.0, (own or delay)(_message(attempt).retried, error))
