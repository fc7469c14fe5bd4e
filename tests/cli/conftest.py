"""A project folder with an application, and a client of its store."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from onebeat.broker.store import BlockingStore
from onebeat.sync import SyncClient
from onebeat.task import Task
from tests.cli.programs import until

SHOP = '''
import asyncio
import sys
from pathlib import Path

from onebeat import Onebeat

app = Onebeat("shop")


@app.task("loop")
async def loop() -> str:
    return type(asyncio.get_running_loop()).__module__.partition(".")[0]


@app.task("wait")
async def wait() -> str:
    """Begin, and end when the file "go" is there."""
    print("it begins")
    while not Path("go").exists():
        await asyncio.sleep(0.01)
    return "done"


@app.task("fail", max_retry=0)
async def fail(order: int) -> None:
    raise ValueError("no such order")


@app.task("apart", max_retry=0, isolation="process")
def apart() -> None:
    raise KeyError("in a process of its own")
'''


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return a project with one application in it, shop:app."""
    (tmp_path / "shop.py").write_text(SHOP)
    (tmp_path / "pyproject.toml").write_text("")
    return tmp_path


class Tasks:
    """Enqueues, and looks what became of it."""

    def __init__(self, url: str) -> None:
        self.url = url
        self._client = SyncClient(url)
        self._store = BlockingStore.open(url)

    def enqueue(self, type: str, payload: Any = None, **options: Any) -> str:
        options.setdefault("retention", 60)
        return self._client.enqueue(Task(type, payload if payload is not None else {}), **options).id

    def field(self, task_id: str, name: str) -> str:
        """Return a field of the task's record."""
        [value] = self._store.commands([("HGET", f"asynq:{{default}}:t:{task_id}", name)])
        return value.decode() if value is not None else ""

    def reaches(self, task_id: str, state: str) -> None:
        """Wait until a task is in a state."""
        until(lambda: self.field(task_id, "state") == state)

    def close(self) -> None:
        self._client.close()
        self._store.close()


@pytest.fixture
def tasks(url: str) -> Iterator[Tasks]:
    """Return a client of an empty store."""
    tasks = Tasks(url)
    yield tasks
    tasks.close()
