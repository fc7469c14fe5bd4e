"""Spans of aggregations: a group's members become one task, which has one parent; so the members are links."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager

from opentelemetry import trace
from opentelemetry.trace import Link, SpanKind, Tracer

from onebeat.observe.otel import carrier, words
from onebeat.observe.otel.words import Attributes
from onebeat.wire.message import clean_text


@contextmanager
def aggregation(
    tracer: Tracer, queue: str, group: str, members: Sequence[Mapping[str, str]], where: Attributes
) -> Iterator[None]:
    """
    Run an aggregation in a span that begins a trace and links to whoever enqueued a member.

    The combined task is enqueued in it, so its own spans are descendants of this one.
    """
    creators = (carrier.span_of(carrier.extracted(headers)) for headers in members)
    span = tracer.start_span(
        f"process {queue}",
        context=carrier.NOWHERE,
        kind=SpanKind.CONSUMER,
        links=[Link(creator) for creator in creators if creator is not None],
        attributes={
            **words.operation("process", queue),
            **where,
            words.GROUP: clean_text(group),
            words.BATCH_COUNT: len(members),
        },
    )
    with trace.use_span(span, end_on_exit=True, record_exception=False, set_status_on_exception=False):
        try:
            yield
        except Exception as error:
            words.record(span, error, words.name_of(error))
            words.fail(span, words.name_of(error), str(error))
            raise
