"""`/metrics` and `/scale` of a command that serves tasks and answers over HTTP."""

from __future__ import annotations

import logging
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from onebeat.cli.processes.orders import Facts, Orders
from onebeat.errors import ConfigurationError
from onebeat.observe import scale
from onebeat.observe.routes import Routes
from onebeat.observe.sweep import Sweep

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry

    from onebeat.app.app import Onebeat
    from onebeat.cli.operations import Watched

log: logging.Logger = logging.getLogger("onebeat.cli")

FOLDER = "PROMETHEUS_MULTIPROC_DIR"
"""Where prometheus_client looks for the folder of its multi-process mode, when it is imported."""


def _has_extra() -> bool:
    if find_spec("prometheus_client") is not None:
        return True
    log.warning('/metrics is not answered: it needs prometheus-client, pip install "onebeat[metrics]"')
    return False


def measure_here(app: Onebeat[Any], orders: Orders, routes: Routes, url: str) -> None:
    """Answer for a server in this process: its own metrics, the user's, and those of the queues."""
    if orders.metrics_port is None:
        return
    sweep = Sweep(url)
    routes.add(scale.PATH, scale.Scaler(sweep).page)
    if not _has_extra():
        return
    from prometheus_client import REGISTRY

    from onebeat.observe.prometheus import WorkerMetrics
    from onebeat.observe.prometheus.serving import PATH, page

    workers = WorkerMetrics()
    app.observe(workers)
    _register(REGISTRY, workers)
    if orders.metrics_queues:
        _measure_queues(REGISTRY, sweep)
    routes.add(PATH, page(REGISTRY))


def _register(registry: CollectorRegistry, collector: Any) -> None:
    try:
        registry.register(collector)
    except ValueError:
        log.info("%s is registered by the application itself, and once is enough", type(collector).__name__)


def _measure_queues(registry: CollectorRegistry, sweep: Sweep) -> None:
    from onebeat.observe.prometheus import QueueMetrics

    _register(registry, QueueMetrics(sweep))


@contextmanager
def measuring_processes(orders: Orders, watched: Watched) -> Iterator[None]:
    """Answer for the processes under a parent, which has a folder for what they count while the block runs."""
    if orders.metrics_port is None:
        yield
        return
    try:
        folder = tempfile.TemporaryDirectory(prefix="onebeat-metrics-")
    except OSError as error:
        raise ConfigurationError(
            f"what processes count has no place for its files ({error.strerror}): let TMPDIR name a folder that can be "
            "written, or leave --metrics-port out"
        ) from None
    with folder as private:
        before = os.environ.get(FOLDER)
        family = _Family(orders, watched.routes, before or private, is_private=before is None)
        watched.ready = family.serves
        os.environ[FOLDER] = before or private  # which they inherit
        try:
            yield
        finally:
            if before is None:
                del os.environ[FOLDER]


class _Family:
    """What a parent answers: the figures of its processes added up, and those of the queues once."""

    def __init__(self, orders: Orders, routes: Routes, folder: str, *, is_private: bool) -> None:
        self._orders = orders
        self._routes = routes
        self._registry: CollectorRegistry | None = None
        self._has_begun = False
        if _has_extra():
            from prometheus_client import CollectorRegistry

            from onebeat.observe.prometheus.processes import Processes
            from onebeat.observe.prometheus.serving import PATH, page

            self._registry = CollectorRegistry()
            self._registry.register(Processes(folder, is_private=is_private))
            routes.add(PATH, page(self._registry))

    def serves(self, facts: Facts) -> None:
        """Take from the first process that serves where the store is: the parent does not read the application."""
        if self._has_begun:
            return
        self._has_begun = True
        sweep = Sweep(facts.url)
        self._routes.add(scale.PATH, scale.Scaler(sweep).page)
        if self._registry is not None and self._orders.metrics_queues:
            _measure_queues(self._registry, sweep)


def measure_child(app: Onebeat[Any], orders: Orders) -> None:
    """Count in a process under a parent, into the folder that it made."""
    if orders.metrics_port is not None and FOLDER in os.environ and find_spec("prometheus_client") is not None:
        from onebeat.observe.prometheus import WorkerMetrics

        app.observe(WorkerMetrics())
