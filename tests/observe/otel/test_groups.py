"""Groups: many tasks become one, whose trace links to theirs."""

from __future__ import annotations

from typing import Any

import pytest
from opentelemetry import trace
from opentelemetry.trace import SpanKind, StatusCode

from onebeat.server.context import Context
from onebeat.task import Task
from tests.observe.otel.conftest import Traced, Watch, id_of, links, parent_of, said, trace_of


def _combine(traced: Traced) -> None:
    @traced.mux.handle("combined")
    async def combined(context: Context[Any], task: Task[Any]) -> None:
        """Do nothing."""


async def test_an_aggregation_links_to_its_members(traced: Traced, watch: Watch) -> None:
    """It begins a trace, in which the combined task is sent and runs."""
    _combine(traced)

    @traced.mux.aggregate(max_size=3)
    async def join(group: str, tasks: list[Task[Any]]) -> Task[Any]:
        return Task("combined", b"".join(task.payload for task in tasks), queue="other")

    for payload in (b"a", b"b", b"c"):
        await traced.enqueue("event", payload, group="g")
    members = watch.named("send default")
    async with traced.serving(queues={"default": 1, "other": 1}):
        aggregation, sent, ran = (
            await watch.span("process default"), await watch.span("send other"), await watch.span("process other"),
        )  # fmt: skip
    assert (None, SpanKind.CONSUMER) == (aggregation.parent, aggregation.kind)
    assert sorted(id_of(member) for member in members) == sorted(links(aggregation))
    assert (3, "g") == (
        said(aggregation)["messaging.batch.message_count"], said(aggregation)["messaging.asynq.group"],
    )  # fmt: skip
    assert (id_of(aggregation), id_of(sent)) == (parent_of(sent), parent_of(ran))
    assert trace_of(aggregation) not in {trace_of(member) for member in members}


@pytest.mark.parametrize("is_async", [True, False])
async def test_the_span_is_current_in_the_aggregator(traced: Traced, watch: Watch, is_async: bool) -> None:
    """On the loop, and in the thread of a plain function."""
    seen: list[int] = []
    _combine(traced)

    def join(group: str, tasks: list[Task[Any]]) -> Task[Any]:
        seen.append(trace.get_current_span().get_span_context().span_id)
        return Task("combined")

    async def join_async(group: str, tasks: list[Task[Any]]) -> Task[Any]:
        return join(group, tasks)

    traced.mux.aggregate(max_size=1)(join_async if is_async else join)
    await traced.enqueue("event", group="g")
    async with traced.serving():
        aggregation, _ = await watch.spans("process default", 2)
    assert [id_of(aggregation)] == seen


async def test_an_aggregator_that_fails_is_an_error(traced: Traced, watch: Watch) -> None:
    """With its exception; no combined task was sent."""

    @traced.mux.aggregate(max_size=1)
    async def join(group: str, tasks: list[Task[Any]]) -> Task[Any]:
        raise ValueError("no")

    await traced.enqueue("event", group="g")
    async with traced.serving():
        span = await watch.span("process default")
    assert (StatusCode.ERROR, "ValueError") == (span.status.status_code, said(span)["error.type"])
    assert ["exception"] == [event.name for event in span.events]
    assert 1 == len(watch.named("send default"))
