"""Schedules as operators look at them and steer them; how they are declared and fired is in `schedules`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import msgspec

from onebeat.broker.call import Call, texts
from onebeat.broker.spoiled import Spoiled
from onebeat.wire import keys

MAX_DESCRIBED = 100
"""Schedules that one script describes."""

MAX_STATES = 500
"""Tasks whose state one script reads."""


@dataclass(frozen=True, slots=True)
class RawSchedule:
    """
    What stands in the store of one schedule.

    Attributes:
        id: Which.

        fields: Those of its hash that are set, as scripts/lib/tick.lua has them.

        next_ms: Its next tick; None: it does not fire.

        lacks_ticks: It is a calendar whose coming ticks nobody has computed.

        declared_ms: When an instance declared it last.

        forms: Its forms that were declared lately: content hash → when it was first seen and last, ms.
    """

    id: str
    fields: Mapping[str, bytes]
    next_ms: int | None
    lacks_ticks: bool
    declared_ms: int | None
    forms: Mapping[str, tuple[int, int]]

    def text(self, name: str) -> str:
        """Return a field as text; "" if it is not set."""
        return self.fields.get(name, b"").decode("utf-8", "replace")

    def number(self, name: str) -> int | None:
        """Return a field as a number; None if it is not set, or is none."""
        return _number(self.fields.get(name, b""))

    @property
    def options(self) -> tuple[str, ...]:
        """Its options in Go's text form."""
        try:
            return tuple(msgspec.msgpack.decode(self.fields.get("options", b""), type=list[str]))
        except msgspec.DecodeError:
            return ()


_FIELDS = (
    "rev", "app", "state", "timing", "spec", "every", "msg", "options", "unique_key", "provided", "prev", "prev_at",
    "fired", "missed", "skipped", "ran", "paused", "held", "error", "moved",
)  # fmt: skip


def _number(text: bytes) -> int | None:
    try:
        return int(float(text)) if text else None
    except (ValueError, OverflowError):
        return None


@dataclass(frozen=True, slots=True)
class Described:
    """Schedules of a queue: now (ms), those that are there, and for those that left for another the queue, by id."""

    now_ms: int
    schedules: list[RawSchedule]
    moved: Mapping[str, str]


def describe(queue: str, ids: Sequence[str]) -> Call[Described]:
    """Read schedules of a queue, at most `MAX_DESCRIBED`."""

    def interpret(answer: Any) -> Described:
        rows = dict(zip(ids, answer[2:], strict=True))
        words = texts(answer[1])
        foreign = dict(zip(words[::2], words[1::2], strict=True))
        found = [_raw(id_, row) if row else _lost(id_) for id_, row in rows.items() if len(row) != 1]
        return Described(
            now_ms=int(answer[0]),
            schedules=[one for one in (_marked(queue, raw, foreign) for raw in found) if one.fields],
            moved={id_: row[0].decode() for id_, row in rows.items() if len(row) == 1},
        )

    return Call("describe_schedules", queue, list(ids), interpret)


def _lost(id_: str) -> RawSchedule:
    return RawSchedule(id=id_, fields={}, next_ms=None, lacks_ticks=False, declared_ms=None, forms={})


def _marked(queue: str, raw: RawSchedule, foreign: Mapping[str, str]) -> RawSchedule:
    """Say of a schedule that keys of it, or of all of its queue, are of a foreign type: it cannot fire."""
    own = keys.own_root(queue)
    names = [f"{own}d:{raw.id}", f"{own}seen:{raw.id}", *(f"{own}{name}" for name in ("due", "stuck", "declared"))]
    found = {name: foreign[name] for name in names if name in foreign}
    if not found or not (raw.fields or names[0] in found):
        return raw
    error = str(Spoiled("one of its keys cannot be read", found))
    return replace(raw, fields={**raw.fields, "state": b"error", "error": error.encode()})


def _raw(id_: str, row: list[Any]) -> RawSchedule:
    fields = {name: value for name, value in zip(_FIELDS, row, strict=False) if value}
    next_ms, lacks_ticks, declared_ms, forms = row[len(_FIELDS) :]
    seen = dict(zip(texts(forms[::2]), (times.partition(b" ") for times in forms[1::2]), strict=True))
    return RawSchedule(
        id=id_,
        fields=fields,
        next_ms=_number(next_ms),
        lacks_ticks=bool(lacks_ticks),
        declared_ms=_number(declared_ms),
        forms={rev: (_number(first) or 0, _number(last) or 0) for rev, (first, _, last) in seen.items()},
    )


def pause(queue: str, schedule_id: str) -> Call[str]:
    """Let no tick of a schedule fire; the answers are those of scripts/pause_schedule.lua."""
    return Call("pause_schedule", queue, (schedule_id,), bytes.decode)


def resume(raw: RawSchedule, queue: str, ticks: Sequence[int | None], *, catch_up_ms: int | None = None) -> Call[str]:
    """
    Let a paused schedule fire again, if it still is what was read of it.

    Args:
        ticks: The one that is due next, then, of a calendar, those that follow; None after the last.

        catch_up_ms: Ticks up to here all fire, however late.

    Returns:
        The answers of scripts/resume_schedule.lua.
    """
    words = [raw.id, raw.text("rev"), raw.text("paused"), raw.text("held")]
    coming = ["end" if tick is None else tick for tick in ticks]
    catch_up = "" if catch_up_ms is None else catch_up_ms
    return Call("resume_schedule", queue, [*words, catch_up, *coming], bytes.decode)


def run(
    queue: str, schedule_id: str, key: str, *, rev: str = "", fields: bytes = b"", unique_key: str = ""
) -> Call[str]:
    """
    Enqueue the task of a schedule beside its ticks.

    Args:
        key: The task's id is "<id>:m:<key>".

        rev, fields, unique_key: Another payload, as scripts/run_schedule.lua takes it.

    Returns:
        The answers of scripts/run_schedule.lua.
    """
    arguments = (schedule_id, key, rev, fields, unique_key)
    return Call("run_schedule", queue, arguments, bytes.decode, durable=True)


def states(queue: str, task_ids: Sequence[str]) -> Call[list[str]]:
    """Say in which state tasks are, at most `MAX_STATES` of them; "" where there is none."""
    return Call("states", queue, list(task_ids), texts)
