"""`onebeat run` with a log of JSON and a stream of events, as real processes."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from onebeat.broker.store import BlockingStore
from onebeat.observe.stream import KEY
from tests.cli.conftest import SHOP, Tasks
from tests.cli.programs import until


def entries(store: BlockingStore) -> list[tuple[bytes, dict[bytes, bytes]]]:
    [found] = store.commands([("XRANGE", KEY, "-", "+")])
    return list(found)


@pytest.mark.slow
@pytest.mark.parametrize("words", [[], ["--processes", "1"]])
def test_a_server_writes_json_and_events(url: str, tmp_path: Path, words: list[str]) -> None:
    """Alone, and under a parent: each line is a document, and the stream has what became of the task."""
    (tmp_path / "shop.py").write_text(SHOP)
    tasks, store = Tasks(url), BlockingStore.open(url)
    task_id = tasks.enqueue("fail", {"order": 7}, max_retry=0)
    command = [sys.executable, "-m", "onebeat", "run", "shop:app", "--url", url, "--log-format", "json", "--events"]
    with subprocess.Popen([*command, *words], cwd=tmp_path, stderr=subprocess.PIPE, text=True) as process:
        tasks.reaches(task_id, "archived")
        until(lambda: len(entries(store)) >= 2)
        process.send_signal(signal.SIGTERM)
        _, log = process.communicate(timeout=60)
    assert 0 == process.returncode
    lines = [json.loads(line) for line in log.splitlines()]
    [end] = [line for line in lines if "outcome" in line]
    assert (task_id, "archived", "fail", "error") == tuple(
        end[name] for name in ("task_id", "outcome", "task_type", "level")
    )
    assert "no such order" in end["exception"]
    told = [(entry[b"name"].decode(), entry[b"task_id"].decode()) for _, entry in entries(store)]
    assert [("started", task_id), ("archived", task_id)] == told
    store.close()
    tasks.close()
