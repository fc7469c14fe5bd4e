"""asynq's command line steers what we wrote (protocol §7)."""

from __future__ import annotations

from functools import partial

import pytest

from onebeat.wire import keys
from tests.interop import table
from tests.interop.looks import is_heard, leaves_alone
from tests.interop.populated import ARCHIVABLE, DELETABLE, RUNNABLE, stock
from tests.interop.sides import Python
from tests.interop.soundness import flaws
from tests.interop.tool import Tool
from tests.server.conftest import Bench, until

pytestmark = pytest.mark.interop
cell = partial(table.cell, "asynq's tools on our data", column="asynq CLI")


@cell("pause and resume")
async def test_pause_and_resume(bench: Bench, python: Python, tool: Tool) -> None:
    """Our server takes nothing meanwhile, and goes on after."""
    await python.enqueue("ok", task_id="a")
    assert 'Successfully paused queue "default"\n' == await tool("queue", "pause", "default")
    async with python.serving() as run:
        await until(lambda: leaves_alone(run.serving))
        assert 1 == (await bench.stats()).pending
        await tool("queue", "resume", "default")
        assert "a" == (await run.ran()).id


@cell("remove a queue")
async def test_a_queue_is_removed(bench: Bench, python: Python, tool: Tool) -> None:
    """Only by force while there are tasks in it."""
    await python.enqueue("ok", task_id="a")
    assert "is not empty" in await tool("queue", "rm", "default")
    assert 'Successfully removed queue "default"\n' == await tool("queue", "rm", "--force", "default")
    assert set() == await bench.store.command("SMEMBERS", keys.QUEUES)
    assert [] == await flaws(bench.store)


@cell("cancel")
async def test_cancel(bench: Bench, python: Python, tool: Tool) -> None:
    """Our handler is stopped, and its task archived as cancelled."""
    await python.enqueue("hold", task_id="a")
    async with python.serving() as run:
        await run.ran()
        await until(lambda: is_heard(bench))
        assert "Sent cancelation signal for task a\n" == await tool("task", "cancel", "a")
        await bench.reaches(archived=1, active=0)
    assert "cancelled" == (await python.inspector.task("a")).error


@pytest.mark.parametrize(
    ("act", "states", "says", "becomes"),
    [
        pytest.param("run", RUNNABLE, "task is now pending\n", "pending", marks=cell("run")),
        pytest.param("archive", ARCHIVABLE, "task archived\n", "archived", marks=cell("archive")),
        pytest.param("delete", DELETABLE, "task deleted\n", "", marks=cell("delete")),
    ],
)
async def test_one(
    bench: Bench, python: Python, tool: Tool, act: str, states: tuple[str, ...], says: str, becomes: str
) -> None:
    """One task is moved, its neighbour of the same state is not."""
    await stock(bench, python, **dict.fromkeys(states, 2))
    for state in states:
        assert says == await tool("task", act, "-q", "default", "-i", f"{state}-1")
        shown = await tool("task", "inspect", "-q", "default", "-i", f"{state}-1", fails=not becomes)
        assert (f"State:   {becomes}" if becomes else "task not found") in shown
        assert state == (await python.inspector.task(f"{state}-2")).state
    assert [] == await flaws(bench.store)


@pytest.mark.parametrize(
    ("act", "state", "says", "left"),
    [
        *(pytest.param("runall", state, "3 tasks are now pending\n", 4, marks=cell("run all")) for state in RUNNABLE),
        *(
            pytest.param("archiveall", state, "3 tasks archived\n", 4, marks=cell("archive all"))
            for state in ARCHIVABLE
        ),
        *(pytest.param("deleteall", state, "3 tasks deleted\n", 1, marks=cell("delete all")) for state in DELETABLE),
    ],
)
async def test_all(bench: Bench, python: Python, tool: Tool, act: str, state: str, says: str, left: int) -> None:
    """All tasks of a state are moved, and only those."""
    other = "scheduled" if state != "scheduled" else "retry"
    await stock(bench, python, **{state: 3, other: 1})
    assert says == await tool("task", act, "-q", "default", "-s", state)
    found = await bench.stats()
    assert (0, 1, left) == (getattr(found, state), getattr(found, other), found.size)
    assert [] == await flaws(bench.store)


@pytest.mark.parametrize(
    ("act", "says"),
    [
        pytest.param("run", "2 tasks are now pending\n", marks=[cell("run"), cell("run all")]),
        pytest.param("archive", "2 tasks archived\n", marks=[cell("archive"), cell("archive all")]),
        pytest.param("delete", "2 tasks deleted\n", marks=[cell("delete"), cell("delete all")]),
    ],
)
async def test_of_a_group(bench: Bench, python: Python, tool: Tool, act: str, says: str) -> None:
    """One, then the rest of a group; and the group is gone."""
    for number in range(1, 4):
        await python.enqueue("part", task_id=f"part-{number}", group="g")
    await tool("task", act, "-q", "default", "-i", "part-1")
    assert says == await tool("task", f"{act}all", "-q", "default", "-s", "aggregating", "-g", "g")
    assert {} == await python.inspector.groups()
    assert 3 * (act != "delete") == (await bench.stats()).size
    assert [] == await flaws(bench.store)


@cell("enqueue")
async def test_what_it_enqueues_we_run(python: Python, tool: Tool) -> None:
    """With the payload as typed and every option that it has."""
    words = ["-t", "ok", "-l", '{"a":1}', "--queue", "low", "--id", "e", "--timeout", "1m", "--retry", "3"]
    said = await tool("task", "enqueue", *words, "--retention", "1h", "--unique", "10m")
    assert "Enqueued task e to queue low\n" == said
    async with python.serving(queues={"low": 1}) as run:
        ran = await run.ran()
    assert ("e", b'{"a":1}', 3) == (ran.id, ran.payload, ran.max_retry)
