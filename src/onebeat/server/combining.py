"""What is read of a group before it is aggregated, and the task that its aggregator returns."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from onebeat.audience import Audience
from onebeat.broker.groups import GroupSet
from onebeat.errors import InvalidTask, PayloadError, shown
from onebeat.events import Sending
from onebeat.preparing import Prepared, prepare
from onebeat.server.aggregation import Aggregation
from onebeat.server.outcome import error_text
from onebeat.task import Task
from onebeat.wire.message import UndecodableMessage, decode


@dataclass(frozen=True, slots=True)
class Misfit:
    """A member that cannot be aggregated: why, and whether its bytes are a task's."""

    id: str
    why: str
    is_read: bool
    type: str = ""
    retried: int = 0


@dataclass(slots=True)
class Read:
    """What was read of a set: what the function is given of each member, their headers and their locks."""

    items: list[Any] = field(default_factory=list)
    headers: list[Mapping[str, str]] = field(default_factory=list)
    locks: list[tuple[str, str]] = field(default_factory=list)
    misfits: list[Misfit] = field(default_factory=list)


def add(read: Read, task_id: str, data: bytes, aggregation: Aggregation) -> None:
    """Add a member to what was read of its set, or to those that do not fit."""
    try:
        message = decode(data)
    except UndecodableMessage as error:
        read.misfits.append(Misfit(task_id, str(error), False))
        return
    headers = dict(message.headers)
    try:
        read.items.append(aggregation.decode(Task.received(message.type, message.payload, headers)))
    except PayloadError as error:
        read.misfits.append(Misfit(task_id, error_text(error), True, message.type, message.retried))
        return
    read.headers.append(headers)
    if message.unique_key:
        read.locks.append((task_id, message.unique_key))


def checked(of: GroupSet, combined: object, audience: Audience, sending: Sending) -> Prepared:
    """Check what an aggregator returned, and encode it: in the group's queue, under the set's id, unless it says so."""
    if not isinstance(combined, Task):
        raise InvalidTask(
            f"aggregator of group {of.group!r} returned {shown(combined)}: return a Task, or what bind() returns"
        )
    usual = {"queue": of.queue, "task_id": of.id}
    given = {name: value for name, value in usual.items() if combined.options.get(name) is None}
    prepared = prepare(combined, given, audience=audience, sending=sending)
    if prepared.new.group == of.group and prepared.queue == of.queue:
        raise InvalidTask(
            f"aggregator of group {of.group!r} returned a task of that very group, which would go round for ever: "
            "leave out its group, or name another"
        )
    if prepared.queue != of.queue and (prepared.new.unique_key or prepared.new.id != of.id):
        raise InvalidTask(
            f"aggregator of group {of.group!r} returned a task for another queue, {prepared.queue!r}, that is unique "
            "or has an id of its own, and may be refused there when the group is gone: leave out unique and task_id, "
            "or its queue"
        )
    return prepared
