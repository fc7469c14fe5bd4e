"""
What a server of Onebeat says of itself, beside the record that asynq's tools read.

JSON, so that it can be read by eye. Nobody but Onebeat reads it: a server of Go has none.
"""

from __future__ import annotations

from typing import Self

import msgspec

MAX_PATTERNS = 12_000
"""Bytes of names that are written; a server that has more of them says so."""


class SheetRecord(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """
    One server, as it was at its last sign of life.

    Attributes:
        version: Of Onebeat.

        application: Its name; "" of a plain server.

        patterns: What the task types begin with that it has handlers for.

        groups: What the names of the groups begin with that it aggregates.

        rules: When those are due, for each of `groups`: grace and greatest delay in milliseconds, members; 0: no limit.

        is_cut: There are more patterns or groups than fit.

        takes_all: It has a handler for whatever has no other.

        is_draining: It takes nothing more, and ends what it runs.

        given_up: Handlers that do not end although they were stopped; each holds a slot.

        clock_ahead_ms: By how much its clock is ahead of the store's; None: not measured yet.

        round_trip_ms: How long the store took to answer; None: not measured yet.

        loop_lag_ms: How late the event loop was when it was last asked for a turn.

        loop_blocked_ms: For how long the event loop has had no turn; 0: it turns.

        lease_ms: The lease of what it takes.

        archive_size, archive_age_s: What it has archives keep; 0: any number, for ever.
    """

    version: str
    application: str = ""
    patterns: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    rules: tuple[tuple[int, int, int], ...] = ()
    is_cut: bool = False
    takes_all: bool = False
    is_draining: bool = False
    given_up: int = 0
    clock_ahead_ms: float | None = None
    round_trip_ms: float | None = None
    loop_lag_ms: float = 0.0
    loop_blocked_ms: float = 0.0
    lease_ms: int = 0
    archive_size: int = 0
    archive_age_s: int = 0

    def encode(self) -> bytes:
        return msgspec.json.encode(self)

    @classmethod
    def decode(cls, data: bytes) -> Self:
        """
        Read one; what a newer version says beside it is passed over.

        Raises:
            ValueError: It is none.
        """
        return msgspec.json.decode(data, type=cls)


def fitting(names: list[str]) -> tuple[str, ...]:
    """Return as many names as may be written."""
    found, size = [], 0
    for name in names:
        size += len(name.encode()) + 3
        if size > MAX_PATTERNS:
            break
        found.append(name)
    return tuple(found)
