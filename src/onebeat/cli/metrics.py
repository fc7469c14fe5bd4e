"""`onebeat metrics`: the metrics of queues, from a process that does nothing else."""

from __future__ import annotations

import logging
import signal
import threading
from typing import TYPE_CHECKING

import click

from onebeat.cli.common import url_option

if TYPE_CHECKING:
    from prometheus_client import CollectorRegistry


@click.command()
@url_option
@click.option("--port", type=click.IntRange(0, 65_535), default=9876, show_default=True, help="Where to answer.")
@click.option(
    "--host",
    default="127.0.0.1",
    show_default=True,
    help="The address to answer at: 0.0.0.0 or :: is every one of this machine.",
)
@click.option(
    "--max-age", type=click.FloatRange(0, 3600), default=10.0, show_default=True, help="Seconds that figures are good."
)
@click.option(
    "--max-queues",
    type=click.IntRange(1, 100_000),
    default=1000,
    show_default=True,
    help='Queues with series of their own; all others are shown as one, "(others)".',
)
@click.option(
    "--memory-queues",
    type=click.IntRange(0, 100),
    default=10,
    show_default=True,
    help="Queues whose memory is sampled at a time, in turns; 0: none.",
)
def metrics(url: str | None, port: int, host: str, max_age: float, max_queues: int, memory_queues: int) -> None:
    """
    Serve the metrics of all queues to Prometheus.

    It goes on until Ctrl-C or SIGTERM. /metrics has asynq's series and Onebeat's; /scale says how many servers the
    work wants. Metrics of tasks by type are served by `onebeat run --metrics-port`.
    """
    from onebeat.observe import scale
    from onebeat.observe.http import HttpServer
    from onebeat.observe.prometheus import QueueMetrics, asgi  # first: it says what is missing
    from onebeat.observe.sweep import Sweep

    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)-7s %(name)s: %(message)s")
    sweep = Sweep(url, max_age=max_age, memory_queues=memory_queues)
    routes = asgi(QueueMetrics(sweep, max_queues=max_queues), registry=_of_this_process())
    routes.add(scale.PATH, scale.Scaler(sweep).page)
    stopped = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stopped.set())
    with HttpServer(routes, host=host, port=port) as server:
        click.echo(f"metrics of queues: {server.url}/metrics")
        stopped.wait()
    sweep.close()


def _of_this_process() -> CollectorRegistry:
    """Return a registry that tells of the process itself, and of nothing else yet."""
    from prometheus_client import GC_COLLECTOR, PLATFORM_COLLECTOR, PROCESS_COLLECTOR, CollectorRegistry

    registry = CollectorRegistry()
    for collector in (PROCESS_COLLECTOR, PLATFORM_COLLECTOR, GC_COLLECTOR):
        registry.register(collector)
    return registry
