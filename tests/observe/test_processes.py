"""The multi-process mode of prometheus_client: what many processes count, added up by one."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry

from onebeat.observe.prometheus.processes import Processes

COUNTING = """
import os, sys
from datetime import UTC, datetime
from onebeat import events
from onebeat.events import Figure
from onebeat.observe.prometheus import WorkerMetrics

metrics, now = WorkerMetrics(), datetime.now(UTC)
one = {"queue": "q", "at": now, "type": "t", "retried": 0}
metrics.measured(Figure.SLOTS, "", 10)
for number in range(int(sys.argv[1])):
    metrics.event(events.TaskStarted(task_id=str(number), waited=1.5, **one))
    metrics.event(events.TaskCompleted(task_id=str(number), seconds=0.02, **one))
metrics.event(events.TaskStarted(task_id="runs", **one))
metrics.flush()
print("counted", flush=True)
sys.stdin.read()
"""


class Family:
    """Processes that count into a folder, and what is read of it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._registry = CollectorRegistry()
        self._registry.register(Processes(str(folder)))

    def start(self, tasks: int) -> subprocess.Popen[bytes]:
        env = {**os.environ, "PROMETHEUS_MULTIPROC_DIR": str(self._folder)}
        words = [sys.executable, "-c", COUNTING, str(tasks)]
        process = subprocess.Popen(words, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert process.stdout is not None
        assert b"counted\n" == process.stdout.readline()
        return process

    def __call__(self, name: str, **labels: str) -> float | None:
        return self._registry.get_sample_value(name, labels)

    def figures(self) -> tuple[float | None, ...]:
        """Return what ended, what waited at most 1 s and 2.5 s, the sum of that, what runs, and the slots."""
        labels = {"queue": "q", "type": "t"}
        return (
            self("onebeat_tasks_ended_total", outcome="completed", **labels),
            self("onebeat_task_wait_seconds_bucket", le="1.0", **labels),
            self("onebeat_task_wait_seconds_bucket", le="2.5", **labels),
            self("onebeat_task_wait_seconds_sum", **labels),
            self("onebeat_tasks_in_progress", **labels),
            self("onebeat_slots"),
        )


def end(process: subprocess.Popen[bytes], *, kill: bool) -> None:
    if kill:
        process.kill()
    process.communicate(b"")


@pytest.fixture
def family(tmp_path: Path) -> Family:
    return Family(tmp_path)


@pytest.mark.slow
@pytest.mark.parametrize("kill", [True, False])
def test_processes_are_added_up_and_who_ends_keeps_its_counts(family: Family, kill: bool) -> None:
    """What it was doing is over with it; a scrape more or less changes nothing."""
    processes = [family.start(2), family.start(3)]
    assert (5, 0, 5, 7.5, 2, 20) == family.figures()
    end(processes[0], kill=kill)
    for _ in range(2):
        assert (5, 0, 5, 7.5, 1, 10) == family.figures()
    processes[0] = family.start(4)
    assert (9, 0, 9, 13.5, 2, 20) == family.figures()
    for process in processes:
        end(process, kill=kill)
    assert (9, 0, 9, 13.5, None, None) == family.figures()


@pytest.mark.slow
def test_a_folder_of_others_is_only_read(family: Family, tmp_path: Path) -> None:
    """Who writes there may be in another container, where our sight of processes ends."""
    end(family.start(1), kill=True)
    before = sorted(path.name for path in tmp_path.iterdir())
    registry = CollectorRegistry()
    registry.register(Processes(str(tmp_path), is_private=False))
    assert 10 == registry.get_sample_value("onebeat_slots")
    assert before == sorted(path.name for path in tmp_path.iterdir())


@pytest.mark.slow
def test_files_do_not_pile_up(family: Family, tmp_path: Path) -> None:
    """Those of processes that have ended are one of each kind."""
    for _ in range(3):
        end(family.start(1), kill=True)
        assert family.figures()[0]
    assert ["counter_ended.db", "histogram_ended.db"] == sorted(path.name for path in tmp_path.iterdir())
    assert 3 == family.figures()[0]
