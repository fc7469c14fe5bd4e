"""Failures that are alike: a few lines, and how many more there were."""

from __future__ import annotations

import logging

import pytest

from onebeat.broker.call import Filed
from onebeat.broker.consume import Finished, Outcome
from onebeat.server import outcome
from onebeat.server.failures import STORM, STORM_S, Storm, log_failure
from onebeat.server.running import Running
from onebeat.upkeep.telling import log_expired
from onebeat.wire.message import TaskMessage


class Time:
    """Seconds that a test moves."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def fail(storm: Storm, error: Exception, ends: Outcome = Outcome.RETRY) -> None:
    """Log one failure."""
    attempt = Running("q", "a", "s:1", 0.0)
    attempt.message = TaskMessage(type="t")
    log_failure(attempt, error, Finished("a", "s:1", ends, False, "", b"", b"", 0, "failure"), storm)


def warnings(caplog: pytest.LogCaptureFixture) -> list[str]:
    return [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]


def test_a_storm_of_retries_has_a_few_lines_and_a_count(caplog: pytest.LogCaptureFixture) -> None:
    """The line after it says how many there were; those are at DEBUG."""
    caplog.set_level(logging.DEBUG, "onebeat")
    time = Time()
    storm = Storm(time)
    for _ in range(1000):
        fail(storm, ValueError("no"))
    assert STORM == len(warnings(caplog))
    assert 1000 == len(caplog.records)
    time.now = STORM_S
    fail(storm, ValueError("no"))
    assert (
        "task a (t) of queue q failed: ValueError: no; it will be retried; 990 more failed with ValueError since the "
        "last line"
    ) == warnings(caplog)[-1]
    fail(storm, ValueError("no"))
    assert warnings(caplog)[-1].endswith("it will be retried")


def test_failures_of_another_kind_are_seen_in_a_storm(caplog: pytest.LogCaptureFixture) -> None:
    """And those after which a task is archived have a line each."""
    storm = Storm(Time())
    for _ in range(1000):
        fail(storm, ValueError("no"))
    fail(storm, KeyError("x"))
    assert "KeyError" in warnings(caplog)[-1]
    for _ in range(20):
        fail(storm, ValueError("no"), Outcome.ARCHIVED)
    assert 20 == len([record for record in caplog.records if record.levelno == logging.ERROR])


def test_kinds_that_are_remembered_have_a_bound() -> None:
    """However many classes and types there are."""
    storm = Storm(Time())
    for number in range(3000):
        storm.said("q", f"t{number}", "ValueError")
    assert 500 == len(storm._kinds)


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (LookupError("no rate for FR"), "LookupError: no rate for FR"),
        (IndexError("list index out of range"), "IndexError: list index out of range"),
        (KeyError("x"), "KeyError: 'x'"),
        (outcome.PlainError("aggregator not found"), "aggregator not found"),
    ],
)
def test_an_error_of_a_handler_keeps_the_name_of_its_class(error: Exception, expected: str) -> None:
    """Of every class that a handler may raise; asynq's own texts stand alone."""
    assert expected == outcome.error_text(error)


def test_tasks_that_expired_have_a_line(caplog: pytest.LogCaptureFixture) -> None:
    """One for all of a type, with some ids."""
    log_expired("q", [Filed(id_, "mail", 0, "expired") for id_ in "abcd"] + [Filed("e", "t", 0, "expired")])
    assert [
        "4 tasks (mail) of queue q expired before they could start and are archived: a, b, c, …",
        "1 task (t) of queue q expired before it could start and is archived: e",
    ] == warnings(caplog)
