"""
Spans of producers: one for each call that enqueues, of a task or of any number.

The context of that span goes into the headers of what the call enqueues; a bulk has one span, not one for each task,
so a hundred thousand tasks are a hundred thousand children and not twice as many spans.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from types import TracebackType
from typing import Any

from opentelemetry.trace import Link, Span, SpanKind, Tracer

from onebeat.errors import BrokerError
from onebeat.events import Sending
from onebeat.observe.otel import carrier, words
from onebeat.observe.otel.words import Attributes
from onebeat.task import Task

_NO_ERRORS = (asyncio.CancelledError, GeneratorExit)
"""Who enqueued did not wait for the end: nothing has failed."""


class SentTask(Sending):
    """One task on its way."""

    def __init__(self, tracer: Tracer, where: Attributes) -> None:
        self._tracer = tracer
        self._where = where
        self._span: Span | None = None
        self._refusal: BaseException | None = None

    def headers(self, task: Task[Any], queue: str, task_id: str, given: Mapping[str, str]) -> Mapping[str, str]:
        chosen = carrier.written_by_caller(given)
        self._span = span = self._tracer.start_span(
            f"send {queue}",
            kind=SpanKind.PRODUCER,
            links=[Link(chosen)] if chosen is not None else None,
            attributes={
                **words.operation("send", queue), **self._where, words.MESSAGE_ID: task_id, words.TASK_TYPE: task.type,
            },
        )  # fmt: skip
        return {} if chosen is not None else carrier.injected(carrier.within(span))

    def refused(self, error: BaseException) -> None:
        self._refusal = error

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        if self._span is not None:
            _end(self._span, error or self._refusal)


class SentTasks(Sending):
    """A bulk on its way. Tasks that are refused are counted; that the store cannot be reached is an error."""

    def __init__(self, tracer: Tracer, where: Attributes) -> None:
        self._span = tracer.start_span(
            "send", kind=SpanKind.PRODUCER, attributes={**words.operation("send"), **where, words.BATCH_COUNT: 0}
        )
        self._headers = carrier.injected(carrier.within(self._span))
        self._queues: set[str] = set()
        self._sent = 0
        self._refused = 0
        self._trouble: BrokerError | None = None

    def headers(
        self,
        task: Task[Any],  # noqa: ARG002 - its own span would say it
        queue: str,
        task_id: str,  # noqa: ARG002 - likewise
        given: Mapping[str, str],
    ) -> Mapping[str, str]:
        self._queues.add(queue)
        self._sent += 1
        chosen = carrier.written_by_caller(given)
        if chosen is None:
            return self._headers
        self._span.add_link(chosen)
        return {}

    def refused(self, error: BaseException) -> None:
        self._refused += 1
        if isinstance(error, BrokerError):
            self._trouble = error

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        span = self._span
        if span.is_recording():
            span.set_attribute(words.BATCH_COUNT, self._sent)
            if self._refused:
                span.set_attribute(words.REFUSED, self._refused)
            if len(self._queues) == 1:
                [queue] = self._queues
                span.update_name(f"send {queue}")
                span.set_attribute(words.DESTINATION_NAME, queue)
        _end(span, error or self._trouble)


def _end(span: Span, error: BaseException | None) -> None:
    if error is not None and not isinstance(error, _NO_ERRORS) and span.is_recording():
        words.fail(span, words.name_of(error), str(error))
    span.end()
