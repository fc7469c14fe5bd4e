"""
Metrics for Prometheus: of queues, with asynq's names, and of the workers in this process.

    metrics = WorkerMetrics()
    app = Onebeat("shop", observers=[metrics])
    register(metrics, QueueMetrics("redis://localhost"))

`onebeat run --metrics-port` does all of it by itself; `onebeat metrics` serves those of the queues alone.
"""

from __future__ import annotations

from onebeat.errors import MissingExtra

try:
    import prometheus_client as _needed  # noqa: F401
except ImportError:
    raise MissingExtra('onebeat.observe.prometheus needs prometheus-client: pip install "onebeat[metrics]"') from None

from onebeat.observe.prometheus.queues import QueueMetrics
from onebeat.observe.prometheus.serving import asgi, page, register
from onebeat.observe.prometheus.workers import WorkerMetrics

__all__ = ["QueueMetrics", "WorkerMetrics", "asgi", "page", "register"]
