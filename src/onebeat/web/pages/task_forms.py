"""The form by which a task is edited or cloned: what it is filled with, and what was typed."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from math import ceil
from typing import Any

from starlette.exceptions import HTTPException

from onebeat.app.app import Onebeat
from onebeat.errors import InvalidTask, PayloadError
from onebeat.inspector.recording import TaskRecord
from onebeat.inspector.words import moment, span
from onebeat.options import Unique
from onebeat.states import TaskState
from onebeat.task import Task, TaskInfo
from onebeat.web import reasons
from onebeat.web.api.task_options import of_record
from onebeat.web.editing.fitting import misfit
from onebeat.web.editing.paths import Changed
from onebeat.web.editing.trees import Uneditable
from onebeat.web.editing.whole import base64_of, bytes_of, payload_of, text_of
from onebeat.web.forms import Form
from onebeat.web.pages.task_blanks import Blanks
from onebeat.web.pages.task_fields import MAX_TYPED, Fields
from onebeat.web.pages.task_headers import Headers
from onebeat.web.showing import signs
from onebeat.web.showing.redaction import Redaction
from onebeat.words import size

EDITABLE = 200_000
"""Bytes of a payload that a form holds."""

FIELDS = ("queue", "task_id", "due", "max_retry", "timeout", "deadline", "expires", "retention", "unique", "group")

_UNITS = (("w", 7 * 86_400), ("d", 86_400), ("h", 3_600), ("m", 60), ("s", 1))


@dataclass(slots=True)
class Draft:
    """
    A form: what stands in its fields, and what is wrong with them.

    Attributes:
        values: What stands in them.

        payload: The payload as text; None: it is not edited as one.

        is_base64: That text is the bytes of the payload in base64.

        why: Why it is not.

        fields: The fields of the payload; None: it is not edited by them.

        why_no_fields: Why it is not.

        headers: The headers of a new task; None: they are not edited.

        errors: Sentences, by field.

        is_unfit: The payload is not what its task declares.

        is_raw: It is to be saved all the same.

        reason: Why, as it was said.
    """

    values: dict[str, str]
    payload: str | None = None
    is_base64: bool = False
    why: str = ""
    fields: Fields | Blanks | None = None
    why_no_fields: str = ""
    headers: Headers | None = None
    errors: dict[str, str] = field(default_factory=dict)
    is_unfit: bool = False
    is_raw: bool = False
    reason: str = ""


def filled(record: TaskRecord, rules: Redaction, *, is_clone: bool) -> Draft:
    """Return the form of a task as it is."""
    draft, info = Draft(_values(record, is_clone=is_clone)), record.info
    if is_clone:
        draft.headers = Headers(of_record(record).get("headers", {}), rules, refusal=_OF_CODEC)
    if len(info.payload) > EDITABLE:
        draft.why = f"It has {size(len(info.payload))}, more than a form holds."
        return draft
    draft.payload, draft.why = text_of(info, rules)
    try:
        draft.fields = Fields(info, rules)
    except Uneditable as why:
        draft.why_no_fields = signs.plain(rules.text(str(why)))
    if draft.payload is None and draft.fields is None and (text := base64_of(info, rules)) is not None:
        draft.payload, draft.is_base64 = text, True
    return draft


_OF_CODEC = "says in which codec the payload is, which stays"


def _values(record: TaskRecord, *, is_clone: bool) -> dict[str, str]:
    info, lock = record.info, record.lock
    is_ahead = info.state in (TaskState.SCHEDULED, TaskState.RETRY) and not is_clone
    holds = lock is not None and lock.holder == info.id
    return {
        "queue": info.queue,
        "task_id": "",
        "due": _instant(info.next_process_at) if is_ahead else "",
        "max_retry": str(info.max_retry),
        "timeout": lasting(record.timeout),
        "deadline": _instant(info.deadline),
        "expires": _instant(info.expires_at),
        "retention": lasting(info.retention),
        "unique": lasting(_whole(lock.left))
        if is_clone and lock is not None and lock.left is not None and holds
        else "",
        "group": of_record(record).get("group", "") if is_clone else "",
    }


def _whole(length: timedelta) -> timedelta:
    return timedelta(seconds=ceil(length.total_seconds()))


def _instant(at: datetime | None) -> str:
    return "" if at is None else at.astimezone(UTC).isoformat().replace("+00:00", "Z")


def lasting(length: timedelta) -> str:
    """Write a duration exactly as it is read: "1h30m", "250ms", "0s"."""
    whole, rest = divmod(round(length.total_seconds() * 1000), 1000)
    parts = []
    for unit, seconds in _UNITS:
        number, whole = divmod(whole, seconds)
        parts += [f"{number}{unit}"] if number else []
    return "".join([*parts, f"{rest}ms" if rest else ""]) or "0s"


def typed(form: Form, record: TaskRecord, rules: Redaction, *, is_clone: bool) -> Draft:
    """Return the form with what was typed into it."""
    draft = filled(record, rules, is_clone=is_clone)
    take(draft, form)
    return draft


def take(draft: Draft, form: Form) -> None:
    """Put what was typed into a form."""
    draft.values = {name: form.text(name, draft.values[name], most=1000).strip() for name in FIELDS}
    if draft.headers is not None:
        draft.headers.take(form)
    if draft.payload is not None:
        draft.is_base64 = draft.is_base64 or form.choice("payload_as", ("text", "base64"), "text") == "base64"
        draft.payload = form.text("payload", draft.payload, most=MAX_TYPED).replace("\r\n", "\n")
    if draft.fields is not None:
        draft.fields.take(form)
    draft.is_raw = form.get("raw") == "yes"
    draft.reason = form.get("reason")
    try:
        reasons.read(draft.reason)
    except HTTPException as error:
        draft.errors["reason"] = error.detail


def was_of(form: Form) -> Mapping[str, str]:
    """
    Read what the fields were when the form was sent out.

    Raises:
        HTTPException: 400: it is none of our forms.
    """
    try:
        found = json.loads(form.text("was", "{}", most=20_000))
    except (ValueError, RecursionError):
        found = None
    if not isinstance(found, dict):
        raise HTTPException(400, "was is no object: open the form once more.")
    return {str(name): str(value) for name, value in found.items()}


def new_payload(draft: Draft, was: bytes, rules: Redaction) -> Changed:
    """Return the payload that was typed, by field or as one text; what is wrong with it is noted in the form."""
    by_field = draft.fields.changed(rules) if draft.fields is not None else Changed(None)
    try:
        read = bytes_of if draft.is_base64 else payload_of
        text = None if draft.payload is None else read(draft.payload, was, rules)
    except PayloadError as error:
        draft.errors["payload"] = f"{error}."
        return by_field
    if draft.fields is not None and draft.fields.has_errors:
        draft.errors["fields"] = "Look at what is marked."
    elif text is not None and by_field.payload is not None:
        draft.errors["payload"] = "It is changed by field and as one text: leave one of them as it was."
    return by_field if text is None else Changed(text)


def check_fit(draft: Draft, app: Onebeat | None, info: TaskInfo | Task[Any], payload: bytes, rules: Redaction) -> None:
    """Note in the form that a payload is not what its task declares, unless it is to be saved all the same."""
    if draft.is_raw or (found := misfit(app, info, payload, rules)) is None:
        return
    sentence = f"{found.sentence[:1].upper()}{found.sentence[1:]}."
    row = draft.fields.at(found.path) if draft.fields is not None and found.path is not None else None
    if row is not None:
        row.error = sentence
        draft.errors["fields"] = "Look at what is marked."
    else:
        draft.errors["payload"] = sentence
    draft.is_unfit = True


def headers_of(draft: Draft) -> dict[str, str]:
    """Return the headers that a new task is to have; what is wrong with them is noted in the form."""
    try:
        return {} if draft.headers is None else draft.headers.typed()
    except InvalidTask as error:
        sentence = str(error)
        draft.errors["headers"] = f"{sentence[:1].upper()}{sentence[1:]}."
        return {}


_Read = Callable[[str], Mapping[str, Any]]


def _due(text: str) -> Mapping[str, Any]:
    found = moment(text)
    return {"process_in": found} if isinstance(found, timedelta) else {"process_at": found}


def _deadline(text: str) -> Mapping[str, Any]:
    found = moment(text)
    return {"deadline": datetime.now(UTC) + found if isinstance(found, timedelta) else found}


def _count(text: str) -> Mapping[str, Any]:
    if not text.isascii() or not text.isdigit() or len(text) > 10:
        raise ValueError("give a whole number, 0 for no retry")
    return {"max_retry": int(text)}


_READERS: Mapping[str, _Read] = {
    "task_id": lambda text: {"task_id": text},
    "due": _due,
    "max_retry": _count,
    "timeout": lambda text: {"timeout": span(text)},
    "deadline": _deadline,
    "expires": lambda text: {"expires": moment(text)},
    "retention": lambda text: {"retention": span(text)},
    "unique": lambda text: {"unique": Unique(span(text))},
    "group": lambda text: {"group": text},
}


_OF_NEW = ("task_id", "unique", "group")
"""Fields that only a new task has."""


def options(draft: Draft, was: Mapping[str, str], *, is_clone: bool) -> dict[str, Any]:
    """
    Read the fields that differ from what they were; what is wrong is noted in the form.

    Args:
        was: What they were when the form was sent out.
    """
    found: dict[str, Any] = {}
    for name, read in _READERS.items():
        text = draft.values[name]
        if name in _OF_NEW:
            if not is_clone or (name == "group" and text == was.get(name)):
                continue
        elif text == was.get(name):
            continue
        if not text:
            if not is_clone and name in ("deadline", "expires", "max_retry", "timeout", "retention"):
                draft.errors[name] = "It cannot be taken away: write another."
            continue
        try:
            found.update(read(text))
        except ValueError as error:
            sentence = str(error)
            draft.errors[name] = f"{sentence[:1].upper()}{sentence[1:]}."
    return found
