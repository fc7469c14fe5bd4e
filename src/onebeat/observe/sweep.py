"""
Looking at all queues for metrics, at a cost that is the same however many there are and however many ask.

A sweep takes a fixed number of commands. If there are more queues than they reach, the next sweep goes on with those
that were looked at longest ago. What was read is kept for `max_age` seconds, for all who ask.
"""

from __future__ import annotations

import asyncio
import logging
import os
import threading
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from google.protobuf.message import DecodeError

from onebeat.broker import browse
from onebeat.broker.figures import NAMES, QueueFigures, look
from onebeat.broker.store import BlockingStore
from onebeat.errors import BrokerError, BrokerUnavailable, ConfigurationError, OnebeatError, is_number, shown
from onebeat.inspector.reading import GROUP_SAMPLES, SAMPLES
from onebeat.sync import SyncClient
from onebeat.wire import keys
from onebeat.wire.records import ServerRecord

log: logging.Logger = logging.getLogger("onebeat.metrics")

SCRIPTS = 40
"""Scripts of a sweep, each of which looks at as many queues as take about two milliseconds of the store."""

SPREAD_QUEUES = 1000
"""Queues of a sweep where they are spread over a cluster, and each takes a script of its own."""

MAX_SERVERS = 500
"""Servers that are asked who they are."""


@dataclass(frozen=True, slots=True)
class Snapshot:
    """
    What a sweep found, and what is left of those before.

    Attributes:
        is_up: Whether the store answered all that this sweep asked, if only that a queue is damaged.

        error: What went wrong; "" if nothing.

        at: When the sweep ended, by `time.monotonic`; 0: there was none yet.

        oldest: When the queue was looked at that waits longest for another look; as `at`.

        figures: By queue; those that could not be read are left out.

        unread: Queues that could not be read.

        memory: Bytes, by queue, as far as it was sampled.

        servers: Who serves.

        commands: That the sweep sent.

        seconds: That the sweep took.
    """

    is_up: bool = False
    error: str = ""
    at: float = 0.0
    oldest: float = 0.0
    figures: Mapping[str, QueueFigures] = field(default_factory=dict)
    unread: int = 0
    memory: Mapping[str, int] = field(default_factory=dict)
    servers: Sequence[ServerRecord] = ()
    commands: int = 0
    seconds: float = 0.0

    @property
    def age(self) -> float:
        """Seconds since the queue was looked at that waits longest for another look."""
        return max(0.0, time.monotonic() - self.oldest) if self.at else 0.0


class Sweep:
    """
    Looks at all queues of a store, from any number of threads. It never raises: what is wrong is in the snapshot.

    In a thread that runs an event loop it does not block: what is known is returned, and a sweep begun in another
    thread if that is too old.

    Args:
        store: A URL, a redis-py client whose settings are used, or an open `BlockingStore`.

        max_age: Seconds for which a snapshot is good.

        memory_queues: How many queues' memory is sampled by one sweep, in turns; 0: none.

    Raises:
        ConfigurationError: The settings cannot work.
    """

    def __init__(self, store: object = None, *, max_age: float = 10.0, memory_queues: int = 10) -> None:
        if not is_number(max_age) or not 0 <= max_age <= 3600:
            raise ConfigurationError(f"max_age is {shown(max_age)}: give seconds, 0 to 3600")
        check_number("memory_queues", memory_queues, 0, 100)
        self._given = store if isinstance(store, BlockingStore) else None
        self._client = SyncClient(None if self._given else store)
        self._max_age = max_age
        self._memory_queues = memory_queues
        self._begin()

    def _begin(self) -> None:
        self._pid = os.getpid()
        self._lock = threading.Lock()
        self._snapshot = Snapshot()
        self._rows: dict[str, tuple[float, QueueFigures | None]] = {}
        self._memory: dict[str, tuple[float, int]] = {}
        self._tells_memory = self._memory_queues > 0
        self._complained = ""

    def close(self) -> None:
        """Close the connections; the next use opens others."""
        self._client.close()

    def read(self, max_age: float | None = None) -> Snapshot:
        """Return what is known, found out anew if it is older than `max_age`, or than this sweep's own."""
        if self._pid != os.getpid():
            self._begin()  # a fork: its lock may be held by a thread that is not here
        wanted = self._max_age if max_age is None else max_age
        if self._is_good(wanted):
            return self._snapshot
        if not _runs_loop():
            self._renew(wanted)
        elif not self._lock.locked():  # else one is at it
            threading.Thread(target=self._renew, args=(wanted,), name="onebeat-metrics", daemon=True).start()
        return self._snapshot

    def _is_good(self, max_age: float) -> bool:
        at = self._snapshot.at
        return at > 0 and time.monotonic() - at <= max_age

    def _renew(self, max_age: float) -> None:
        with self._lock:  # whoever waited for it finds what another has just brought
            if self._is_good(max_age):
                return
            began = time.monotonic()
            counting = _Counting(None)
            try:
                counting = _Counting(self._given or self._client.store)
                self._snapshot = self._swept(counting, began)
            except OnebeatError as error:
                now = time.monotonic()
                self._snapshot = Snapshot(
                    error=str(error), at=now, oldest=now, commands=counting.commands, seconds=now - began
                )
            self._complain(self._snapshot.error)

    def _complain(self, error: str) -> None:
        if error and error != self._complained:
            log.warning("queues cannot all be measured: %s", error)
        self._complained = error

    def _swept(self, store: _Counting, began: float) -> Snapshot:
        names, servers, failed = _known(store)
        self._rows = {name: self._rows.get(name, (0.0, None)) for name in names}
        damage = self._look(store)
        error = failed or damage
        unread = sum(figures is None for _, figures in self._rows.values())
        figures = {name: figures for name, (_, figures) in self._rows.items() if figures is not None}
        memory = self._measure(store, figures) if self._tells_memory else {}
        now = time.monotonic()
        return Snapshot(
            is_up=not isinstance(error, BrokerUnavailable),
            error="" if error is None else str(error),
            at=now,
            oldest=min((at for at, _ in self._rows.values() if at), default=now),
            figures=figures,
            unread=unread,
            memory=memory,
            servers=servers,
            commands=store.commands,
            seconds=now - began,
        )

    def _look(self, store: _Counting) -> BrokerError | None:
        """Look at the queues that wait longest for it; return what went wrong."""
        waiting = sorted(self._rows, key=lambda name: (self._rows[name][0], name))
        if store.is_spread:
            del waiting[SPREAD_QUEUES:]
        error: BrokerError | None = None
        for _ in range(SCRIPTS):
            if not waiting:
                break
            rows = store.look(waiting[:NAMES])
            now = time.monotonic()
            for name, row in zip(waiting, rows, strict=False):
                if isinstance(row, BrokerError) and not isinstance(error, BrokerUnavailable):
                    error = row
                self._rows[name] = now, None if isinstance(row, BrokerError) else row
            del waiting[: len(rows)]
        return error

    def _measure(self, store: _Counting, figures: Mapping[str, QueueFigures]) -> dict[str, int]:
        """Sample the memory of some queues that hold tasks, those whose turn it is; one that holds none takes none."""
        holding = [name for name, each in figures.items() if each.size]
        self._memory = {name: self._memory.get(name, (0.0, -1)) for name in holding}
        for name in sorted(holding, key=lambda name: (self._memory[name][0], name))[: self._memory_queues]:
            try:
                bytes_, refused = store.memory(name)
            except BrokerError as error:
                refused, bytes_ = "", -1
                log.debug("memory of queue %r: %s", name, error)
            if refused:
                self._tells_memory = False
                log.warning("memory of queues is not measured: the store refuses MEMORY USAGE (%s)", refused)
                return {}
            self._memory[name] = time.monotonic(), bytes_
        sampled = {name: bytes_ for name, (_, bytes_) in self._memory.items() if bytes_ >= 0}
        return {
            name: sampled[name] if each.size else 0
            for name, each in figures.items()
            if name in sampled or not each.size
        }


class _Counting:
    """A store whose commands are counted."""

    def __init__(self, store: BlockingStore | None) -> None:
        self._store = store
        self.commands = 0

    @property
    def store(self) -> BlockingStore:
        assert self._store is not None  # noqa: S101 - only what failed to open has none
        return self._store

    @property
    def is_spread(self) -> bool:
        return self.store.is_spread

    def look(self, names: Sequence[str]) -> list[QueueFigures | BrokerError]:
        self.commands += len(names) if self.is_spread else 1
        return look(self.store, names)

    def memory(self, name: str) -> tuple[int, str]:
        self.commands += 1
        return self.store.run(browse.memory(name, tasks=SAMPLES, groups=GROUP_SAMPLES))

    def ask(self, commands: Sequence[tuple[Any, ...]]) -> list[Any]:
        self.commands += len(commands)
        return self.store.commands(commands) if commands else []


def _known(store: _Counting) -> tuple[list[str], list[ServerRecord], BrokerError | None]:
    """Return the queues, the servers that live, and what went wrong with the latter."""
    names, clock = store.ask([("SMEMBERS", keys.QUEUES), ("TIME",)])
    queues = sorted(name.decode("utf-8", "replace") for name in names)
    try:
        listed = store.ask([("ZRANGEBYSCORE", keys.SERVERS, int(clock[0]), "+inf", "LIMIT", 0, MAX_SERVERS)])[0]
        if store.is_spread:
            records = store.ask([("GET", key) for key in listed])
        else:
            records = store.ask([("MGET", *listed)])[0] if listed else []
    except BrokerError as error:
        return queues, [], error
    return queues, list(_servers(records)), None


def _servers(records: Iterable[bytes | None]) -> Iterable[ServerRecord]:
    for data in records:
        if data is not None:
            try:
                yield ServerRecord.decode(data)
            except (DecodeError, ValueError) as error:
                log.debug("a server's record is none, and is not counted: %s", error)


def check_number(name: str, value: object, least: int, most: int) -> None:
    """
    Refuse what is no whole number, or too small or large a one.

    Raises:
        ConfigurationError: It is so.
    """
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
        raise ConfigurationError(f"{name} is {shown(value)}: give a whole number from {least} to {most}")


def _runs_loop() -> bool:
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return False
    return True
