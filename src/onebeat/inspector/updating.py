"""Changing a task that waits, in one atomic step; or, with `move_to`, in the few of `moving`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from onebeat.broker import admin
from onebeat.errors import BrokerError, shown
from onebeat.inspector import changes, moving
from onebeat.inspector.reading import task as read_task
from onebeat.inspector.steps import Procedure, ask
from onebeat.options import text
from onebeat.task import TaskInfo

TRIES = 10
"""How often an update is made again of what others changed meanwhile."""


def update(queue: str, task_id: str, options: Mapping[str, Any]) -> Procedure[TaskInfo]:
    text("queue name", queue)
    text("task id", task_id)
    wanted = changes.Wanted(options)
    if wanted.move_to and wanted.move_to != queue:
        yield from moving.move(queue, task_id, wanted)
        return (yield from read_task(wanted.move_to, task_id))
    for _ in range(TRIES):
        raw, message = yield from changes.read_waiting(queue, task_id)
        answer = yield from ask(admin.update(queue, wanted.change(task_id, raw.message, message)))
        if answer == "updated":
            return (yield from read_task(queue, task_id))
        changes.refuse(queue, task_id, answer)
    raise BrokerError(f"task {shown(task_id)} of queue {shown(queue)} was changed by others {TRIES} times meanwhile")
