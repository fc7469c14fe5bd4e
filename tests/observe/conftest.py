"""What observers hear, written down."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import pytest

from onebeat.audience import Audience
from onebeat.broker.store import Store
from onebeat.client import Client
from onebeat.events import Event, Figure, Observer, TaskEvent
from onebeat.task import Task
from tests.server.conftest import Bench


class Notes(Observer):
    """Writes down all it is told."""

    def __init__(self) -> None:
        self.events: list[Event] = []
        self.figures: list[tuple[Figure, str, float]] = []
        self.lived: list[str] = []

    def event(self, event: Event) -> None:
        self.events.append(event)

    def measured(self, figure: Figure, label: str, value: float) -> None:
        self.figures.append((figure, label, value))

    def audience(self) -> Audience:
        """Return one that is these notes alone."""
        return Audience([self])

    def of(self, task_id: str) -> list[Any]:
        """Return the events of one task."""
        return [event for event in self.events if isinstance(event, TaskEvent) and event.task_id == task_id]

    def names(self, task_id: str) -> list[str]:
        """Return the names of the events of one task."""
        return [event.name for event in self.of(task_id)]


class Around(Observer):
    """Adds a header, and writes down what handlers run in and what they raise."""

    def __init__(self, **headers: str) -> None:
        self.headers = headers
        self.seen: list[str] = []

    def enqueuing(self, task: Task[Any], queue: str, task_id: str) -> Mapping[str, str]:
        return self.headers

    def running(self, context: Any, task: Task[Any]) -> AbstractContextManager[object]:
        return self._running(task.type)

    @contextmanager
    def _running(self, name: str) -> Any:
        self.seen.append(f"enter {name}")
        try:
            yield
        except BaseException as error:
            self.seen.append(f"{name} raised {error!r}")
            raise
        self.seen.append(f"leave {name}")


@pytest.fixture
def notes() -> Notes:
    return Notes()


@pytest.fixture
async def bench(url: str, notes: Notes) -> AsyncIterator[Bench]:
    """Return an empty store with a client that is observed."""
    async with await Store.open(url) as store, Client(store, observers=[notes]) as client:
        yield Bench(store, client)
