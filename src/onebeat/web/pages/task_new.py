"""A new task, by hand: what its application declares is asked for field by field, all else is a text."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from onebeat.app.declared import Declared
from onebeat.codecs import HEADER, JSON
from onebeat.errors import (
    DuplicateTask,
    InvalidTask,
    PayloadError,
    QueueFull,
    TaskIdConflict,
    WrongState,
)
from onebeat.options import DEFAULT_QUEUE, Resolved, Unique, resolve
from onebeat.preparing import prepare
from onebeat.task import Task
from onebeat.web import changing, consoles
from onebeat.web.acting import perform
from onebeat.web.editing.declarations import shape
from onebeat.web.editing.paths import Changed
from onebeat.web.forms import query, read
from onebeat.web.page import redirect, render
from onebeat.web.pages import task_forms
from onebeat.web.pages.task_blanks import Blanks
from onebeat.web.pages.task_forms import Draft, lasting
from onebeat.web.pages.task_headers import Headers
from onebeat.web.parts import quiet_part
from onebeat.web.rights import may, may_somewhere
from onebeat.web.showing import signs
from onebeat.web.showing.redaction import Redaction
from onebeat.web.showing.tokens import NotJson, json_tokens

ACTION = "task.enqueue"

LISTED = 200
"""Queues that are offered by name."""

_REFUSALS = (DuplicateTask, InvalidTask, PayloadError, QueueFull, TaskIdConflict, WrongState)

_NONE: Mapping[str, Mapping[str, Any]] = {
    "due": {"process_in": 0},
    "max_retry": {"max_retry": None},
    "timeout": {"timeout": None},
    "deadline": {"deadline": None},
    "expires": {"expires": None},
    "retention": {"retention": 0},
    "unique": {"unique": None},
    "group": {"group": None},
}
"""What it means that a field is emptied: what the declaration has said of it does not count."""


async def ask(request: Request) -> Response:
    """Show the form, of the type and for the queue that the address names."""
    asked = query(request)
    queues = await _queues(request)
    if not may_somewhere(request, ACTION):
        raise HTTPException(403, "You may not enqueue tasks: that needs the role operate on a queue.")
    kind = asked.text("type", most=1000).strip()
    draft = blank(request, kind)
    queue = asked.text("queue", most=1000)
    if queue or not may(request, ACTION, draft.values["queue"]):
        draft.values["queue"] = queue or next(iter(queues), "")
    if queue and not may(request, ACTION, queue):
        raise HTTPException(403, f"You may not enqueue tasks into queue {queue}: that needs the role operate there.")
    return await _page(request, kind, draft, was=draft.values)


def declaration(request: Request, kind: str) -> Declared[..., Any, Any, Any] | None:
    """Return what the application declares of a type; None: nothing is known of it."""
    app = consoles.of(request).app
    return None if app is None else app.tasks.get(kind)


def blank(request: Request, kind: str) -> Draft:
    """Return the form of a type with nothing filled in but what its declaration says."""
    declared, rules = declaration(request, kind), consoles.of(request).settings.redaction
    options = {} if declared is None else declared.default_options
    draft = Draft(_values(resolve(options)), payload="", headers=_headers(declared, rules))
    found = None if declared is None else shape(declared)
    if found is not None:
        draft.fields = Blanks(found, rules)
    return draft


def _headers(declared: Declared[..., Any, Any, Any] | None, rules: Redaction) -> Headers:
    if declared is None:
        return Headers({}, rules)
    given = declared.default_options.get("headers") or {}
    return Headers({name: text for name, text in given.items() if name != HEADER}, rules, refusal=_BY_ITSELF)


_BY_ITSELF = "is written by the application itself"


def _values(given: Resolved) -> dict[str, str]:
    exact = timedelta(milliseconds=int(given.timeout_ms)) if given.timeout_ms else timedelta(seconds=given.timeout_s)
    return {
        "queue": given.queue,
        "task_id": given.task_id,
        "due": _moment(given.due),
        "max_retry": str(given.max_retry),
        "timeout": lasting(exact),
        "deadline": _instant(given.deadline_s * 1000) if given.deadline_s else "",
        "expires": _moment(given.expires),
        "retention": lasting(timedelta(seconds=given.retention_s)),
        "unique": lasting(timedelta(milliseconds=given.unique_ms)) if given.unique_ms else "",
        "group": given.group,
    }


def _moment(text: str) -> str:
    """Write when something is due: "+ms" from then on, or "ms" since 1970."""
    if not text:
        return ""
    return lasting(timedelta(milliseconds=float(text))) if text.startswith("+") else _instant(int(text))


def _instant(ms: int) -> str:
    return datetime.fromtimestamp(ms / 1000, UTC).isoformat().replace("+00:00", "Z")


async def _queues(request: Request) -> list[str]:
    """Return the queues that there are and into which the viewer may enqueue."""
    console = consoles.of(request)
    stats = await quiet_part(request, "stats", (await console.inspector()).stats_each)
    return [name for name in sorted(stats or ()) if may(request, ACTION, name)]


async def _page(
    request: Request,
    kind: str,
    draft: Draft,
    *,
    was: Mapping[str, str],
    error: str = "",
    holder: str = "",
    status: int = 200,
) -> Response:
    app = consoles.of(request).app
    declared = declaration(request, kind)
    return render(
        request,
        "task_form.html",
        status=status,
        place="tasks",
        polls=False,
        verb="Enqueue",
        is_new=True,
        is_clone=True,
        type=kind,
        types=sorted(app.tasks) if app is not None else [],
        known_queues=(await _queues(request))[:LISTED],
        queue_named=query(request).get("queue"),
        about="" if declared is None else signs.short(_summary(declared), 200),
        takes="" if declared is None else _called(declared.takes),
        title="a task",
        visible=signs.visible,
        draft=draft,
        was=json.dumps(dict(was)),
        stamp=draft.fields.stamp if isinstance(draft.fields, Blanks) else "",
        may_replace=True,
        is_declared=declared is not None,
        error=error,
        holder=holder,
    )


def _summary(declared: Declared[..., Any, Any, Any]) -> str:
    """Return the first paragraph of what its function says of itself."""
    return " ".join((declared.__doc__ or "").strip().partition("\n\n")[0].split())


def _called(kind: Any) -> str:
    """Write a type as code does."""
    return kind.__name__ if isinstance(kind, type) else str(kind).replace("typing.", "")


async def enqueue(request: Request) -> Response:
    """Enqueue what was typed."""
    form = await read(request)
    queue = form.text("queue", most=1000).strip() or DEFAULT_QUEUE
    if not may(request, ACTION, queue):
        await perform(request, ACTION, queue=queue, about=form.get("type")[:200], deed=_nothing)  # which refuses it
    kind = form.text("type", most=1000).strip()
    draft, was = blank(request, kind), task_forms.was_of(form)
    if isinstance(draft.fields, Blanks) and form.get("stamp", draft.fields.stamp) != draft.fields.stamp:
        why = "What its application declares has changed meanwhile, so that nothing was enqueued: fill in this form."
        return await _page(request, kind, draft, was=draft.values, error=why, status=409)
    was = {**draft.values, **was}
    task_forms.take(draft, form)
    draft.values["queue"] = queue
    error, holder = "", ""
    options = {**_options(request, kind, draft, was), "queue": queue}
    changed, task = _task(request, kind, draft)
    headers = task_forms.headers_of(draft)
    said = _said(options)
    if task is not None and (headers or task.headers):
        own = {name: text for name, text in task.headers.items() if name == HEADER}
        said |= {} if {**own, **headers} == task.headers else {"headers": headers}
        task.options = {**task.options, "headers": {**own, **headers}}
    if task is not None and not draft.errors:
        try:
            prepare(task, options)  # what cannot be is refused before anything is written down
            inspector = await consoles.of(request).inspector()
            done = await perform(
                request, ACTION, queue=queue, about=kind,
                changes=changing.told({**said, **({"payload": b""} if task.payload else {})}, changed.fields),
                reason=draft.reason,
                deed=lambda: changing.enqueue(inspector, task, options),
            )  # fmt: skip
        except _REFUSALS as refusal:
            error, holder = str(refusal), getattr(refusal, "holder", "")
            if isinstance(refusal, TaskIdConflict):
                holder = draft.values["task_id"]
        else:
            return redirect(request, "/task", "It is enqueued.", queue=done.queue, id=done.id)
    return await _page(request, kind, draft, was=was, error=error, holder=holder, status=400)


async def _nothing() -> None:
    """Do nothing: who asks may not."""


def _said(options: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in options.items() if name != "queue"}


def _options(request: Request, kind: str, draft: Draft, was: Mapping[str, str]) -> dict[str, Any]:
    """Read the options; what is as its declaration has it is left to that."""
    found = task_forms.options(draft, was, is_clone=True)
    for name, none in _NONE.items():
        if was.get(name) and not draft.values[name]:
            found.update(none)
    if was.get("task_id") == draft.values["task_id"]:
        found.pop("task_id", None)
    declared = declaration(request, kind)
    own = None if declared is None else declared.default_options.get("unique")
    if own is not None and "unique" in found and found["unique"] is not None:
        if draft.values["unique"] == was.get("unique"):
            del found["unique"]
        elif isinstance(own, Unique):
            found["unique"] = replace(own, ttl=found["unique"].ttl)
    return found


def _task(request: Request, kind: str, draft: Draft) -> tuple[Changed, Task[Any] | None]:
    """Make the task that was typed; what is wrong with it is noted in the form."""
    console, declared = consoles.of(request), declaration(request, kind)
    rules = console.settings.redaction
    changed = task_forms.new_payload(draft, b"", rules)
    payload = changed.payload or b""
    if not kind:
        draft.errors["type"] = "Write the type by which a server finds its handler, such as email:welcome."
    if draft.errors or not kind:
        return changed, None
    try:
        if declared is None:
            _check_text(draft)
            return changed, Task(kind, payload or None)
        codec = declared.codec.name if draft.is_base64 else JSON.name
        headers = {} if codec == JSON.name else {HEADER: codec}
        task_forms.check_fit(draft, console.app, Task(kind, headers=headers), payload, rules)
        if draft.is_base64 or draft.is_raw:
            return changed, _as_it_is(declared, payload, headers)
        return changed, None if draft.errors else _bound(declared, payload)
    except InvalidTask as error:
        draft.errors["type"] = f"{error}."
    except PayloadError as error:
        draft.errors["payload"] = _why(error, rules)
    return changed, None


def _why(error: PayloadError, rules: Redaction) -> str:
    return f"{signs.plain(rules.text(str(error)))}."


def _bound(declared: Declared[..., Any, Any, Any], payload: bytes) -> Task[Any]:
    """Make the task as the application itself does: in its codec, with its defaults, in the order of its parameters."""
    args, kwargs = declared.arguments(payload)
    return declared.bind(*args, **kwargs)


def _as_it_is(declared: Declared[..., Any, Any, Any], payload: bytes, codec: Mapping[str, str]) -> Task[Any]:
    """Make the task with its payload byte for byte, and what its declaration says beside."""
    options = dict(declared.default_options)
    headers = {name: text for name, text in (options.pop("headers", None) or {}).items() if name != HEADER}
    return Task(declared.type, payload or None, **options, headers={**headers, **codec})


def _check_text(draft: Draft) -> None:
    """Note that a text begins as JSON and is none, unless it is to be enqueued all the same."""
    text = (draft.payload or "").strip()
    if draft.is_raw or draft.is_base64 or text[:1] not in ("{", "["):
        return
    try:
        list(json_tokens(text))
    except NotJson:
        draft.errors["payload"] = "It begins as JSON, and is none: look at its commas, quotes and brackets."
        draft.is_unfit = True


routes: list[Route] = [Route("/task/new", ask), Route("/task/new", enqueue, methods=["POST"])]
