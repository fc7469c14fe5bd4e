"""The record of a task as it stands in the store, field by field, as far as rules allow."""

from __future__ import annotations

from dataclasses import dataclass

from onebeat import codecs
from onebeat.inspector.recording import TaskRecord
from onebeat.web.showing import payloads, signs
from onebeat.web.showing.payloads import Shown, allowed, show
from onebeat.web.showing.redaction import Redaction

MOST = 20_000
"""Characters that are shown of a field."""

ABOUT = {
    "msg": "the message, as protobuf",
    "state": "where it is",
    "pending_since": "ns since 1970",
    "unique_key": "its unique lock",
    "result": "what its handler returned or wrote",
    "ob_timeout_ms": "its exact timeout, ms",
    "ob_expires": "until when it is worth starting, ms since 1970",
    "ob_tick": "the tick of its schedule, ms since 1970",
    "ob_progress": "ms since 1970, fraction, words",
    "ob_attempts": "attempts that are kept: how many there were, then a line each",
    "ob_crash": "how often its process died",
    "ob_soft": "failures that did not count",
}
"""What fields mean."""


@dataclass(frozen=True, slots=True)
class RawField:
    """A field of a record: its name, what it means, and what it holds."""

    name: str
    about: str
    value: Shown


def raw_fields(record: TaskRecord, rules: Redaction) -> list[RawField]:
    """Return the fields of a record; one that carries what rules hide elsewhere is hidden itself."""
    return [
        RawField(signs.plain(name), ABOUT.get(name, ""), _value(record, name, data, rules))
        for name, data in sorted(record.fields.items())
    ]


def _value(record: TaskRecord, name: str, data: bytes, rules: Redaction) -> Shown:
    if name == "msg" and _hides(record, rules):
        why = "Redaction rules hide something of the message, and so its bytes."
        return Shown("protobuf", len(data), payloads.nothing(), (why,), 1, is_cut=True)
    return show(data, codec=_codec(record) if name == "result" else codecs.JSON.name, rules=rules, most=MOST)


def _hides(record: TaskRecord, rules: Redaction) -> bool:
    """Whether rules hide something of what a message carries."""
    info = record.info
    return (
        allowed(info.payload[:MOST], codec=_codec(record), rules=rules).is_changed
        or rules.hides_part_of(info.last_error)
        or any(rules.header(name, text) != text for name, text in info.headers.items())
    )


def _codec(record: TaskRecord) -> str:
    return codecs.name_of(record.info.headers)
