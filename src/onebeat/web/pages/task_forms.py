"""The form by which a task is edited or cloned: what it is filled with, and what was typed."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from math import ceil
from typing import Any

from onebeat import codecs
from onebeat.errors import PayloadError
from onebeat.inspector.recording import TaskRecord
from onebeat.inspector.words import moment, span
from onebeat.options import Unique
from onebeat.states import TaskState
from onebeat.web.forms import Form
from onebeat.web.showing.documents import indented
from onebeat.web.showing.payloads import allowed
from onebeat.web.showing.redaction import PLACEHOLDER, Redaction
from onebeat.web.showing.tokens import NotJson, json_tokens
from onebeat.words import size

EDITABLE = 200_000
"""Bytes of a payload that a form holds."""

MAX_TYPED = 1_500_000
"""Characters of a payload that may be typed."""

FIELDS = ("queue", "due", "max_retry", "timeout", "deadline", "expires", "retention", "unique")

_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")
_UNITS = (("w", 7 * 86_400), ("d", 86_400), ("h", 3_600), ("m", 60), ("s", 1))


@dataclass(slots=True)
class Draft:
    """
    A form: what stands in its fields, and what is wrong with them.

    Attributes:
        values: What stands in them.

        payload: The payload as text; None: it stays as it is.

        why: Why it cannot be edited.

        errors: Sentences, by field.
    """

    values: dict[str, str]
    payload: str | None
    why: str = ""
    errors: dict[str, str] = field(default_factory=dict)


def filled(record: TaskRecord, rules: Redaction, *, is_clone: bool) -> Draft:
    """Return the form of a task as it is."""
    text, why = _editable(record, rules)
    return Draft(_values(record, is_clone=is_clone), text, why)


def _values(record: TaskRecord, *, is_clone: bool) -> dict[str, str]:
    info, lock = record.info, record.lock
    is_ahead = info.state in (TaskState.SCHEDULED, TaskState.RETRY) and not is_clone
    holds = lock is not None and lock.holder == info.id
    return {
        "queue": info.queue,
        "due": _instant(info.next_process_at) if is_ahead else "",
        "max_retry": str(info.max_retry),
        "timeout": lasting(record.timeout),
        "deadline": _instant(info.deadline),
        "expires": _instant(info.expires_at),
        "retention": lasting(info.retention),
        "unique": lasting(_whole(lock.left))
        if is_clone and lock is not None and lock.left is not None and holds
        else "",
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


def _editable(record: TaskRecord, rules: Redaction) -> tuple[str | None, str]:
    """Return a payload as text that can be edited; or None, and why not."""
    info = record.info
    codec = codecs.name_of(info.headers)
    if len(info.payload) > EDITABLE:
        return None, f"It has {size(len(info.payload))}, more than a form holds, and stays as it is."
    if allowed(info.payload, codec=codec, rules=rules).is_changed:
        return None, (
            "Redaction rules hide values in it, so that it cannot be edited here, and stays as it is. "
            "onebeat task update changes one field of it, by --set."
        )
    if codec != codecs.JSON.name:
        return None, f"It is in codec {codec}, not JSON, and stays as it is."
    try:
        text = info.payload.decode()
    except UnicodeDecodeError:
        return None, "It is no text, and stays as it is."
    if _CONTROLS.search(text):
        return None, "Control characters are in it, which no form keeps: it stays as it is."
    try:
        return indented(json_tokens(text)), ""
    except NotJson:
        return text, ""


def typed(form: Form, record: TaskRecord, rules: Redaction, *, is_clone: bool) -> Draft:
    """Return the form with what was typed into it."""
    now = filled(record, rules, is_clone=is_clone)
    values = {name: form.text(name, now.values[name], most=1000).strip() for name in FIELDS}
    payload = now.payload
    if payload is not None:
        payload = form.text("payload", payload, most=MAX_TYPED).replace("\r\n", "\n")
    return Draft(values, payload, now.why)


def new_payload(draft: Draft, record: TaskRecord, rules: Redaction) -> bytes | None:
    """
    Return the payload that was typed; None if it is what it was.

    Raises:
        PayloadError: It is no JSON any more; or something that stands for a hidden value is in it.
    """
    if draft.payload is None:
        return None
    was = record.info.payload.decode()
    new, old = _compact(draft.payload), _compact(was)
    if (old is not None and new == old) or draft.payload == was:
        return None
    if not rules.is_off and PLACEHOLDER in draft.payload and PLACEHOLDER not in was:
        raise PayloadError(f"{PLACEHOLDER} stands for a hidden value, and is none itself: write the value")
    if new is not None:
        return codecs.escape_json(new.encode())
    if old is not None:
        raise PayloadError(f"It was JSON, and is none any more{_where(draft.payload)}")
    return draft.payload.encode()


def _compact(text: str) -> str | None:
    try:
        return "".join(token.text for token in json_tokens(text))
    except NotJson:
        return None


def _where(text: str) -> str:
    try:
        for _ in json_tokens(text):
            pass
    except NotJson as error:
        at = re.search(r"\d+$", str(error))
        if at is not None:
            return f": look at line {text.count(chr(10), 0, int(at[0])) + 1}"
    return ": it ends too early"


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
    "due": _due,
    "max_retry": _count,
    "timeout": lambda text: {"timeout": span(text)},
    "deadline": _deadline,
    "expires": lambda text: {"expires": moment(text)},
    "retention": lambda text: {"retention": span(text)},
    "unique": lambda text: {"unique": Unique(span(text))},
}


def options(draft: Draft, was: Mapping[str, str], *, is_clone: bool) -> dict[str, Any]:
    """
    Read the fields that differ from what they were; what is wrong is noted in the form.

    Args:
        was: What they were when the form was sent out.
    """
    found: dict[str, Any] = {}
    for name, read in _READERS.items():
        text = draft.values[name]
        if (text == was.get(name) and not (is_clone and name == "unique")) or (name == "unique" and not is_clone):
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
