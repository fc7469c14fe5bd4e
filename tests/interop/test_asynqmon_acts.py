"""Asynqmon steers what we wrote (protocol §8.3); it is asynq 0.24.1 inside."""

from __future__ import annotations

from functools import partial

import pytest

from onebeat.wire import keys
from tests.interop import table
from tests.interop.looks import is_heard, leaves_alone
from tests.interop.mon import Asynqmon
from tests.interop.populated import ARCHIVABLE, DELETABLE, RUNNABLE, stock
from tests.interop.sides import Python
from tests.interop.soundness import flaws
from tests.server.conftest import Bench, until

pytestmark = pytest.mark.interop
cell = partial(table.cell, "asynq's tools on our data", column="asynqmon")


@cell("pause and resume")
async def test_pause_and_resume(bench: Bench, python: Python, asynqmon: Asynqmon) -> None:
    """Our server takes nothing meanwhile, and goes on after."""
    await python.enqueue("ok", task_id="a")
    await asynqmon.do("POST", "/queues/default:pause")
    async with python.serving() as run:
        await until(lambda: leaves_alone(run.serving))
        assert 1 == (await bench.stats()).pending
        await asynqmon.do("POST", "/queues/default:resume")
        assert "a" == (await run.ran()).id


@cell("remove a queue")
async def test_a_queue_is_removed(bench: Bench, python: Python, asynqmon: Asynqmon) -> None:
    """Not while there are tasks in it; then it is listed no more, and works again when it is used again."""
    await python.enqueue("ok", task_id="a")
    assert 400 == (await asynqmon.ask("DELETE", "/queues/default"))[0]
    async with python.serving():
        await bench.reaches(processed=1)
        await asynqmon.do("DELETE", "/queues/default")
        assert set() == await bench.store.command("SMEMBERS", keys.QUEUES)
        assert 404 == (await asynqmon.ask("DELETE", "/queues/default"))[0]
        await python.enqueue("ok", task_id="b")
        await bench.reaches(processed=2)


@cell("cancel")
@pytest.mark.parametrize("path", ["active_tasks/a:cancel", "active_tasks:cancel_all", "active_tasks:batch_cancel"])
async def test_cancel(bench: Bench, python: Python, asynqmon: Asynqmon, path: str) -> None:
    """One, all, some: our handler is stopped, and its task archived as cancelled."""
    await python.enqueue("hold", task_id="a")
    async with python.serving() as run:
        await run.ran()
        await until(lambda: is_heard(bench))
        answer = await asynqmon.do(
            "POST", f"/queues/default/{path}", {"task_ids": ["a"]} if path.endswith("batch_cancel") else None
        )
        assert answer == ({"canceled_ids": ["a"], "error_ids": []} if path.endswith("batch_cancel") else "")
        await bench.reaches(archived=1, active=0)
    assert "cancelled" == (await asynqmon.get("/queues/default/tasks/a"))["error_message"]


@pytest.mark.parametrize(
    ("act", "states", "becomes"),
    [
        pytest.param("run", RUNNABLE, "pending", marks=cell("run")),
        pytest.param("archive", ARCHIVABLE, "archived", marks=cell("archive")),
        pytest.param("delete", DELETABLE, None, marks=cell("delete")),
    ],
)
async def test_one(
    bench: Bench, python: Python, asynqmon: Asynqmon, act: str, states: tuple[str, ...], becomes: str | None
) -> None:
    """One task is moved, its neighbour of the same state is not, and our upkeep finds nothing to mend."""
    await stock(bench, python, **dict.fromkeys(states, 2))
    for state in states:
        path = f"/queues/default/{state}_tasks/{state}-1"
        await (asynqmon.do("DELETE", path) if act == "delete" else asynqmon.do("POST", f"{path}:{act}"))
        status, shown = await asynqmon.ask("GET", f"/queues/default/tasks/{state}-1")
        assert (becomes or 404) == (shown["state"] if status == 200 else status)
        assert state == (await python.inspector.task(f"{state}-2")).state
    assert [] == await flaws(bench.store)


@pytest.mark.parametrize(
    ("method", "act", "state", "said", "left"),
    [
        *(pytest.param("POST", "run", state, "scheduled", 4, marks=cell("run all")) for state in RUNNABLE),
        *(pytest.param("POST", "archive", state, "archived", 4, marks=cell("archive all")) for state in ARCHIVABLE),
        *(pytest.param("DELETE", "delete", state, "deleted", 1, marks=cell("delete all")) for state in DELETABLE),
    ],
)
async def test_all(
    bench: Bench, python: Python, asynqmon: Asynqmon, method: str, act: str, state: str, said: str, left: int
) -> None:
    """All tasks of a state are moved, and only those."""
    other = "scheduled" if state != "scheduled" else "retry"
    await stock(bench, python, **{state: 3, other: 1})
    assert {said: 3} == await asynqmon.do(method, f"/queues/default/{state}_tasks:{act}_all")
    found = await bench.stats()
    assert (0, 1, left) == (getattr(found, state), getattr(found, other), found.size)
    assert [] == await flaws(bench.store)


@cell("batches")
@pytest.mark.parametrize(
    ("act", "states", "said"),
    [
        ("run", RUNNABLE, ("pending_ids", "error_ids")),
        ("archive", ARCHIVABLE, ("archived_ids", "error_ids")),
        ("delete", DELETABLE, ("deleted_ids", "failed_ids")),
    ],
)
async def test_some(
    bench: Bench, python: Python, asynqmon: Asynqmon, act: str, states: tuple[str, ...], said: tuple[str, str]
) -> None:
    """Those that are named are moved; what is not there is said."""
    await stock(bench, python, **dict.fromkeys(states, 3))
    for state in states:
        ids = [f"{state}-1", "none", f"{state}-3"]
        answer = await asynqmon.do("POST", f"/queues/default/{state}_tasks:batch_{act}", {"task_ids": ids})
        assert {said[0]: [ids[0], ids[2]], said[1]: ["none"]} == answer
        assert state == (await python.inspector.task(f"{state}-2")).state
    assert [] == await flaws(bench.store)


@pytest.mark.parametrize(
    ("method", "act", "said"),
    [
        pytest.param("POST", "run", "scheduled", marks=[cell("run"), cell("run all")]),
        pytest.param("POST", "archive", "archived", marks=[cell("archive"), cell("archive all")]),
        pytest.param("DELETE", "delete", "deleted", marks=[cell("delete"), cell("delete all")]),
    ],
)
async def test_of_a_group(bench: Bench, python: Python, asynqmon: Asynqmon, method: str, act: str, said: str) -> None:
    """One, then the rest of a group; and the group is gone."""
    for number in range(1, 4):
        await python.enqueue("part", task_id=f"part-{number}", group="g")
    path = "/queues/default/groups/g/aggregating_tasks"
    await asynqmon.do(method, f"{path}/part-1" + (f":{act}" if method == "POST" else ""))
    assert {said: 2} == await asynqmon.do(method, f"{path}:{act}_all")
    assert {} == await python.inspector.groups()
    assert 3 * (act != "delete") == (await bench.stats()).size
    assert [] == await flaws(bench.store)


async def test_what_was_run_from_there_runs_here(bench: Bench, python: Python, asynqmon: Asynqmon) -> None:
    """A task that failed for good, run from the page, runs again; what was to be deleted never does."""
    await stock(bench, python, scheduled=2, retry=1, archived=1)
    for state in RUNNABLE:
        await asynqmon.do("POST", f"/queues/default/{state}_tasks/{state}-1:run")
    await asynqmon.do("DELETE", "/queues/default/scheduled_tasks/scheduled-2")
    async with python.serving() as run:
        ran = {(await run.ran()).id for _ in RUNNABLE}
        await bench.reaches(completed=1, retry=1, archived=1, pending=0, active=0, scheduled=0)
    assert {f"{state}-1" for state in RUNNABLE} == ran
