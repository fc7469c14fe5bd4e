"""One trace across languages: services in Go and in Python, each with its own SDK, and asynq's headers between them."""

from __future__ import annotations

import asyncio
import os
import re
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from opentelemetry import baggage
from opentelemetry import context as contexts
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor

from onebeat.client import Client
from onebeat.observe.otel import OpenTelemetry
from onebeat.server.context import Context
from onebeat.server.mux import Mux
from onebeat.server.server import Server
from onebeat.task import Task
from tests.interop.conftest import HERE, compiled
from tests.interop.otlp import Received, Receiver, receiving

pytestmark = [pytest.mark.interop, pytest.mark.timeout(300)]

RELAY = "relay"


@pytest.fixture(scope="session")
def service() -> Path:
    """Build the Go service."""
    return compiled("otel")


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    """Return where both sides send their spans."""
    with receiving() as receiver:
        yield receiver


@pytest.fixture
def ours(receiver: Receiver) -> Iterator[OpenTelemetry]:
    """Return our observer, which exports as the SDK does it by default."""
    provider = TracerProvider(resource=Resource({"service.name": "python"}))
    provider.add_span_processor(BatchSpanProcessor(OTLPSpanExporter(receiver.url), schedule_delay_millis=50))
    yield OpenTelemetry(provider)
    provider.shutdown()


class Go:
    """The Go service on the test's store."""

    def __init__(self, program: Path, url: str, receiver: Receiver) -> None:
        self._words: list[str] = [str(program), "-redis", url.removeprefix("unix://"), "-otlp", receiver.url]

    async def send(self, queue: str) -> None:
        """Have a Go client enqueue a task, in a span without parent."""
        sender = await asyncio.create_subprocess_exec(*self._words, "send", queue)
        assert 0 == await sender.wait()

    @asynccontextmanager
    async def serving(self, queue: str, *following: str) -> AsyncIterator[None]:
        """Run a Go server that sends what it gets on to another queue, if one is named."""
        pipe = asyncio.subprocess.PIPE
        server = await asyncio.create_subprocess_exec(
            *self._words, "serve", queue, *following, stdin=pipe, stdout=pipe, start_new_session=True
        )
        try:
            assert server.stdout is not None
            assert b"serving\n" == await server.stdout.readline()
            yield
            await server.communicate(b"")
        finally:
            if server.returncode is None:
                os.killpg(server.pid, signal.SIGKILL)
                await server.communicate()


@pytest.fixture
def go(service: Path, url: str, receiver: Receiver) -> Go:
    """Return the Go service."""
    return Go(service, url, receiver)


@asynccontextmanager
async def serving(url: str, ours: OpenTelemetry, queue: str, *following: str) -> AsyncIterator[list[Any]]:
    """Run our server, which does the same; yields the tenants that its handlers have seen."""
    tenants: list[Any] = []
    mux = Mux()
    async with Client(url, observers=[ours]) as client:

        @mux.handle(RELAY)
        async def relay(context: Context[Any], task: Task[Any]) -> None:
            tenants.append(baggage.get_baggage("tenant"))
            for other in following:
                await client.enqueue(Task(RELAY, task.payload), queue=other)

        async with Server(url, queues={queue: 1}, observers=[ours]).serving(mux):
            yield tenants


def chain(spans: list[Received]) -> list[Received]:
    """Return spans from the root to the leaf, each the only child of the one before."""
    [span] = [one for one in spans if not one.parent_id]
    found = [span]
    while len(found) < len(spans):
        [span] = [one for one in spans if one.parent_id == span.span_id]
        found.append(span)
    return found


def said(span: Received) -> tuple[str, str, str, str, str]:
    """Return what a trace's picture shows of a span, and what the conventions ask of it."""
    operation = span.attributes["messaging.operation.name"]
    assert operation == span.attributes["messaging.operation.type"]
    assert "asynq" == span.attributes["messaging.system"]
    return span.service, span.kind, span.name, operation, span.attributes["messaging.destination.name"]


def test_go_code_of_the_page_is_that_of_the_service() -> None:
    """So what the page shows compiles, and does what these tests say."""
    page = (HERE.parents[1] / "docs" / "how-to" / "opentelemetry.md").read_text()
    program = (HERE / "otel" / "main.go").read_text()
    found = re.findall(r"```go\n(.*?)```", page, re.DOTALL)
    assert (2, []) == (len(found), [block for block in found if block not in program])


async def test_go_python_python_go(go: Go, ours: OpenTelemetry, receiver: Receiver, url: str) -> None:
    """Go client → Python server → Python client → Go server: one trace, each span a child of the one before."""
    async with go.serving("there"), serving(url, ours, "here", "there") as tenants:
        await go.send("here")
        spans = await asyncio.to_thread(receiver.wait, 4)
    found = chain(spans)
    assert {found[0].trace_id} == {span.trace_id for span in spans}
    assert [
        ("go", "PRODUCER", "send here", "send", "here"),
        ("python", "CONSUMER", "process here", "process", "here"),
        ("python", "PRODUCER", "send there", "send", "there"),
        ("go", "CONSUMER", "process there", "process", "there"),
    ] == [said(span) for span in found]
    ids = [span.attributes["messaging.message.id"] for span in found]
    assert (ids[0], ids[2]) == (ids[1], ids[3])
    assert ["blue"] == tenants
    assert "blue" == found[3].attributes["tenant"]
    assert "completed" == found[1].attributes["messaging.asynq.task.outcome"]


async def test_python_go_go_python(go: Go, ours: OpenTelemetry, receiver: Receiver, url: str) -> None:
    """Python client → Go server → Go client → Python server: the same the other way round."""
    token = contexts.attach(baggage.set_baggage("tenant", "grün"))
    try:
        async with (
            go.serving("there", "here"),
            serving(url, ours, "here") as tenants,
            Client(url, observers=[ours]) as client,
        ):
            await client.enqueue(Task(RELAY, b"{}"), queue="there")
            spans = await asyncio.to_thread(receiver.wait, 4)
    finally:
        contexts.detach(token)
    found = chain(spans)
    assert {found[0].trace_id} == {span.trace_id for span in spans}
    assert [
        ("python", "PRODUCER", "send there", "send", "there"),
        ("go", "CONSUMER", "process there", "process", "there"),
        ("go", "PRODUCER", "send here", "send", "here"),
        ("python", "CONSUMER", "process here", "process", "here"),
    ] == [said(span) for span in found]
    assert ["grün"] == tenants
    assert "grün" == found[1].attributes["tenant"]
