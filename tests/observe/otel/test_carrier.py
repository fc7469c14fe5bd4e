"""Headers as they come, and propagators that break: the trace may be cut, the task is not."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import Any

import pytest
from opentelemetry import context as contexts
from opentelemetry import propagate, trace
from opentelemetry.baggage.propagation import W3CBaggagePropagator
from opentelemetry.propagators.composite import CompositePropagator
from opentelemetry.propagators.textmap import TextMapPropagator
from opentelemetry.trace import StatusCode
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

from onebeat.client import Client
from onebeat.observe.otel import carrier
from onebeat.server.context import Context
from onebeat.task import Task
from tests.observe.otel.conftest import Traced, Watch, said
from tests.observe.otel.test_sending import headers_of

PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


@pytest.fixture(autouse=True)
def w3c() -> Iterator[None]:
    """Set the usual propagator, and set it again."""
    former = propagate.get_global_textmap()
    propagate.set_global_textmap(CompositePropagator([TraceContextTextMapPropagator(), W3CBaggagePropagator()]))
    carrier._said.clear()
    yield
    propagate.set_global_textmap(former)


class Broken(TextMapPropagator):
    """Raises whatever it is asked."""

    def extract(self, *_: Any, **__: Any) -> contexts.Context:
        raise RuntimeError("extract")

    def inject(self, *_: Any, **__: Any) -> None:
        raise RuntimeError("inject")

    @property
    def fields(self) -> set[str]:
        raise RuntimeError("fields")


class Careless(TextMapPropagator):
    """Injects what no header may be."""

    def extract(self, carrier: Any, context: Any = None, getter: Any = None) -> contexts.Context:
        return context or contexts.Context()

    def inject(self, carrier: Any, context: Any = None, setter: Any = None) -> None:
        carrier |= {"traceparent": 7, "surrogate": "\ud800", "": "nameless", "good": "ü"}

    @property
    def fields(self) -> set[str]:
        return {"traceparent", "surrogate", "", "good"}


HOSTILE = [
    {"traceparent": "x" * 100_000},
    {"traceparent": "00-ü"},
    {"traceparent": ""},
    {"traceparent": PARENT, "tracestate": "x" * 100_000},
    {"traceparent": PARENT, "tracestate": "ü=ü,,=,"},
    {"traceparent": PARENT.replace("-01", "-zz")},
    {"traceparent": "ff" + PARENT[2:]},
    {"baggage": "=;,,%zz=%ff" * 2_000},
    {"onebeat-attempt": "nonsense"},
    {"onebeat-attempt": f"{PARENT} another task"},
    {"tick": "٣", "traceparent": PARENT},
    {"tick": "²"},
    {"tick": "9" * 30},
]


@pytest.mark.parametrize("headers", HOSTILE, ids=lambda headers: str(headers)[:40])
async def test_whatever_a_header_says_its_task_runs(traced: Traced, watch: Watch, headers: dict[str, str]) -> None:
    """In a span without error; other headers are as they were."""
    seen: list[dict[str, str]] = []

    @traced.mux.handle("mail")
    async def mail(context: Context[Any], task: Task[Any]) -> None:
        seen.append(context.headers)

    await Client(traced.store).enqueue(Task("mail", headers={"tenant": "grün", **headers}))
    async with traced.serving():
        span = await watch.span("process default")
    assert (StatusCode.UNSET, "completed") == (span.status.status_code, said(span)["messaging.asynq.task.outcome"])
    assert [{"tenant": "grün", **headers}] == seen
    assert () == span.links


async def test_a_broken_propagator_is_said_once(traced: Traced, watch: Watch, caplog: pytest.LogCaptureFixture) -> None:
    """Tasks are sent and run, in traces of their own."""
    propagate.set_global_textmap(Broken())

    @traced.mux.handle("mail")
    async def mail(context: Context[Any], task: Task[Any]) -> None:
        """Do nothing."""

    with caplog.at_level(logging.ERROR, "onebeat.otel"):
        ids = [await traced.enqueue("mail", headers={"tenant": "blue"}) for _ in range(3)]
        assert {"tenant": "blue"} == await headers_of(traced, ids[0])
        async with traced.serving():
            spans = await watch.spans("process default", 3)
    assert [None] * 3 == [span.parent for span in spans]
    said_of = [record.getMessage() for record in caplog.records if record.name == "onebeat.otel"]
    assert sorted({*said_of}) == sorted(said_of)
    assert any("inject" in line for line in said_of)


async def test_what_no_header_may_be_is_left_out(traced: Traced) -> None:
    """Go would refuse the whole task."""
    propagate.set_global_textmap(Careless())
    assert {"good": "ü"} == await headers_of(traced, await traced.enqueue("mail"))


async def test_tracestate_travels(traced: Traced, watch: Watch) -> None:
    """From the task that runs to what its handler enqueues."""
    found: list[dict[str, str]] = []

    @traced.mux.handle("mail")
    async def mail(context: Context[Any], task: Task[Any]) -> None:
        found.append(await headers_of(traced, await traced.enqueue("next", queue="other"), "other"))

    await Client(traced.store).enqueue(Task("mail", headers={"traceparent": PARENT, "tracestate": "vendor=1"}))
    async with traced.serving():
        await watch.span("process default")
    assert "vendor=1" == found[0]["tracestate"]
    assert PARENT.split("-")[1] == found[0]["traceparent"].split("-")[1]


async def test_a_trace_that_was_not_sampled_stays_so(traced: Traced, watch: Watch) -> None:
    """Its tasks run, nothing is recorded, and the decision travels on."""
    found: list[dict[str, str]] = []

    @traced.mux.handle("mail")
    async def mail(context: Context[Any], task: Task[Any]) -> None:
        assert not trace.get_current_span().is_recording()
        found.append(await headers_of(traced, await traced.enqueue("next", queue="other"), "other"))

    await Client(traced.store).enqueue(Task("mail", headers={"traceparent": PARENT.replace("-01", "-00")}))
    async with traced.serving():
        await traced.reaches(processed=1)
    assert () == watch.exporter.get_finished_spans()
    assert (PARENT.split("-")[1], "00") == tuple(found[0]["traceparent"].split("-")[1::2])
