"""
Everything that the console can be asked to change, and how: what the matrix of rights is made of.

A route that takes POST and stands neither here nor among the operations of the API fails `test_matrix`.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from starlette.routing import BaseRoute, Route

from onebeat.web.api.operation import PREFIX
from onebeat.web.api.table import OPERATIONS
from onebeat.web.console import routes
from onebeat.web.pages.task_forms import FIELDS
from onebeat.web.security.roles import ACTIONS, OWN, User
from tests.web.api.test_http import EXAMPLES

QUEUE = "q"
"""The queue that all changes are about which are about one."""

TICKED = json.dumps([QUEUE, "retry", "retry"])

WAS = json.dumps(dict.fromkeys(FIELDS, ""))
"""What the fields of a form about a task said that was empty when it was sent out."""

PERSONAL = frozenset({"/login", "/logout", "/settings"})
"""What is sent, and changes nothing but the browser that sends it."""

JOB = "JOB"
"""Stands for the id of a job that archives in the queue, and was begun by somebody else."""

GLOBAL = frozenset({"server.drain", "server.resume", "server.stop", "health.repair", "session.end"}) | {
    action for action in ACTIONS if action.startswith("view.")
}
"""What belongs to no queue."""


@dataclass(frozen=True)
class Change:
    """
    One change, as it is asked for over HTTP.

    Attributes:
        path: Where.

        action: Its name in `ACTIONS`.

        said: The form, or the document for the API.

        is_global: Whether it is about everything.

        is_of_job: Whether it is about a job, which nobody else sees from whom a queue is hidden.
    """

    path: str
    action: str
    said: Mapping[str, Any] = field(default_factory=dict, hash=False)
    is_global: bool = False
    is_of_job: bool = False

    @property
    def is_api(self) -> bool:
        return self.path.startswith(PREFIX)

    def __str__(self) -> str:
        return f"{self.path} {self.action}"

    def allows(self, user: User) -> bool:
        """Whether a user may, by the table of actions alone."""
        if self.action in OWN:
            return True
        role = user.role_on(None if self.is_global else QUEUE)
        return self.is_seen(user) and role is not None and role >= ACTIONS[self.action]

    def is_seen(self, user: User) -> bool:
        """Whether a user is told that there is what it is about."""
        if self.is_of_job:
            return user.sees_all
        return self.is_global or user.sees(QUEUE)


def _acts() -> Iterator[Change]:
    for action in ("run", "archive", "delete", "cancel"):
        confirmed = {"action": action, "confirmed": "yes", "typed": action}
        yield Change("/act", f"task.{action}", {**confirmed, "task": TICKED})
        yield Change("/act", f"task.{action}", {**confirmed, "q": f"queue:{QUEUE}"})


PAGES: tuple[Change, ...] = (
    *_acts(),
    Change(
        "/task/edit",
        "task.update",
        {"queue_of": QUEUE, "id": "retry", "stamp": "0" * 16, "state": "retry", "max_retry": "7", "was": WAS},
    ),
    Change("/task/clone", "task.clone", {"queue_of": QUEUE, "id": "retry"}),
    Change("/task/new", "task.enqueue", {"type": "t", "queue": QUEUE}),
    Change("/queue/pause", "queue.pause", {"queue": QUEUE}),
    Change("/queue/resume", "queue.resume", {"queue": QUEUE}),
    Change("/queue/remove", "queue.remove", {"queue": QUEUE, "typed": QUEUE, "force": "yes", "confirmed": "yes"}),
    Change("/schedule/pause", "schedule.pause", {"id": "report"}),
    Change("/schedule/resume", "schedule.resume", {"id": "nightly"}),
    Change("/schedule/run", "schedule.run", {"id": "report"}),
    Change("/job/stop", "task.archive", {"id": JOB}, is_of_job=True),
    Change("/job/continue", "task.archive", {"id": JOB}, is_of_job=True),
    Change("/health/repair", "health.repair", {"check": "lost-record"}, is_global=True),
    Change("/server/cancel", "task.cancel", {"queue": QUEUE, "id": "active"}),
    Change("/server/drain", "server.drain", {"id": "one"}, is_global=True),
    Change("/server/stop", "server.stop", {"id": "one"}, is_global=True),
    Change("/sessions/end", "session.end", {"user": "somebody"}, is_global=True),
    Change("/views/save", "view.save", {"name": "failed", "q": "state:archived"}, is_global=True),
    Change("/views/save", "view.share", {"name": "failed", "q": "state:archived", "shared": "yes"}, is_global=True),
    Change("/views/delete", "view.delete", {"name": "failed"}, is_global=True),
    Change("/views/delete", "view.unshare", {"name": "failed", "shared": "yes"}, is_global=True),
    Change("/server/resume", "server.resume", {"id": "one"}, is_global=True),
)
"""Changes that forms make."""

ELSEWHERE: Mapping[str, Mapping[str, Any]] = {
    "enqueue_task": {"type": "t", "queue": QUEUE},
    **{f"{word}_tasks": {"q": f"queue={QUEUE}"} for word in ("run", "archive", "cancel", "delete")},
}
"""Documents that must name the queue, where the API's own examples do not."""


def api() -> Iterator[Change]:
    """Yield the changes that the API makes."""
    for operation in OPERATIONS:
        if operation.writes:
            said = ELSEWHERE.get(operation.name, EXAMPLES.get(operation.name, {}))
            is_of_job = operation.path.startswith("/job/")
            yield Change(
                PREFIX + operation.path,
                "task.archive" if is_of_job else operation.action,
                {"id": JOB} if is_of_job else said,
                is_of_job or operation.action in GLOBAL,
                is_of_job,
            )


def posting(found: list[BaseRoute] | None = None) -> set[str]:
    """Return the paths of all pages that take more than reading."""
    reading = {"GET", "HEAD"}
    every = [route for route in found or routes() if isinstance(route, Route)]
    return {route.path for route in every if (route.methods or set()) - reading}


def pages() -> set[str]:
    """Return the paths of all pages that are read."""
    every = [route for route in routes() if isinstance(route, Route)]
    return {route.path for route in every if "GET" in (route.methods or ()) and "{" not in route.path}
