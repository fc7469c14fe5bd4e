"""What the console is shown on: a store, servers that work, and everything that a page could have to say."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from pathlib import Path
from types import TracebackType
from typing import Self, TypeVar

import redis

from onebeat import SyncInspector
from onebeat.errors import OnebeatError
from tests.engines import Process

ROOT = Path(__file__).parents[3]
PATIENCE_S = 120.0

T = TypeVar("T")


def apart(do: Callable[[], T]) -> T:
    """Do something that blocks in a thread of its own: in the main thread runs the event loop of Playwright."""
    with ThreadPoolExecutor(1) as executor:
        return executor.submit(do).result()


class Stage:
    """
    Processes around one store; they end with the block.

    Args:
        folder: Where they may write.

        settings: Of the store's configuration.

    Attributes:
        url: Of the store.
    """

    def __init__(self, folder: Path, **settings: object) -> None:
        self._stack = ExitStack()
        self._folder = folder
        self.store = Process(folder, settings)
        self._stack.callback(self.store.end)
        self.url = f"redis://127.0.0.1:{self.store.port}/0"

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.close()

    def console(self, *options: str, title: str = "production", **environment: str) -> str:
        """Start `onebeat web`, and return its address."""
        command = ["-m", "onebeat", "web", "--port", "0", "--url", self.url, "--title", title, *options]
        said = self._start("console", command, environment)
        return said.partition("console: ")[2].strip()

    def mounted(self, path: str) -> str:
        """Start an application with a console below a path, and return the console's address."""
        return self._start("mounted", ["-m", "tests.web.browser.mounted", self.url, path], {}).strip()

    def shop(self, host: str, slots: int, *queues: str) -> None:
        """Start a server, and return once it serves."""
        self._start(host, ["-m", "tests.web.browser.deployed", self.url, host, str(slots), *queues], {})

    def repeat(self, beat: Callable[[], object]) -> None:
        """Do something now and every two seconds, until the end."""
        ended = threading.Event()
        beat()

        def go_on() -> None:
            while not ended.wait(2):
                with suppress(redis.RedisError):  # the store of a stage may be killed
                    beat()

        thread = threading.Thread(target=go_on, daemon=True)
        thread.start()
        self._stack.callback(thread.join)
        self._stack.callback(ended.set)

    def look(self, question: Callable[[SyncInspector], T]) -> T:
        """Ask, or do, something by way of an inspector."""

        def ask() -> T:
            with SyncInspector(self.url) as inspector:
                return question(inspector)

        return apart(ask)

    def _start(self, name: str, arguments: Sequence[str], environment: dict[str, str]) -> str:
        """Start a Python process, and return the first line that it says."""
        with (self._folder / f"{name}.log").open("ab") as log:
            process = subprocess.Popen(
                [sys.executable, *arguments],
                cwd=ROOT,
                env={**os.environ, "PYTHONUNBUFFERED": "1", "COLUMNS": "120", **environment},
                stdout=subprocess.PIPE,
                stderr=log,
            )
        self._stack.callback(_end, process)
        assert process.stdout is not None
        said = process.stdout.readline().decode()
        assert said, f"{name} ended before it said anything:\n{(self._folder / f'{name}.log').read_text()[-2000:]}"
        return said

    def wait(self, **states: int) -> None:
        """Wait until there are so many tasks in each of these states, over all queues."""
        end = time.monotonic() + PATIENCE_S
        with SyncInspector(self.url) as inspector:
            while True:
                counts = _counts(inspector, states)
                if counts == states:
                    return
                assert time.monotonic() < end, f"the stage has {counts}, not {states}"
                time.sleep(0.05)


def _counts(inspector: SyncInspector, states: dict[str, int]) -> dict[str, int]:
    found = [stats for stats in inspector.stats_each().values() if not isinstance(stats, OnebeatError)]
    return {state: sum(getattr(stats, state) for stats in found) for state in states}


def _end(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
    assert process.stdout is not None
    process.stdout.close()
