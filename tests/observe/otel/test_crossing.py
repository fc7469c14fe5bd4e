"""Isolated handlers: the span of the attempt is the server's, and current in the process of the task."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from opentelemetry.trace import StatusCode

from onebeat.audience import Audience
from onebeat.observe.otel import OpenTelemetry
from tests.observe.otel import isolated
from tests.observe.otel.conftest import Watch, id_of, parent_of, said, trace_of

pytestmark = pytest.mark.slow

app = isolated.app


@pytest.fixture(autouse=True)
def observed(url: str, observer: OpenTelemetry, monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Have the application be observed by the test, on the test's store; its processes see neither."""
    monkeypatch.setenv("ONEBEAT_URL", url)
    monkeypatch.setattr(app, "audience", Audience([observer]))
    app.url = url
    yield
    app.close()


async def test_the_span_is_current_in_the_process(watch: Watch) -> None:
    """So is baggage; the headers are those of the task."""
    async with app, app.serving():
        said_there = await (await isolated.seen.options(headers={"baggage": "tenant=blue"}).enqueue()).result(
            timeout=60
        )
        span = await watch.span("process default")
    assert [f"{trace_of(span):032x}", f"{id_of(span):016x}", "blue", "baggage", "traceparent"] == said_there


async def test_what_it_enqueues_is_a_child(watch: Watch) -> None:
    """Also without an SDK in the process: then of the server's span."""
    async with app, app.serving():
        await (await isolated.sends.enqueue()).result(timeout=60)
        outer, inner = await watch.spans("process default", 2)
    assert (id_of(outer), trace_of(outer)) == (parent_of(inner), trace_of(inner))


async def test_its_error_is_recorded(watch: Watch) -> None:
    """With class and traceback, though the exception stayed there."""
    async with app, app.serving():
        await isolated.fails.enqueue()
        span = await watch.span("process default")
    assert (StatusCode.ERROR, "ValueError") == (span.status.status_code, said(span)["error.type"])
    [event] = span.events
    assert event.attributes is not None
    assert "ValueError" == event.attributes["exception.type"]
    assert "in fails" in str(event.attributes["exception.stacktrace"])
