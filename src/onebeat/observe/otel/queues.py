"""What queues hold, read from the store when a reader of metrics asks: asynchronous instruments of OpenTelemetry."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from importlib.metadata import version

from opentelemetry import metrics
from opentelemetry.metrics import CallbackOptions, MeterProvider, Observation

from onebeat.broker.figures import QueueFigures
from onebeat.observe.otel import words
from onebeat.observe.otel.words import Attributes
from onebeat.observe.sweep import Sweep, check_number
from onebeat.states import TaskState

Read = Callable[[QueueFigures], float]


@dataclass(frozen=True, slots=True)
class Shown:
    """
    What is shown of each queue.

    Attributes:
        name, unit, help: As of any instrument.

        reads: Its values, by the value of the attribute for the state of tasks; "" where it has none.

        rises: It only rises.
    """

    name: str
    unit: str
    help: str
    reads: dict[str, Read]
    rises: bool = False


def _count(name: str) -> Read:
    return lambda figures: float(getattr(figures, name))


SHOWN: tuple[Shown, ...] = (
    Shown(
        "onebeat.queue.tasks",
        "{task}",
        "Tasks in the queue now, by state; staged are those that are being aggregated.",
        {name: _count(name) for name in (*(state.value for state in TaskState), "staged")},
    ),
    Shown(
        "onebeat.queue.latency",
        "s",
        "Age of the pending task that runs next; 0 if none waits.",
        {"": lambda figures: figures.latency_ms / 1000},
    ),
    Shown(
        "onebeat.queue.processed",
        "{task}",
        "Attempts that ended, failed ones among them.",
        {"": _count("processed")},
        rises=True,
    ),
    Shown("onebeat.queue.failed", "{task}", "Attempts that failed.", {"": _count("failed")}, rises=True),
    Shown(
        "onebeat.queue.paused",
        "1",
        "1 if the queue is paused, else 0.",
        {"": lambda figures: float(figures.paused_since is not None)},
    ),
    Shown(
        "onebeat.queue.lapsed_leases",
        "{task}",
        "Running tasks whose lease is past and that nobody took back yet.",
        {"": _count("lapsed")},
    ),
    Shown(
        "onebeat.queue.overdue",
        "{task}",
        "Delayed tasks and retries past their time that nobody made pending yet.",
        {"": _count("overdue")},
    ),
    Shown("onebeat.queue.groups", "{group}", "Groups that tasks wait in.", {"": _count("groups")}),
    Shown(
        "onebeat.queue.schedule_overdue",
        "s",
        "How long a tick has been due that nobody fired; 0 if none is.",
        {"": lambda figures: figures.schedule_overdue_ms / 1000},
    ),
)


class QueueMetrics:
    """
    The figures of all queues of a store as instruments of OpenTelemetry, whoever enqueues and runs their tasks.

    One process of a system is to have it: what it shows is the store's, and each that has it asks the store. A reading
    costs a fixed number of commands at most, and none if there was one within `max_age`. While the store is away,
    `onebeat.store.up` is 0 and no queue is shown.

    Args:
        store: A URL, a redis-py client whose settings are used, or a `Sweep` that others read as well.

        meter_provider: Takes the figures; default: the one that the process is set to.

        max_age: Seconds for which figures are good.

        max_queues: How many queues are shown; `onebeat.queues` says how many there are.

    Raises:
        ConfigurationError: The settings cannot work.
    """

    def __init__(
        self,
        store: object = None,
        meter_provider: MeterProvider | None = None,
        *,
        max_age: float = 10.0,
        max_queues: int = 1000,
    ) -> None:
        check_number("max_queues", max_queues, 1, 100_000)
        self.sweep: Sweep = store if isinstance(store, Sweep) else Sweep(store, max_age=max_age, memory_queues=0)
        self._most = max_queues
        self._shown: dict[str, None] = {}
        meter = metrics.get_meter("onebeat", version("onebeat"), meter_provider, schema_url=words.SCHEMA)
        meter.create_observable_gauge(
            "onebeat.store.up", [self._up], "1", "1 if the store answered all that was asked last, else 0."
        )
        meter.create_observable_gauge("onebeat.queues", [self._known], "{queue}", "Queues that are known.")
        for each in SHOWN:
            make = meter.create_observable_counter if each.rises else meter.create_observable_gauge
            make(each.name, [self._of(each)], each.unit, each.help)

    def close(self) -> None:
        """Close the connections; the next reading opens others."""
        self.sweep.close()

    def _up(self, _options: CallbackOptions) -> Iterator[Observation]:
        yield Observation(float(self.sweep.read().is_up))

    def _known(self, _options: CallbackOptions) -> Iterator[Observation]:
        found = self.sweep.read()
        yield Observation(len(found.figures) + found.unread)

    def _of(self, each: Shown) -> Callable[[CallbackOptions], Iterator[Observation]]:
        def observe(_options: CallbackOptions) -> Iterator[Observation]:
            figures = self.sweep.read().figures
            for queue in self._chosen(figures):
                for state, read in each.reads.items():
                    about: Attributes = {words.DESTINATION_NAME: queue}
                    if state:
                        about[words.STATE] = state
                    yield Observation(read(figures[queue]), about)

        return observe

    def _chosen(self, known: Mapping[str, QueueFigures]) -> list[str]:
        """Return the queues that are shown. One that was shown once is shown as long as it is there."""
        self._shown = {name: None for name in self._shown if name in known}
        for name in known:
            if len(self._shown) >= self._most:
                break
            self._shown[name] = None
        return list(self._shown)
