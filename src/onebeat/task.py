"""
What a task is: a type, a payload, and options; and what is known of one that was enqueued.

A `Task` is a plain value. It is made freely, compared, put into lists and enqueued as often as wanted;
its id and its queue belong to one enqueueing of it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Generic, Unpack

from onebeat import codecs
from onebeat.options import EnqueueOptions, text
from onebeat.states import TaskState

if TYPE_CHECKING:
    from typing_extensions import TypeVar  # checkers know it without its being installed

    R = TypeVar("R", covariant=True, default=Any)
else:
    from typing import TypeVar

    R = TypeVar("R", covariant=True)


_NO_OPTIONS: Mapping[str, Any] = {}


class Task(Generic[R]):
    """
    A unit of work: what to do (`type`), with what (`payload`), and how (options).

    `R` is the type of its result, where the task was made by `bind()`.

    Args:
        type: The task's type name, by which a server finds its handler. Free text.

        payload: Bytes go as they are; `None` is no payload; anything else becomes JSON.

        options: Defaults for `enqueue`, which may override each of them.

    Raises:
        InvalidTask: The type is blank.
        PayloadError: The payload has no JSON form.
    """

    __slots__ = ("_has_payload", "options", "payload", "result_type", "type")

    def __init__(self, type: str, payload: Any = None, /, **options: Unpack[EnqueueOptions]) -> None:
        self.type: str = text("task type", type)
        self.payload: bytes = codecs.encode(payload)
        self._has_payload = payload is not None
        self.options: Mapping[str, Any] = options
        self.result_type: Any = bytes

    @classmethod
    def received(cls, type: str, payload: bytes, headers: Mapping[str, str]) -> Task[Any]:
        """Make the task that a handler is given, of what stands in the store: nothing is checked any more."""
        task: Task[Any] = cls.__new__(cls)
        task.type = type
        task.payload = payload
        task._has_payload = bool(payload)  # the wire does not tell empty from none
        task.options = {"headers": headers} if headers else _NO_OPTIONS
        task.result_type = bytes
        return task

    def __repr__(self) -> str:
        shown = self.payload if len(self.payload) <= 60 else self.payload[:57] + b"..."
        return f"Task({self.type!r}, {shown!r})"

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, Task):
            return NotImplemented
        return (self.type, self.payload, self.options) == (other.type, other.payload, other.options)

    def __hash__(self) -> int:
        return hash((self.type, self.payload))

    @property
    def identity(self) -> bytes | None:
        """What a unique lock is taken on: the payload. None where there is none: Go tells it from empty bytes."""
        return self.payload if self._has_payload else None

    @property
    def headers(self) -> Mapping[str, str]:
        """Metadata that travels with the task: on an enqueued one what arrived, `tick` of a schedule among it."""
        return self.options.get("headers") or {}


@dataclass(frozen=True, slots=True)
class Progress:
    """
    How far a task says it is.

    Attributes:
        fraction: From 0 to 1.

        text: Whatever its handler adds.

        at: When that was written, by the store's clock.
    """

    fraction: float
    text: str
    at: datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class TaskInfo:
    """
    A task as it stood when it was asked for (asynq: `TaskInfo`).

    Times that do not apply are `None`, durations that do not apply zero.
    """

    id: str
    queue: str
    type: str
    payload: bytes
    state: TaskState
    max_retry: int
    retried: int
    """Failures so far; crashes and revoked attempts are not among them."""
    last_error: str
    last_failed_at: datetime | None
    timeout: timedelta
    deadline: datetime | None
    next_process_at: datetime | None
    """When it is due: exact to the millisecond for tasks that Onebeat wrote."""
    retention: timedelta
    completed_at: datetime | None
    result: bytes | None
    headers: Mapping[str, str]
    group: str
    crashes: int
    """How often a process died with it since it last ended an attempt."""
    progress: Progress | None
    """How far its last attempt said it is; None if it said nothing."""
    is_orphaned: bool = False
    """It is active, but nobody extends its lease any more: it will be recovered."""
    pending_since: datetime | None = None
    """Since when it waits for a server; None where that was not written."""
    expires_at: datetime | None = None
    """Until when it is worth starting."""
    soft_failures: int = 0
    """How often it failed without its counting (`is_failure`, `Retry(counts=False)`)."""
