"""What `opentelemetry-instrument` calls: every client and server of the process is observed, and no code is changed."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from opentelemetry.instrumentation.instrumentor import BaseInstrumentor  # type: ignore[attr-defined] # it is not typed

from onebeat.audience import observe_everywhere, observe_no_more
from onebeat.observe.otel.observer import OpenTelemetry


class OnebeatInstrumentor(BaseInstrumentor):  # type: ignore[misc] # likewise
    """Observes what is made after it was called, unless that has an `OpenTelemetry` of its own."""

    _observer: OpenTelemetry

    def instrumentation_dependencies(self) -> Collection[str]:
        """Return nothing: it is a part of what it instruments."""
        return ()

    def _instrument(self, **given: Any) -> None:
        self._observer = OpenTelemetry(given.get("tracer_provider"), given.get("meter_provider"))
        observe_everywhere(self._observer)

    def _uninstrument(self, **_: Any) -> None:
        observe_no_more(self._observer)
