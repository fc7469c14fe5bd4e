"""Tasks that are enqueued, enqueued once more, and changed."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from onebeat import codecs
from onebeat.broker.browse import stamp
from onebeat.documents.tasks import EnqueuedRow, enqueued_row
from onebeat.errors import PayloadError
from onebeat.inspector.found import Chosen
from onebeat.inspector.inspector import Inspector
from onebeat.inspector.recording import TaskRecord
from onebeat.preparing import prepare
from onebeat.task import Task, TaskInfo
from onebeat.web.api.asking import Asked
from onebeat.web.api.operation import BODY_WITH_PAYLOAD, Operation
from onebeat.web.api.task_documents import TaskItem, task_item
from onebeat.web.api.task_options import NewTask, TaskClone, TaskUpdate, of_record
from onebeat.web.changing import OVER_HIDDEN, apply, enqueue, told
from onebeat.web.editing.fitting import misfit
from onebeat.web.editing.paths import Changed, change
from onebeat.web.showing.payloads import allowed
from onebeat.web.showing.redaction import PLACEHOLDER


async def enqueue_task(asked: Asked, body: NewTask) -> EnqueuedRow:
    """
    Enqueue a task.

    With a `task_id` a request can be repeated: a second one is answered 409 while the first task exists.
    """
    payload = b"" if body.payload is None else body.payload.data()
    task: Task[Any] = Task(body.type, None if body.payload is None else payload)
    given = body.given()
    options = {**given, "queue": body.queue}
    prepare(task, options)  # what cannot be is refused before anything is recorded
    if asked.may("task.enqueue", body.queue):  # else it is refused, and nothing is told of what is declared
        _check_no_placeholder(asked, body)
        _check_fit(asked, body, Task(body.type, headers=body.headers or {}), payload)
    done = await asked.perform(
        "task.enqueue",
        lambda inspector: enqueue(inspector, task, options),
        queue=body.queue,
        about=body.type,
        changes=told({**({} if body.payload is None else {"payload": b""}), **given}, ()),
        reason=body.reason,
    )
    return enqueued_row(done)


async def clone_task(asked: Asked, body: TaskClone) -> EnqueuedRow:
    """Enqueue a task once more, as it is or with another payload or other options; the one that is there stays."""
    queue = body.to_queue or body.queue
    asked.check_sees(queue)
    inspector = await asked.inspector()
    record = await inspector.record(body.queue, body.id)
    given = body.given()
    options = {**of_record(record), **given, "queue": queue}
    deadline = options.get("deadline")
    if body.deadline is None and deadline is not None and deadline <= datetime.now(UTC):
        del options["deadline"]
    changed = _changed(asked, body, record)
    payload = record.info.payload if changed is None or changed.payload is None else changed.payload
    task: Task[Any] = Task(record.info.type, payload)
    prepare(task, options)
    done = await asked.perform(
        "task.clone",
        lambda inspector: enqueue(inspector, task, options),
        queue=queue,
        about=body.id,
        changes=_told(given, changed),
        reason=body.reason,
    )
    return enqueued_row(done)


def _changed(asked: Asked, body: TaskClone | TaskUpdate, record: TaskRecord) -> Changed | None:
    """
    Return the payload that is asked for; None: it stays.

    Raises:
        PayloadError: It is given in two ways, stands for what is hidden, or does not fit what its task declares.
    """
    _check_no_placeholder(asked, body)
    info, rules = record.info, asked.rules
    codec, sets = codecs.name_of(info.headers), {path: bytes(value) for path, value in (body.set or {}).items()}
    if body.payload is not None and (sets or body.unset):
        raise PayloadError("payload is given, and set or unset: give one of them")
    if body.payload is not None:
        hides = allowed(info.payload, codec=codec, rules=rules).is_changed
        changed = Changed(body.payload.data(), is_over_hidden=hides)
    elif sets or body.unset:
        changed = change(info.payload, codec, rules, sets, body.unset or ())
    else:
        return None
    if changed.payload is not None:
        _check_fit(asked, body, info, changed.payload)
    return changed


def _check_fit(
    asked: Asked, body: NewTask | TaskClone | TaskUpdate, about: TaskInfo | Task[Any], payload: bytes
) -> None:
    """
    Refuse a payload that is not what its task declares, unless it is to be written all the same.

    Raises:
        PayloadError: It is so.
    """
    found = None if body.raw else misfit(asked.console.app, about, payload, asked.rules)
    if found is not None:
        raise PayloadError(f"payload was not written: {found.sentence}; with raw it is written all the same")


def _told(given: Mapping[str, Any], changed: Changed | None) -> str:
    names = {} if changed is None or changed.payload is None else {"payload": b""}
    return told({**names, **given}, () if changed is None else changed.fields)


def _check_no_placeholder(asked: Asked, body: NewTask | TaskClone | TaskUpdate) -> None:
    """
    Refuse what was read from here, where secrets are hidden, and is to be written back: the secrets would be lost.

    Raises:
        PayloadError: What stands for a hidden value is in it.
    """
    given = [] if body.payload is None else [body.payload.data().decode("utf-8", "replace")]
    given += (body.headers or {}).values()
    if not asked.rules.is_off and any(PLACEHOLDER in text for text in given):
        raise PayloadError(f"{PLACEHOLDER} stands for a hidden value, and is none itself: write the value")


async def update_task(asked: Asked, body: TaskUpdate) -> TaskItem:
    """
    Change a task that waits or is archived, in one step: all of it, or nothing; answers it as it is then.

    A pending task that is put off is scheduled; `process_in_s` 0 makes it due now.
    """
    inspector = await asked.inspector()
    record = await inspector.record(body.queue, body.id)
    changed, options = _changed(asked, body, record), body.given()
    if changed is not None and changed.payload is not None:
        options["payload"] = changed.payload
    is_by_field = changed is not None and body.payload is None
    one = Chosen(body.queue, body.id, record.info.state, stamp(record.fields.get("msg", b"")))

    async def deed(inspector: Inspector) -> None:
        if not is_by_field:
            await inspector.update(body.queue, body.id, **options)
        elif options:  # else all is as it is asked for
            await apply(inspector, one, options)

    await asked.perform(
        OVER_HIDDEN if changed is not None and changed.is_over_hidden else "task.update",
        deed,
        queues={body.queue, body.move_to or body.queue},
        about=body.id,
        changes=_told({name: value for name, value in options.items() if name != "payload"}, changed),
        reason=body.reason,
    )
    return task_item(asked, await inspector.task(body.move_to or body.queue, body.id))


_LARGE: Any = {"most": BODY_WITH_PAYLOAD, "queue": "queue"}

OPERATIONS = (
    Operation("POST", "/tasks", enqueue_task, "task.enqueue", status=201, **_LARGE),
    Operation("POST", "/task/clone", clone_task, "task.clone", refusals=(404,), status=201, **_LARGE),
    Operation("POST", "/task/update", update_task, "task.update", refusals=(404,), **_LARGE),
)
