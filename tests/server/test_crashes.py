"""What happens to tasks whose process dies: real processes, SIGKILL, a short lease."""

from __future__ import annotations

from pathlib import Path

import pytest
from bench import process

from onebeat.inspector.inspector import Inspector
from onebeat.states import TaskState
from onebeat.task import Task
from tests.server.conftest import Bench, until

pytestmark = pytest.mark.slow

LEASE = 1.5


async def test_running_tasks_of_a_killed_server_run_again(bench: Bench, url: str, tmp_path: Path) -> None:
    """All 50 run again once, oldest first, without a retry spent, even with none to spend."""
    notes = tmp_path / "starts"
    await bench.client.enqueue_many((Task("work", n) for n in range(50)), max_retry=0)
    victim = await process.start(url, "victim", LEASE, notes)

    async def all_run() -> bool:
        return len(process.starts(notes)) == 50

    await until(all_run)
    victim.kill()
    await victim.wait()
    await bench.enqueue("other")
    before = [start.id for start in process.starts(notes)]
    heir = await process.start(url, "heir", LEASE, notes)
    await bench.reaches(processed=51)
    heir.terminate()
    assert 0 == await heir.wait()
    again = [start for start in process.starts(notes) if start.role == "heir" and start.type == "work"]
    assert before == [start.id for start in again]
    assert {0} == {start.retried for start in again}
    stats = await bench.stats()
    assert (0, 0) == (stats.failed, stats.archived)


@pytest.mark.timeout(120)
async def test_a_task_that_kills_its_process_is_archived_alone(bench: Bench, url: str, tmp_path: Path) -> None:
    """It is archived when it has crashed five times; all its neighbours ran, and none was archived with it."""
    notes = tmp_path / "starts"
    poison = await bench.enqueue("poison")
    await bench.client.enqueue_many(Task("other", n) for n in range(100))
    server = await process.start(url, "heir", LEASE, notes)

    async def archived() -> bool:
        nonlocal server
        if server.returncode is not None:
            server = await process.start(url, "heir", LEASE, notes)
        return (await bench.stats()).archived > 0

    await until(archived, 100)
    await bench.reaches(pending=0, active=0, retry=0)
    server.terminate()
    await server.wait()
    info = await Inspector(bench.store).task("default", poison)
    assert (TaskState.ARCHIVED, "crashed 5 times", 0) == (info.state, info.last_error, info.retried)
    starts = process.starts(notes)
    assert 5 == sum(start.type == "poison" for start in starts)
    assert 100 == len({start.id for start in starts if start.type == "other"})
    assert 1 == (await bench.stats()).archived


async def test_sigterm_puts_running_tasks_back_and_ends_well(bench: Bench, url: str, tmp_path: Path) -> None:
    """A server process that is asked to stop leaves its tasks at the front and exits with status 0."""
    notes = tmp_path / "starts"
    await bench.client.enqueue_many(Task("work", n) for n in range(5))
    victim = await process.start(url, "victim", LEASE, notes)
    await bench.reaches(active=5)
    victim.terminate()
    victim.terminate()
    assert 0 == await victim.wait()
    stats = await bench.stats()
    assert (5, 0, 0) == (stats.pending, stats.active, stats.processed)
