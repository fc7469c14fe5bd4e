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
from onebeat.inspector.found import Chosen
from onebeat.inspector.recording import TaskRecord
from onebeat.preparing import prepare
from onebeat.states import TaskState
from onebeat.task import Task
from onebeat.web import changing, consoles
from onebeat.web.acting import perform
from onebeat.web.api.task_options import of_record
from onebeat.web.editing.paths import Changed
from onebeat.web.forms import query, read
from onebeat.web.page import redirect, render
from onebeat.web.pages import task_forms
from onebeat.web.pages.task_forms import Draft
from onebeat.web.rights import check_sees, may
from onebeat.web.showing import signs

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
        verb="Clone" if is_clone else "Edit",
        is_new=False,
        is_clone=is_clone,
        was=json.dumps(dict(was)),
        stamped=stamped or (stamp(record.fields.get("msg", b"")), info.state.value),
        payload_stamp=_stamp(record),
        may_replace=is_clone or may(request, changing.OVER_HIDDEN, info.queue),
        is_declared=info.type in app.tasks if (app := consoles.of(request).app) is not None else False,
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
    rules, inspector = console.settings.redaction, await console.inspector()
    one = Chosen(queue, id_, TaskState(form.choice("state", list(TaskState), TaskState.PENDING)), form.needed("stamp"))
    if (one.stamp, one.state) != (stamp(record.fields.get("msg", b"")), record.info.state):
        return await _too_late(request, one)
    draft = task_forms.typed(form, record, rules, is_clone=False)
    was = {**task_forms.filled(record, rules, is_clone=False).values, **task_forms.was_of(form)}
    changes, changed = _changes(draft, record, was, request)
    if not changes and not draft.errors:
        return redirect(request, "/task", "Nothing was changed: all is as it was.", queue=queue, id=id_)
    action = changing.OVER_HIDDEN if changed.is_over_hidden else "task.update"
    if not may(request, action, queue):
        await perform(request, action, queue=queue, about=id_, deed=_nothing)  # which refuses it
    move_to = changes.get("move_to")
    error = ""
    if not draft.errors:
        try:
            await perform(
                request,
                action,
                queues=[queue, move_to] if move_to else [queue],
                about=id_,
                changes=changing.told(changes, changed.fields),
                reason=draft.reason,
                deed=lambda: changing.apply(inspector, one, changes),
            )
        except WrongState as passed:
            return redirect(request, "/task", str(passed), kind="bad", queue=queue, id=id_)
        except (InvalidTask, PayloadError) as refusal:
            error = str(refusal)
        else:
            return redirect(request, "/task", "It is changed.", queue=move_to or queue, id=id_)
    return _page(
        request, record, draft, is_clone=False, was=was, stamped=(one.stamp, one.state.value), error=error, status=400
    )


async def _too_late(request: Request, one: Chosen) -> Response:
    """Say what became of a task meanwhile; that it was to be changed is written down."""
    inspector, why = await consoles.of(request).inspector(), ""
    try:
        await perform(
            request, "task.update", queue=one.queue, about=one.id, deed=lambda: changing.refuse(inspector, one)
        )
    except WrongState as passed:
        why = str(passed)
    return redirect(request, "/task", why, kind="bad", queue=one.queue, id=one.id)


async def _nothing() -> None:
    """Do nothing: who asks may not."""


def _changes(
    draft: Draft, record: TaskRecord, was: Mapping[str, str], request: Request
) -> tuple[dict[str, Any], Changed]:
    changes = task_forms.options(draft, was, is_clone=False)
    changed = _payload(draft, record, request)
    changes |= {} if changed.payload is None else {"payload": changed.payload}
    if draft.values["queue"] != record.info.queue:
        changes["move_to"] = draft.values["queue"]
    return changes, changed


def _payload(draft: Draft, record: TaskRecord, request: Request) -> Changed:
    """Return the payload that was typed; what is wrong with it, or with what its task declares, is noted."""
    console = consoles.of(request)
    rules = console.settings.redaction
    changed = task_forms.new_payload(draft, record.info.payload, rules)
    if changed.payload is not None and not draft.errors:
        task_forms.check_fit(draft, console.app, record.info, changed.payload, rules)
    return changed


async def clone(request: Request) -> Response:
    """Enqueue a task once more; the one that is there stays."""
    form = await read(request)
    record = await _record(request, form.needed("queue_of"), form.needed("id"))
    console, info = consoles.of(request), record.info
    if not may(request, "task.clone", info.queue):
        await perform(request, "task.clone", queue=info.queue, about=info.id, deed=_nothing)  # which refuses it
    if not info.type:
        raise HTTPException(409, "Its bytes are no message, so that it cannot be cloned.")
    rules = console.settings.redaction
    filled_with = form.get("payload_stamp")
    if filled_with and filled_with != _stamp(record):
        why = "Its payload or headers were changed by others meanwhile, so that nothing was enqueued: this is it now."
        draft = task_forms.filled(record, rules, is_clone=True)
        return _page(request, record, draft, is_clone=True, was=draft.values, error=why, status=409)
    draft, was = task_forms.typed(form, record, rules, is_clone=True), task_forms.was_of(form)
    found = task_forms.options(draft, was, is_clone=True)
    same, headers = _same(record), task_forms.headers_of(draft)
    if headers != same.get("headers", {}):
        found["headers"] = headers
    if "group" in same and not draft.values["group"]:
        found["group"] = None
    options = {**same, **found, "queue": draft.values["queue"]}
    error, holder = "", ""
    changed = _payload(draft, record, request)
    if not draft.errors:
        task: Task[Any] = Task(info.type, (info.payload if changed.payload is None else changed.payload) or None)
        try:
            prepare(task, options)  # what cannot be is refused before anything is written down
            inspector = await console.inspector()
            done = await perform(
                request,
                "task.clone",
                queue=options["queue"],
                about=info.id,
                changes=changing.told({**found, **_given(changed)}, changed.fields),
                reason=draft.reason,
                deed=lambda: changing.enqueue(inspector, task, options),
            )
        except _REFUSALS as refusal:
            error, holder = str(refusal), getattr(refusal, "holder", "")
        else:
            return redirect(request, "/task", f"It is enqueued, as a copy of {info.id}.", queue=done.queue, id=done.id)
    return _page(request, record, draft, is_clone=True, was=was, error=error, holder=holder, status=400)


def _stamp(record: TaskRecord) -> str:
    """Tell apart what a clone takes over unseen: the payload, and headers."""
    headers = json.dumps(sorted(record.info.headers.items()))
    return stamp(record.info.payload + b"\0" + headers.encode())


def _given(changed: Changed) -> dict[str, bytes]:
    return {} if changed.payload is None else {"payload": changed.payload}


def _same(record: TaskRecord) -> dict[str, Any]:
    """Return the options that a clone takes over; a deadline that is over is none of them."""
    options = of_record(record)
    deadline = options.get("deadline")
    if deadline is not None and deadline <= datetime.now(UTC):
        del options["deadline"]
    return options


routes: list[Route] = [
    Route("/task/edit", ask),
    Route("/task/clone", ask),
    Route("/task/edit", edit, methods=["POST"]),
    Route("/task/clone", clone, methods=["POST"]),
]
