"""What an aggregator returned, as the task that takes its group's place."""

from __future__ import annotations

from onebeat.audience import Audience
from onebeat.broker.groups import GroupSet
from onebeat.errors import InvalidTask, shown
from onebeat.events import Sending
from onebeat.preparing import Prepared, prepare
from onebeat.task import Task


def combined_task(of: GroupSet, combined: object, audience: Audience, sending: Sending) -> Prepared:
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
