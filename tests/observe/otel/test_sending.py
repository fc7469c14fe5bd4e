"""Spans of producers: what is enqueued carries their context, and they say how that went."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any

import pytest
from opentelemetry import baggage, trace
from opentelemetry import context as contexts
from opentelemetry.trace import SpanKind, StatusCode

from onebeat.broker import browse
from onebeat.broker.store import Store
from onebeat.client import Client
from onebeat.errors import BrokerUnavailable, DuplicateTask, InvalidTask
from onebeat.observe.otel import OpenTelemetry
from onebeat.observe.otel.observer import address
from onebeat.sync import SyncClient
from onebeat.task import Task
from onebeat.wire.message import decode
from tests.observe.otel.conftest import Traced, Watch, id_of, links, parent_of, said, trace_of


async def headers_of(traced: Traced, task_id: str, queue: str = "default") -> dict[str, str]:
    """Return the headers of a task as they stand in the store."""
    raw = await traced.store.run(browse.info(queue, task_id))
    assert raw is not None
    return dict(decode(raw.message).headers)


def traceparent(span: Any) -> str:
    """Return how a span is named in W3C form, in the words of its first level."""
    context = span.get_span_context()
    return f"00-{context.trace_id:032x}-{context.span_id:016x}-01"


async def test_a_task_is_sent_in_a_span(traced: Traced, watch: Watch, url: str) -> None:
    """Of kind PRODUCER, named after the queue, with the attributes of the conventions, and no error."""
    task_id = await traced.enqueue("mail", queue="post")
    span = await watch.span("send post")
    assert SpanKind.PRODUCER is span.kind
    assert StatusCode.UNSET is span.status.status_code
    assert {
        "messaging.system": "asynq",
        "messaging.operation.name": "send",
        "messaging.operation.type": "send",
        "messaging.destination.name": "post",
        "messaging.message.id": task_id,
        "messaging.asynq.task.type": "mail",
    } == {name: value for name, value in said(span).items() if not name.startswith("server.")}
    assert "https://opentelemetry.io/schemas/1.44.0" == (
        span.instrumentation_scope and span.instrumentation_scope.schema_url
    )


@pytest.mark.parametrize(
    ("source", "said_of_it"),
    [
        ("redis://cache.example:6380/2", {"server.address": "cache.example", "server.port": 6380}),
        ("redis://:secret@cache.example", {"server.address": "cache.example", "server.port": 6379}),
        ("unix:///run/redis.sock", {"server.address": "/run/redis.sock"}),
        ("redis+cluster://a:7000,b:7000", {}),
        ("redis+sentinel://a:26379,b:26379/0?master=main", {}),
        ("embedded:///tmp/nowhere", {}),
    ],
)
def test_the_address_is_the_store_s(source: str, said_of_it: dict[str, Any]) -> None:
    """Of one host or socket; several nodes have none. Never a password."""
    assert said_of_it == address(source)


@pytest.mark.one_store
async def test_it_says_where_the_store_is(traced: Traced, watch: Watch, url: str) -> None:
    """As does the span of who runs the task."""
    await traced.enqueue("mail")
    assert url.removeprefix("unix://") == said(await watch.span("send default"))["server.address"]


async def test_its_context_goes_into_the_headers(traced: Traced, watch: Watch) -> None:
    """Beside those of the caller, which are untouched."""
    task_id = await traced.enqueue("mail", headers={"tenant": "blue"})
    span = await watch.span("send default")
    assert {"tenant": "blue", "traceparent": traceparent(span)} == await headers_of(traced, task_id)


async def test_it_is_a_child_of_what_enqueues(traced: Traced, watch: Watch) -> None:
    """As any span that begins there."""
    with watch.tracer.start_as_current_span("order"):
        await traced.enqueue("mail")
    assert id_of(await watch.span("order")) == parent_of(await watch.span("send default"))


async def test_baggage_travels(traced: Traced, watch: Watch) -> None:
    """Encoded as W3C has it."""
    token = contexts.attach(baggage.set_baggage("tenant", "grün, alt"))
    try:
        task_id = await traced.enqueue("mail")
    finally:
        contexts.detach(token)
    assert "tenant=gr%C3%BCn%2C+alt" == (await headers_of(traced, task_id))["baggage"]


async def test_a_context_that_the_caller_wrote_is_left_alone(traced: Traced, watch: Watch) -> None:
    """The span links to it."""
    given = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    task_id = await traced.enqueue("mail", headers={"traceparent": given})
    assert given == (await headers_of(traced, task_id))["traceparent"]
    assert [0xB7AD6B7169203331] == links(await watch.span("send default"))


@pytest.mark.parametrize("nonsense", ["", "nonsense", "00-" + "0" * 32 + "-" + "0" * 16 + "-01", "ü" * 5000])
async def test_what_is_no_context_is_replaced(traced: Traced, watch: Watch, nonsense: str) -> None:
    """As if the caller had written none."""
    task_id = await traced.enqueue("mail", headers={"traceparent": nonsense})
    span = await watch.span("send default")
    assert traceparent(span) == (await headers_of(traced, task_id))["traceparent"]
    assert [] == links(span)


async def test_a_refusal_is_an_error(traced: Traced, watch: Watch) -> None:
    """With the class of the error, and its sentence."""
    await traced.enqueue("mail", unique=60)
    with pytest.raises(DuplicateTask) as refusal:
        await traced.enqueue("mail", unique=60)
    [_, span] = await watch.spans("send default", 2)
    assert (StatusCode.ERROR, str(refusal.value)) == (span.status.status_code, span.status.description)
    assert "DuplicateTask" == said(span)["error.type"]


async def test_what_is_wrong_with_an_option_makes_no_span(traced: Traced, watch: Watch) -> None:
    """Nothing was sent."""
    with pytest.raises(InvalidTask):
        await traced.enqueue("mail", queue="")
    assert () == watch.exporter.get_finished_spans()


async def test_a_caller_that_is_cancelled_ends_the_span(traced: Traced, watch: Watch) -> None:
    """Without an error: it did not wait for the end."""
    enqueuing = asyncio.ensure_future(traced.enqueue("mail"))
    await asyncio.sleep(0)
    enqueuing.cancel()
    with pytest.raises(asyncio.CancelledError):
        await enqueuing
    assert StatusCode.UNSET is (await watch.span("send default")).status.status_code


async def test_the_blocking_client_does_the_same(
    traced: Traced, watch: Watch, url: str, observer: OpenTelemetry
) -> None:
    """In the caller's thread, as a child of the caller's span."""

    def enqueue() -> str:
        with SyncClient(url, observers=[observer]) as client, watch.tracer.start_as_current_span("order"):
            return client.enqueue(Task("mail")).id

    task_id = await asyncio.to_thread(enqueue)
    span = await watch.span("send default")
    assert id_of(await watch.span("order")) == parent_of(span)
    assert traceparent(span) == (await headers_of(traced, task_id))["traceparent"]


async def _each(tasks: list[Task[Any]]) -> AsyncIterator[Task[Any]]:
    for task in tasks:
        yield task


async def test_a_bulk_is_one_span(traced: Traced, watch: Watch) -> None:
    """With the number of tasks; all carry its context."""
    tasks: list[Task[Any]] = [Task("mail", number, task_id=f"m{number}") for number in range(3)]
    with watch.tracer.start_as_current_span("order"):
        assert 3 == (await traced.client.enqueue_many(_each(tasks), queue="post")).enqueued
    span = await watch.span("send post")
    assert SpanKind.PRODUCER is span.kind
    assert id_of(await watch.span("order")) == parent_of(span)
    assert (3, "post") == (said(span)["messaging.batch.message_count"], said(span)["messaging.destination.name"])
    found = [(await headers_of(traced, f"m{number}", "post"))["traceparent"] for number in range(3)]
    assert [traceparent(span)] * 3 == found


async def test_a_bulk_for_several_queues_names_none(traced: Traced, watch: Watch) -> None:
    """Its span has no destination."""
    await traced.client.enqueue_many([Task("mail", queue="a"), Task("mail", queue="b")])
    assert "messaging.destination.name" not in said(await watch.span("send"))


async def test_a_bulk_counts_what_is_refused(traced: Traced, watch: Watch) -> None:
    """Which is no error of the bulk."""
    await traced.client.enqueue_many([Task("mail", task_id="same"), Task("mail", task_id="same")])
    span = await watch.span("send default")
    assert (2, 1) == (said(span)["messaging.batch.message_count"], said(span)["messaging.asynq.batch.refused"])
    assert StatusCode.UNSET is span.status.status_code


async def test_a_bulk_whose_source_fails_is_an_error(traced: Traced, watch: Watch) -> None:
    """Of the source's."""

    def tasks() -> Iterator[Task[Any]]:
        yield Task("mail")
        raise KeyError("source")

    with pytest.raises(KeyError):
        await traced.client.enqueue_many(tasks())
    assert "KeyError" == said(await watch.span("send default"))["error.type"]


async def test_a_bulk_of_the_blocking_client_is_one_span(
    traced: Traced, watch: Watch, url: str, observer: OpenTelemetry
) -> None:
    """As of the other."""

    def enqueue() -> int:
        with SyncClient(url, observers=[observer]) as client:
            return client.enqueue_many([Task("mail", number) for number in range(600)]).enqueued

    assert 600 == await asyncio.to_thread(enqueue)
    assert 600 == said(await watch.span("send default"))["messaging.batch.message_count"]


async def test_a_bulk_for_a_store_that_is_away_is_an_error(
    watch: Watch, observer: OpenTelemetry, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Though each of its tasks is a failure, and nothing was raised."""
    async with await Store.open(url) as store, Client(store, observers=[observer], give_up_after=0) as client:

        async def away(_call: Any) -> Any:
            raise BrokerUnavailable("away")

        monkeypatch.setattr(store, "run", away)
        assert 1 == len((await client.enqueue_many([Task("mail")])).failures)
    span = await watch.span("send default")
    assert (StatusCode.ERROR, "BrokerUnavailable") == (span.status.status_code, said(span)["error.type"])


async def test_without_an_sdk_the_context_passes_through(url: str, traced: Traced) -> None:
    """No span is made, and who runs the task continues the caller's trace."""
    caller = trace.SpanContext(0xABC, 0xDEF, is_remote=True, trace_flags=trace.TraceFlags(1))
    token = contexts.attach(trace.set_span_in_context(trace.NonRecordingSpan(caller)))
    try:
        async with Client(url, observers=[OpenTelemetry()]) as client:
            task = await client.enqueue(Task("mail"))
    finally:
        contexts.detach(token)
    assert {"traceparent": f"00-{0xABC:032x}-{0xDEF:016x}-01"} == await headers_of(traced, task.id)


async def test_without_an_sdk_and_a_caller_s_trace_nothing_is_added(url: str, traced: Traced) -> None:
    """Not even an empty header."""
    async with Client(url, observers=[OpenTelemetry()]) as client:
        task = await client.enqueue(Task("mail"))
    assert {} == await headers_of(traced, task.id)


async def test_two_spans_of_one_trace(traced: Traced, watch: Watch) -> None:
    """What a span enqueues one after another stays in its trace."""
    with watch.tracer.start_as_current_span("order"):
        await traced.enqueue("mail")
        await traced.enqueue("mail")
    assert 1 == len({trace_of(span) for span in watch.exporter.get_finished_spans()})
