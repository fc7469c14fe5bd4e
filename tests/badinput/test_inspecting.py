"""The inspector: queues, states and ids that cannot be."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from onebeat.client import Client
from onebeat.errors import InvalidTask, QueueNotFound, TaskNotFound, WrongState
from onebeat.inspector.inspector import Inspector
from onebeat.task import Task
from tests.badinput.conftest import refused

OF_A_QUEUE = {
    "stats": (),
    "tasks": ("pending",),
    "run_all": ("archived",),
    "task": ("a",),
    "run": ("a",),
    "cancel": ("a",),
}
OF_A_TASK = ("task", "run", "cancel")


async def ask(inspector: Inspector, name: str, *words: Any) -> Any:
    """Call one of the inspector's methods, and take all that it gives."""
    if name == "tasks":
        return [item async for item in inspector.tasks(words[0], state=words[1])]
    return await getattr(inspector, name)(*words)


@pytest.fixture
async def inspector(client: Client) -> AsyncIterator[Inspector]:
    """Return the inspector of an empty store, which must stay so."""
    async with Inspector(await client.store()) as opened:
        yield opened


@pytest.fixture
async def busy(url: str) -> AsyncIterator[Inspector]:
    """Return the inspector of a store with one pending task."""
    async with Client(url) as client, Inspector(await client.store()) as opened:
        await client.enqueue(Task("t"), task_id="a")
        yield opened


BLANK: list[tuple[Any, str]] = [
    ("", "''"), (" ", "' '"), (None, "None"), (5, "5"), (b"q", "b'q'"), ("\ud800", "'\\ud800'"),
]  # fmt: skip


@pytest.mark.parametrize("name", OF_A_QUEUE)
@pytest.mark.parametrize(("queue", "shown"), BLANK)
async def test_a_queue_has_a_name(inspector: Inspector, name: str, queue: Any, shown: str) -> None:
    """Blank or no text: refused by its value, whatever is asked."""
    with refused(InvalidTask, "queue name is", shown):
        await ask(inspector, name, queue, *OF_A_QUEUE[name])


@pytest.mark.parametrize("name", OF_A_TASK)
@pytest.mark.parametrize(("id", "shown"), BLANK)
async def test_a_task_has_an_id(inspector: Inspector, name: str, id: Any, shown: str) -> None:
    """Likewise."""
    with refused(InvalidTask, "task id is", shown):
        await ask(inspector, name, "default", id)


@pytest.mark.parametrize("name", ["stats", "tasks", "run_all", "check_queue"])
@pytest.mark.parametrize("queue", ["nope", "}x", "a{b", "Default"])
async def test_an_unknown_queue_is_not_an_empty_one(busy: Inspector, name: str, queue: str) -> None:
    """A slip of the pen is told, with the queues that there are, rather than shown as nothing to do."""
    with refused(QueueNotFound, f"queue {queue!r} is not known here", "there are default"):
        await ask(busy, name, queue, *OF_A_QUEUE.get(name, ()))


async def test_a_store_without_queues_says_that(inspector: Inspector) -> None:
    """Rather than list none."""
    with refused(QueueNotFound, "queue 'default' is not known here", "nothing was enqueued"):
        await inspector.stats("default")


@pytest.mark.parametrize("name", OF_A_TASK)
async def test_an_unknown_task_names_its_queue(busy: Inspector, name: str) -> None:
    """Both may be the mistake."""
    with refused(TaskNotFound, "task 'b' is not in queue 'default'"):
        await ask(busy, name, "default", "b")
    with refused(TaskNotFound, "task 'a' is not in queue 'nope'"):
        await ask(busy, name, "nope", "a")


async def test_a_known_queue_may_be_empty(busy: Inspector) -> None:
    """Whose tasks are none, and whose counts are zero."""
    await busy.cancel("default", "a")
    assert 0 == (await busy.stats("default")).size
    assert ([], 0) == (await ask(busy, "tasks", "default", "archived"), await busy.run_all("default", "archived"))


STATES: list[tuple[Any, str]] = [
    ("nope", "'nope'"), ("", "''"), ("Pending", "'Pending'"), (None, "None"), (5, "5"), ("\ud800", "'\\ud800'"),
]  # fmt: skip


@pytest.mark.parametrize(("state", "shown"), STATES)
async def test_a_state_is_one_of_those_that_are_listed(busy: Inspector, state: Any, shown: str) -> None:
    """The sentence lists them."""
    with refused(
        InvalidTask, "state is", shown, "give one of pending, active, scheduled, retry, archived, completed, aggr"
    ):
        await ask(busy, "tasks", "default", state)


@pytest.mark.parametrize(("state", "shown"), [*STATES, ("pending", "'pending'"), ("active", "'active'")])
async def test_only_some_states_can_be_run(busy: Inspector, state: Any, shown: str) -> None:
    """A pending or active task runs by itself."""
    with refused(InvalidTask, "state is", shown, "give one of scheduled, retry, archived, completed, aggregating"):
        await ask(busy, "run_all", "default", state)


async def test_a_task_that_runs_by_itself_is_left_alone(busy: Inspector) -> None:
    """The sentence says why."""
    with refused(WrongState, "task 'a' of queue 'default' was left alone", "task is already in pending state"):
        await busy.run("default", "a")
