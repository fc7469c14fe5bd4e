"""Spans in memory: what an observer has made of a client and a server on a real store."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest
from opentelemetry.sdk.metrics import MeterProvider
from opentelemetry.sdk.metrics.export import InMemoryMetricReader
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import Tracer

from onebeat.broker.store import Store
from onebeat.client import Client
from onebeat.observe.otel import OpenTelemetry
from onebeat.server.server import Server
from tests.server.conftest import Bench, until


class Traced(Bench):
    """A bench whose client and servers are observed."""

    def __init__(self, store: Store, client: Client, observer: OpenTelemetry, watch: Watch) -> None:
        super().__init__(store, client)
        self.observer = observer
        self.watch = watch

    def serving(self, **settings: Any) -> Any:
        """Serve, observed."""
        settings.setdefault("shutdown_timeout", 2.0)
        return Server(self.store, observers=[self.observer], **settings).serving(self.mux)


class Watch:
    """Takes spans and figures."""

    def __init__(self) -> None:
        self.exporter = InMemorySpanExporter()
        self.tracers = TracerProvider(shutdown_on_exit=False)
        self.tracers.add_span_processor(SimpleSpanProcessor(self.exporter))
        self.reader = InMemoryMetricReader()
        self.meters = MeterProvider([self.reader], shutdown_on_exit=False)

    @property
    def tracer(self) -> Tracer:
        """What the code around tasks is traced by."""
        return self.tracers.get_tracer("test")

    def named(self, name: str) -> list[ReadableSpan]:
        """Return the spans of a name that were handed over, in that order."""
        return [span for span in self.exporter.get_finished_spans() if span.name == name]

    async def spans(self, name: str, number: int = 1) -> list[ReadableSpan]:
        """Wait for so many spans of a name."""

        async def are_there() -> bool:
            return len(self.named(name)) >= number

        await until(are_there)
        return self.named(name)

    async def span(self, name: str) -> ReadableSpan:
        """Wait for the one span of a name."""
        [span] = await self.spans(name)
        return span


def links(span: ReadableSpan) -> list[int]:
    """Return which spans a span links to."""
    return [link.context.span_id for link in span.links]


def id_of(span: ReadableSpan) -> int:
    """Return the id of a span."""
    return int(span.context.span_id)


def parent_of(span: ReadableSpan) -> int | None:
    """Return the id of a span's parent."""
    return span.parent.span_id if span.parent is not None else None


def trace_of(span: ReadableSpan) -> int:
    """Return the id of a span's trace."""
    return int(span.context.trace_id)


def said(span: ReadableSpan) -> dict[str, Any]:
    """Return a span's attributes."""
    return dict(span.attributes or {})


@pytest.fixture
def watch() -> Watch:
    """Return what takes spans and figures."""
    return Watch()


@pytest.fixture
def observer(watch: Watch) -> OpenTelemetry:
    """Return an observer whose spans are watched."""
    return OpenTelemetry(watch.tracers, watch.meters)


@pytest.fixture
async def traced(url: str, watch: Watch, observer: OpenTelemetry) -> AsyncIterator[Traced]:
    """Return an empty store with an observed client."""
    async with await Store.open(url) as store, Client(store, observers=[observer]) as client:
        yield Traced(store, client, observer, watch)
