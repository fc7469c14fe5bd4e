"""`onebeat run --metrics-port` and `onebeat metrics`, asked over HTTP as Prometheus asks."""

from __future__ import annotations

import json
import os
import re
import signal
import sys
from http.client import HTTPConnection
from pathlib import Path

import pytest
from click.testing import CliRunner
from prometheus_client.parser import text_string_to_metric_families

from onebeat import Onebeat
from onebeat.cli import measuring
from onebeat.cli.commands import cli
from onebeat.cli.operations import Watched
from onebeat.cli.processes.orders import Orders
from onebeat.errors import ConfigurationError
from onebeat.observe.routes import Routes
from tests.cli.conftest import SHOP, Tasks
from tests.cli.programs import Program, onebeat, until

pytestmark = [pytest.mark.slow, pytest.mark.one_store]

COUNTED = """
from prometheus_client import Counter

sold = Counter("shop_sold", "Things sold.")


@app.task("sell")
async def sell() -> None:
    sold.inc()
"""


HELD = """
import time

while Path("hold").exists():
    time.sleep(0.01)  # a file tells nobody
"""
"""An application that is imported for as long as the file "hold" is there."""


@pytest.fixture
def shop(folder: Path) -> Path:
    """Return a project whose application counts for itself."""
    (folder / "shop.py").write_text(SHOP + COUNTED + HELD)
    return folder


class Scraper:
    """Asks a program."""

    def __init__(self, program: Program, pattern: str = r"answering at http://(\S+):") -> None:
        self._address = program.expect(pattern).group(1)

    def text(self, path: str = "/metrics") -> str:
        """Return an answer; "" while there is none as the application is still being loaded."""
        connection = HTTPConnection(self._address, timeout=60)
        connection.request("GET", path)
        answer = connection.getresponse()
        body = answer.read().decode()
        connection.close()
        return body if answer.status == 200 else ""

    def __call__(self, name: str, **labels: str) -> float | None:
        """Return the sum of all series of this name and these labels; None if there is none."""
        found = [
            sample.value
            for family in text_string_to_metric_families(self.text())
            for sample in family.samples
            if sample.name == name and labels.items() <= sample.labels.items()
        ]
        return sum(found) if found else None

    def reaches(self, value: float | None, name: str, **labels: str) -> None:
        until(lambda: self(name, **labels) == value)


def run(folder: Path, tasks: Tasks, *words: str) -> Program:
    return onebeat("run", "shop:app", "--url", tasks.url, "--metrics-port", "0", *words, cwd=folder)


def test_one_process_tells_of_its_work_of_all_queues_and_of_the_users_own(shop: Path, tasks: Tasks) -> None:
    """At one place; and how many servers are wanted."""
    with run(shop, tasks) as program:
        ask = Scraper(program)
        for _ in range(3):
            tasks.enqueue("sell")
        tasks.enqueue("fail", {"order": 1})
        ask.reaches(3, "onebeat_tasks_ended_total", type="sell", outcome="completed")
        ask.reaches(1, "onebeat_task_errors_total", type="fail", error="ValueError")
        assert 3 == ask("shop_sold_total")
        assert 64 == ask("onebeat_slots")
        assert ask("onebeat_script_seconds_count", script="take")
        assert 1 == ask("onebeat_store_up")
        assert ask("process_cpu_seconds_total") is not None
        assert {"default"} == set(re.findall(r'^asynq_queue_size{queue="(.*?)"}', ask.text(), re.MULTILINE))
        assert 1 == json.loads(ask.text("/scale?queue=default&min=1"))["desired_replicas"]


def test_queues_may_be_left_to_another(shop: Path, tasks: Tasks) -> None:
    """So that ten replicas do not all ask for the same."""
    with run(shop, tasks, "--no-metrics-queues") as program:
        ask = Scraper(program)
        ask.reaches(64, "onebeat_slots")
        assert ask("asynq_queue_size") is None
        assert ask("onebeat_store_up") is None


def test_processes_under_a_parent_are_added_up(shop: Path, tasks: Tasks) -> None:
    """Queues once, tasks summed; who is killed keeps its counts, and has no slots any more."""
    with run(shop, tasks, "--processes", "2") as program:
        ask = Scraper(program)
        ask.reaches(128, "onebeat_slots")
        for _ in range(20):
            tasks.enqueue("sell")
        ask.reaches(20, "onebeat_tasks_ended_total", type="sell", outcome="completed")
        ask.reaches(20, "shop_sold_total")
        ask.reaches(0, "asynq_tasks_enqueued_total", queue="default", state="pending")
        assert 1 == len(re.findall(r"^asynq_queue_size{", ask.text(), re.MULTILINE))
        (shop / "hold").touch()  # its successor begins, and has no slots, until it is gone again
        os.kill(program.children()[0], signal.SIGKILL)
        program.expect("ended .signal SIGKILL.")
        ask.reaches(64, "onebeat_slots")
        assert 20 == ask("onebeat_tasks_ended_total", type="sell", outcome="completed")
        assert 20 == ask("shop_sold_total")
        (shop / "hold").unlink()
        ask.reaches(128, "onebeat_slots")
        tasks.enqueue("sell")
        ask.reaches(21, "onebeat_tasks_ended_total", type="sell", outcome="completed")
        folder = private_folder(program)
        assert folder.is_dir()
        program.send(signal.SIGTERM)
        assert 0 == program.ended(), program.said
        assert not folder.exists()


def private_folder(program: Program) -> Path:
    environment = Path(f"/proc/{program.children()[0]}/environ").read_bytes().split(b"\0")
    [found] = [word for word in environment if word.startswith(b"PROMETHEUS_MULTIPROC_DIR=")]
    return Path(found.partition(b"=")[2].decode())


def test_the_exporter_tells_of_queues_alone(folder: Path, tasks: Tasks) -> None:
    """Of whatever store, without an application; SIGTERM ends it with status 0."""
    tasks.enqueue("anything")
    with onebeat("metrics", "--url", tasks.url, "--port", "0", "--max-age", "0", cwd=folder) as program:
        ask = Scraper(program)
        assert 1 == ask("asynq_tasks_enqueued_total", queue="default", state="pending")
        assert ask("onebeat_slots") is None
        assert ask("process_cpu_seconds_total") is not None
        assert 1 == json.loads(ask.text("/scale"))["backlog"]
        program.send(signal.SIGTERM)
        assert 0 == program.ended(), program.said


def test_without_a_store_the_exporter_says_so_and_goes_on(folder: Path) -> None:
    """It is what tells that the store is away."""
    with onebeat("metrics", "--url", "redis://127.0.0.1:1", "--port", "0", cwd=folder) as program:
        ask = Scraper(program)
        assert 0 == ask("onebeat_store_up")
        program.expect("queues cannot all be measured: store redis://127.0.0.1:1")


BLOCKED = """
import time

@app.task("block")
async def block() -> None:
    print("blocked")
    while not Path("go").exists():
        time.sleep(0.01)
"""


def test_a_blocked_loop_does_not_keep_a_scrape_from_being_answered(folder: Path, tasks: Tasks) -> None:
    """Nor does the scrape need the loop."""
    (folder / "shop.py").write_text(SHOP + BLOCKED)
    with run(folder, tasks) as program:
        ask = Scraper(program)
        tasks.enqueue("block")
        program.expect("blocked")
        assert 1 == ask("onebeat_tasks_in_progress", type="block")
        assert 1 == ask("onebeat_store_up")
        (folder / "go").touch()


def test_dev_is_measured_too(shop: Path, tasks: Tasks) -> None:
    """Its parent answers as that of many processes does."""
    words = ["dev", "shop:app", "--url", tasks.url, "--metrics-port", "0"]
    with onebeat(*words, cwd=shop) as program:
        ask = Scraper(program, r"answering at http://(\S+)")
        tasks.enqueue("sell")
        ask.reaches(1, "onebeat_tasks_ended_total", type="sell", outcome="completed")
        ask.reaches(1, "shop_sold_total")


def test_without_the_extra_the_rest_is_answered(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """And the log names the command that installs it."""
    monkeypatch.setattr(measuring, "find_spec", lambda _name: None)
    orders = Orders(app="a:b", folder="", url=None, fallback=None, settings={}, metrics_port=0)
    routes = Routes()
    measuring.measure_here(Onebeat("shop"), orders, routes, "redis://127.0.0.1:1")
    assert ["/scale"] == routes.paths
    assert 'pip install "onebeat[metrics]"' in caplog.text


def test_without_the_extra_nothing_is_served(monkeypatch: pytest.MonkeyPatch) -> None:
    """`onebeat metrics` has nothing else to answer, so it says what it needs."""
    for name in [name for name in sys.modules if name.startswith("onebeat.observe.prometheus")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "prometheus_client", None)
    shown = CliRunner().invoke(cli, ["metrics"])
    assert (
        'onebeat: onebeat.observe.prometheus needs prometheus-client: pip install "onebeat[metrics]"\n'
    ) == shown.output
    assert 1 == shown.exit_code


def test_a_family_that_can_write_nowhere_is_told_so(monkeypatch: pytest.MonkeyPatch) -> None:
    """Before any process is started."""

    def refuse(**_settings: object) -> None:
        raise FileNotFoundError(2, "No usable temporary directory found")

    monkeypatch.setattr("tempfile.TemporaryDirectory", refuse)
    orders = Orders(app="a:b", folder="", url=None, fallback=None, settings={}, metrics_port=0)
    with (
        pytest.raises(ConfigurationError, match="let TMPDIR name a folder"),
        measuring.measuring_processes(orders, Watched()),
    ):
        pass
