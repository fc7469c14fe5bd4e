"""Schedules as they are stored: declared by instances, fired by `maintain`, shown to asynq's tools."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from onebeat.broker.call import Argument, Call, texts
from onebeat.wire import keys

LIVE_MS = 60_000
"""An instance that has not declared for this long counts as gone (mechanism-rules 31)."""


@dataclass(frozen=True, slots=True)
class Declaration:
    """
    One schedule as an instance has it in its code.

    Attributes:
        id: Unique in the whole system.

        rev: Digest of the definition; equal content is equal everywhere.

        definition: The fields of its hash (see scripts/lib/tick.lua), or None to name only the digest.

        tape: The coming ticks of a calendar, ms, rising; None ends a calendar that ends.

        after_ms: Ticks up to here belong to the queue that the schedule is leaving.

        seen: What that queue knew of the schedule's forms, as it handed it over.

        paused: Since when it was paused there, ms; "" if it was not.
    """

    id: str
    rev: str
    definition: Mapping[str, str | bytes] | None = None
    tape: Sequence[int | None] = ()
    after_ms: int | None = None
    seen: bytes = b""
    paused: str = ""

    def arguments(self) -> list[Argument]:
        after = "" if self.after_ms is None else self.after_ms
        fields = dict(self.definition or {})
        if fields and self.paused:
            fields["paused"] = self.paused
        written: list[Argument] = [
            self.id,
            self.rev,
            after,
            self.seen,
            len(fields),
            len(self.tape) if fields else 0,
        ]
        for name, value in fields.items():
            written += (name, value)
        return [*written, *_ticks(self.tape)] if fields else written


def _ticks(ticks: Sequence[int | None]) -> list[Argument]:
    return ["end" if tick is None else tick for tick in ticks]


def declare(
    queue: str,
    app: str,
    declarations: Sequence[Declaration],
    *,
    live_ms: int = LIVE_MS,
    is_complete: bool = True,
) -> Call[list[str]]:
    """
    Say which schedules of this queue this instance has in its code; park what no instance has.

    Args:
        is_complete: These are all that it has. Otherwise nothing is parked: it may have what is not named here.

    Returns:
        Per declaration "kept", "wanted" (in force here: send the definition), "written", "outvoted" (a
        newer form is live) or "error <text>"; then "orphaned <id>" for each parked schedule, "dropped <id>" for
        each that came from a source and is forgotten in a day.
    """
    arguments: list[Argument] = [app, live_ms if is_complete else f"{live_ms} keep"]
    for declaration in declarations:
        arguments += declaration.arguments()
    return Call("declare", queue, arguments, texts)


def retire(queue: str, app: str, forms: Mapping[str, str]) -> Call[list[str]]:
    """
    Say that a source has schedules no more that it had before.

    Args:
        forms: The digest of each, by id.

    Returns:
        The ids of those that are over by that.
    """
    arguments: list[Argument] = [app]
    for form in forms.items():
        arguments += form
    return Call("retire", queue, arguments, texts)


def unretire(queue: str, forms: Mapping[str, str]) -> tuple[Argument, ...]:
    """Return the command that says that a source has schedules anew; whether or not it ever had not."""
    return "ZREM", f"{keys.own_root(queue)}retired", *(f"{id_} {rev}" for id_, rev in forms.items())


@dataclass(frozen=True, slots=True)
class Handoff:
    """
    Leave to take a schedule to another queue: ticks after `boundary_ms` are the other's. `seen` goes along, and since
    when it is paused, ms, "" if it is not.
    """

    boundary_ms: int
    seen: bytes
    paused: str


def handoff(queue: str, schedule_id: str, rev: str, to: str, *, live_ms: int = LIVE_MS) -> Call[Handoff | None]:
    """Ask the queue that has a schedule to let it go; None when a newer form keeps it there."""

    def interpret(answer: Any) -> Handoff | None:
        return None if answer[0] == b"keep" else Handoff(int(answer[1]), answer[2], answer[3].decode())

    return Call("handoff", queue, (schedule_id, rev, to, live_ms), interpret)


@dataclass(frozen=True, slots=True)
class Tape:
    """The end of a calendar's tape: which definition, its timing, and the last tick known."""

    now_ms: int
    rev: str
    timing: str
    last_ms: int


def tape(queue: str, schedule_id: str) -> Call[Tape | None]:
    """Read what is needed to compute more ticks of a calendar; None when it wants none."""

    def interpret(answer: Any) -> Tape | None:
        if not answer:
            return None
        now, rev, timing, last = answer
        return Tape(int(now), rev.decode(), timing.decode(), int(float(last)))

    return Call("tape", queue, (schedule_id,), interpret)


def refill(queue: str, schedule_id: str, end: Tape, ticks: Sequence[int | None]) -> Call[bool]:
    """Append ticks after `end`; false when another instance was first. A None says that none will follow."""
    return Call("refill", queue, [schedule_id, end.rev, end.last_ms, *_ticks(ticks)], bool)


@dataclass(frozen=True, slots=True)
class ShownEntry:
    """A schedule as asynq's tools show it."""

    id: str
    next_ms: int
    spec: str
    template: bytes
    options: list[str]
    prev_ms: int | None


def entries(queue: str, *, turn_ms: int = 0, limit: int = 1000) -> Call[list[ShownEntry] | None]:
    """Read the soonest schedules of a queue; None when another instance did so within `turn_ms`."""

    def interpret(answer: Any) -> list[ShownEntry] | None:
        if not answer:
            return None
        return [
            ShownEntry(
                id=answer[i].decode(),
                next_ms=int(float(answer[i + 1])),
                spec=answer[i + 2].decode("utf-8", "replace"),
                template=answer[i + 3],
                options=msgspec.msgpack.decode(answer[i + 4], type=list[str]) if answer[i + 4] else [],
                prev_ms=int(answer[i + 5]) if answer[i + 5] else None,
            )
            for i in range(1, len(answer), 6)
        ]

    return Call("entries", queue, (turn_ms, limit), interpret)


def mirror(queue: str, shown: Sequence[bytes], *, ttl_s: int) -> Call[int]:
    """Show schedules to asynq's tools for `ttl_s` seconds, as SchedulerEntry messages."""
    return Call("mirror", queue, [ttl_s, *shown], int)
