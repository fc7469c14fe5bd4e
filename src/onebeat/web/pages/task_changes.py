"""A task edited, or enqueued once more: nothing that others did meanwhile is overwritten."""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from onebeat.broker.browse import stamp
from onebeat.client import Client
from onebeat.errors import (
    DuplicateTask,
    InvalidTask,
    PayloadError,
    QueueFull,
    TaskIdConflict,
    TaskNotFound,
    WrongState,
)
from onebeat.inspector.acting import ACTIONS
from onebeat.inspector.found import Chosen, Selection
from onebeat.inspector.inspector import Inspector
from onebeat.inspector.recording import TaskRecord
from onebeat.preparing import Enqueued, prepare
from onebeat.states import TaskState
from onebeat.task import Task
from onebeat.web import consoles
from onebeat.web.acting import perform
from onebeat.web.api.task_options import of_record
from onebeat.web.forms import Form, query, read
from onebeat.web.page import redirect, render
from onebeat.web.pages import task_forms
from onebeat.web.pages.task_forms import Draft
from onebeat.web.rights import check_sees, may
from onebeat.web.showing import signs

GIVE_UP_AFTER_S = 2.0
"""How long a clone is tried while the store is away."""

_REFUSALS = (DuplicateTask, InvalidTask, PayloadError, QueueFull, TaskIdConflict, WrongState)


async def ask(request: Request) -> Response:
    """Show the form."""
    is_clone = request.url.path.endswith("/clone")
    asked = query(request)
    record = await _record(request, asked.needed("queue"), asked.needed("id"))
    action = "task.clone" if is_clone else "task.update"
    if not may(request, action, record.info.queue):
        raise HTTPException(403, f"You may not {'clone' if is_clone else 'edit'} tasks of queue {record.info.queue}.")
    why = "" if is_clone else _not_now(record)
    if why:
        return redirect(request, "/task", why, kind="bad", queue=record.info.queue, id=record.info.id)
    draft = task_forms.filled(record, consoles.of(request).settings.redaction, is_clone=is_clone)
    return _page(request, record, draft, is_clone=is_clone, was=draft.values)


async def _record(request: Request, queue: str, id_: str) -> TaskRecord:
    check_sees(request, queue)
    return await (await consoles.of(request).inspector()).record(queue, id_)


def _not_now(record: TaskRecord) -> str:
    """Say why a task cannot be edited; "" if it can."""
    info = record.info
    if not info.type:
        return "Its bytes are no message, so that nothing of it can be edited."
    if info.state in ACTIONS["update"]:
        return ""
    return {
        TaskState.ACTIVE: "It runs, so that it cannot be edited: wait for its end, or cancel it and clone it.",
        TaskState.COMPLETED: "It is completed, so that it cannot be edited: clone it.",
    }[info.state]


def _page(
    request: Request,
    record: TaskRecord,
    draft: Draft,
    *,
    is_clone: bool,
    was: Mapping[str, str],
    stamped: tuple[str, str] | None = None,
    error: str = "",
    holder: str = "",
    status: int = 200,
) -> Response:
    info = record.info
    return render(
        request,
        "task_form.html",
        status=status,
        place="tasks",
        polls=False,
        info=info,
        title=signs.plain(info.type),
        visible=signs.visible,
        draft=draft,
        is_clone=is_clone,
        was=json.dumps(dict(was)),
        stamped=stamped or (stamp(record.fields.get("msg", b"")), info.state.value),
        error=error,
        holder=holder,
    )


async def edit(request: Request) -> Response:
    """Change a task, if it still is what the form was filled with."""
    form = await read(request)
    queue, id_ = form.needed("queue_of"), form.needed("id")
    console = consoles.of(request)
    try:
        record = await _record(request, queue, id_)
    except TaskNotFound:
        return redirect(request, "/task", "It is gone, so that nothing was changed.", kind="bad", queue=queue, id=id_)
    if not may(request, "task.update", queue):
        await perform(request, "task.update", queue=queue, about=id_, deed=_nothing)  # which refuses it
    rules = console.settings.redaction
    draft = task_forms.typed(form, record, rules, is_clone=False)
    was = {**task_forms.filled(record, rules, is_clone=False).values, **_was(form)}
    stamped = (form.needed("stamp"), form.choice("state", [state.value for state in TaskState], TaskState.PENDING))
    changes = _changes(draft, record, was, request)
    if not changes and not draft.errors:
        return redirect(request, "/task", "Nothing was changed: all is as it was.", queue=queue, id=id_)
    move_to = changes.get("move_to")
    error = ""
    if not draft.errors:
        inspector = await console.inspector()
        one = Chosen(queue, id_, TaskState(stamped[1]), stamped[0])
        try:
            await perform(
                request,
                "task.update",
                queues=[queue, move_to] if move_to else [queue],
                about=id_,
                deed=lambda: _apply(inspector, one, changes),
            )
        except WrongState as passed:
            return redirect(request, "/task", str(passed), kind="bad", queue=queue, id=id_)
        except (InvalidTask, PayloadError) as refusal:
            error = str(refusal)
        else:
            return redirect(request, "/task", "It is changed.", queue=move_to or queue, id=id_)
    return _page(request, record, draft, is_clone=False, was=was, stamped=stamped, error=error, status=400)


async def _nothing() -> None:
    """Do nothing: who asks may not."""


def _was(form: Form) -> Mapping[str, str]:
    """Read what the fields were when the form was sent out."""
    try:
        found = json.loads(form.text("was", "{}", most=20_000))
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise HTTPException(400, "was is no object: open the form once more.")
    return {str(name): str(value) for name, value in found.items()}


def _changes(draft: Draft, record: TaskRecord, was: Mapping[str, str], request: Request) -> dict[str, Any]:
    changes = task_forms.options(draft, was, is_clone=False)
    try:
        payload = task_forms.new_payload(draft, record, consoles.of(request).settings.redaction)
    except PayloadError as error:
        draft.errors["payload"] = f"{error}."
    else:
        changes |= {} if payload is None else {"payload": payload}
    if draft.values["queue"] != record.info.queue:
        changes["move_to"] = draft.values["queue"]
    return changes


async def _apply(inspector: Inspector, one: Chosen, changes: Mapping[str, Any]) -> None:
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
        raise WrongState(await _passed(inspector, one.queue, one.id))


async def _passed(inspector: Inspector, queue: str, id_: str) -> str:
    """Say why a task was left alone that was no more what the form was filled with."""
    try:
        info = await inspector.task(queue, id_)
    except TaskNotFound:
        return "It was gone meanwhile, so that nothing was changed."
    state = "has begun" if info.state is TaskState.ACTIVE else f"is {info.state.value} now, or was changed by others"
    return f"It {state}, so that nothing was changed: look at it, and begin again."


async def clone(request: Request) -> Response:
    """Enqueue a task once more; the one that is there stays."""
    form = await read(request)
    record = await _record(request, form.needed("queue_of"), form.needed("id"))
    console, info = consoles.of(request), record.info
    if not may(request, "task.clone", info.queue):
        await perform(request, "task.clone", queue=info.queue, about=info.id, deed=_nothing)  # which refuses it
    if not info.type:
        raise HTTPException(409, "Its bytes are no message, so that it cannot be cloned.")
    draft, was = task_forms.typed(form, record, console.settings.redaction, is_clone=True), _was(form)
    options = {**_same(record), **task_forms.options(draft, was, is_clone=True), "queue": draft.values["queue"]}
    error, holder = "", ""
    try:
        payload = task_forms.new_payload(draft, record, console.settings.redaction)
    except PayloadError as refusal:
        draft.errors["payload"] = f"{refusal}."
        payload = None
    if not draft.errors:
        task: Task[Any] = Task(info.type, (info.payload if payload is None else payload) or None)
        try:
            prepare(task, options)  # what cannot be is refused before anything is written down
            inspector = await console.inspector()
            done = await perform(
                request,
                "task.clone",
                queue=options["queue"],
                about=info.id,
                deed=lambda: _enqueue(inspector, task, options),
            )
        except _REFUSALS as refusal:
            error, holder = str(refusal), getattr(refusal, "holder", "")
        else:
            return redirect(request, "/task", f"It is enqueued, as a copy of {info.id}.", queue=done.queue, id=done.id)
    return _page(request, record, draft, is_clone=True, was=was, error=error, holder=holder, status=400)


def _same(record: TaskRecord) -> dict[str, Any]:
    """Return the options that a clone takes over; a deadline that is over is none of them."""
    options = of_record(record)
    deadline = options.get("deadline")
    if deadline is not None and deadline <= datetime.now(UTC):
        del options["deadline"]
    return options


async def _enqueue(inspector: Inspector, task: Task[Any], options: Mapping[str, Any]) -> Enqueued:
    given: Any = dict(options)
    async with Client(inspector.store, give_up_after=GIVE_UP_AFTER_S) as client:
        return await client.enqueue(task, **given)


routes: list[Route] = [
    Route("/task/edit", ask),
    Route("/task/clone", ask),
    Route("/task/edit", edit, methods=["POST"]),
    Route("/task/clone", clone, methods=["POST"]),
]
