"""The options of a task as bodies give them: in seconds and instants, each named as the documents name it."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, Any, Literal

import msgspec

from onebeat.documents.values import Instant
from onebeat.errors import InvalidTask
from onebeat.inspector.recording import TaskRecord
from onebeat.options import MAX_INT32, MAX_SECONDS, Unique
from onebeat.states import TaskState
from onebeat.task import TaskInfo
from onebeat.web.api.paging import Name, Reason
from onebeat.web.api.payloads import GivenPayload

Seconds = Annotated[float, msgspec.Meta(ge=0, le=float(MAX_SECONDS))]
Span = Annotated[float, msgspec.Meta(ge=0.001, le=float(MAX_SECONDS))]
Fields = Annotated[dict[str, msgspec.Raw], msgspec.Meta(max_length=200)]
Retries = Annotated[int, msgspec.Meta(ge=0, le=MAX_INT32)]

_SAME = {
    "max_retry": "max_retry", "timeout_s": "timeout", "deadline": "deadline", "retention_s": "retention",
    "process_at": "process_at", "process_in_s": "process_in", "headers": "headers",
}  # fmt: skip
"""Fields, and what the client calls them."""


class TaskSettings(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """
    How a task runs.

    Attributes:
        max_retry: How often it is retried.

        timeout_s: How long an attempt may take.

        deadline: Until when it may run.

        process_at, process_in_s: When it is due, or in how many seconds; one of them.

        expires_at, expires_in_s: Until when it is worth starting, or for how many seconds; one of them.

        retention_s: How long it is kept once completed.

        headers: Texts that travel with it.
    """

    max_retry: Retries | None = None
    timeout_s: Seconds | None = None
    deadline: Instant | None = None
    process_at: Instant | None = None
    process_in_s: Seconds | None = None
    expires_at: Instant | None = None
    expires_in_s: Span | None = None
    retention_s: Seconds | None = None
    headers: dict[str, str] | None = None

    def given(self) -> dict[str, Any]:
        """
        Return what is set, as the client takes it.

        Raises:
            InvalidTask: Two fields exclude each other.
        """
        if self.process_at is not None and self.process_in_s is not None:
            raise InvalidTask("process_at and process_in_s are given: give one of them")
        if self.expires_at is not None and self.expires_in_s is not None:
            raise InvalidTask("expires_at and expires_in_s are given: give one of them")
        found = {theirs: getattr(self, ours) for ours, theirs in _SAME.items() if getattr(self, ours) is not None}
        expires = self.expires_at if self.expires_at is not None else self.expires_in_s
        return found if expires is None else {**found, "expires": expires}


class NewSettings(TaskSettings, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """
    How a new task runs.

    Attributes:
        task_id: Its id; default: a random one. The same id is not accepted twice while the first task exists.

        group: The group that it waits in.

        unique_s, unique_until, unique_key: For how long at most no other of its type and payload is accepted; until it
            is "done", until its "start", or for all that time, "ttl"; and what stands for the payload.
    """

    task_id: Name | None = None
    group: Name | None = None
    unique_s: Span | None = None
    unique_until: Literal["done", "start", "ttl"] = "done"
    unique_key: Name | None = None

    def given(self) -> dict[str, Any]:
        found = super().given()
        if self.unique_s is None and (self.unique_key is not None or self.unique_until != "done"):
            raise InvalidTask("unique_until or unique_key is given without unique_s: give unique_s, in seconds")
        if self.unique_s is not None:
            found["unique"] = Unique(self.unique_s, until=self.unique_until, key=self.unique_key)
        return found | {name: value for name in ("task_id", "group") if (value := getattr(self, name)) is not None}


class NewTask(NewSettings, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """
    A task to be enqueued.

    Attributes:
        type: By which a server finds its handler.

        payload: Its payload; default: none. It must fit what the application declares of such tasks, where the console
            knows it; with `raw` it is written all the same.

        raw: See `payload`.

        queue: Where it goes.

        max_retry: How often it is retried; default: 25 times.

        timeout_s: How long an attempt may take; default: 30 minutes, or no limit where there is a deadline.

        deadline: Until when it may run.

        process_at, process_in_s: When it is due, or in how many seconds; one of them; default: now.

        expires_at, expires_in_s: Until when it is worth starting, or for how many seconds; one of them.

        retention_s: How long it is kept once completed; default: not at all.

        headers: Texts that travel with it.

        task_id: Its id; default: a random one. The same id is not accepted twice while the first task exists.

        group: The group that it waits in.

        unique_s, unique_until, unique_key: For how long at most no other of its type and payload is accepted; until it
            is "done", until its "start", or for all that time, "ttl"; and what stands for the payload.

        reason: Why, in a line: it stands in the audit.
    """

    type: Name
    payload: GivenPayload | None = None
    raw: bool = False
    reason: Reason = ""
    queue: Name = "default"


class TaskClone(NewSettings, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """
    Which task is to be enqueued once more, and what of it is to be otherwise.

    Attributes:
        queue, id: Of which queue, and its id.

        to_queue: Where the new one goes; default: the same queue.

        payload: In place of its own.

        set, unset, raw: See `POST /task/update`.

        max_retry, timeout_s, deadline, retention_s, headers, group: In place of its own. A deadline that is over, and
            its own id, its lock and when it was due do not pass to the new one.

        process_at, process_in_s: When the new one is due, or in how many seconds; one of them; default: now.

        expires_at, expires_in_s: Until when the new one is worth starting; one of them.

        task_id: The id of the new one; default: a random one.

        unique_s, unique_until, unique_key: See `POST /tasks`.

        reason: Why, in a line: it stands in the audit.
    """

    queue: Name
    id: Name
    to_queue: Name | None = None
    payload: GivenPayload | None = None
    set: Fields | None = None
    unset: list[str] | None = None
    raw: bool = False
    reason: Reason = ""


class TaskUpdate(TaskSettings, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """
    Which task is to be changed, and what of it. What is not named stays.

    Attributes:
        queue, id: Of which queue, and its id.

        payload: In place of its own; a unique lock goes along. If something of its own is hidden, the role admin is
            needed.

        set, unset: In place of `payload`: fields of a JSON or MessagePack payload that are set, and that are taken
            away; all others stay byte for byte. By the way to each, `user.email` and `items.0.sku`, or behind slashes,
            where `~1` is a slash and `~0` a tilde: `/user/e.mail`. A task that meanwhile ran or was changed is left
            alone (409). To replace what is hidden, the role admin is needed.

        raw: Also if the payload does not fit what the application declares of such tasks, where the console knows it.

        move_to: Another queue.

        max_retry, timeout_s, deadline, retention_s: In place of its own.

        headers: In place of all it had.

        process_at, process_in_s: When it is due, or in how many seconds; one of them.

        expires_at, expires_in_s: Until when it is worth starting, or for how many seconds; one of them.

        reason: Why, in a line: it stands in the audit.
    """

    queue: Name
    id: Name
    payload: GivenPayload | None = None
    set: Fields | None = None
    unset: list[str] | None = None
    raw: bool = False
    reason: Reason = ""
    move_to: Name | None = None

    def given(self) -> dict[str, Any]:
        found = super().given()
        return found if self.move_to is None else {**found, "move_to": self.move_to}


def of_record(record: TaskRecord) -> dict[str, Any]:
    """Return the options that a new task takes over from one that is there."""
    info = record.info
    found: dict[str, Any] = {
        "max_retry": info.max_retry,
        "timeout": record.timeout,
        "retention": info.retention,
        "headers": _own_headers(info),
    }
    if info.state is TaskState.AGGREGATING and info.group:
        found["group"] = info.group
    if info.deadline is not None:
        found["deadline"] = info.deadline
    return {name: value for name, value in found.items() if value not in (timedelta(0), {})}


def _own_headers(info: TaskInfo) -> dict[str, str]:
    """Leave out what says of which tick of a schedule a task is: the new one is of none."""
    return {name: text for name, text in info.headers.items() if name != "tick"}
