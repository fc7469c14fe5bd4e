"""`manage.py` of the example project, in real processes."""

from __future__ import annotations

import json
import os
import select
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

EXAMPLE = Path(__file__).parents[2] / "examples" / "django"

ISOLATED = """
@app.task(isolation="process")
def count_apart() -> int:
    return Order.objects.count()
"""


@pytest.fixture
def project(tmp_path: Path, url: str, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return a copy of the example, with its database."""
    shutil.copytree(EXAMPLE, tmp_path / "project", ignore=shutil.ignore_patterns("__pycache__", "db.sqlite3"))
    tasks = tmp_path / "project" / "shop" / "tasks.py"
    tasks.write_text(tasks.read_text() + ISOLATED)
    monkeypatch.setenv("ONEBEAT_URL", url)
    monkeypatch.setenv("PYTHONUNBUFFERED", "1")
    manage(tmp_path / "project", "migrate", "--run-syncdb", "-v0")
    return tmp_path / "project"


def manage(project: Path, *words: str) -> str:
    done = subprocess.run(
        [sys.executable, "manage.py", *words], cwd=project, capture_output=True, text=True, check=False
    )
    assert 0 == done.returncode, done.stdout + done.stderr
    return done.stdout


class Output:
    """What a process writes."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self.process = process
        self.text = ""

    def shows(self, text: str, seconds: float = 120.0) -> None:
        """Wait until it has written a text, from where the last one ended."""
        assert self.process.stdout is not None
        until = time.monotonic() + seconds
        while text not in self.text:
            ready, _, _ = select.select([self.process.stdout], [], [], until - time.monotonic())
            assert ready, self.text
            chunk = os.read(self.process.stdout.fileno(), 65536).decode()
            assert chunk, self.text
            self.text += chunk
        self.text = self.text.partition(text)[2]


@contextmanager
def running(project: Path, *words: str) -> Iterator[Output]:
    process = subprocess.Popen(
        [sys.executable, *words],
        cwd=project,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,
    )
    try:
        output = Output(process)
        output.shows("serving queues")
        yield output
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGTERM)
        process.communicate(timeout=60)


ASK = """
from shop.models import Order
from shop.tasks import send_receipt, count_orders, count_apart
order = Order.objects.create(item="tea")
print("RECEIPT", send_receipt.enqueue_sync(order.pk).result(timeout=60))
print("APART", count_apart.enqueue_sync().result(timeout=60))
"""


@pytest.mark.slow
def test_onebeat_run_serves_and_stops(project: Path) -> None:
    """Threads and processes of their own reach the database; SIGTERM ends it with status 0."""
    with running(project, "manage.py", "onebeat_run", "-c", "2") as server:
        answers = manage(project, "shell", "-c", ASK)
        assert "RECEIPT receipt 1 for tea" in answers
        assert "APART 1" in answers
        server.process.terminate()
        server.shows("stopped")
        assert 0 == server.process.wait(timeout=60)
    queues = json.loads(manage(project, "onebeat", "stats", "--json"))["queues"]
    assert 2 <= next(queue["completed"] for queue in queues if queue["queue"] == "default")


@pytest.mark.slow
def test_the_application_is_found_by_onebeat_s_own_command(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """With DJANGO_SETTINGS_MODULE alone: Django is set up when the application is asked for."""
    monkeypatch.setenv("DJANGO_SETTINGS_MODULE", "mysite.settings")
    with running(project, "-m", "onebeat", "run", "onebeat.integrations.django:app"):
        assert "RECEIPT receipt 1 for tea" in manage(project, "shell", "-c", ASK)


@pytest.mark.slow
def test_reload_starts_again_when_code_changes(project: Path) -> None:
    """The server ends in order, and the next one runs the new code, on connections of its own."""
    with running(project, "manage.py", "onebeat_run", "--reload") as server:
        assert "RECEIPT receipt 1 for tea" in manage(project, "shell", "-c", ASK)
        tasks = project / "shop" / "tasks.py"
        tasks.write_text(tasks.read_text().replace("receipt {order.pk} for", "new receipt {order.pk} for"))
        server.shows("stopped")
        server.shows("serving queues")
        assert "RECEIPT new receipt 2 for tea" in manage(project, "shell", "-c", ASK)
