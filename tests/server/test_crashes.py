"""What happens to tasks whose process dies: real processes, SIGKILL, a short lease."""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path

import pytest
from bench import process

from onebeat.inspector.inspector import Inspector
from onebeat.states import TaskState
from onebeat.task import Task
from onebeat.upkeep.maintainer import Maintainer
from onebeat.upkeep.service import Crew
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


@pytest.mark.timeout(300)
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

    await until(archived, 280)  # five processes start one after another
    await bench.reaches(pending=0, active=0, retry=0)
    server.terminate()
    await server.wait()
    info = await Inspector(bench.store).task("default", poison)
    assert (TaskState.ARCHIVED, "crashed 5 times", 0) == (info.state, info.last_error, info.retried)
    attempts = await Inspector(bench.store).attempts("default", poison)
    assert ["recovered"] * 4 + ["archived"] == [one.outcome for one in attempts]
    assert 5 == len({one.server for one in attempts})
    assert all(one.ran is not None and one.ran.total_seconds() >= LEASE - 1 for one in attempts)
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


async def sleeper_with(bench: Bench, url: str, notes: Path, tasks: int) -> asyncio.subprocess.Process:
    """Start a process that has begun so many tasks, and stop it dead."""
    await bench.client.enqueue_many((Task("work", n) for n in range(tasks)), max_retry=0)
    sleeper = await process.start(url, "sleeper", LEASE, notes)

    async def all_began() -> bool:
        return len(process.starts(notes)) == tasks

    await until(all_began)
    sleeper.send_signal(signal.SIGSTOP)
    return sleeper


async def test_a_process_that_stood_still_while_others_ran_its_tasks(bench: Bench, url: str, tmp_path: Path) -> None:
    """Stopped for three leases, it wakes to find its tasks ended by another: one outcome each, and it serves on."""
    notes = tmp_path / "starts"
    sleeper = await sleeper_with(bench, url, notes, 20)
    heir = await process.start(url, "heir", LEASE, notes)
    await bench.reaches(processed=20, active=0)
    began = await seconds(bench)
    await until(lambda: passed(bench, began + 3 * LEASE))
    sleeper.send_signal(signal.SIGCONT)
    sleeper.send_signal(signal.SIGUSR1)
    heir.terminate()
    assert 0 == await heir.wait()
    await bench.enqueue("other")
    await bench.reaches(processed=21, active=0, pending=0)
    sleeper.terminate()
    assert 0 == await sleeper.wait()
    stats = await bench.stats()
    assert (21, 0, 0, 0) == (stats.processed, stats.failed, stats.archived, stats.retry)
    starts = process.starts(notes)
    assert (20, 20) == (
        sum(start.role == "sleeper" and start.type == "work" for start in starts),
        sum(start.role == "heir" for start in starts),
    )


async def test_a_process_that_stood_still_takes_its_waiting_tasks_back(bench: Bench, url: str, tmp_path: Path) -> None:
    """Recovered while it was stopped, but not begun elsewhere: it goes on with them, and nothing runs twice."""
    notes = tmp_path / "starts"
    sleeper = await sleeper_with(bench, url, notes, 20)
    await bench.store.command("SET", "asynq:{default}:paused", "1")
    crew = Crew()
    crew.start(Maintainer(bench.store, ["default"]))
    await bench.reaches(pending=20, active=0)
    sleeper.send_signal(signal.SIGCONT)
    await bench.reaches(pending=0, active=20)
    sleeper.send_signal(signal.SIGUSR1)
    await bench.reaches(processed=20, active=0)
    await crew.stop()
    sleeper.terminate()
    assert 0 == await sleeper.wait()
    assert 20 == len(process.starts(notes))
    assert 0 == (await bench.stats()).failed


async def seconds(bench: Bench) -> float:
    now, _ = await bench.store.command("TIME")
    return float(now)


async def passed(bench: Bench, then: float) -> bool:
    return await seconds(bench) > then


async def test_a_process_manager_that_waits_for_nothing(bench: Bench, url: str, tmp_path: Path) -> None:
    """SIGTERM and at once SIGKILL: what was being put back is put back or recovered, and runs once more."""
    notes = tmp_path / "starts"
    await bench.client.enqueue_many((Task("work", n) for n in range(20)), max_retry=0)
    victim = await process.start(url, "victim", LEASE, notes)
    await bench.reaches(active=20)
    victim.terminate()
    victim.kill()
    await victim.wait()
    heir = await process.start(url, "heir", LEASE, notes)
    await bench.reaches(processed=20, active=0, pending=0, retry=0)
    heir.terminate()
    await heir.wait()
    assert 20 == sum(start.role == "heir" for start in process.starts(notes))
    assert 0 == (await bench.stats()).failed
