"""What happens to tasks and schedules, as figures: recorded, kept, and shown to Prometheus."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

import pytest
from prometheus_client import CollectorRegistry

from onebeat import events
from onebeat.client import Client
from onebeat.events import Event, Figure
from onebeat.observe import instruments
from onebeat.observe.instruments import INSTRUMENTS, Instrument, Kind, Record, Recorder
from onebeat.observe.prometheus import WorkerMetrics, register
from onebeat.observe.recording import Recording
from onebeat.server.context import Context
from onebeat.server.mux import Mux
from onebeat.server.server import Server
from onebeat.states import TaskState
from onebeat.task import Task

NOW = datetime(2030, 1, 1, tzinfo=UTC)


class Shown:
    """Worker metrics in a registry, and what it shows of them."""

    def __init__(self, **settings: Any) -> None:
        self.metrics = WorkerMetrics(**settings)
        self._registry = CollectorRegistry()
        register(self.metrics, registry=self._registry)

    def tell(self, *told: Event) -> None:
        for event in told:
            self.metrics.event(event)

    def __call__(self, name: str, **labels: str) -> float | None:
        return self._registry.get_sample_value(name, labels)


def started(id_: str = "1", type_: str = "t", **more: Any) -> events.TaskStarted:
    return events.TaskStarted(queue="q", at=NOW, task_id=id_, type=type_, retried=0, **more)


def completed(id_: str = "1", type_: str = "t", seconds: float = 0.2) -> events.TaskCompleted:
    return events.TaskCompleted(queue="q", at=NOW, task_id=id_, type=type_, retried=0, seconds=seconds)


def retried(id_: str = "1", type_: str = "t", error: str = "ValueError") -> events.TaskRetried:
    return events.TaskRetried(
        queue="q", at=NOW, task_id=id_, type=type_, retried=0, seconds=1, error="no", error_type=error, delay=1
    )


def archived(seconds: float | None, error: str = "ValueError") -> events.TaskArchived:
    return events.TaskArchived(
        queue="q", at=NOW, task_id="1", type="t", retried=0, error="no", error_type=error, seconds=seconds
    )


def cancelled(seconds: float | None) -> events.TaskCancelled:
    return events.TaskCancelled(queue="q", at=NOW, task_id="1", type="t", seconds=seconds)


ENDS: Mapping[str, Event] = {
    "completed": completed(),
    "retried": retried(),
    "archived": archived(1),
    "cancelled": cancelled(1),
    "returned": events.TaskReturned(queue="q", at=NOW, task_id="1", type="t", retried=0, seconds=1),
    "lease_lost": events.LeaseLost(queue="q", at=NOW, task_id="1", type="t", retried=0, seconds=1),
}


@pytest.mark.parametrize("outcome", ENDS)
def test_an_attempt_begins_and_ends(outcome: str) -> None:
    """It is in progress, and then it counts by its outcome."""
    shown = Shown()
    shown.tell(started())
    assert 1 == shown("onebeat_tasks_in_progress", queue="q", type="t")
    shown.tell(ENDS[outcome])
    assert 0 == shown("onebeat_tasks_in_progress", queue="q", type="t")
    assert 1 == shown("onebeat_task_run_seconds_count", queue="q", type="t")
    counted = {each: shown("onebeat_tasks_ended_total", queue="q", type="t", outcome=each) for each in ENDS}
    assert {each: float(each == outcome) for each in ENDS} == counted


def test_waits_and_runs_fall_into_buckets() -> None:
    """A value on a bound belongs below it; where nobody knows since when a task was due, nothing is recorded."""
    shown = Shown()
    shown.tell(started(waited=0.05), completed(seconds=4000), started("2"), completed("2", seconds=0.005))
    labels = {"queue": "q", "type": "t"}
    assert (1, 0.05) == (
        shown("onebeat_task_wait_seconds_count", **labels),
        shown("onebeat_task_wait_seconds_sum", **labels),
    )
    assert 0 == shown("onebeat_task_wait_seconds_bucket", le="0.025", **labels)
    assert 1 == shown("onebeat_task_wait_seconds_bucket", le="0.05", **labels)
    assert 1 == shown("onebeat_task_run_seconds_bucket", le="0.005", **labels)
    assert 1 == shown("onebeat_task_run_seconds_bucket", le="3600.0", **labels)
    assert 2 == shown("onebeat_task_run_seconds_bucket", le="+Inf", **labels)


@pytest.mark.parametrize("end", [archived(None, "TaskCrashed"), cancelled(None)])
def test_an_end_without_an_attempt_frees_no_slot(end: Event) -> None:
    """Recovery archived it; only the outcome counts."""
    shown = Shown()
    shown.tell(started("other"), end)
    assert 1 == shown("onebeat_tasks_in_progress", queue="q", type="t")
    assert 0 == shown("onebeat_task_run_seconds_count", queue="q", type="t")
    assert 1 == shown("onebeat_tasks_ended_total", queue="q", type="t", outcome=end.name)


def test_an_attempt_that_no_handler_was_called_for_is_none_that_ran() -> None:
    """It ends, with a slot that it had for an instant."""
    shown = Shown()
    shown.tell(retried("unknown", error="HandlerNotFound"))
    assert 0 == shown("onebeat_tasks_in_progress", queue="q", type="t")
    assert 0 == shown("onebeat_task_run_seconds_count", queue="q", type="t")
    assert 1 == shown("onebeat_tasks_ended_total", queue="q", type="t", outcome="retried")


def test_errors_count_by_class() -> None:
    """A task that only waits until it can run alone has not failed."""
    shown = Shown()
    shown.tell(retried(), archived(1, "KeyError"), retried(error=""))
    assert 1 == shown("onebeat_task_errors_total", queue="q", type="t", error="ValueError")
    assert 1 == shown("onebeat_task_errors_total", queue="q", type="t", error="KeyError")
    assert shown("onebeat_task_errors_total", queue="q", type="t", error="") is None


def test_what_else_happens_counts() -> None:
    """Enqueued, recovered, fired and missed."""
    shown = Shown()
    shown.tell(
        events.TaskEnqueued(queue="q", at=NOW, task_id="1", type="t", state=TaskState.SCHEDULED),
        events.TaskRecovered(queue="q", at=NOW, task_id="1", type="t", state=TaskState.RETRY),
        events.ScheduleFired(queue="q", at=NOW, schedule="s", tick=NOW, late=0.02),
        events.ScheduleMissed(queue="q", at=NOW, schedule="s", ticks=3, reason="late"),
    )
    assert 1 == shown("onebeat_tasks_enqueued_total", queue="q", type="t", state="scheduled")
    assert 1 == shown("onebeat_tasks_recovered_total", queue="q", type="t", state="retry")
    assert 1 == shown("onebeat_schedule_fires_total", queue="q", schedule="s")
    assert 1 == shown("onebeat_schedule_lateness_seconds_bucket", queue="q", le="0.025")
    assert 3 == shown("onebeat_schedule_missed_ticks_total", queue="q", schedule="s", reason="late")


def test_figures_of_the_machinery() -> None:
    """By script; the loop and the slots have no label."""
    shown = Shown()
    for figure, label, value in (
        (Figure.BATCH_SIZE, "take", 7), (Figure.SCRIPT_SECONDS, "take", 0.002), (Figure.LOOP_LAG_SECONDS, "", 0.3),
        (Figure.SLOTS, "", 64), (Figure.SLOTS, "", 10), (Figure.SLOTS, "", -64),
    ):  # fmt: skip
        shown.metrics.measured(figure, label, value)
    assert 7 == shown("onebeat_batch_size_sum", script="take")
    assert 1 == shown("onebeat_script_seconds_bucket", script="take", le="0.0025")
    assert 1 == shown("onebeat_loop_lag_seconds_bucket", le="0.5")
    assert 10 == shown("onebeat_slots")


def test_every_event_and_every_figure_is_recorded() -> None:
    """Whoever adds one thinks of its metric."""
    kinds = {kind for kind in vars(events).values() if isinstance(kind, type) and issubclass(kind, Event) and kind.name}
    recording = Recording(Numbers())
    assert kinds == set(recording._hear)
    for figure in Figure:
        recording.measured(figure, "x", 1)


def test_types_beyond_the_limit_count_together() -> None:
    """What is in progress as well; no series is lost, and none is added."""
    shown = Shown(max_series=2)
    for number in range(5):
        shown.tell(started(str(number), f"t{number}"), retried(str(number), f"t{number}", f"E{number}"))
    ended = [
        shown("onebeat_tasks_ended_total", queue="q", type=each, outcome="retried") for each in ("t0", "t1", "(other)")
    ]
    assert [1, 1, 3] == ended
    assert 3 == shown("onebeat_task_errors_total", queue="q", type="(other)", error="(other)")
    assert shown("onebeat_tasks_ended_total", queue="q", type="t2", outcome="retried") is None


class Numbers(Recorder):
    """A recorder that is no tally: sums by series."""

    def __init__(self) -> None:
        self.sums: dict[tuple[str, ...], float] = {}

    def bind(self, instrument: Instrument, labels: tuple[str, ...]) -> Record:
        assert len(labels) == len(instrument.labels)
        key = instrument.name, *labels

        def record(value: float) -> None:
            self.sums[key] = self.sums.get(key, 0) + value

        return record


def test_any_recorder_gets_what_the_tally_gets() -> None:
    """So OpenTelemetry tells what Prometheus tells."""
    numbers, shown = Numbers(), Shown()
    recording = Recording(numbers)
    for event in (started("1", waited=2), completed("1"), started("2"), retried("3")):
        recording.event(event)
        shown.tell(event)
    assert shown("onebeat_tasks_in_progress", queue="q", type="t") == numbers.sums["tasks_in_progress", "q", "t"]
    assert shown("onebeat_task_wait_seconds_sum", queue="q", type="t") == numbers.sums["task_wait", "q", "t"]
    assert shown("onebeat_task_run_seconds_sum", queue="q", type="t") == numbers.sums["task_run", "q", "t"]
    for outcome in ("completed", "retried"):
        value = shown("onebeat_tasks_ended_total", queue="q", type="t", outcome=outcome)
        assert value == numbers.sums["tasks_ended", "q", "t", outcome]


@pytest.mark.parametrize("instrument", INSTRUMENTS, ids=lambda instrument: instrument.name)
def test_instruments_are_named_as_prometheus_wants_it(instrument: Instrument) -> None:
    """Counters end with _total, seconds say so, and buckets rise."""
    assert instrument.series.startswith("onebeat_")
    assert instrument.series.endswith("_total") == (instrument.kind is Kind.COUNTER)
    assert ("_seconds" in instrument.series) == (instrument.unit == "s")
    assert bool(instrument.buckets) == (instrument.kind is Kind.HISTOGRAM)
    assert list(instrument.buckets) == sorted(set(instrument.buckets))
    assert instrument is getattr(instruments, next(n for n, v in vars(instruments).items() if v is instrument))


def test_a_forked_child_begins_at_nothing() -> None:
    """What its parent counted is the parent's to report."""
    shown = Shown()
    shown.tell(started())
    shown.metrics.count()
    shown.tell(started("2"), completed("2"))  # heard, and not counted yet
    reading, writing = os.pipe()
    child = os.fork()
    if not child:
        fresh = (
            shown("onebeat_tasks_in_progress", queue="q", type="t"),
            shown("onebeat_task_run_seconds_count", queue="q", type="t"),
        )
        os.write(writing, repr(fresh).encode())
        os._exit(0)
    os.waitpid(child, 0)
    assert "(0, 0)" == os.read(reading, 100).decode()
    assert 1 == shown("onebeat_tasks_in_progress", queue="q", type="t")


async def test_a_server_and_a_client_are_measured(url: str) -> None:
    """All there is, from what really happens."""
    shown, mux, done = Shown(), Mux(), asyncio.Event()

    @mux.handle("good")
    async def good(ctx: Context[Any], task: Task[Any]) -> None:
        assert 1 == shown("onebeat_tasks_in_progress", queue="default", type="good")

    @mux.handle("bad")
    async def bad(ctx: Context[Any], task: Task[Any]) -> None:
        raise KeyError("x")

    @mux.handle("last")
    async def last(ctx: Context[Any], task: Task[Any]) -> None:
        done.set()

    async with Client(url, observers=[shown.metrics]) as client:
        server = Server(url, concurrency=1, observers=[shown.metrics])
        async with server.serving(mux) as serving:
            for name in ("good", "bad", "last"):
                await client.enqueue(Task(name, b""))
                await asyncio.sleep(0)
            await done.wait()
            await serving.acknowledger.idle()
            assert 1 == shown("onebeat_slots")
    assert 1 == shown("onebeat_tasks_enqueued_total", queue="default", type="good", state="pending")
    assert 1 == shown("onebeat_tasks_ended_total", queue="default", type="good", outcome="completed")
    assert 1 == shown("onebeat_tasks_ended_total", queue="default", type="bad", outcome="retried")
    assert 1 == shown("onebeat_task_errors_total", queue="default", type="bad", error="KeyError")
    assert 1 == shown("onebeat_task_wait_seconds_count", queue="default", type="last")
    assert 0 == shown("onebeat_slots")
    scripts = [shown("onebeat_script_seconds_count", script=name) for name in ("enqueue", "take", "finish")]
    assert all(scripts)
    sizes = [shown("onebeat_batch_size_sum", script=name) for name in ("enqueue", "take", "finish")]
    assert [3, 3, 3] == sizes


def test_queues_without_end_have_an_end_of_series() -> None:
    """As of types: one client may enqueue into a queue for each customer."""
    shown = Shown(max_series=2)
    for number in range(50):
        which: dict[str, Any] = {"queue": f"q{number}", "at": NOW, "task_id": "1", "type": "t"}
        shown.tell(events.TaskEnqueued(**which, state=TaskState.PENDING), events.TaskStarted(**which, retried=0))
        shown.tell(events.TaskCompleted(**which, retried=0, seconds=0.2))
        shown.tell(events.ScheduleFired(queue=f"q{number}", at=NOW, schedule="s", tick=NOW, late=0.1))
    for name, labels in (
        ("onebeat_tasks_enqueued_total", {"type": "(other)", "state": "pending"}),
        ("onebeat_task_run_seconds_count", {"type": "(other)"}),
        ("onebeat_schedule_fires_total", {"schedule": "(other)"}),
    ):
        assert (1, 46) == (shown(name, queue="q2", **labels), shown(name, queue="(other)", **labels))
    assert 48 == shown("onebeat_schedule_lateness_seconds_count", queue="(other)")
