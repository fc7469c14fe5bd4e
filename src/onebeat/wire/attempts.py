"""
Past attempts at a task, as its record keeps them in the field `ob_attempts` (scripts/lib/attempts.lua).

The scripts know the outcome; all else is the JSON that stands behind it.
"""

from __future__ import annotations

from typing import NamedTuple

import msgspec

FIELD = "ob_attempts"

MAX_ERROR, MAX_TRACE, MAX_BYTES = 1000, 6000, 8192
"""Characters of an error and of a traceback, and bytes of the two together, that are kept of one attempt."""

MAX_MS = 253_402_300_799_999
"""The last instant that a calendar has, ms since 1970; what lies beyond it is damage."""


class AttemptRecord(msgspec.Struct, frozen=True, omit_defaults=True):
    """
    What is kept of an attempt.

    Attributes:
        started, ended: When it was taken and when its handler ended, by the store's clock, ms since 1970.

        waited: How long the task had been due then, ms; None: unknown.

        server: Who took it: "<host>:<pid>:<server id>".

        error, kind, trace: What it failed with, the name of that error's class, and its traceback.
    """

    started: int = 0
    ended: int = 0
    waited: int | None = None
    server: str = ""
    error: str = ""
    kind: str = ""
    trace: str = ""

    def encode(self) -> bytes:
        """Return one line; its traceback is cut until it fits."""
        record = msgspec.structs.replace(self, error=self.error[:MAX_ERROR], trace=shortened(self.trace, MAX_TRACE))
        line = msgspec.json.encode(record)
        while len(line) > MAX_BYTES and record.trace:
            record = msgspec.structs.replace(record, trace=shortened(record.trace, len(record.trace) // 2))
            line = msgspec.json.encode(record)
        return line


def shortened(trace: str, most: int) -> str:
    """Cut a traceback to about so many characters: where it begins, and, since that says most, how it ends."""
    if len(trace) <= most:
        return trace
    if most < 200:
        return ""
    head = trace[: most // 4]
    tail = trace[len(trace) - (most - len(head)) :]
    left_out = len(trace) - len(head) - len(tail)
    begins, ends = head.rpartition("\n")[0], tail.partition("\n")[2]
    return f"{begins}\n  … about {left_out:,} characters are left out here …\n{ends}"


class Kept(NamedTuple):
    """One attempt: its number, from 1, its outcome, and the rest."""

    number: int
    outcome: str
    about: AttemptRecord


def read(field: bytes | None) -> list[Kept]:
    """Read what a record keeps, the oldest first; a line that is none is left out, but counted."""
    if not field:
        return []
    number, *lines = field.rstrip(b"\n").split(b"\n")
    first = (int(number) if number.isdigit() else len(lines)) - len(lines) + 1
    return [kept for place, line in enumerate(lines) if (kept := _read(first + place, line)) is not None]


def _read(number: int, line: bytes) -> Kept | None:
    outcome, _, about = line.partition(b" ")
    try:
        record = msgspec.json.decode(about, type=AttemptRecord)
    except msgspec.DecodeError:
        return None
    if not all(0 <= ms <= MAX_MS for ms in (record.started, record.ended, record.waited or 0)):
        return None
    return Kept(number, outcome.decode("utf-8", "replace"), record)
