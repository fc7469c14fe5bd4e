"""What servers do, minute by minute, in keys of our own (scripts/record.lua)."""

from __future__ import annotations

import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

import msgspec

from onebeat.broker.call import Call
from onebeat.wire import keys

T = TypeVar("T")

BUCKETS = 24
"""Of how long tasks wait and run: below 1 ms, then from 2^(n-1) ms on."""

OTHER = "(other)"
"""Stands for every type that came when there were enough of them, and for tasks whose type is not known."""

MAX_TYPES, MAX_TYPES_OF_ALL = 50, 100
"""Types that have series of their own, of one queue and of all together."""

FINE_S, COARSE_S = 60, 600
FINE_SLOTS, COARSE_SLOTS = 60, 36
FINE_MINUTES, MINUTES = 120, 1440
"""For how long there are single minutes of everything; for how long there is anything."""

_COUNTS, _RUN = 3, 13
"""Bytes of a counter, and of those that stand before the buckets of a type's slot."""


@dataclass(slots=True)
class Runs:
    """
    Attempts at tasks of one type.

    Attributes:
        processed, failed, retried: How many; those that failed are among the first, those that are retried among those.

        spent_ms: How long they ran together.

        buckets: How many ran how long.
    """

    processed: int
    failed: int
    retried: int
    spent_ms: int
    buckets: list[int]


def record(queue: str | None, processed: int, failed: int, waits: Sequence[int], types: dict[str, Runs]) -> Call[None]:
    """
    Add to the series of a queue; None: of all together.

    It is not to be repeated: what was counted would be counted twice.

    Args:
        processed, failed: Attempts.

        waits: How many tasks had waited how long.

        types: Attempts by type.
    """
    done: list[object] = [processed, failed, _sparse(waits)]
    for name, runs in types.items():
        done += (name, runs.processed, runs.failed, runs.retried, runs.spent_ms, _sparse(runs.buckets))
    most = MAX_TYPES_OF_ALL if queue is None else MAX_TYPES
    return _call("record", queue, (most, msgspec.msgpack.encode(done)), lambda _answer: None)


def _sparse(buckets: Sequence[int]) -> list[int]:
    """Return bucket, number, … of those that are not empty; what is beyond the last one belongs to it."""
    found = list(buckets[: BUCKETS - 1])
    found.append(sum(buckets[BUCKETS - 1 :]))
    return [value for bucket, number in enumerate(found) if number for value in (bucket, number)]


def _call(script: str, queue: str | None, arguments: Sequence[str | bytes | int], interpret: Any) -> Call[Any]:
    if queue is None:
        return Call(script, "", arguments, interpret, keys=(keys.SERIES, keys.SERIES))
    return Call(script, queue, arguments, interpret)


@dataclass(frozen=True, slots=True)
class Slot:
    """Attempts in one slot of time."""

    processed: int
    failed: int


@dataclass(frozen=True, slots=True)
class Rates:
    """
    What a queue did, slot by slot.

    Attributes:
        start, step: When the first slot begins (s since 1970), and how long each is (s).

        is_recorded: Whether anything was written at all.

        slots: Attempts.

        waits: Buckets of how long tasks had waited.
    """

    start: int
    step: int
    is_recorded: bool
    slots: list[Slot]
    waits: list[list[int]]


@dataclass(frozen=True, slots=True)
class TypeRates:
    """What attempts at tasks of one type did, slot by slot, from `start` (s since 1970) on."""

    name: str
    start: int
    step: int
    slots: list[Runs]


@dataclass(frozen=True, slots=True)
class _Window:
    """Which strings hold the last minutes, and where in them."""

    minutes: int

    @property
    def step(self) -> int:
        return FINE_S if self.minutes <= FINE_MINUTES else COARSE_S

    @property
    def span(self) -> int:
        return FINE_S * FINE_SLOTS if self.step == FINE_S else COARSE_S * COARSE_SLOTS

    @property
    def count(self) -> int:
        """How many slots."""
        return -(-self.minutes * 60 // self.step)

    def strings(self, span: int) -> int:
        """How many strings of a span it may touch."""
        return self.count * self.step // span + 1 + (self.count * self.step % span > 0)

    def start(self, now_s: int) -> int:
        return now_s - now_s % self.step - (self.count - 1) * self.step

    def cut(self, strings: Sequence[bytes], now_s: int, span: int, step: int, size: int) -> list[bytes]:
        """Return its slots, of `size` bytes and `step` seconds each, from strings of which the last is that of now."""
        whole = span // step * size
        joined = b"".join(string.ljust(whole, b"\0")[:whole] for string in strings)
        first = now_s - now_s % span - (len(strings) - 1) * span
        begin = (self.start(now_s) - first) // step
        number = self.count * self.step // step
        return [joined[i * size : (i + 1) * size].ljust(size, b"\0") for i in range(begin, begin + number)]


def rates(queue: str | None, minutes: int) -> Call[Rates]:
    """Read what a queue did in the last minutes, and how long its tasks had waited; None: all queues together."""
    window = _Window(minutes)
    hours, spans = window.strings(3600), window.strings(window.span)

    def interpret(answer: Any) -> Rates:
        now_s, *strings = answer
        now_s = int(now_s)
        counted = [struct.unpack(">II", cut) for cut in window.cut(strings[:hours], now_s, 3600, 60, 8)]
        each = window.step // 60
        groups = [counted[i : i + each] for i in range(0, len(counted), each)]
        size = BUCKETS * _COUNTS
        waits = window.cut(strings[hours:], now_s, window.span, window.step, size)
        return Rates(
            start=window.start(now_s),
            step=window.step,
            is_recorded=any(strings),
            slots=[Slot(sum(p for p, _ in group), sum(f for _, f in group)) for group in groups],
            waits=[_counters(cut) for cut in waits],
        )

    return _call("series", queue, (hours, window.step, spans, "wait"), interpret)


def types(queue: str | None, minutes: int) -> Call[list[TypeRates]]:
    """Read what attempts did in the last minutes, by type; None: of all queues together."""
    window = _Window(minutes)
    spans = window.strings(window.span)

    def interpret(answer: Any) -> list[TypeRates]:
        now_s, *rest = answer
        start = window.start(int(now_s))
        found = []
        for i in range(0, len(rest), spans + 1):
            name, strings = rest[i].decode("utf-8", "replace"), rest[i + 1 : i + 1 + spans]
            cuts = window.cut(strings, int(now_s), window.span, window.step, _RUN + BUCKETS * _COUNTS)
            found.append(TypeRates(name, start, window.step, [_runs(cut) for cut in cuts]))
        return found

    return _call("series", queue, (0, window.step, spans, "run"), interpret)


def _counters(cut: bytes) -> list[int]:
    return [high << 16 | middle << 8 | low for high, middle, low in zip(cut[::3], cut[1::3], cut[2::3], strict=True)]


def _runs(cut: bytes) -> Runs:
    processed, failed, retried = _counters(cut[:9])
    return Runs(processed, failed, retried, int.from_bytes(cut[9:_RUN], "big"), _counters(cut[_RUN:]))


Spark = tuple[tuple[int, ...], tuple[int, ...]]
"""Attempts of each of the last minutes, and those that failed."""


def sparks(queues: Sequence[str], minutes: int) -> Call[tuple[int, list[Spark | None]]]:
    """
    Read what queues of one store did in the last minutes, at most 60; None where nothing was recorded.

    Returns:
        The store's time (s), and of each queue its minutes.
    """
    unpack = struct.Struct(f">{2 * minutes}I").unpack

    def interpret(answer: Any) -> tuple[int, list[Spark | None]]:
        found: list[Spark | None] = []
        for string in answer[1:]:
            numbers = unpack(string) if string else ()
            found.append((numbers[::2], numbers[1::2]) if numbers else None)
        return int(answer[0]), found

    return Call("sparks", queues[0], (minutes, "rate", *queues), interpret)
