"""A real Prometheus scrapes a real system: each query of the dashboard and of asynqmon is answered by data."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from onebeat.broker.store import BlockingStore
from onebeat.wire.message import TaskMessage, encode
from tests import engines
from tests.cli.programs import Program, onebeat, until
from tests.deploy.files import DEPLOY
from tests.deploy.test_dashboard import queries

pytestmark = [pytest.mark.prometheus, pytest.mark.slow, pytest.mark.timeout(240)]

APP = """
import asyncio

from onebeat import Onebeat

app = Onebeat("shop")


@app.task("pack")
async def pack() -> None: ...


@app.task("charge", max_retry=1)
async def charge() -> None:
    raise ValueError("no such card")


@app.every(1)
@app.task("tick")
async def tick() -> None:
    await pack.enqueue()
    await charge.enqueue()


@app.every(1)
@app.task("slow", unique=60)
async def slow() -> None:
    await asyncio.sleep(2.5)
"""

CONFIG = """
global:
  scrape_interval: 1s
  evaluation_interval: 1s
rule_files: [{rules}]
scrape_configs:
  - job_name: onebeat
    static_configs:
      - targets: ["{target}"]
"""

ASYNQMON = (
    "asynq_queue_size{}",
    "asynq_queue_latency_seconds{}",
    "asynq_queue_memory_usage_approx_bytes{}",
    "rate(asynq_tasks_processed_total{}[5m])",
    "rate(asynq_tasks_failed_total{}[5m])",
    "rate(asynq_tasks_failed_total{}[5m]) / rate(asynq_tasks_processed_total{}[5m])",
    'asynq_tasks_enqueued_total{state="pending",queue=~"default|low"}',
    'asynq_tasks_enqueued_total{state="retry",queue=~"default|low"}',
    'asynq_tasks_enqueued_total{state="archived",queue=~"default|low"}',
)
"""What the pages of asynqmon ask (protocol §8.4)."""


def get(address: str, path: str) -> tuple[int, str]:
    connection = HTTPConnection(address, timeout=60)
    connection.request("GET", path)
    answer = connection.getresponse()
    body = answer.read().decode()
    connection.close()
    return answer.status, body


class Prometheus:
    """A Prometheus that scrapes one target every second, and knows the alert rules."""

    def __init__(self, folder: Path, target: str) -> None:
        self._port = engines.HeldPort()
        self._address = f"127.0.0.1:{self._port.number}"
        config = folder / "prometheus.yml"
        config.write_text(CONFIG.format(target=target, rules=DEPLOY / "prometheus" / "alerts.yml"))
        words = [
            "prometheus", f"--config.file={config}", f"--storage.tsdb.path={folder / 'data'}",
            f"--web.listen-address={self._address}",
        ]  # fmt: skip
        with (folder / "prometheus.log").open("wb") as log:
            self._process = subprocess.Popen(words, stdout=log, stderr=log)
        until(self._is_ready)

    def _is_ready(self) -> bool:
        assert self._process.poll() is None
        try:
            return get(self._address, "/-/ready")[0] == 200
        except OSError:
            return False

    def ask(self, path: str, **query: str) -> Any:
        status, body = get(self._address, f"/api/v1/{path}?{urlencode(query)}")
        assert 200 == status, body
        return json.loads(body)["data"]

    def has(self, query: str) -> bool:
        """Whether a query is answered by at least one number."""
        return any(item["value"][1] != "NaN" for item in self.ask("query", query=query)["result"])

    def end(self) -> None:
        self._process.kill()
        self._process.wait()
        self._port.close()


@pytest.fixture(scope="module")
def system(engine: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Program, str]]:
    """Return servers at work, in which all goes wrong that can be shown, and where they are scraped."""
    folder = tmp_path_factory.mktemp("shop")
    (folder / "shop.py").write_text(APP)
    (folder / "pyproject.toml").write_text("")
    leave_behind(engine)
    words = ["run", "shop:app", "--url", engine, "--processes", "2", "--metrics-port", "0"]
    with onebeat(*words, cwd=folder) as program:
        yield program, program.expect(r"answering at http://(\S+):").group(1)


def leave_behind(url: str) -> None:
    """Leave a task of a server that died."""
    store = BlockingStore.open(url)
    message = TaskMessage(type="pack", payload=b"", id="left", queue="default", retry=25, timeout=60)
    root = "asynq:{default}:"
    commands: list[tuple[str | bytes | int, ...]] = [
        ("FLUSHALL",), ("SADD", "asynq:queues", "default"), ("LPUSH", f"{root}active", "left"),
        ("HSET", f"{root}t:left", "msg", encode(message), "state", "active"), ("ZADD", f"{root}lease", 1000, "left"),
    ]  # fmt: skip
    store.commands(commands)
    store.close()


@pytest.fixture(scope="module")
def prometheus(system: tuple[Program, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prometheus]:
    prometheus = Prometheus(tmp_path_factory.mktemp("prometheus"), system[1])
    yield prometheus
    prometheus.end()


def test_promtool_has_nothing_to_say_but_of_asynqs_names(system: tuple[Program, str]) -> None:
    """Which are as they are."""
    names = ("asynq_queue_paused_total", "asynq_tasks_enqueued_total")
    text = ""

    def tells_all() -> bool:
        """Of queues too: those are there from the end of the first sweep on, which no answer waits for."""
        nonlocal text
        text = get(system[1], "/metrics")[1]
        return all(f"\n{name}" in text for name in (*names, "onebeat_task_run_seconds_bucket"))

    until(tells_all)
    done = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True, text=True)
    expected = [f'{name} non-counter metrics should not have "_total" suffix' for name in names]
    assert expected == (done.stdout + done.stderr).splitlines()


@pytest.mark.parametrize(("title", "query"), queries())
def test_each_query_of_the_dashboard_is_answered(prometheus: Prometheus, title: str, query: str) -> None:
    """By data of a running system."""
    asked = query.replace("$queue", ".*").replace("$__rate_interval", "20s")
    until(lambda: prometheus.has(asked))


@pytest.mark.parametrize("query", ASYNQMON)
def test_each_query_of_asynqmon_is_answered(prometheus: Prometheus, query: str) -> None:
    """So its page of metrics works."""
    until(lambda: prometheus.has(query))


def test_the_target_is_up_and_the_rules_are_evaluated(prometheus: Prometheus) -> None:
    """Without an error of either."""
    until(lambda: [target["health"] for target in prometheus.ask("targets")["activeTargets"]] == ["up"])
    rules = [rule for group in prometheus.ask("rules")["groups"] for rule in group["rules"]]
    until(lambda: prometheus.has("onebeat_store_up == 1"))
    assert {""} == {rule.get("lastError", "") for rule in rules}
