"""Figures by OpenTelemetry: the same instruments as for Prometheus, under its names."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from opentelemetry.sdk.metrics.export import HistogramDataPoint, Metric, NumberDataPoint

from onebeat.events import TaskCompleted, TaskStarted
from onebeat.observe import instruments
from onebeat.observe.instruments import Kind
from onebeat.observe.otel.metrics import LABELS, NAMES, Metered
from onebeat.observe.recording import Recording
from onebeat.server.context import Context
from onebeat.task import Task
from tests.observe.otel.conftest import Traced, Watch


def collected(watch: Watch) -> dict[str, Metric]:
    """Return what an exporter would get."""
    data = watch.reader.get_metrics_data()
    return {
        metric.name: metric
        for resource in (data.resource_metrics if data is not None else ())
        for scope in resource.scope_metrics
        for metric in scope.metrics
    }


def points(metric: Metric) -> list[tuple[dict[str, Any], float]]:
    """Return the attributes and value of each series: of a histogram, how many values it has."""
    found: list[tuple[dict[str, Any], float]] = []
    for point in metric.data.data_points:
        assert isinstance(point, (NumberDataPoint, HistogramDataPoint))
        value = point.count if isinstance(point, HistogramDataPoint) else point.value
        found.append((dict(point.attributes or {}), value))
    return found


def test_each_instrument_has_a_name() -> None:
    """And a unit, and each label an attribute."""
    assert set(instruments.INSTRUMENTS) == set(NAMES)
    assert all(name.unit for name in NAMES.values())
    assert len(NAMES) == len({name.name for name in NAMES.values()})
    assert {label for one in instruments.INSTRUMENTS for label in one.labels} == set(LABELS)


def test_each_kind_is_what_it_says(watch: Watch) -> None:
    """Counters rise, levels rise and fall, histograms have our bounds."""
    recorder = Metered(watch.meters.get_meter("test"))
    for instrument in instruments.INSTRUMENTS:
        record = recorder.bind(instrument, ("x",) * len(instrument.labels))
        record(2)
        record(3)
    found = collected(watch)
    for instrument in instruments.INSTRUMENTS:
        metric = found[NAMES[instrument].name]
        assert (NAMES[instrument].unit, instrument.help) == (metric.unit, metric.description)
        [point] = metric.data.data_points
        if isinstance(point, HistogramDataPoint):
            assert (Kind.HISTOGRAM, 5.0) == (instrument.kind, point.sum)
            assert instrument.buckets == tuple(point.explicit_bounds)
        else:
            assert isinstance(point, NumberDataPoint)
            assert (5, instrument.kind is Kind.COUNTER) == (point.value, getattr(metric.data, "is_monotonic", False))


async def test_what_runs_is_counted(traced: Traced, watch: Watch) -> None:
    """Sent, run, and how it ended, with the attributes that its spans have."""

    @traced.mux.handle("mail")
    async def mail(context: Context[Any], task: Task[Any]) -> None:
        """Do nothing."""

    await traced.enqueue("mail")
    async with traced.serving():
        await watch.span("process default")
    found = collected(watch)
    which = {"messaging.destination.name": "default", "messaging.asynq.task.type": "mail"}
    about = {**which, "messaging.system": "asynq"}
    assert [({**about, "messaging.operation.name": "send", "messaging.asynq.task.state": "pending"}, 1)] == points(
        found["messaging.client.sent.messages"]
    )
    assert [({**about, "messaging.operation.name": "process"}, 1)] == points(found["messaging.process.duration"])
    assert [({**which, "messaging.asynq.task.outcome": "completed"}, 1)] == points(found["onebeat.task.ended"])
    assert [(which, 0)] == points(found["onebeat.task.in_progress"])


def test_what_is_counted_together_comes_back_to_nothing(watch: Watch) -> None:
    """Attempts of types without series of their own begin and end in the same one."""
    recording = Recording(Metered(watch.meters.get_meter("test")), max_series=1)
    for type_ in ("own", "second", "third"):
        which: dict[str, Any] = {"queue": "q", "at": datetime.now(UTC), "task_id": type_, "type": type_, "retried": 0}
        recording.event(TaskStarted(**which))
        recording.event(TaskCompleted(**which, seconds=1.0))
    running = points(collected(watch)["onebeat.task.in_progress"])
    assert [("own", 0), ("(other)", 0)] == [(about["messaging.asynq.task.type"], number) for about, number in running]
