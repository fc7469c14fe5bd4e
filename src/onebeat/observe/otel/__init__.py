"""
OpenTelemetry: traces of tasks, from who enqueued them through every attempt, and metrics of the machinery.

Needs the API alone, `pip install "onebeat[otel]"`; which SDK takes the spans, and where they go, is the user's to say.
Without an SDK nothing is recorded, and the context of a caller still travels with its tasks.
"""

from __future__ import annotations

from onebeat.errors import MissingExtra

try:
    import opentelemetry.trace  # noqa: F401 - only whether it is there
except ImportError as _error:
    raise MissingExtra('onebeat.observe.otel needs OpenTelemetry: pip install "onebeat[otel]"') from _error

from onebeat.observe.otel.observer import OpenTelemetry
from onebeat.observe.otel.queues import QueueMetrics

__all__ = ["OpenTelemetry", "QueueMetrics"]
