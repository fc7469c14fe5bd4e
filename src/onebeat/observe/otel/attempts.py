"""
Spans of consumers: one for each attempt at a task.

A span ends when the handler has ended. What became of the task is known a little later, when the store has it; only
then is the span handed over, with the end that it had, so it never says "completed" of a task whose lease was lost.
"""

from __future__ import annotations

import asyncio
import time
from contextlib import suppress
from types import TracebackType
from typing import Any, Self

from opentelemetry import context as contexts
from opentelemetry import trace
from opentelemetry.trace import Link, Span, SpanContext, SpanKind, Tracer

from onebeat.errors import Retry, RevokeTask, TaskControl
from onebeat.events import LeaseLost, TaskArchived, TaskEvent, TaskRetried
from onebeat.observe.otel import carrier, words
from onebeat.observe.otel.words import Attributes
from onebeat.server.context import Context
from onebeat.server.outcome import HandlerError

BEFORE = "onebeat-attempt"
"""The header in which a task keeps the span of its last failed attempt, and its own id: the next one links to it."""

MAX_WAITING = 10_000
"""Spans that wait for the outcome of their task; of more, the oldest are handed over without."""

_Key = tuple[str, str]


class Attempts:
    """
    The attempts of a process.

    Args:
        are_roots: Each attempt begins a trace of its own, linked to whoever enqueued the task.
    """

    def __init__(self, tracer: Tracer, *, are_roots: bool) -> None:
        self._tracer = tracer
        self._are_roots = are_roots
        self._running: dict[_Key, Attempt] = {}
        self._ended: dict[_Key, Attempt] = {}

    def begin(self, context: Context[Any], where: Attributes) -> Attempt:
        """Begin the span of an attempt, to be entered where its handler runs."""
        came_from = carrier.extracted(context.headers)
        links, creator = [], carrier.span_of(came_from)
        if creator is not None and self._are_roots:
            links.append(Link(creator))
        before = _before(context)
        if before is not None:
            links.append(Link(before))
        span = self._tracer.start_span(
            f"process {context.queue}",
            context=carrier.NOWHERE if self._are_roots else came_from,
            kind=SpanKind.CONSUMER,
            links=links or None,
            attributes={**words.operation("process", context.queue), **where, **_about(context)},
        )
        within = carrier.within(span, carrier.received(came_from, context.headers))
        return Attempt(self, (context.queue, context.id), span, within)

    def entered(self, attempt: Attempt) -> None:
        """Have an attempt be found by its task."""
        former = self._running.pop(attempt.key, None) or self._ended.pop(attempt.key, None)
        if former is not None:  # it had been given up, and nobody will tell what became of it
            former.hand_over(None)
        self._running[attempt.key] = attempt

    def left(self, attempt: Attempt) -> None:
        """Let an attempt wait for the outcome of its task, if that is not known yet."""
        if self._running.get(attempt.key) is not attempt:
            return
        del self._running[attempt.key]
        self._ended[attempt.key] = attempt
        if len(self._ended) > MAX_WAITING:
            self._ended.pop(next(iter(self._ended))).hand_over(None)

    def outcome(self, event: TaskEvent) -> None:
        """Hand the span of an attempt over, with what became of its task."""
        key = event.queue, event.task_id
        attempt = self._ended.pop(key, None) or self._running.pop(key, None)
        if attempt is not None:
            attempt.hand_over(event)

    def kept(self, queue: str, task_id: str) -> dict[str, str]:
        """Return the headers that a failed task is to have in its next attempt."""
        attempt = self._running.get((queue, task_id))
        return {BEFORE: f"{_traceparent(attempt.span.get_span_context())} {task_id}"} if attempt is not None else {}

    def hand_over(self) -> None:
        """Hand over all spans that wait for an outcome: nobody tells it any more."""
        while self._ended:
            self._ended.popitem()[1].hand_over(None)


class Attempt:
    """The span of one attempt, current while its block runs."""

    __slots__ = ("_attempts", "_end", "_error", "_token", "_within", "key", "span")

    def __init__(self, attempts: Attempts, key: _Key, span: Span, within: contexts.Context) -> None:
        self.key: _Key = key
        self.span: Span = span
        self._attempts = attempts
        self._within = within
        self._end: int | None = None
        self._error: BaseException | None = None

    def __enter__(self) -> Self:
        self._token = contexts.attach(self._within)
        if self.span.is_recording():
            self._attempts.entered(self)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        contexts.detach(self._token)
        if self.span.is_recording():  # no more if the task was given up
            self._end = time.time_ns()
            self._error = error
            _record(self.span, error)
            self._attempts.left(self)

    def hand_over(self, event: TaskEvent | None) -> None:
        """End the span at its handler's end, or now if that runs on; without an event, nobody knows the outcome."""
        span, error = self.span, self._error
        if event is not None:
            span.set_attribute(words.OUTCOME, "revoked" if isinstance(error, RevokeTask) else event.name)
        if isinstance(event, TaskRetried):
            span.set_attribute(words.RETRY_DELAY, event.delay)
        if isinstance(event, LeaseLost):
            words.fail(
                span, "LeaseLost", "another server has the task, or it is gone: what this attempt did does not count"
            )
        elif isinstance(event, TaskArchived) or (isinstance(event, TaskRetried) and event.counts):
            words.fail(span, event.error_type, event.error)
        elif event is None and error is not None and _is_failure(error):
            words.fail(span, words.name_of(error), str(error))
        span.end(self._end)


def _about(context: Context[Any]) -> Attributes:
    """Return what is known of an attempt: its task, and the schedule that fired it."""
    said: Attributes = {
        words.MESSAGE_ID: context.id,
        words.TASK_TYPE: context.type,
        words.RETRIED: context.retried,
        words.MAX_RETRY: context.max_retry,
    }
    with suppress(ValueError, OverflowError):  # a header "tick" of somebody else's
        tick = context.tick
        if tick is not None:
            said[words.TICK] = tick.isoformat()
            schedule, _, instant = context.id.rpartition(":")
            if schedule and instant == context.headers["tick"]:
                said[words.SCHEDULE] = schedule
    return said


def _is_failure(error: BaseException) -> bool:
    """Whether an error is one, and no word of a handler about what happens next."""
    if isinstance(error, (asyncio.CancelledError, RevokeTask)):
        return False
    return not isinstance(error, Retry) or error.counts


def _record(span: Span, error: BaseException | None) -> None:
    """Put what a handler raised into its span: the cause, where the error itself only says what happens next."""
    if error is None or not _is_failure(error):
        return
    if isinstance(error, TaskControl) and error.__cause__ is not None:
        error = error.__cause__
    if isinstance(error, HandlerError):  # it stayed in the process of an isolated task
        words.record(span, error, error.kind, error.trace)
    else:
        words.record(span, error, words.name_of(error))


def _traceparent(span: SpanContext) -> str:
    """Write a span's context in W3C form, whatever the process's propagator."""
    return f"00-{trace.format_trace_id(span.trace_id)}-{trace.format_span_id(span.span_id)}-01"


def _before(context: Context[Any]) -> SpanContext | None:
    """Return the attempt before this one, if the task says which it was, and not another's headers were handed on."""
    written, _, task_id = context.headers.get(BEFORE, "").partition(" ")
    return carrier.span_of(carrier.W3C.extract({"traceparent": written})) if written and task_id == context.id else None
