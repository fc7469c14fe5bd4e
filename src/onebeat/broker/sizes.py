"""How much work queues held, minute by minute, as consoles note it in keys of our own (scripts/sample.lua)."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from onebeat.broker.call import Call
from onebeat.errors import BrokerError
from onebeat.wire import keys

HOUR_S, MINUTE_S, KEEP_S = 3600, 60, 10_800
MINUTES = 120
"""For how long it is kept, at least."""

_SLOT = struct.Struct(">6I")
_WRAP = 1 << 32


@dataclass(frozen=True, slots=True)
class Held:
    """
    What one queue held, or all together, at one time.

    Attributes:
        pending, active, retry, archived: Tasks in these states.

        processed, failed: Attempts in all, without what is above 2^32.
    """

    pending: int
    active: int
    retry: int
    archived: int
    processed: int
    failed: int

    @classmethod
    def of(cls, those: Sequence[Held]) -> Held:
        """Add up what several queues held."""
        return cls(
            sum(one.pending for one in those),
            sum(one.active for one in those),
            sum(one.retry for one in those),
            sum(one.archived for one in those),
            sum(one.processed for one in those) % _WRAP,
            sum(one.failed for one in those) % _WRAP,
        )

    def packed(self) -> bytes:
        """Write it as a slot."""
        counts = (self.pending + 1, self.active, self.retry, self.archived)
        return _SLOT.pack(*(min(number, _WRAP - 1) for number in counts), self.processed, self.failed)


def sample(queues: Sequence[str]) -> Call[tuple[int, list[Held | BrokerError]]]:
    """
    Note what queues of one store hold now.

    Returns:
        The store's time (s), and what each holds.
    """

    def interpret(answer: Any) -> tuple[int, list[Held | BrokerError]]:
        return int(answer[0]), [_held(name, row) for name, row in zip(queues, answer[1:], strict=True)]

    return Call("sample", queues[0], tuple(queues), interpret)


def _held(queue: str, row: Any) -> Held | BrokerError:
    if isinstance(row, bytes):
        return BrokerError(f"queue {queue!r} is damaged: {row.decode('utf-8', 'replace').removeprefix('error ')}")
    return Held(row[0] - 1, *row[1:])


def place(now_s: int) -> tuple[str, int]:
    """Return the key under which all queues together are noted, and from which byte on."""
    start = now_s - now_s % HOUR_S
    return f"{keys.SERIES}size:{start}", (now_s - start) // MINUTE_S * _SLOT.size


def turn(now_s: int) -> str:
    """Return the key by which one console of several takes its turn to note a minute."""
    return f"{keys.SERIES}sampled:{now_s - now_s % MINUTE_S}"


def ends_in(now_s: int) -> int:
    """Return in how many seconds what is noted in this hour ends."""
    return now_s - now_s % HOUR_S + KEEP_S - now_s


@dataclass(frozen=True, slots=True)
class Noted:
    """What was noted in the last minutes, the first of which begins at `start` (s); None where nothing was."""

    start: int
    slots: list[Held | None]


def sizes(queue: str | None, minutes: int) -> Call[Noted]:
    """Read what was noted of a queue in the last minutes; None: of all queues together."""
    hours = -(-minutes // 60) + 1

    def interpret(answer: Any) -> Noted:
        now_s, *strings = answer
        now_s = int(now_s)
        whole = b"".join(string.ljust(60 * _SLOT.size, b"\0")[: 60 * _SLOT.size] for string in strings)
        upto = (hours - 1) * 60 + now_s % HOUR_S // MINUTE_S + 1
        cut = whole[(upto - minutes) * _SLOT.size : upto * _SLOT.size]
        start = now_s - now_s % MINUTE_S - (minutes - 1) * MINUTE_S
        return Noted(start, [_slot(numbers) for numbers in _SLOT.iter_unpack(cut)])

    roots = (keys.SERIES, keys.SERIES) if queue is None else ()
    return Call("series", queue or "", (hours, MINUTE_S, 0, "size"), interpret, keys=roots)


@dataclass(frozen=True, slots=True)
class Waited:
    """
    What waited in a queue in each of the last minutes, the first of which begins at `start` (s).

    Attributes:
        pending: Tasks; None where nothing was noted.

        processed: Attempts since the minute before; None where one of both was not noted.
    """

    start: int
    pending: tuple[int | None, ...]
    processed: tuple[int | None, ...]


def backlogs(queues: Sequence[str], minutes: int) -> Call[list[Waited | None]]:
    """Read what waited in queues of one store in the last minutes, at most 60; None where nothing was noted."""
    unpack = struct.Struct(f">{6 * minutes}I").unpack

    def interpret(answer: Any) -> list[Waited | None]:
        now_s = int(answer[0])
        start = now_s - now_s % MINUTE_S - (minutes - 1) * MINUTE_S
        return [_waited(start, unpack(string)) if string else None for string in answer[1:]]

    return Call("sparks", queues[0], (minutes, "size", *queues), interpret)


def _waited(start: int, numbers: Sequence[int]) -> Waited:
    pending = tuple(number - 1 if number else None for number in numbers[::6])
    totals = [None if number is None else total for number, total in zip(pending, numbers[4::6], strict=True)]
    steps = zip([None, *totals], totals, strict=False)
    processed = tuple(None if a is None or b is None else grown(a, b) for a, b in steps)
    return Waited(start, pending, processed)


def _slot(numbers: tuple[int, ...]) -> Held | None:
    return Held(numbers[0] - 1, *numbers[1:]) if numbers[0] else None


def grown(before: int, after: int) -> int | None:
    """Return by how much a total has grown; None if it shrank, as when a queue was removed."""
    step = (after - before) % _WRAP
    return step if step < _WRAP // 2 else None
