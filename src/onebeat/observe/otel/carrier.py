"""
How a span's context travels with a task: in its headers, in the form of the propagator that the process is set to.

W3C unless told otherwise: `traceparent`, `tracestate`, `baggage`, which any service reads that uses OpenTelemetry with
asynq's headers. What a propagator does wrong costs the trace its continuity, and the task nothing.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping

from opentelemetry import context as contexts
from opentelemetry import propagate, trace
from opentelemetry.context import Context
from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator

log: logging.Logger = logging.getLogger("onebeat.otel")

_RECEIVED = contexts.create_key("onebeat-received")

TRACEPARENT = "traceparent"

_VERSION_0 = re.compile(r"(00-[0-9a-f]{32}-[0-9a-f]{16}-)([0-9a-f]{2})")

_said: set[tuple[str, type[Exception]]] = set()

W3C = TraceContextTextMapPropagator()

NOWHERE = Context()
"""A context without a span: what begins in it begins a trace."""


def injected(context: Context | None = None) -> dict[str, str]:
    """Return the headers that carry a context; default: the current one."""
    headers: dict[str, str] = {}
    try:
        propagate.inject(headers, context)
    except Exception as error:  # noqa: BLE001 - somebody else's propagator
        _complain("inject a context into", error)
        return {}
    headers = {name: value for name, value in headers.items() if _can_travel(name) and _can_travel(value)}
    if TRACEPARENT in headers:
        headers[TRACEPARENT] = _for_all(headers[TRACEPARENT])
    return headers


def extracted(headers: Mapping[str, str]) -> Context:
    """Return the context that headers carry; an empty one, whatever is current here, if they carry none."""
    if not headers:
        return NOWHERE
    try:
        return propagate.extract(headers, NOWHERE)
    except Exception as error:  # noqa: BLE001 - somebody else's propagator
        _complain("extract a context from", error)
        return NOWHERE


def within(span: trace.Span, context: Context | None = None) -> Context:
    """
    Return a context with a span, default: the current one with it.

    Without an SDK the span may be none at all: then a caller's passes through.
    """
    if span.get_span_context().is_valid:
        return trace.set_span_in_context(span, context)
    return contexts.get_current() if context is None else context


def span_of(context: Context) -> trace.SpanContext | None:
    """Return what a context says of its span, if it has one."""
    found = trace.get_current_span(context).get_span_context()
    return found if found.is_valid else None


def received(context: Context, headers: Mapping[str, str]) -> Context:
    """Note in a context which headers brought it."""
    return contexts.set_value(_RECEIVED, _ours(headers), context)


def written_by_caller(headers: Mapping[str, str]) -> trace.SpanContext | None:
    """
    Return the span that a caller's headers name, if it was the caller who put it there.

    Headers that a handler hands on from its own task name the span that its task came from, which nobody chose.
    """
    ours = _ours(headers)
    if not ours or ours == contexts.get_value(_RECEIVED):
        return None
    return span_of(extracted(ours))


def _ours(headers: Mapping[str, str]) -> Mapping[str, str]:
    if not headers:
        return {}
    try:
        fields = propagate.get_global_textmap().fields
    except Exception as error:  # noqa: BLE001 - somebody else's propagator
        _complain("name its headers for", error)
        return {}
    return {name: headers[name] for name in fields if name in headers}


def _for_all(traceparent: str) -> str:
    """
    Leave out the flag that says that a trace's id is random, which newer SDKs set.

    OpenTelemetry for Go before 1.42 takes a traceparent that has it for none, and begins another trace.
    """
    found = _VERSION_0.fullmatch(traceparent)
    return f"{found[1]}{int(found[2], 16) & trace.TraceFlags.SAMPLED:02x}" if found is not None else traceparent


def _can_travel(text: object) -> bool:
    """Whether the wire takes it: Go refuses a whole message for a text that is not UTF-8 (SE-15)."""
    try:
        return isinstance(text, str) and bool(text.encode())
    except UnicodeEncodeError:
        return False


def _complain(what: str, error: Exception) -> None:
    """Say so once for each kind of error: it would come with every task."""
    if (what, type(error)) not in _said:
        _said.add((what, type(error)))
        log.error("the propagator could not %s a task; its trace is cut there", what, exc_info=error)
