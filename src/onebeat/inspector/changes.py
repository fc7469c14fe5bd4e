"""What an update may change, and what stands in its way."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any, TypedDict

from onebeat import codecs
from onebeat.broker import browse
from onebeat.broker.admin import Change
from onebeat.broker.browse import RawTask
from onebeat.errors import DuplicateTask, InvalidTask, PayloadError, WrongState, shown
from onebeat.inspector.reading import not_found
from onebeat.inspector.steps import Procedure, ask
from onebeat.options import Duration, Resolved, check_queue, resolve, unknown_option
from onebeat.preparing import MAX_PAYLOAD
from onebeat.states import TaskState
from onebeat.wire.message import TaskMessage, UndecodableMessage, decode, encode
from onebeat.wire.unique import unique_key


class UpdateOptions(TypedDict, total=False):
    """What `update` can change: the options of `enqueue` that still mean something then, and the payload."""

    payload: Any
    process_at: datetime
    process_in: Duration
    move_to: str
    max_retry: int
    timeout: Duration
    deadline: datetime
    expires: Duration | datetime
    retention: Duration
    headers: Mapping[str, str]


class Wanted:
    """
    What is to be changed, checked and in the wire's units.

    Raises:
        InvalidTask: An option is unknown or cannot be used, or there is none.
        PayloadError: The payload has no form on the wire, or is too large.
    """

    def __init__(self, options: Mapping[str, Any]) -> None:
        unknown = options.keys() - UpdateOptions.__annotations__.keys()
        if unknown:
            raise InvalidTask(unknown_option(min(unknown, key=str), UpdateOptions.__annotations__))
        given = {name: value for name, value in options.items() if value is not None or name == "payload"}
        if not given:
            raise InvalidTask("update has nothing to change: give payload=, process_in=, move_to= or another option")
        self.has_payload: bool = "payload" in given
        self.payload: bytes = _payload(given.pop("payload", None))
        self.move_to: str = check_queue(given.pop("move_to")) if "move_to" in given else ""
        self.names: frozenset[str] = frozenset(given)
        self.options: Resolved = resolve(given)
        self.due: str = self.options.due or ("+0" if self.names & {"process_in", "process_at"} else "")

    def applied(self, message: TaskMessage) -> TaskMessage:
        """Return a changed copy of a message; its lock is looked after elsewhere."""
        new, options = TaskMessage(), self.options
        new.CopyFrom(message)
        if self.has_payload:
            new.payload = self.payload
        if "max_retry" in self.names:
            new.retry = options.max_retry
        if "timeout" in self.names:
            new.timeout = options.timeout_s
        if "deadline" in self.names:
            new.deadline = options.deadline_s
        if "retention" in self.names:
            new.retention = options.retention_s
        if "headers" in self.names:
            new.headers.clear()
            new.headers.update(options.headers)
        return new

    def change(self, task_id: str, old: bytes, message: TaskMessage) -> Change:
        """Make the change of a task that stays in its queue."""
        new = self.applied(message)
        lock = new_lock(message, new, message.queue)
        new.unique_key = lock or new.unique_key
        return Change(
            id=task_id,
            old=old,
            new=encode(new),
            due=self.due,
            timeout_ms=self.options.timeout_ms if "timeout" in self.names else "=",
            expires=self.options.expires,
            lock=lock,
        )


def _payload(value: object) -> bytes:
    payload = codecs.encode(value)
    if len(payload) > MAX_PAYLOAD:
        raise PayloadError(
            f"payload has {len(payload)} bytes, the limit is {MAX_PAYLOAD}: store it elsewhere and give its address"
        )
    return payload


def new_lock(old: TaskMessage, new: TaskMessage, queue: str) -> str:
    """Return the unique key that a changed task should hold, "" where it is to keep the one it has."""
    was, type_ = old.unique_key, old.type
    if not was:
        return ""
    if was in (unique_key(old.queue, type_, old.payload or None), unique_key(old.queue, type_, old.payload)):
        key = unique_key(queue, type_, new.payload or None)
    else:  # it stands for a key of its own, not for the payload
        key = unique_key(queue, type_, None) + was.rpartition(":")[2]
    return "" if key == was or (new.payload == old.payload and queue == old.queue) else key


def read_waiting(queue: str, task_id: str) -> Procedure[tuple[RawTask, TaskMessage]]:
    """
    Read a task that is to be changed.

    Raises:
        TaskNotFound: There is none.
        WrongState: It runs or is completed, or its bytes are no message.
    """
    raw = yield from ask(browse.info(queue, task_id))
    if raw is None:
        raise not_found(queue, task_id)
    if raw.state in (TaskState.ACTIVE, TaskState.COMPLETED):
        refuse(queue, task_id, raw.state.value)
    try:
        return raw, decode(raw.message)
    except UndecodableMessage as error:
        raise WrongState(
            f"task {shown(task_id)} of queue {shown(queue)} cannot be changed: {error}; delete it and enqueue another"
        ) from error


def refuse(queue: str, task_id: str, answer: str) -> None:
    """Raise what the answer of an update means; an answer after which it may be tried again is none."""
    name = f"task {shown(task_id)} of queue {shown(queue)}"
    kind, _, holder = answer.partition(" ")
    if kind == "changed":
        return
    if kind == "gone":
        raise not_found(queue, task_id)
    if kind == "duplicate":
        raise DuplicateTask(
            f"{name} was left as it is: task already exists, {holder or 'another task'} holds the lock of the new "
            "payload; wait for its end, or give another payload",
            holder=holder,
        )
    remedy = {
        "active": "it is running; cancel it, or wait for its end",
        "completed": "it is completed; run it again, or enqueue another",
        "archived": "it is archived, where nothing is due; run it first",
        "staged": "it is being aggregated; wait for that",
    }
    raise WrongState(f"{name} was left as it is: {remedy.get(kind, answer)}")
