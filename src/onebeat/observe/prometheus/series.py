"""The series that are read from the store: those of asynq's exporter, and ours for what it leaves out."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from onebeat.broker.figures import QueueFigures
from onebeat.states import TaskState

Read = Callable[[QueueFigures], float]


@dataclass(frozen=True, slots=True)
class Series:
    """
    A series that every queue has.

    Attributes:
        name: Its name.

        kind: "gauge" or "counter".

        help: What it says, in one line.

        read: Its value, by the value of its second label; "" where `queue` is the only one.

        label: The name of the second label; "": there is none.

        is_age: What stands for many queues is the largest value, not the sum.
    """

    name: str
    kind: str
    help: str
    read: dict[str, Read]
    label: str = ""
    is_age: bool = False

    @property
    def labels(self) -> tuple[str, ...]:
        return ("queue", self.label) if self.label else ("queue",)


def _state(state: TaskState) -> Read:
    return lambda figures: getattr(figures, state.value)


ASYNQ: tuple[Series, ...] = (
    Series(
        "asynq_tasks_enqueued_total",
        "gauge",
        "Tasks in the queue now, by state. A gauge, whatever its name says: so it is in asynq.",
        {state.value: _state(state) for state in TaskState if state is not TaskState.AGGREGATING},
        "state",
    ),
    Series(
        "asynq_queue_size",
        "gauge",
        "Tasks in the queue now, in whatever state.",
        {"": lambda figures: figures.size},
    ),
    Series(
        "asynq_queue_latency_seconds",
        "gauge",
        "Age of the pending task that runs next; 0 if none waits.",
        {"": lambda figures: figures.latency_ms / 1000},
        is_age=True,
    ),
    Series(
        "asynq_tasks_processed_total",
        "counter",
        "Attempts that ended, failed ones among them.",
        {"": lambda figures: figures.processed},
    ),
    Series("asynq_tasks_failed_total", "counter", "Attempts that failed.", {"": lambda figures: figures.failed}),
    Series(
        "asynq_queue_paused_total",
        "gauge",
        "1 if the queue is paused, else 0.",
        {"": lambda figures: figures.paused_since is not None},
    ),
)
MEMORY = Series(
    "asynq_queue_memory_usage_approx_bytes",
    "gauge",
    "Memory that the queue takes in the store, estimated from samples.",
    {"": lambda _figures: 0},
)
OWN: tuple[Series, ...] = (
    Series(
        "onebeat_queue_grouped_tasks",
        "gauge",
        "Tasks in groups: aggregating, which wait in one, and staged, which are being aggregated.",
        {"aggregating": lambda figures: figures.aggregating, "staged": lambda figures: figures.staged},
        "state",
    ),
    Series("onebeat_queue_groups", "gauge", "Groups that tasks wait in.", {"": lambda figures: figures.groups}),
    Series(
        "onebeat_queue_lapsed_leases",
        "gauge",
        "Running tasks whose lease is past: their server died or is cut off, and nobody took them back yet.",
        {"": lambda figures: figures.lapsed},
    ),
    Series(
        "onebeat_queue_overdue_tasks",
        "gauge",
        "Delayed tasks and retries past their time that nobody made pending yet.",
        {"": lambda figures: figures.overdue},
    ),
    Series(
        "onebeat_queue_schedules",
        "gauge",
        "Schedules of Onebeat that fire into the queue.",
        {"": lambda figures: figures.schedules},
    ),
    Series(
        "onebeat_queue_schedule_overdue_seconds",
        "gauge",
        "How long a tick has been due that nobody fired; 0 if none is.",
        {"": lambda figures: figures.schedule_overdue_ms / 1000},
        is_age=True,
    ),
)
PAUSED = Series(
    "onebeat_queue_paused_seconds",
    "gauge",
    "How long the queue has been paused; left out if it is not.",
    {},
)
QUEUE_SERVERS = Series(
    "onebeat_queue_servers",
    "gauge",
    "Servers that take tasks of the queue, asynq's among them.",
    {},
)
OF_QUEUES: tuple[Series, ...] = (*ASYNQ, MEMORY, *OWN, PAUSED, QUEUE_SERVERS)

STORE: dict[str, tuple[str, tuple[str, ...]]] = {
    "onebeat_store_up": ("1 if the store answered all that the last sweep asked, else 0.", ()),
    "onebeat_queues": ("Queues that are known.", ()),
    "onebeat_queues_unread": ("Queues that could not be read: damaged, or on a node that is away.", ()),
    "onebeat_servers": ("Servers that live, asynq's among them, by status.", ("status",)),
    "onebeat_server_slots": ("Tasks that the servers that take any run at the same time at most.", ()),
    "onebeat_metrics_age_seconds": ("Age of the oldest figure of a queue that is shown.", ()),
    "onebeat_metrics_sweep_seconds": ("How long the last sweep over the queues took.", ()),
    "onebeat_metrics_sweep_commands": ("Commands that the last sweep over the queues sent.", ()),
}
"""Gauges of the store as a whole: what they say, and their labels."""
