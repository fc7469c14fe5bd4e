"""Tasks that are enqueued, enqueued once more, and changed."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from onebeat.client import Client
from onebeat.documents.tasks import EnqueuedRow, enqueued_row
from onebeat.errors import PayloadError
from onebeat.inspector.inspector import Inspector
from onebeat.preparing import Enqueued, prepare
from onebeat.task import Task
from onebeat.web.api.asking import Asked
from onebeat.web.api.operation import BODY_WITH_PAYLOAD, Operation
from onebeat.web.api.task_documents import TaskItem, task_item
from onebeat.web.api.task_options import NewTask, TaskClone, TaskUpdate, of_record
from onebeat.web.showing.redaction import PLACEHOLDER

GIVE_UP_AFTER_S = 2.0
"""How long an enqueueing is tried while the store is away."""


async def enqueue_task(asked: Asked, body: NewTask) -> EnqueuedRow:
    """
    Enqueue a task.

    With a `task_id` a request can be repeated: a second one is answered 409 while the first task exists.
    """
    payload = b"" if body.payload is None else body.payload.data()
    task: Task[Any] = Task(body.type, None if body.payload is None else payload)
    options = {**body.given(), "queue": body.queue}
    prepare(task, options)  # what cannot be is refused before anything is recorded
    about = body.type
    done = await asked.perform(
        "task.enqueue", lambda inspector: _enqueue(inspector, task, options), queue=body.queue, about=about
    )
    return enqueued_row(done)


async def clone_task(asked: Asked, body: TaskClone) -> EnqueuedRow:
    """Enqueue a task once more, as it is or with another payload or other options; the one that is there stays."""
    queue = body.to_queue or body.queue
    asked.check_sees(queue)
    inspector = await asked.inspector()
    record = await inspector.record(body.queue, body.id)
    options = {**of_record(record), **body.given(), "queue": queue}
    deadline = options.get("deadline")
    if body.deadline is None and deadline is not None and deadline <= datetime.now(UTC):
        del options["deadline"]
    _check_no_placeholder(asked, body)
    payload = record.info.payload if body.payload is None else body.payload.data()
    task: Task[Any] = Task(record.info.type, payload)
    prepare(task, options)
    done = await asked.perform(
        "task.clone", lambda inspector: _enqueue(inspector, task, options), queue=queue, about=body.id
    )
    return enqueued_row(done)


def _check_no_placeholder(asked: Asked, body: TaskClone | TaskUpdate) -> None:
    """
    Refuse what was read from here, where secrets are hidden, and is to be written back: the secrets would be lost.

    Raises:
        PayloadError: What stands for a hidden value is in it.
    """
    given = [] if body.payload is None else [body.payload.data().decode("utf-8", "replace")]
    given += (body.headers or {}).values()
    if not asked.rules.is_off and any(PLACEHOLDER in text for text in given):
        raise PayloadError(f"{PLACEHOLDER} stands for a hidden value, and is none itself: write the value")


async def _enqueue(inspector: Inspector, task: Task[Any], options: dict[str, Any]) -> Enqueued:
    async with Client(inspector.store, give_up_after=GIVE_UP_AFTER_S) as client:
        return await client.enqueue(task, **options)


async def update_task(asked: Asked, body: TaskUpdate) -> TaskItem:
    """
    Change a task that waits or is archived, in one step: all of it, or nothing; answers it as it is then.

    A pending task that is put off is scheduled; `process_in_s` 0 makes it due now.
    """
    _check_no_placeholder(asked, body)
    options = body.given()
    info = await asked.perform(
        "task.update",
        lambda inspector: inspector.update(body.queue, body.id, **options),
        queues={body.queue, body.move_to or body.queue},
        about=body.id,
    )
    return task_item(asked, info)


_LARGE: Any = {"most": BODY_WITH_PAYLOAD, "queue": "queue"}

OPERATIONS = (
    Operation("POST", "/tasks", enqueue_task, "task.enqueue", status=201, **_LARGE),
    Operation("POST", "/task/clone", clone_task, "task.clone", refusals=(404,), status=201, **_LARGE),
    Operation("POST", "/task/update", update_task, "task.update", refusals=(404,), **_LARGE),
)
