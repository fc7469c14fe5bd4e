"""
Shows the server to asynq's tools: which it is, how it fares, and what it runs (asynq: heartbeat.go).

Written from the keeper's thread, so a server whose event loop is blocked is still seen, with the task that
blocks it.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Iterable
from datetime import datetime, timedelta

from onebeat.broker import orders, presence
from onebeat.broker.store import BlockingStore
from onebeat.clock import Clock
from onebeat.server.config import ServerConfig
from onebeat.server.running import Running
from onebeat.server.sheet import Sheet
from onebeat.wire.records import ServerRecord, WorkerRecord, to_ns

BEAT_S = 5.0
"""Seconds between signs of life, as asynq's."""

MAX_PAYLOAD = 16_384
"""Bytes of a payload that are shown; more would be written again with every sign of life."""


class Presence:
    """
    One server's entry in the list of servers.

    Args:
        config: The server's settings.

        server_id: A UUID, new for every serving.

        sheet: What it says of itself beside that.
    """

    def __init__(self, config: ServerConfig, *, server_id: str, clock: Clock, sheet: Sheet) -> None:
        self._config = config
        self._id = server_id
        self._clock = clock
        self._sheet = sheet
        self._host = hostname()
        self._pid = os.getpid()
        self._started = clock.now()
        self._next = 0.0

    @property
    def tag(self) -> str:
        """What names this server in its keys."""
        return tag_of(self._id)

    def is_due(self) -> bool:
        """Whether the last sign of life is five seconds old."""
        return self._clock.monotonic() >= self._next

    def order(self, store: BlockingStore) -> str:
        """Return what an operator has ordered, "<number> <word>"; "" if there is nothing."""
        return orders.standing(store, self.tag)

    def beat(self, store: BlockingStore, attempts: Iterable[Running], status: str) -> None:
        """Give a sign of life; the status is "active" or "stopped" (takes nothing more), in asynq's words."""
        now, monotonic = self._clock.now(), self._clock.monotonic()
        workers = [self._worker(attempt, now, monotonic) for attempt in attempts if attempt.message is not None]
        server = ServerRecord(
            host=self._host,
            pid=self._pid,
            server_id=self._id,
            concurrency=self._config.concurrency,
            queues=self._config.queues,
            strict_priority=self._config.strict,
            status=status,
            start_time=to_ns(self._started),
            active_worker_count=len(workers),
        )
        sheet = self._sheet.record(is_draining=status == "stopped")
        reading = presence.show(
            store,
            self.tag,
            server.encode(),
            [(worker.task_id, worker.encode()) for worker in workers],
            sheet.encode(),
            clock=self._clock,
        )
        self._sheet.heard(reading)
        self._next = monotonic + BEAT_S

    def end(self, store: BlockingStore) -> None:
        """Strike the server off the list."""
        presence.hide(store, self.tag)

    def _worker(self, attempt: Running, now: datetime, monotonic: float) -> WorkerRecord:
        message = attempt.message
        assert message is not None  # noqa: S101 - `beat` leaves out those without
        return WorkerRecord(
            host=self._host,
            pid=self._pid,
            server_id=self._id,
            task_id=attempt.id,
            task_type=message.type,
            task_payload=message.payload[:MAX_PAYLOAD],
            queue=attempt.queue,
            start_time=to_ns(now + timedelta(seconds=attempt.started - monotonic)),
            deadline=to_ns(now + timedelta(seconds=attempt.deadline - monotonic)),
        )


def hostname() -> str:
    return socket.gethostname() or "unknown-host"


def tag_of(server_id: str) -> str:
    """Return what names a server of this process: "<host>:<pid>:<server id>"."""
    return f"{hostname()}:{os.getpid()}:{server_id}"
