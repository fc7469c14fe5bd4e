"""The collector of queues: what the store holds, for whoever scrapes it."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from onebeat.broker.figures import QueueFigures
from onebeat.clock import SystemClock
from onebeat.observe.prometheus import series
from onebeat.observe.prometheus.series import Series
from onebeat.observe.sweep import Snapshot, Sweep, check_number

OTHERS = "(others)"
"""The queue that stands for all beyond `max_queues`."""

STATUSES = ("new", "active", "stopped", "closed")


class QueueMetrics(Collector):
    """
    The figures of all queues of a store as series: asynq's names and labels, and ours for what asynq leaves out.

    A scrape costs the store a fixed number of commands at most, and none if another was answered within `max_age`.
    While the store is away, `onebeat_store_up` is 0 and no queue has any series; a queue that is damaged has none,
    and does not touch the others. In a thread that runs an event loop nothing blocks: what is known is returned, and
    found out anew meanwhile.

    Args:
        store: A URL, a redis-py client whose settings are used, or a `Sweep` that others read as well.

        max_age: Seconds for which figures are good.

        max_queues: How many queues have series of their own. All beyond them are shown as one queue "(others)".

        memory_queues: How many queues' memory is sampled by one sweep, in turns; 0: none is.

    Raises:
        ConfigurationError: The settings cannot work.
    """

    def __init__(
        self, store: object = None, *, max_age: float = 10.0, max_queues: int = 1000, memory_queues: int = 10
    ) -> None:
        check_number("max_queues", max_queues, 1, 100_000)
        self.sweep: Sweep = (
            store if isinstance(store, Sweep) else Sweep(store, max_age=max_age, memory_queues=memory_queues)
        )
        self._most = max_queues
        self._lock = threading.Lock()
        self._shown: dict[str, None] = {}
        self._others = _Others()

    def close(self) -> None:
        """Close the connections; the next scrape opens others."""
        self.sweep.close()

    def describe(self) -> list[Metric]:
        """Name the series, without asking the store."""
        return [*(_family(each) for each in series.OF_QUEUES), *_of_store(Snapshot())]

    def collect(self) -> Iterator[Metric]:
        """Yield the series."""
        found = self.sweep.read()
        with self._lock:
            own, others = self._divided(found.figures)
            risen = self._others.risen(others)
        yield from _of_store(found)
        if found.figures:
            for each in (*series.ASYNQ, *series.OWN):
                family = _family(each)
                _fill(family, each, own)
                _fill_others(family, each, others, risen)
                yield family
            yield from _memory(found, own, others)
            yield _paused(own, others)
            yield _servers(found, own, others)

    def _divided(self, figures: Mapping[str, QueueFigures]) -> tuple[dict[str, QueueFigures], dict[str, QueueFigures]]:
        """Tell queues with series of their own from others. One that has some keeps them as long as it is there."""
        self._shown = {name: None for name in self._shown if name in figures}
        for name in figures:
            if len(self._shown) >= self._most:
                break
            self._shown[name] = None
        return {name: figures[name] for name in self._shown}, {
            name: each for name, each in figures.items() if name not in self._shown
        }


class _Others:
    """What the counters of queues without series of their own rose by, since each was first seen; they never fall."""

    def __init__(self) -> None:
        self._seen: dict[str, tuple[int, int]] = {}
        self._processed = self._failed = 0

    def risen(self, others: Mapping[str, QueueFigures]) -> QueueFigures:
        seen = {name: (each.processed, each.failed) for name, each in others.items()}
        for name, (processed, failed) in seen.items():
            before = self._seen.get(name, (processed, failed))
            self._processed += max(0, processed - before[0])
            self._failed += max(0, failed - before[1])
        self._seen = seen
        return QueueFigures(processed=self._processed, failed=self._failed)


def _family(each: Series) -> Metric:
    make = CounterMetricFamily if each.kind == "counter" else GaugeMetricFamily
    return make(each.name, each.help, labels=each.labels)


def _fill(family: Metric, each: Series, own: Mapping[str, QueueFigures]) -> None:
    for second, read in each.read.items():
        more = (second,) if each.label else ()
        for name, figures in own.items():
            _add(family, (name, *more), read(figures))


def _add(family: Metric, labels: tuple[str, ...], value: float) -> None:
    assert isinstance(family, GaugeMetricFamily | CounterMetricFamily)  # noqa: S101 - we made it
    family.add_metric(labels, float(value))


def _fill_others(family: Metric, each: Series, others: Mapping[str, QueueFigures], risen: QueueFigures) -> None:
    for second, read in each.read.items() if others else ():
        if each.kind == "counter":
            value = read(risen)
        else:
            values = [read(figures) for figures in others.values()]
            value = max(values) if each.is_age else sum(values)
        _add(family, (OTHERS, second) if each.label else (OTHERS,), value)


def _memory(found: Snapshot, own: Mapping[str, QueueFigures], others: Mapping[str, QueueFigures]) -> Iterator[Metric]:
    if not found.memory:
        return
    family = _family(series.MEMORY)
    for name in own:
        if name in found.memory:
            _add(family, (name,), found.memory[name])
    if others:
        _add(family, (OTHERS,), sum(found.memory.get(name, 0) for name in others))
    yield family


def _paused(own: Mapping[str, QueueFigures], others: Mapping[str, QueueFigures]) -> Metric:
    family = _family(series.PAUSED)
    now = SystemClock().now().timestamp()

    def seconds(figures: QueueFigures) -> float | None:
        return None if figures.paused_since is None else max(0.0, now - figures.paused_since)

    for name, figures in own.items():
        if (since := seconds(figures)) is not None:
            _add(family, (name,), since)
    longest = [since for figures in others.values() if (since := seconds(figures)) is not None]
    if longest:
        _add(family, (OTHERS,), max(longest))
    return family


def _servers(found: Snapshot, own: Mapping[str, QueueFigures], others: Mapping[str, QueueFigures]) -> Metric:
    serving = dict.fromkeys([*own, *others], 0)
    for server in found.servers:
        if server.status == "active":
            for name in server.queues:
                if name in serving:
                    serving[name] += 1
    family = _family(series.QUEUE_SERVERS)
    for name in own:
        _add(family, (name,), serving[name])
    if others:
        _add(family, (OTHERS,), min(serving[name] for name in others))
    return family


def _of_store(found: Snapshot) -> Iterator[Metric]:
    active = [server for server in found.servers if server.status == "active"]
    values: dict[str, float] = {
        "onebeat_store_up": found.is_up,
        "onebeat_metrics_age_seconds": found.age,
        "onebeat_metrics_sweep_seconds": found.seconds,
        "onebeat_metrics_sweep_commands": found.commands,
    }
    if found.figures or found.is_up or not found.at:  # else nobody knows
        values["onebeat_queues"] = len(found.figures) + found.unread
        values["onebeat_queues_unread"] = found.unread
        values["onebeat_server_slots"] = sum(server.concurrency for server in active)
    for name, value in values.items():
        yield GaugeMetricFamily(name, series.STORE[name][0], value=float(value))
    if "onebeat_queues" in values:
        family = GaugeMetricFamily("onebeat_servers", series.STORE["onebeat_servers"][0], labels=["status"])
        for status in STATUSES:
            family.add_metric([status], sum(server.status == status for server in found.servers))
        yield family
