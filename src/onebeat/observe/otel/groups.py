"""Spans of aggregations: a group's members become one task, which has one parent; so the members are links."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from opentelemetry import trace
from opentelemetry.trace import Link, SpanKind, Status, StatusCode, Tracer

from onebeat.observe.otel import carrier, words
from onebeat.observe.otel.words import Attributes


@contextmanager
def aggregation(
    tracer: Tracer, queue: str, group: str, members: Sequence[Mapping[str, str]], where: Attributes
) -> Iterator[None]:
    """
    Run an aggregation in a span that begins a trace: it links to whoever enqueued a member.

    The combined task is enqueued in it, so that its own spans are its descendants.
    """
    spans = (carrier.span_of(carrier.extracted(headers)) for headers in members)
    span = tracer.start_span(
        f"process {queue}",
        context=carrier.NOWHERE,
        kind=SpanKind.CONSUMER,
        links=[Link(span) for span in spans if span is not None],
        attributes={
            **words.operation("process", queue), **where, words.GROUP: group, words.BATCH_COUNT: len(members),
        },
    )  # fmt: skip
    with trace.use_span(span, end_on_exit=True, record_exception=True, set_status_on_exception=False):
        try:
            yield
        except Exception as error:
            span.set_attribute(words.ERROR_TYPE, words.name_of(error))
            span.set_status(Status(StatusCode.ERROR, str(error)))
            raise
