"""Showing servers and what they run to asynq's tools (protocol §1.1, §3.4)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta

from onebeat.broker.call import Argument, Call
from onebeat.broker.store import BlockingStore
from onebeat.clock import EPOCH, Clock, SystemClock
from onebeat.wire import keys

SHOWN_FOR_S = 10
"""How long a server is listed after its last sign of life (asynq: heartbeat.go)."""

KEPT_S = 86_400
"""How long the entry of a server that was killed stays for those who look for servers that fell silent."""

MAX_WORKERS = 500
"""Workers per script."""


@dataclass(frozen=True, slots=True)
class Reading:
    """
    What a sign of life told.

    Attributes:
        ahead_ms: By how much our clock is ahead of the store's, to within half of the round trip.

        round_trip_ms: How long the store took to answer.
    """

    ahead_ms: float
    round_trip_ms: float


def show(
    store: BlockingStore,
    tag: str,
    server: bytes,
    workers: Sequence[tuple[str, bytes]],
    sheet: bytes = b"",
    *,
    clock: Clock | None = None,
) -> Reading:
    """
    List a server and its workers for ten seconds.

    Args:
        tag: "<host>:<pid>:<server id>".

        server: Its `ServerRecord`, encoded.

        workers: (task id, encoded `WorkerRecord`) of each task that runs.

        sheet: Its `SheetRecord`, encoded; it is gone together with the server.
    """
    clock = clock or SystemClock()
    here, asked = clock.now(), clock.monotonic()
    now_us = store.run(_show(tag, server, sheet, workers[:MAX_WORKERS]))
    took = clock.monotonic() - asked
    for start in range(MAX_WORKERS, len(workers), MAX_WORKERS):
        store.run(_show(tag, b"", b"", workers[start : start + MAX_WORKERS]))
    expires = now_us // 1_000_000 + SHOWN_FOR_S
    store.commands(
        [
            ("ZADD", keys.SERVERS, expires, keys.server(tag)),
            ("ZADD", keys.WORKERS, expires, keys.workers(tag)),
            # asynq's readers strike off what has expired, and where none reads nobody would
            ("ZREMRANGEBYSCORE", keys.SERVERS, "-inf", expires - KEPT_S),
            ("ZREMRANGEBYSCORE", keys.WORKERS, "-inf", expires - SHOWN_FOR_S - 1),
        ]
    )
    ahead_us = (here - EPOCH) / timedelta(microseconds=1) + took / 2 * 1_000_000 - now_us
    return Reading(ahead_us / 1000, took * 1000)


@dataclass(frozen=True, slots=True)
class Attendance:
    """
    What a server has last shown of itself.

    Attributes:
        server: Its `ServerRecord`, encoded; b"": it is gone.

        sheet: Its `SheetRecord`, encoded; b"": it has none.

        workers: The `WorkerRecord` of each task that it runs, encoded.
    """

    server: bytes
    sheet: bytes
    workers: Sequence[bytes]


def attendance(tag: str) -> Call[Attendance]:
    """Read what a server shows; the tag is "<host>:<pid>:<server id>"."""
    return Call("attendance", tag, (), lambda answer: Attendance(answer[0], answer[1], answer[2:]))


def hide(store: BlockingStore, tag: str) -> None:
    """Strike a server off the list (asynq: rdb.go ClearServerState)."""
    store.commands(
        [
            ("ZREM", keys.SERVERS, keys.server(tag)),
            ("ZREM", keys.WORKERS, keys.workers(tag)),
            ("DEL", keys.server(tag)),
            ("DEL", keys.workers(tag)),
            ("DEL", keys.sheet(tag)),
        ]
    )


def _show(tag: str, server: bytes, sheet: bytes, workers: Sequence[tuple[str, bytes]]) -> Call[int]:
    arguments: list[Argument] = [SHOWN_FOR_S, server, sheet]
    for worker in workers:
        arguments += worker
    return Call("presence", tag, arguments, int)
