"""What happens to a task now: pure, rule by rule (asynq: processor.go, protocol §5.5 and §5.6)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from onebeat.broker.consume import Finished, Outcome
from onebeat.errors import PayloadError, Retry, RevokeTask, SemaphoreFull, SkipRetry
from onebeat.server import outcome
from onebeat.server.mux import Route
from onebeat.server.outcome import StopError
from onebeat.server.running import Running, Stop
from onebeat.wire.message import TaskMessage, decode


def attempt(*, retry: int = 3, retried: int = 0, retention: int = 0, route: Route | None = None) -> Running:
    made = Running("q", "id", "server:1", 100.0)
    made.message = TaskMessage(type="t", id="id", queue="q", retry=retry, retried=retried, retention=retention)
    made.route = route
    return made


def message(finished: Finished) -> TaskMessage:
    return decode(finished.head + finished.tail)


def after(error: BaseException, made: Running | None = None, **settings: Any) -> Finished:
    return outcome.failed(made or attempt(), error, 101.0, delay=lambda retried, error: 7.5, **settings)


def test_success_forgets_or_keeps() -> None:
    """Without retention the task is done, with it completed, its result beside it."""
    assert Outcome.DONE is outcome.succeeded(attempt(), b"r", 101.0).outcome
    kept = outcome.succeeded(attempt(retention=60), b"r", 101.0)
    assert (Outcome.COMPLETED, 60, b"r") == (kept.outcome, kept.number, kept.blob)


def test_a_failure_is_retried_and_counted() -> None:
    """retried rises, the error is kept, the delay is the server's in milliseconds."""
    found = after(ValueError("boom"))
    assert (Outcome.RETRY, 7500, "failure") == (found.outcome, found.number, found.blob)
    assert (1, "ValueError: boom") == (message(found).retried, message(found).error_msg)


def test_the_last_failure_archives() -> None:
    """With no retry left the task is archived; retried stays (asynq: archive)."""
    found = after(ValueError(), attempt(retry=2, retried=2))
    assert (Outcome.ARCHIVED, 2, "ValueError") == (found.outcome, message(found).retried, message(found).error_msg)


def wrapped(inner: Exception) -> Exception:
    try:
        raise ValueError("outer") from inner
    except ValueError as error:
        return error


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (RevokeTask(), Outcome.DONE),
        (wrapped(RevokeTask()), Outcome.DONE),
        (SkipRetry("x"), Outcome.ARCHIVED),
        (wrapped(SkipRetry()), Outcome.ARCHIVED),
        (PayloadError("does not fit"), Outcome.ARCHIVED),
        (Retry(delay=2), Outcome.RETRY),
        (StopError(Stop.TIMEOUT), Outcome.RETRY),
    ],
)
def test_control_flow_decides(error: BaseException, expected: Outcome) -> None:
    """Also from inside a chain of causes, as Go's errors.Is looks through wrapping."""
    assert expected is after(error).outcome


def test_revoke_comes_before_exhaustion() -> None:
    """A revoked task is forgotten even when no retry is left."""
    assert Outcome.DONE is after(RevokeTask(), attempt(retry=0)).outcome


def test_retry_says_when_and_whether_it_counts() -> None:
    """Its delay comes before every back-off; uncounted, `retried` stays and nothing is in the statistics."""
    found = after(Retry("busy", delay=0.25, counts=False))
    assert (250, "soft", 0, "busy") == (found.number, found.blob, message(found).retried, message(found).error_msg)
    assert "failure" == after(Retry(delay=1)).blob


def test_who_waits_for_a_token_spends_nothing() -> None:
    """Neither a retry, of which it may have none, nor what it is allowed of failures that do not count."""
    found = after(SemaphoreFull(delay=0.1), attempt(retry=0), soft_limit=1, release_on_archive=True)
    assert (Outcome.RETRY, 100, "waits") == (found.outcome, found.number, found.blob)


def test_retry_does_not_outlast_its_retries() -> None:
    """The exhaustion test comes first, also for a soft failure (asynq: processor.go)."""
    assert Outcome.ARCHIVED is after(Retry(counts=False), attempt(retry=0)).outcome


def route(**rules: object) -> Route:
    return Route(lambda ctx, task: None, False, **rules)  # type: ignore[arg-type] # each test gives one rule


@pytest.mark.parametrize(
    ("rules", "error", "expected"),
    [
        ({"retry_on": (OSError,)}, ConnectionError(), Outcome.RETRY),
        ({"retry_on": (OSError,)}, KeyError("x"), Outcome.ARCHIVED),
        ({"archive_on": (OSError,)}, ConnectionError(), Outcome.ARCHIVED),
        ({"archive_on": (OSError,)}, KeyError("x"), Outcome.RETRY),
        ({"retry_on": (OSError,)}, StopError(Stop.TIMEOUT), Outcome.RETRY),
        ({"retry_on": ()}, Retry(), Outcome.RETRY),
    ],
)
def test_a_tasks_own_lists_of_errors(rules: dict[str, object], error: BaseException, expected: Outcome) -> None:
    """They decide about errors, not about time-outs and explicit retries."""
    assert expected is after(error, attempt(route=route(**rules))).outcome


def test_a_tasks_own_backoff_comes_first() -> None:
    """It gets the failures so far and the error."""
    seen: list[tuple[int, str]] = []

    def backoff(retried: int, error: BaseException) -> float:
        seen.append((retried, str(error)))
        return 0.125

    assert 125 == after(ValueError("x"), attempt(retried=1, route=route(backoff=backoff))).number
    assert [(1, "x")] == seen


@pytest.mark.parametrize(("retried", "low", "high"), [(0, 15, 44), (1, 18, 76), (5, 640, 814), (24, 331_791, 332_516)])
def test_the_default_delay_is_asynqs(retried: int, low: int, high: int) -> None:
    """n⁴ + 15 + r·(n+1), r from 0 to 29 (§5.6)."""
    at: Callable[[int], float] = lambda r: outcome.default_retry_delay(retried, ValueError(), randint=lambda a, b: r)  # noqa: E731
    assert retried**4 + 15 == at(0)
    assert retried**4 + 15 + 29 * (retried + 1) == at(29)
    assert high == at(29) or retried == 1
    assert low == at(0) or retried == 1


def test_an_unknown_type_waits_uncounted_for_ten_minutes() -> None:
    """5 to 30 s each time; then it is a failure like any other."""
    found = outcome.unknown_type(attempt(), 101.0, jitter=lambda: 0.5)
    assert (Outcome.RETRY, 17_500, "unknown", 0) == (found.outcome, found.number, found.blob, message(found).retried)
    waited = attempt()
    assert not outcome.was_unknown_for_long(waited, 1_600_001)
    waited.unknown_since_ms = 1_000_000
    assert (False, True) == (
        outcome.was_unknown_for_long(waited, 1_600_000),
        outcome.was_unknown_for_long(waited, 1_600_001),
    )


def test_error_texts_are_bounded_and_valid() -> None:
    """At most 8,192 characters, and nothing that UTF-8 cannot hold."""
    assert 8192 == len(outcome.error_text(ValueError("x" * 100_000)))
    assert "ValueError: a?" == outcome.error_text(ValueError("a\ud800"))
    assert "context deadline exceeded" == outcome.error_text(StopError(Stop.TIMEOUT))


def test_long_runners_are_looked_for_from_the_old_end() -> None:
    """After a minute the id is nearer to the tail of `active` than to its head."""
    assert [False, True] == [outcome.put_back(attempt(), ended).tail_first for ended in (160.0, 160.1)]
