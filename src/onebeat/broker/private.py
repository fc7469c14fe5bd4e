"""
A store for the tests of one process: the embedded engine in a temporary folder, without persistence.

It starts when first asked for and ends with the process, even one that is killed. Every test gets a database of
its own in it, empty, in which time stands still until it is moved.
"""

from __future__ import annotations

import atexit
import os
import shutil
import tempfile
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from onebeat.broker import embedded, guardian
from onebeat.broker.call import Call
from onebeat.broker.connection import Endpoint
from onebeat.broker.store import BlockingStore, Store
from onebeat.errors import ConfigurationError

DATABASES = 16
"""As many as the engine has unless it is told otherwise."""

NOW = "onebeat:test:now"
LOCKS = "onebeat:test:locks"


class _Engine:
    """The engine of one process."""

    def __init__(self) -> None:
        self.pid = os.getpid()
        self._folder = Path(tempfile.mkdtemp(prefix="onebeat-testing-"))
        try:
            self._held = embedded.open_store(embedded.StoreConfig(self._folder, fsync="no"))
            guardian.ask(str(self._held.socket), "CONFIG SET appendonly no")
        except BaseException:
            shutil.rmtree(self._folder, ignore_errors=True)
            raise
        self._free = set(range(DATABASES))
        atexit.register(self._stop)

    def _stop(self) -> None:
        if self.pid == os.getpid():
            self._held.close()
            shutil.rmtree(self._folder, ignore_errors=True)

    def lend(self) -> int:
        if not self._free:
            raise ConfigurationError(
                f"{DATABASES} private stores are in use in this process: leave the blocks of some that are done"
            )
        number = min(self._free)
        self._free.discard(number)
        return number

    def take_back(self, number: int) -> None:
        self._free.add(number)

    def endpoint(self, number: int) -> Endpoint:
        settings = {"path": str(self._held.socket), "db": number}
        return Endpoint("UnixDomainSocketConnection", settings, f"unix://{self._held.socket}?db={number}")


_lock = threading.Lock()
_engines: list[_Engine] = []


def _engine() -> _Engine:
    """Return the engine of this process; a forked child gets one of its own."""
    if not _engines or _engines[0].pid != os.getpid():
        _engines[:] = [_Engine()]
    return _engines[0]


@contextmanager
def lent(*, simulated: bool) -> Iterator[Endpoint]:
    """
    Lend an empty store while the block runs.

    Args:
        simulated: Time stands still in it until it is moved (`set_time`); else it is the machine's.

    Raises:
        MissingExtra: The engine is not installed.
        ConfigurationError: It cannot run here, or too many are lent.
    """
    with _lock:
        engine = _engine()
        number = engine.lend()
    try:
        endpoint = replace(engine.endpoint(number), simulated=simulated)
        store = BlockingStore(endpoint)
        store.commands([("FLUSHDB",), *([("ZADD", LOCKS, "inf", "")] if simulated else [])])
        store.close()
        yield endpoint
    finally:
        with _lock:
            engine.take_back(number)


def unreachable(endpoint: Endpoint) -> Endpoint:
    """Return an endpoint at which nothing answers, for a store that is to seem away."""
    return replace(endpoint, settings={**endpoint.settings, "path": f"{endpoint.settings['path']}.away"})


async def set_time(store: Store, now_us: int) -> None:
    """Make it this instant, microseconds since 1970, for all scripts of a simulated store."""
    await store.command("SET", NOW, str(now_us))


@dataclass(frozen=True, slots=True)
class Ahead:
    """
    What a queue has to do.

    Attributes:
        has_work: Tasks are pending, and it is not paused.

        next_ms: When something is due next; None when nothing is.

        wants_upkeep: Something is due now.

        leases, lapse_s: How many tasks are under a lease, and when the first of these lapses.
    """

    queue: str
    has_work: bool
    next_ms: int | None
    wants_upkeep: bool
    leases: int
    lapse_s: int | None


def ahead(queues: Sequence[str]) -> Call[list[Ahead]]:
    """Look at many queues at once."""

    def interpret(answer: Any) -> list[Ahead]:
        rows = zip(queues, *(answer[place::5] for place in range(5)), strict=True)
        return [
            Ahead(queue, bool(work), _number(due), bool(wants), leases, _number(lapse))
            for queue, work, due, wants, leases, lapse in rows
        ]

    return Call("ahead", queues[0], list(queues), interpret)


def _number(text: bytes) -> int | None:
    return int(text) if text else None
