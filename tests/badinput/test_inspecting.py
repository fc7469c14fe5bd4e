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
    "archive": ("a",),
    "delete": ("a",),
    "cancel": ("a",),
    "archive_all": ("pending",),
    "delete_all": ("archived",),
    "history": (),
    "memory": (),
    "groups": (),
    "pause": (),
    "resume": (),
    "remove_queue": (),
    "key_slot": (),
    "nodes": (),
}
OF_A_TASK = ("task", "run", "archive", "delete", "cancel")


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


UNKNOWN = [
    "stats", "tasks", "run_all", "archive_all", "delete_all", "check_queue", "history", "memory", "groups",
    "remove_queue",
]  # fmt: skip


@pytest.mark.parametrize("name", UNKNOWN)
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


@pytest.mark.parametrize("state", ["active", "archived", "completed"])
async def test_only_some_states_can_be_archived(busy: Inspector, state: str) -> None:
    """A completed task is no failure, and an active one belongs to who runs it."""
    with refused(InvalidTask, "state is", state, "give one of pending, scheduled, retry, aggregating"):
        await busy.archive_all("default", state)


async def test_active_tasks_are_not_deleted(busy: Inspector) -> None:
    """They are cancelled, one by one."""
    with refused(InvalidTask, "state is 'active'", "give one of pending, scheduled, retry, archived, completed"):
        await busy.delete_all("default", "active")


@pytest.mark.parametrize("name", ["tasks", "run_all", "delete_all"])
async def test_aggregating_tasks_are_named_by_their_group(busy: Inspector, name: str) -> None:
    """Without it nothing can be listed; with another state it means nothing."""
    with refused(InvalidTask, "group is ''", "name the group"):
        await ask(busy, name, "default", "aggregating")
    for group, shown in (("g", "'g'"), (None, "None"), (5, "5")):
        with refused(InvalidTask, f"group is {shown}", "leave it out"):
            await busy.page("default", state="pending", group=group)  # type: ignore[arg-type] # the mistake
    for group, shown in ((" ", "' '"), (None, "None"), (5, "5")):
        with refused(InvalidTask, f"group is {shown}"):
            await busy.page("default", state="aggregating", group=group)  # type: ignore[arg-type] # the mistake


WRONG_NUMBERS: list[tuple[Any, str]] = [
    ("1", "'1'"), (1.0, "1.0"), (True, "True"), (None, "None"), (2**31, "2147483648"), (-(2**31), "-2147483648"),
]  # fmt: skip


@pytest.mark.parametrize(("value", "shown"), WRONG_NUMBERS)
@pytest.mark.parametrize("name", ["page", "size"])
async def test_pages_are_whole_numbers(busy: Inspector, name: str, value: Any, shown: str) -> None:
    """Of tasks and of fires."""
    with refused(InvalidTask, f"{name} is {shown}", "give a whole number up to 2147483647"):
        await busy.page("default", state="pending", **{name: value})
    with refused(InvalidTask, f"{name} is {shown}", "give a whole number up to 2147483647"):
        await busy.events("id", **{name: value})


@pytest.mark.parametrize(("days", "shown"), [(0, "0"), (-1, "-1"), ("1", "'1'"), (True, "True"), (10**9, "10")])
async def test_days_are_a_whole_number(busy: Inspector, days: Any, shown: str) -> None:
    """Of at least one."""
    with refused(InvalidTask, f"days is {shown}", "give a whole number from 1 to 3650"):
        await busy.history("default", days)


async def test_a_progress_that_raises_stops_the_bulk_where_it_is(busy: Inspector) -> None:
    """Its own error comes out, and what was done is done."""

    def fail(seen: int, of: int) -> None:
        raise ZeroDivisionError(f"{seen} of {of}")

    with pytest.raises(ZeroDivisionError, match="1 of 1"):
        await busy.archive_all("default", "pending", progress=fail)
    assert 1 == (await busy.stats("default")).archived
