"""
A real store for every test session, and one's own clock in it.

The store is what ONEBEAT_TEST_TOPOLOGY says (see `tests.engines`): "one" node unless told otherwise, "sentinel" or
"cluster"; each pytest-xdist worker has its own. Tests that take `store` decide what time it is there, so nothing
sleeps. Tests whose subject is none of the store's are marked `one_store`, and run on one node only.
"""

from __future__ import annotations

import os
import signal
import sys
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings

from onebeat.broker.store import Store
from tests import engines

sys.dont_write_bytecode = False  # tests are compiled once, not by each worker of each run anew
os.environ["PYTHONDONTWRITEBYTECODE"] = "1"  # but programs that they change would be read as they were a moment ago

if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:  # as in the background of a shell: programs would inherit it
    signal.signal(signal.SIGINT, signal.default_int_handler)

TOPOLOGY = os.environ.get("ONEBEAT_TEST_TOPOLOGY") or "one"

settings.register_profile("onebeat", deadline=None)
settings.load_profile("onebeat")  # no test judges how long something takes

ONCE = {
    "badinput": "sentences about addresses and arguments, and stores of its own",
    "app/test_payloads.py": "what a signature says of bytes",
    "conformance": "bytes, cron, and what one node holds after each step",
    "deploy": "files, and an image without an engine",
    "docs": "pages and examples, each with an embedded store",
    "interop": "asynq's side names a single store",
    "testing": "the test kit's private store",
    "topology": "each test starts the stores that it is about",
    "typing": "type checkers",
    "unit": "logic without a store",
    "broker/test_embedded.py": "the embedded store",
    "cli/test_asynq_commands.py": "words on a command line",
    "cli/test_errors.py": "sentences, terminals and pipes",
    "cli/test_places.py": "parents of processes that only pretend",
    "cli/test_progress.py": "bars on terminals",
    "cli/test_project.py": "what pyproject.toml says",
    "cli/test_words.py": "words on a command line",
    "cli/test_dev.py": "reloading processes, whatever their store",
    "cli/test_loops.py": "event loops and signals, whatever the store",
    "cli/test_probes.py": "probes and signals, and stores of its own",
    "cli/test_processes.py": "parents and children, whatever their store",
    "inspector/checks/test_judging.py": "pure judgement of facts",
    "observe/otel": "spans, which no store sees but by headers",
    "observe/test_http.py": "a server of HTTP",
    "observe/test_logs.py": "lines of a log",
    "observe/test_scale.py": "arithmetic, and answers over HTTP",
    "observe/test_systemd.py": "words to a service manager",
    "observe/test_worker_metrics.py": "counting in one process",
    "web/api/test_changing.py": "what bodies say, of changes that inspectors make and are tested for",
    "web/api/test_hiding.py": "what redaction leaves of an answer",
    "web/api/test_hostile.py": "damage, and a store that is away",
    "web/api/test_fuzz.py": "what its own description says of the API",
    "web/api/test_how_to.py": "commands of a page, against a server of HTTP",
    "web/api/test_http.py": "statuses, headers and limits of HTTP",
    "web/api/test_openapi.py": "a document",
    "web/api/test_reference.py": "a page of the documentation",
    "web/browser": "pages in Chromium, over a store of its own",
    "web/security": "who may come in, and what is refused before the store is asked",
    "web/showing": "words, charts and markup",
    "web/test_audit.py": "a table of one key",
    "web/test_palette.py": "links of a page",
    "web/test_scripts.py": "files",
    "web/test_seeing.py": "who sees what of an answer",
    "web/test_task.py": "the page of one task, read by inspectors that are tested on each kind",
    "web/test_mounting.py": "where a console is mounted",
    "cli/test_web.py": "options, and a store that is not there",
    "integrations": "faces of frameworks, above clients and servers that are tested on each kind",
}
"""What another kind of store would prove nothing about, and why: it runs on one node only."""


ROOTS = frozenset(Path(__file__).parent / name for name in ONCE)


def pytest_ignore_collect(collection_path: Path) -> bool | None:
    """Do not even look into what runs on one node only, where there are several."""
    return True if TOPOLOGY != "one" and collection_path in ROOTS else None


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Begin with what may take longest; leave out what runs on one node only, where there are several."""
    items.sort(key=lambda item: item.get_closest_marker("timeout") is None)
    if TOPOLOGY == "one":
        return

    def is_once(item: pytest.Item) -> bool:
        return item.get_closest_marker("one_store") is not None

    config.hook.pytest_deselected(items=[item for item in items if is_once(item)])
    items[:] = [item for item in items if not is_once(item)]


HEARD = {number: signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)}


@pytest.fixture(autouse=True)
def hears() -> Iterator[None]:
    """Make sure that a test leaves signals as they were: programs of later tests would inherit what is ignored."""
    yield
    left = {number: signal.getsignal(number) for number in HEARD}
    if left != HEARD:
        for number, handler in HEARD.items():
            signal.signal(number, handler)
        pytest.fail(f"it has left signals otherwise than they were: {left}, not {HEARD}")


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Print what tests have measured and do not judge."""
    for report in terminalreporter.stats.get("passed", []):
        for name, value in report.user_properties:
            terminalreporter.write_line(f"{name} {value}")


NOON = 1_900_000_000
"""The instant that `store` begins at: 2030-03-17 17:46:40 UTC."""


@pytest.fixture(scope="session")
def topology() -> Iterator[engines.Topology]:
    """Return the store of this session: its processes, and its URL."""
    with tempfile.TemporaryDirectory(prefix="onebeat-tests-") as folder:
        started = engines.start(TOPOLOGY, Path(folder))
        yield started
        started.end()


@pytest.fixture(scope="session")
def engine(topology: engines.Topology) -> str:
    """Return the URL of a store of this session's own."""
    return topology.url


@pytest.fixture
def url(topology: engines.Topology) -> str:
    """Return the URL of an empty store."""
    topology.flush()
    return topology.url


NOW_KEYS = ("onebeat:test:now", "onebeat:test:now:a", "onebeat:test:now:b")
"""Of three nodes of a cluster each has one; see scripts/lib/clock_injected.lua."""


class OpenStores:
    """Which stores of this process are open: `Store` tells it, for as long as the tests run."""

    def __init__(self) -> None:
        self._open: dict[int, Store] = {}

    def watch(self, patch: pytest.MonkeyPatch) -> None:
        """Hear of every store that is made, and of every one that is closed."""
        make, close = Store.__init__, Store.aclose

        def made(store: Store, *arguments: Any, **options: Any) -> None:
            make(store, *arguments, **options)
            self._open[id(store)] = store

        async def closed(store: Store) -> None:
            await close(store)
            self._open.pop(id(store), None)

        patch.setattr(Store, "__init__", made)
        patch.setattr(Store, "aclose", closed)

    def forget(self) -> list[str]:
        """Return what is open, and let go of it."""
        left = [store.endpoint.shown for store in self._open.values()]
        self._open.clear()
        return left


@pytest.fixture(scope="session")
def open_stores() -> Iterator[OpenStores]:
    """Return which stores are open, from the first test to the last."""
    with pytest.MonkeyPatch.context() as patch:
        watching = OpenStores()
        watching.watch(patch)
        yield watching


@pytest.fixture(autouse=True)
def closes_its_stores(open_stores: OpenStores) -> Iterator[None]:
    """Fail the very test that leaves a store open: else whichever later one collects garbage would fail."""
    open_stores.forget()  # those of the module or the session, which outlive this test
    yield
    left = open_stores.forget()
    assert [] == left, "stores that this test has opened and not closed"


class Clock:
    """What time it is in the store."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self.now = float(NOON)

    @property
    def keys(self) -> tuple[str, ...]:
        """Where the store reads it, in microseconds."""
        return NOW_KEYS if self._store.is_spread else NOW_KEYS[:1]

    async def set(self, seconds: float) -> None:
        """Make it `seconds` since 1970, to the microsecond."""
        self.now = seconds
        for key in self.keys:
            await self._store.command("SET", key, str(round(seconds * 1_000_000)))

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
