"""A task changed if it still is what was looked at, and what the audit says of it: names of fields, never values."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, Final, NoReturn

from onebeat.client import Client
from onebeat.errors import InvalidTask, TaskNotFound, WrongState
from onebeat.inspector.found import Chosen, Selection
from onebeat.inspector.inspector import Inspector
from onebeat.preparing import Enqueued
from onebeat.states import TaskState
from onebeat.task import Task

GIVE_UP_AFTER_S: Final = 2.0
"""How long an enqueueing is tried while the store is away."""

OVER_HIDDEN: Final = "task.replace_hidden"
"""What a change is besides, if a value goes with it that nobody may see."""


_CALLED = {"process_in": "due", "process_at": "due", "move_to": "queue"}


async def enqueue(inspector: Inspector, task: Task[Any], options: Mapping[str, Any]) -> Enqueued:
    """Enqueue a task as a client does."""
    given: Any = dict(options)
    async with Client(inspector.store, give_up_after=GIVE_UP_AFTER_S) as client:
        return await client.enqueue(task, **given)


async def apply(inspector: Inspector, one: Chosen, changes: Mapping[str, Any]) -> None:
    """
    Change a task that still is what was chosen.

    Raises:
        WrongState: It is not.
        InvalidTask, PayloadError: It cannot be changed so.
    """
    selection = Selection(action="update", filter="", tasks=(one,), first=(), scanned=1, is_whole=True)
    given: Any = dict(changes)
    report = [report async for report in inspector.apply(selection, changes=given)][-1]
    if report.failed:
        raise InvalidTask(report.why)
    if not report.done:
        await refuse(inspector, one)


async def refuse(inspector: Inspector, one: Chosen) -> NoReturn:
    """
    Say why a task was left alone that is no more what was looked at.

    Raises:
        WrongState: In any case.
    """
    try:
        info = await inspector.task(one.queue, one.id)
    except TaskNotFound:
        raise WrongState("It was gone meanwhile, so that nothing was changed.") from None
    state = "has begun" if info.state is TaskState.ACTIVE else f"is {info.state.value} now, or was changed by others"
    raise WrongState(f"It {state}, so that nothing was changed: look at it, and begin again.")


def told(changes: Mapping[str, Any], fields: Iterable[str]) -> str:
    """Say which options and which fields of the payload are changed: "payload (user.email, amount), max_retry"."""
    inside = ", ".join(fields)
    called = [_CALLED.get(name, name) for name in changes]
    names = [f"payload ({inside})" if name == "payload" and inside else name for name in called]
    return ", ".join(sorted(names, key=lambda name: not name.startswith("payload")))
