"""What somebody did, as the page of the audit says it first."""

from __future__ import annotations

from typing import Any

import pytest

from onebeat.inspector.auditing import AuditOutcome, AuditRecord
from onebeat.web.security import roles
from onebeat.web.showing import deeds

REFUSED, BEGUN, FAILED = AuditOutcome.REFUSED, AuditOutcome.BEGUN, AuditOutcome.FAILED


@pytest.mark.parametrize(
    ("said", "action", "fields"),
    [
        ("ada ran 12 tasks of queue “mail”", "task.run", {"count": 12, "queue": "mail"}),
        ("ada deleted 1 task", "task.delete", {"count": 1}),
        ("ada changed a task of queue “mail”", "task.update", {"queue": "mail", "about": "42"}),
        ("ada archived tasks", "task.archive", {"job": "j"}),
        ("ada stopped a job", "task.run", {"job": "j", "about": "stop job: all tasks"}),
        ("ada went on with a job", "task.run", {"about": "go on with job j"}),
        ("ada began to cancel tasks", "task.cancel", {"outcome": BEGUN}),
        ("ada tried to delete tasks, which was refused", "task.delete", {"outcome": REFUSED}),
        ("ada tried to remove queue “a b”, which failed", "queue.remove", {"queue": "a b", "outcome": FAILED}),
        ("ada paused a schedule of queue “q”", "schedule.pause", {"queue": "q", "about": "nightly"}),
        ("ada drained a server", "server.drain", {"about": "web-1:41"}),
        ("ada signed in", "session.begin", {}),
        ("ada ended a session", "session.end", {"about": "x"}),
        ("deploy by ada", "deploy", {}),
    ],
)
def test_a_record_is_a_sentence(said: str, action: str, fields: dict[str, Any]) -> None:
    """In the words of the trade; what a tool of somebody's own has written stands as it is."""
    assert said == deeds.told(AuditRecord(user="ada", action=action, **fields))


@pytest.mark.parametrize("action", [*roles.ACTIONS, "session.begin"])
def test_every_change_of_the_console_has_words(action: str) -> None:
    """None is shown as the code by which it is filtered."""
    assert action not in deeds.told(AuditRecord(user="ada", action=action, queue="q"))
