"""The figures of queues as series, and how they are served."""

from __future__ import annotations

import gzip
import sys
import time
from collections.abc import Iterator
from typing import Any

import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parsed_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parsed

from onebeat import Task
from onebeat.broker.figures import QueueFigures
from onebeat.errors import ConfigurationError, MissingExtra
from onebeat.observe.prometheus import QueueMetrics, WorkerMetrics, asgi, page, register
from onebeat.observe.prometheus.series import OF_QUEUES, STORE
from onebeat.observe.routes import Asked
from onebeat.observe.sweep import Snapshot, Sweep
from onebeat.sync import SyncClient
from onebeat.wire.records import ServerRecord


class Found(Sweep):
    """A sweep that finds what a test says."""

    def __init__(self, figures: dict[str, QueueFigures] | None = None, **more: Any) -> None:
        super().__init__("redis://127.0.0.1:1")
        self.find(figures or {}, **more)

    def find(self, figures: dict[str, QueueFigures], **more: Any) -> None:
        now = time.monotonic()
        self._found = Snapshot(**{"is_up": True, "at": now, "oldest": now, "figures": figures, **more})

    def read(self, max_age: float | None = None) -> Snapshot:
        return self._found


def shown(metrics: QueueMetrics) -> dict[tuple[str, ...], float]:
    """Return the values by the names and label values of their series."""
    return {
        (sample.name, *sample.labels.values()): sample.value
        for family in metrics.collect()
        for sample in family.samples
    }


def server(**more: Any) -> ServerRecord:
    return ServerRecord(
        **{"host": "h", "pid": 1, "server_id": "s", "concurrency": 5, "start_time": 0, "queues": {"q": 1}, **more}
    )


def test_a_queue_is_shown_as_asynq_shows_it() -> None:
    """States, size, latency, counters, paused."""
    figures = QueueFigures(
        processed=9, failed=2, pending=1, active=2, scheduled=3, retry=4, archived=5, completed=6, aggregating=7,
        staged=8, latency_ms=1500, paused_since=0,
    )  # fmt: skip
    found = shown(QueueMetrics(Found({"q": figures}, memory={"q": 123})))
    for state in ("pending", "active", "scheduled", "retry", "archived", "completed"):
        assert getattr(figures, state) == found["asynq_tasks_enqueued_total", "q", state]
    assert ("asynq_tasks_enqueued_total", "q", "aggregating") not in found
    for name, value in (
        ("asynq_queue_size", 28), ("asynq_queue_latency_seconds", 1.5), ("asynq_tasks_processed_total", 9),
        ("asynq_tasks_failed_total", 2), ("asynq_queue_paused_total", 1),
        ("asynq_queue_memory_usage_approx_bytes", 123),
    ):  # fmt: skip
        assert value == found[name, "q"]


def test_what_asynq_leaves_out_is_ours() -> None:
    """Groups, leases, what is overdue, and for how long it is paused."""
    figures = QueueFigures(
        aggregating=7, staged=8, groups=2, lapsed=1, overdue=3, schedules=4, schedule_overdue_ms=250, paused_since=1
    )
    found = shown(
        QueueMetrics(Found({"q": figures, "r": QueueFigures()}, servers=[server(), server(status="stopped")]))
    )
    assert 7 == found["onebeat_queue_grouped_tasks", "q", "aggregating"]
    assert 8 == found["onebeat_queue_grouped_tasks", "q", "staged"]
    for name, value in (
        ("groups", 2), ("lapsed_leases", 1), ("overdue_tasks", 3), ("schedules", 4), ("schedule_overdue_seconds", 0.25),
        ("servers", 1),
    ):  # fmt: skip
        assert value == found[f"onebeat_queue_{name}", "q"]
    assert found["onebeat_queue_paused_seconds", "q"] > 1e9
    assert ("onebeat_queue_paused_seconds", "r") not in found
    assert 0 == found["onebeat_queue_servers", "r"]
    assert (1, 1, 5) == (
        found["onebeat_servers", "active"],
        found["onebeat_servers", "stopped"],
        found["onebeat_server_slots",],
    )


def test_a_store_that_is_away_shows_no_queue() -> None:
    """Rather than figures of yesterday."""
    found = shown(QueueMetrics(Found(is_up=False, error="away", seconds=1.0)))
    assert 0 == found["onebeat_store_up",]
    assert [] == [key for key in found if key[0].startswith(("asynq", "onebeat_queue", "onebeat_servers"))]


def test_memory_that_is_not_told_is_left_out() -> None:
    """And nothing else is."""
    found = shown(QueueMetrics(Found({"q": QueueFigures()})))
    assert [] == [key for key in found if "memory" in key[0]]
    assert 0 == found["asynq_queue_size", "q"]


def test_queues_beyond_the_limit_are_one() -> None:
    """Sums, the greatest age, and the fewest servers."""
    many = {f"q{i}": QueueFigures(pending=i, latency_ms=1000 * i, paused_since=5 if i > 3 else None) for i in range(6)}
    memory = dict.fromkeys(many, 100)
    found = shown(QueueMetrics(Found(many, memory=memory, servers=[server(queues={"q4": 1})]), max_queues=2))
    assert ["(others)", "q0", "q1"] == sorted(key[1] for key in found if key[0] == "asynq_queue_size")
    assert 14 == found["asynq_queue_size", "(others)"] == found["asynq_tasks_enqueued_total", "(others)", "pending"]
    assert (5, 2) == (found["asynq_queue_latency_seconds", "(others)"], found["asynq_queue_paused_total", "(others)"])
    assert (400, 0) == (
        found["asynq_queue_memory_usage_approx_bytes", "(others)"], found["onebeat_queue_servers", "(others)"],
    )  # fmt: skip
    assert 6 == found["onebeat_queues",]


def test_a_queue_keeps_its_series_when_others_come() -> None:
    """Whatever their names; its place is free when it goes."""
    sweep = Found({"m": QueueFigures()})
    metrics = QueueMetrics(sweep, max_queues=1)
    assert ("asynq_queue_size", "m") in shown(metrics)
    sweep.find({"a": QueueFigures(), "m": QueueFigures()})
    found = shown(metrics)
    assert ("asynq_queue_size", "m") in found
    assert ("asynq_queue_size", "a") not in found
    sweep.find({"a": QueueFigures()})
    assert ("asynq_queue_size", "a") in shown(metrics)


def test_counters_of_the_others_never_fall() -> None:
    """A queue that is removed, or seen for the first time, is no attempt."""
    sweep = Found({"a": QueueFigures(), "b": QueueFigures(processed=100), "c": QueueFigures(processed=10)})
    metrics = QueueMetrics(sweep, max_queues=1)
    key = "asynq_tasks_processed_total", "(others)"
    assert 0 == shown(metrics)[key]
    sweep.find({"a": QueueFigures(), "b": QueueFigures(processed=103), "c": QueueFigures(processed=10)})
    assert 3 == shown(metrics)[key]
    sweep.find({"a": QueueFigures(), "c": QueueFigures(processed=11), "d": QueueFigures(processed=50)})
    assert 4 == shown(metrics)[key]


def test_describing_asks_nobody() -> None:
    """And names all there is; a registry does so when a collector is given to it."""
    registry = CollectorRegistry(auto_describe=True)
    register(QueueMetrics("redis://127.0.0.1:1"), registry=registry)
    described = {family.name for family in QueueMetrics("redis://127.0.0.1:1").describe()}
    assert {each.name.removesuffix("_total") for each in OF_QUEUES} | set(STORE) == {
        name.removesuffix("_total") for name in described
    }


def test_the_same_collector_twice_is_refused() -> None:
    """By the registry, as all that is twice there."""
    registry = CollectorRegistry()
    register(QueueMetrics(Found()), registry=registry)
    with pytest.raises(ValueError, match="Duplicated"):
        register(QueueMetrics(Found()), registry=registry)


@pytest.fixture
def queues(url: str) -> Iterator[QueueMetrics]:
    with SyncClient(url) as client:
        client.enqueue(Task("t", b""), queue='a"b\\c\nd')
    metrics = QueueMetrics(url)
    yield metrics
    metrics.close()


OPENMETRICS = "application/openmetrics-text;version=1.0.0;q=0.9,text/plain;version=0.0.4;q=0.5"


@pytest.mark.parametrize(("accept", "read"), [("", parsed), (OPENMETRICS, parsed_openmetrics)])
def test_both_formats_are_answered(queues: QueueMetrics, accept: str, read: Any) -> None:
    """Of the same store the same values, whatever is in the name of a queue."""
    registry = CollectorRegistry()
    register(queues, WorkerMetrics(), registry=registry)
    answer = page(registry)(Asked(path="/metrics", headers={"accept": accept}))
    values = {
        (sample.name, sample.labels.get("queue"), sample.labels.get("state")): sample.value
        for family in read(answer.body.decode())
        for sample in family.samples
    }
    assert 1 == values["asynq_tasks_enqueued_total", 'a"b\\c\nd', "pending"]
    assert 1 == values["onebeat_store_up", None, None]
    assert ("openmetrics" in answer.content_type) == bool(accept)


def test_a_scraper_may_have_it_packed_and_in_part(queues: QueueMetrics) -> None:
    """As Prometheus asks for it."""
    registry = CollectorRegistry()
    register(queues, registry=registry)
    asked = Asked(path="/metrics", query={"name[]": ["onebeat_queues"]}, headers={"accept-encoding": "gzip"})
    answer = page(registry)(asked)
    assert "gzip" == answer.headers["content-encoding"]
    assert ["onebeat_queues"] == [family.name for family in parsed(gzip.decompress(answer.body).decode())]


async def test_the_asgi_application_answers_without_blocking(queues: QueueMetrics) -> None:
    """Mounted anywhere; what asks the store runs in a thread."""
    sent: list[Any] = []

    async def receive() -> Any:
        return {"type": "http.request"}

    async def send(message: Any) -> None:
        sent.append(message)

    scope = {"type": "http", "method": "GET", "path": "/ops/metrics", "root_path": "/ops", "headers": []}
    await asgi(queues)(scope, receive, send)
    assert 200 == sent[0]["status"]
    assert b"\nonebeat_store_up 1.0\n" in sent[1]["body"]


def test_without_collectors_the_users_registry_is_served() -> None:
    """The one of prometheus_client, with all that the program has put there."""
    body = asgi().answer("GET", "/metrics", {}).body
    assert b"python_info" in body
    assert b"python_info" not in asgi(registry=CollectorRegistry()).answer("GET", "/metrics", {}).body


@pytest.mark.parametrize("most", [0, 100_001, "1", True, 1.5])
def test_a_limit_that_cannot_be_is_refused(most: Any) -> None:
    """By its name."""
    with pytest.raises(ConfigurationError, match="max_queues is"):
        QueueMetrics("redis://127.0.0.1:1", max_queues=most)


def test_without_the_extra_the_command_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """That installs it."""
    for name in [name for name in sys.modules if name.startswith("onebeat.observe.prometheus")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "prometheus_client", None)
    with pytest.raises(MissingExtra, match=r'pip install "onebeat\[metrics\]"'):
        __import__("onebeat.observe.prometheus")
