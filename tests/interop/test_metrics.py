"""Our metrics of queues beside those of asynq's own exporter: on one database, dashboards cannot tell them apart."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import Iterator
from http.client import HTTPConnection
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.metrics_core import Metric
from prometheus_client.parser import text_string_to_metric_families

from onebeat.observe.prometheus import QueueMetrics, register
from tests.interop.conftest import compiled
from tests.interop.populated import populated
from tests.interop.sides import Python
from tests.server.conftest import Bench

pytestmark = pytest.mark.interop

LATENCY, MEMORY = "asynq_queue_latency_seconds", "asynq_queue_memory_usage_approx_bytes"
Values = dict[tuple[str, ...], float]


class Exporter:
    """asynq's collector behind HTTP."""

    def __init__(self, program: Path, socket: str) -> None:
        self._process = subprocess.Popen([program, socket], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        self._address = self._process.stdout.readline().strip()

    def families(self) -> dict[str, Metric]:
        connection = HTTPConnection(self._address, timeout=60)
        connection.request("GET", "/metrics")
        text = connection.getresponse().read().decode()
        connection.close()
        return {family.name: family for family in text_string_to_metric_families(text)}

    def end(self) -> None:
        self._process.communicate()


@pytest.fixture(scope="module")
def exporter(engine: str) -> Iterator[Exporter]:
    exporter = Exporter(compiled("exporter"), engine.removeprefix("unix://"))
    yield exporter
    exporter.end()


class Ours:
    """Our collector, asked anew each time."""

    def __init__(self, url: str) -> None:
        self._registry = CollectorRegistry()
        register(QueueMetrics(url, max_age=0), registry=self._registry)

    def families(self) -> dict[str, Metric]:
        text = generate_latest(self._registry).decode()
        found = {family.name: family for family in text_string_to_metric_families(text)}
        return {name: family for name, family in found.items() if name.startswith("asynq")}


def values(families: dict[str, Metric]) -> Values:
    """Return the values of all series, by their names and labels, but for those that never stand still."""
    return {
        (sample.name, *(f"{name}={value}" for name, value in sorted(sample.labels.items()))): sample.value
        for family in families.values()
        for sample in family.samples
        if sample.name not in (LATENCY, MEMORY)
    }


def by_queue(families: dict[str, Metric], name: str) -> dict[str, float]:
    return {sample.labels["queue"]: sample.value for sample in families[name].samples}


async def test_they_say_the_same(exporter: Exporter, engine: str, bench: Bench, python: Python) -> None:
    """Names, types, labels and values, of tasks in every state, groups, a paused queue and one without tasks."""
    ours = Ours(engine)
    async with populated(bench, python):
        await bench.store.commands([("SADD", "asynq:queues", "idle"), ("SET", "asynq:{idle}:processed", 12)])
        await bench.store.command("SET", "asynq:{idle}:paused", 1_900_000_000)
        before, theirs, after = await asyncio.to_thread(quiet, ours, exporter)
    assert {name: family.type for name, family in theirs.items()} == {
        name: family.type for name, family in after.items()
    }
    assert values(theirs) == values(after)
    for queue, latency in by_queue(theirs, LATENCY).items():
        assert by_queue(before, LATENCY)[queue] <= latency + 0.001  # ours are whole milliseconds
        assert latency <= by_queue(after, LATENCY)[queue] + 0.001
    for queue, memory in by_queue(theirs, MEMORY).items():
        assert memory == pytest.approx(by_queue(after, MEMORY)[queue], rel=0.25)


def quiet(ours: Ours, exporter: Exporter) -> tuple[dict[str, Metric], dict[str, Metric], dict[str, Metric]]:
    """Ask ours, theirs, and ours again, until nothing has happened meanwhile: schedules fire all the time."""
    while True:
        before, theirs, after = ours.families(), exporter.families(), ours.families()
        if values(before) == values(after):
            return before, theirs, after
