"""The collector of what clients, servers and schedulers of this process do."""

from __future__ import annotations

import os
import threading
import weakref
from collections import deque
from collections.abc import Callable, Iterator

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector
from prometheus_client.utils import floatToGoString

from onebeat.events import Event
from onebeat.observe.instruments import INSTRUMENTS, Instrument, Kind
from onebeat.observe.prometheus.mirror import Mirror, is_multiprocess
from onebeat.observe.recording import MAX_SERIES, Recording
from onebeat.observe.tally import Series, Tally

AT_A_TIME = 256
"""Events that are kept before they are counted, if nobody asks earlier."""


class WorkerMetrics(Recording, Collector):
    """
    What is measured of the clients, servers and schedulers of this process: an observer to give to an application,
    and a collector to give to a registry.

    In the multi-process mode of prometheus_client (`PROMETHEUS_MULTIPROC_DIR`) its figures are in that directory as
    well, at most a second old, for the process that serves those of all.

    Args:
        max_series: How many pairs of queue and type, of queue and schedule, and of task and error have series of
            their own. Those that come later are counted together, as type, schedule or error "(other)" of their queue,
            and where there are as many queues of such, as queue "(other)".
    """

    def __init__(self, *, max_series: int = MAX_SERIES) -> None:
        self._tally = Tally()
        super().__init__(self._tally, max_series=max_series)
        self._begin()
        os.register_at_fork(after_in_child=_beginning(weakref.ref(self)))
        self._mirror = Mirror(self._tally, _counting(weakref.ref(self))) if is_multiprocess() else None

    def _begin(self) -> None:
        self._heard: deque[Event] = deque()
        self._lock = threading.Lock()

    def event(self, event: Event) -> None:
        """Keep an event; some hundreds are counted at a time, which costs half as much as one after another."""
        self._heard.append(event)
        if len(self._heard) >= AT_A_TIME:
            self.count()

    def count(self) -> None:
        """Count what was heard; any thread may ask for it."""
        heard = self._heard
        with self._lock:
            self.hear(heard.popleft() for _ in range(len(heard)))

    def describe(self) -> list[Metric]:
        """Name the series."""
        return [_family(instrument) for instrument in INSTRUMENTS]

    def collect(self) -> Iterator[Metric]:
        """Yield the series."""
        self.count()
        for instrument in INSTRUMENTS:
            family = _family(instrument)
            for each in self._tally.series(instrument):
                _add(family, instrument, each)
            yield family

    def flush(self) -> None:
        """Write the figures to the directory of the multi-process mode now; without that mode, do nothing."""
        if self._mirror is not None:
            self._mirror.flush()


def _family(instrument: Instrument) -> Metric:
    if instrument.kind is Kind.HISTOGRAM:
        return HistogramMetricFamily(instrument.series, instrument.help, labels=instrument.labels)
    if instrument.kind is Kind.COUNTER:
        return CounterMetricFamily(instrument.series, instrument.help, labels=instrument.labels)
    return GaugeMetricFamily(instrument.series, instrument.help, labels=instrument.labels)


def _add(family: Metric, instrument: Instrument, each: Series) -> None:
    if isinstance(family, HistogramMetricFamily):
        names = [*map(floatToGoString, instrument.buckets), "+Inf"]
        total, buckets = 0, list[tuple[str, float]]()
        for name, count in zip(names, each.counts, strict=True):
            total += count
            buckets.append((name, total))
        family.add_metric(each.labels, buckets, each.value)
    elif isinstance(family, CounterMetricFamily | GaugeMetricFamily):
        family.add_metric(each.labels, each.value)


def _beginning(known: weakref.ref[WorkerMetrics]) -> Callable[[], None]:
    def begin() -> None:
        metrics = known()
        if metrics is not None:
            metrics._begin()

    return begin


def _counting(known: weakref.ref[WorkerMetrics]) -> Callable[[], None]:
    def count() -> None:
        metrics = known()
        if metrics is not None:
            metrics.count()

    return count
