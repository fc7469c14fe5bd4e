"""In the process of an isolated task: the span of its attempt, which the server has, is the current one."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager

from opentelemetry import context as contexts

from onebeat.observe.otel import carrier


@contextmanager
def entered(headers: Mapping[str, str]) -> Iterator[None]:
    """Have what a server carried over be current while the handler runs."""
    token = contexts.attach(carrier.extracted(headers))
    try:
        yield
    finally:
        contexts.detach(token)
