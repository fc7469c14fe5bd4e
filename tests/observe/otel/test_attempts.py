"""Spans of consumers: each attempt is one, and says what became of its task."""

from __future__ import annotations

import asyncio
import logging
import threading
from typing import Any

import pytest
from opentelemetry import baggage, trace
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import SpanKind, StatusCode

from onebeat.app.app import Onebeat
from onebeat.broker import consume
from onebeat.client import Client
from onebeat.errors import BrokerUnavailable, Retry, RevokeTask, SkipRetry
from onebeat.observe.otel import OpenTelemetry
from onebeat.scheduler.scheduler import Scheduler
from onebeat.scheduler.triggers import Every
from onebeat.server.context import Context
from onebeat.server.running import Stop
from onebeat.server.server import Server
from onebeat.task import Task
from tests.observe.otel.conftest import Traced, Watch, id_of, links, parent_of, said, trace_of

SEND, PROCESS = "send default", "process default"


async def _ran(traced: Traced, number: int = 1, **settings: Any) -> list[ReadableSpan]:
    """Serve until so many attempts have ended."""
    async with traced.serving(**settings):
        return await traced.watch.spans(PROCESS, number)


def _fails(traced: Traced, error: BaseException, **options: Any) -> None:
    """Have tasks of type "mail" fail."""

    @traced.mux.handle("mail")
    async def fail(context: Context[Any], task: Task[Any]) -> None:
        raise error


async def test_an_attempt_is_a_child_of_who_sent_it(traced: Traced, watch: Watch) -> None:
    """Of kind CONSUMER, with the attributes of the conventions and what is known of the attempt."""

    @traced.mux.handle("mail")
    async def mail(context: Context[Any], task: Task[Any]) -> None:
        """Do nothing."""

    task_id = await traced.enqueue("mail", max_retry=7)
    [span] = await _ran(traced)
    sent = await watch.span(SEND)
    assert (id_of(sent), trace_of(sent)) == (parent_of(span), trace_of(span))
    assert (SpanKind.CONSUMER, StatusCode.UNSET) == (span.kind, span.status.status_code)
    assert {
        "messaging.system": "asynq",
        "messaging.operation.name": "process",
        "messaging.operation.type": "process",
        "messaging.destination.name": "default",
        "messaging.message.id": task_id,
        "messaging.asynq.task.type": "mail",
        "messaging.asynq.task.retried": 0,
        "messaging.asynq.task.max_retry": 7,
        "messaging.asynq.task.outcome": "completed",
    } == {name: value for name, value in said(span).items() if not name.startswith("server.")}


async def test_a_task_without_a_trace_begins_one(url: str, traced: Traced, watch: Watch) -> None:
    """Whatever was current where the server began."""

    @traced.mux.handle("mail")
    async def mail(context: Context[Any], task: Task[Any]) -> None:
        """Do nothing."""

    await Client(traced.store).enqueue(Task("mail"))
    with watch.tracer.start_as_current_span("main"):
        [span] = await _ran(traced)
    assert span.parent is None


async def test_the_span_is_current_in_the_handler(traced: Traced, watch: Watch) -> None:
    """So is baggage; and what the handler enqueues is a child."""
    tenants: list[object] = []

    @traced.mux.handle("first")
    async def first(context: Context[Any], task: Task[Any]) -> None:
        tenants.append(baggage.get_baggage("tenant"))
        await traced.enqueue("second", queue="other")

    await traced.enqueue("first", headers={"baggage": "tenant=blue"})
    [span] = await _ran(traced)
    assert id_of(span) == parent_of(await watch.span("send other"))
    assert ["blue"] == tenants


async def test_it_is_current_in_a_thread(traced: Traced, watch: Watch) -> None:
    """Of a plain function."""
    seen: list[tuple[int, bool]] = []

    @traced.mux.handle("mail")
    def mail(context: Context[Any], task: Task[Any]) -> None:
        here = threading.current_thread() is not threading.main_thread()
        seen.append((trace.get_current_span().get_span_context().span_id, here))

    await traced.enqueue("mail")
    [span] = await _ran(traced)
    assert [(id_of(span), True)] == seen


async def test_headers_that_are_handed_on_do_not_cut_the_chain(traced: Traced, watch: Watch) -> None:
    """What the handler enqueues with all its task's headers is still its child, and not its task's sibling."""

    @traced.mux.handle("first")
    async def first(context: Context[Any], task: Task[Any]) -> None:
        await traced.enqueue("second", queue="other", headers=context.headers)

    await traced.enqueue("first", headers={"tenant": "blue"})
    [span] = await _ran(traced)
    second = await watch.span("send other")
    assert (id_of(span), []) == (parent_of(second), links(second))


async def test_the_handler_sees_its_headers_as_they_came(traced: Traced, watch: Watch) -> None:
    """Those of the trace among them."""
    seen: list[dict[str, str]] = []

    @traced.mux.handle("mail")
    async def mail(context: Context[Any], task: Task[Any]) -> None:
        seen.append(context.headers)

    await traced.enqueue("mail", headers={"tenant": "blue"})
    await _ran(traced)
    assert ["tenant", "traceparent"] == sorted(seen[0])


async def test_attempts_are_siblings_and_linked(traced: Traced, watch: Watch) -> None:
    """Each is a child of who sent the task, and links to the attempt before it."""

    @traced.mux.handle("mail")
    async def mail(context: Context[Any], task: Task[Any]) -> None:
        if context.retried < 2:
            raise Retry("not yet", delay=0)

    await traced.enqueue("mail")
    first, second, third = await _ran(traced, 3)
    sent = id_of(await watch.span(SEND))
    assert [sent] * 3 == [parent_of(span) for span in (first, second, third)]
    assert [[], [id_of(first)], [id_of(second)]] == [links(span) for span in (first, second, third)]
    assert ["retried", "retried", "completed"] == [
        said(span)["messaging.asynq.task.outcome"] for span in (first, second, third)
    ]


async def test_attempts_of_different_servers_are_linked(traced: Traced, watch: Watch) -> None:
    """What the second needs stands in the task."""
    other = OpenTelemetry(watch.tracers)

    @traced.mux.handle("mail")
    async def mail(context: Context[Any], task: Task[Any]) -> None:
        if not context.retried:
            raise Retry("not here", delay=0)

    await traced.enqueue("mail", process_in=0)
    async with traced.serving(concurrency=1):
        await watch.spans(PROCESS)
    async with Server(traced.store, observers=[other]).serving(traced.mux):
        first, second = await watch.spans(PROCESS, 2)
    assert [id_of(first)] == links(second)


async def test_the_link_is_not_handed_on(traced: Traced, watch: Watch) -> None:
    """A task that gets the headers of one that was tried before has had no attempt."""

    @traced.mux.handle("first")
    async def first(context: Context[Any], task: Task[Any]) -> None:
        if not context.retried:
            raise Retry("once more", delay=0)
        await traced.enqueue("second", headers=context.headers)

    @traced.mux.handle("second")
    async def second(context: Context[Any], task: Task[Any]) -> None:
        """Do nothing."""

    await traced.enqueue("first")
    *_, last = await _ran(traced, 3)
    assert ("second", []) == (said(last)["messaging.asynq.task.type"], links(last))


async def test_a_failure_is_an_error(traced: Traced, watch: Watch) -> None:
    """With what the store says of it, the class, and the exception with its traceback."""
    _fails(traced, ValueError("no such address"))
    await traced.enqueue("mail", max_retry=0)
    [span] = await _ran(traced)
    assert (StatusCode.ERROR, "ValueError: no such address") == (span.status.status_code, span.status.description)
    assert ("ValueError", "archived") == (said(span)["error.type"], said(span)["messaging.asynq.task.outcome"])
    [event] = span.events
    assert event.attributes is not None
    assert ("exception", "ValueError") == (event.name, event.attributes["exception.type"])
    assert "in fail" in str(event.attributes["exception.stacktrace"])


async def test_a_retry_says_when(traced: Traced, watch: Watch) -> None:
    """In seconds."""
    _fails(traced, Retry("not yet", delay=30))
    await traced.enqueue("mail")
    [span] = await _ran(traced)
    assert (StatusCode.ERROR, 30.0) == (span.status.status_code, said(span)["messaging.asynq.task.retry_delay"])


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (Retry("not now", delay=30, counts=False), "retried"),
        (RevokeTask(), "revoked"),
    ],
)
async def test_what_is_no_failure_is_no_error(traced: Traced, watch: Watch, error: Exception, outcome: str) -> None:
    """A handler has said what happens next: no status, no exception, but the outcome."""
    _fails(traced, error)
    await traced.enqueue("mail")
    [span] = await _ran(traced)
    assert (StatusCode.UNSET, ()) == (span.status.status_code, span.events)
    assert ("error.type" not in said(span), outcome) == (True, said(span)["messaging.asynq.task.outcome"])


async def test_skip_retry_is_an_error_by_its_cause(traced: Traced, watch: Watch) -> None:
    """The exception is the one that it was raised from."""

    @traced.mux.handle("mail")
    async def mail(context: Context[Any], task: Task[Any]) -> None:
        try:
            raise KeyError("address")
        except KeyError as error:
            raise SkipRetry("hopeless") from error

    await traced.enqueue("mail")
    [span] = await _ran(traced)
    assert (StatusCode.ERROR, "archived") == (span.status.status_code, said(span)["messaging.asynq.task.outcome"])
    assert ["KeyError"] == [(event.attributes or {})["exception.type"] for event in span.events]


async def test_what_does_not_count_is_no_error(traced: Traced, watch: Watch) -> None:
    """As the server's `is_failure` says; the exception is there to be read."""
    _fails(traced, ValueError("closed"))
    await traced.enqueue("mail")
    async with Server(traced.store, observers=[traced.observer], is_failure=lambda _: False).serving(traced.mux):
        span = await watch.span(PROCESS)
    assert (StatusCode.UNSET, ["exception"]) == (span.status.status_code, [event.name for event in span.events])


async def test_a_timeout_is_an_error(traced: Traced, watch: Watch) -> None:
    """Though all that the handler saw was a cancellation."""

    @traced.mux.handle("mail")
    async def mail(context: Context[Any], task: Task[Any]) -> None:
        await asyncio.Event().wait()

    await traced.enqueue("mail", timeout=0.05, max_retry=0)
    [span] = await _ran(traced)
    assert (StatusCode.ERROR, "TimeoutError") == (span.status.status_code, said(span)["error.type"])


async def test_a_cancelled_task_is_no_error(traced: Traced, watch: Watch) -> None:
    """Somebody wanted it so."""
    began = asyncio.Event()

    @traced.mux.handle("mail")
    async def mail(context: Context[Any], task: Task[Any]) -> None:
        began.set()
        await asyncio.Event().wait()

    task_id = await traced.enqueue("mail")
    async with traced.serving() as serving:
        await began.wait()
        serving.executor.cancel(task_id)
        span = await watch.span(PROCESS)
    assert (StatusCode.UNSET, "cancelled") == (span.status.status_code, said(span)["messaging.asynq.task.outcome"])


async def test_a_task_that_its_stopping_server_gives_back_is_no_error(traced: Traced, watch: Watch) -> None:
    """It was returned."""
    began = asyncio.Event()

    @traced.mux.handle("mail")
    async def mail(context: Context[Any], task: Task[Any]) -> None:
        began.set()
        await asyncio.Event().wait()

    await traced.enqueue("mail")
    async with traced.serving(shutdown_timeout=0.0):
        await began.wait()
    span = await watch.span(PROCESS)
    assert (StatusCode.UNSET, "returned") == (span.status.status_code, said(span)["messaging.asynq.task.outcome"])


async def test_a_lost_lease_is_an_error(traced: Traced, watch: Watch) -> None:
    """Though the handler returned: what it did does not count."""
    began, goes_on = asyncio.Event(), asyncio.Event()

    @traced.mux.handle("mail")
    async def mail(context: Context[Any], task: Task[Any]) -> None:
        began.set()
        await goes_on.wait()

    task_id = await traced.enqueue("mail")
    async with traced.serving():
        await began.wait()
        await traced.store.command("HSET", f"asynq:{{default}}:t:{task_id}", "ob_own", "another")
        goes_on.set()
        span = await watch.span(PROCESS)
    assert (StatusCode.ERROR, "LeaseLost") == (span.status.status_code, said(span)["error.type"])


async def test_the_end_is_the_handler_s(traced: Traced, watch: Watch) -> None:
    """Not that of its outcome, which is written later: spans of what the handler did lie within."""
    release = asyncio.Event()

    @traced.mux.handle("mail")
    async def mail(context: Context[Any], task: Task[Any]) -> None:
        with watch.tracer.start_as_current_span("inner"):
            """Do nothing."""

    await traced.enqueue("mail")
    async with traced.serving() as serving:
        run = serving.store.run

        async def late(call: Any) -> Any:
            if call.script == "finish":
                await release.wait()
            return await run(call)

        serving.store.run = late
        inner = await watch.span("inner")
        assert [] == watch.named(PROCESS)
        with watch.tracer.start_as_current_span("later"):
            """Do nothing."""
        release.set()
        span = await watch.span(PROCESS)
    [later] = watch.named("later")
    assert span.end_time is not None
    assert inner.end_time is not None
    assert later.start_time is not None
    assert inner.end_time <= span.end_time <= later.start_time


async def test_a_schedule_s_task_begins_a_trace(traced: Traced, watch: Watch) -> None:
    """Which says of which schedule and tick it is, whatever was current where the schedule was declared."""

    @traced.mux.handle("beat")
    async def beat(context: Context[Any], task: Task[Any]) -> None:
        """Do nothing."""

    scheduler = Scheduler(traced.store, observers=[traced.observer])
    with watch.tracer.start_as_current_span("deploy"):
        scheduler.register(Every(0.05), Task("beat"), id="pulse")
        running = asyncio.create_task(scheduler.run())
        async with traced.serving():
            span, other = (await watch.spans(PROCESS, 2))[:2]
        running.cancel()
    assert (None, "pulse") == (span.parent, said(span)["messaging.asynq.schedule.id"])
    assert said(span)["messaging.message.id"].startswith("pulse:")
    assert "+00:00" in said(span)["messaging.asynq.schedule.tick"]
    assert trace_of(span) != trace_of(other)


async def test_traces_may_end_at_the_queue(traced: Traced, watch: Watch) -> None:
    """With `new_traces` each attempt begins one, and links to who sent the task."""
    apart = OpenTelemetry(watch.tracers, new_traces=True)

    @traced.mux.handle("mail")
    async def mail(context: Context[Any], task: Task[Any]) -> None:
        """Do nothing."""

    await traced.enqueue("mail")
    async with Server(traced.store, observers=[apart]).serving(traced.mux):
        span = await watch.span(PROCESS)
    assert (None, [id_of(await watch.span(SEND))]) == (span.parent, links(span))


async def test_log_lines_of_a_failure_belong_to_the_span(
    traced: Traced, watch: Watch, caplog: pytest.LogCaptureFixture
) -> None:
    """So that whoever reads the line finds the trace."""
    seen: list[int] = []

    class Spy(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            seen.append(trace.get_current_span().get_span_context().span_id)

    _fails(traced, ValueError("no"))
    await traced.enqueue("mail")
    spy = Spy(logging.WARNING)
    logging.getLogger("onebeat").addHandler(spy)
    try:
        [span] = await _ran(traced)
    finally:
        logging.getLogger("onebeat").removeHandler(spy)
    assert id_of(span) in seen


async def test_on_error_runs_in_the_span(traced: Traced, watch: Watch) -> None:
    """What it reports to elsewhere can name the trace."""
    seen: list[int] = []

    async def told(context: Context[Any], task: Task[Any], error: BaseException) -> None:
        seen.append(trace.get_current_span().get_span_context().span_id)

    _fails(traced, ValueError("no"))
    await traced.enqueue("mail")
    async with Server(traced.store, observers=[traced.observer], on_error=told).serving(traced.mux):
        span = await watch.span(PROCESS)
    assert [id_of(span)] == seen


@pytest.mark.slow
async def test_a_task_whose_server_died_keeps_its_trace(traced: Traced, watch: Watch) -> None:
    """Its next attempt is a child of who sent it, as any other: of the one that died nobody has a span."""

    @traced.mux.handle("mail")
    async def mail(context: Context[Any], task: Task[Any]) -> None:
        """Do nothing."""

    task_id = await traced.enqueue("mail")
    await traced.store.run(consume.take("default", server="dead", sequence=1, limit=1, lease_ms=1))
    async with traced.serving():
        span = await watch.span(PROCESS)
    assert (task_id, id_of(await watch.span(SEND))) == (said(span)["messaging.message.id"], parent_of(span))


@pytest.mark.slow
async def test_a_span_whose_outcome_is_never_written_is_not_lost(traced: Traced, watch: Watch) -> None:
    """A server that stops while the store does not answer hands it over, with what its handler raised."""
    _fails(traced, ValueError("no such address"))
    await traced.enqueue("mail")
    async with traced.serving(shutdown_timeout=0.2) as serving:
        run, asked = serving.store.run, asyncio.Event()

        async def unreachable(call: Any) -> Any:
            if call.script != "finish":
                return await run(call)
            asked.set()
            raise BrokerUnavailable("away")

        serving.store.run = unreachable
        await asked.wait()
        assert [] == watch.named(PROCESS)
    span = await watch.span(PROCESS)
    assert (StatusCode.ERROR, "ValueError") == (span.status.status_code, said(span)["error.type"])
    assert "messaging.asynq.task.outcome" not in said(span)


async def test_a_task_that_is_given_up_has_its_span_then(traced: Traced, watch: Watch) -> None:
    """And not when its thread ends at last, which changes nothing any more."""
    began, goes_on = threading.Event(), threading.Event()

    @traced.mux.handle("mail")
    def mail(context: Context[Any], task: Task[Any]) -> None:
        began.set()
        goes_on.wait()

    task_id = await traced.enqueue("mail", max_retry=0)
    async with traced.serving() as serving:
        await asyncio.to_thread(began.wait)
        [attempt] = serving.executor.running
        serving.executor.stop(attempt, Stop.CANCELLED)
        serving.executor._due(attempt)
        span = await watch.span(PROCESS)
        goes_on.set()
    assert (task_id, "cancelled") == (said(span)["messaging.message.id"], said(span)["messaging.asynq.task.outcome"])
    assert 1 == len(watch.named(PROCESS))


async def test_an_application_under_test_is_traced(watch: Watch, observer: OpenTelemetry) -> None:
    """By the kit's own client and server."""
    app = Onebeat("shop")
    app.observe(observer)

    @app.task("pay")
    async def pay() -> None:
        """Do nothing."""

    async with app.testing() as t:
        await pay.enqueue()
        await t.drain()
    [sent, ran] = watch.exporter.get_finished_spans()
    assert (id_of(sent), "completed") == (parent_of(ran), said(ran)["messaging.asynq.task.outcome"])
