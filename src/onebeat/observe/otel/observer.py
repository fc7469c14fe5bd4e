"""The observer that makes spans and figures of what clients and servers do."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import AbstractContextManager, asynccontextmanager
from importlib.metadata import version
from typing import Any

from opentelemetry import metrics, trace
from opentelemetry.metrics import MeterProvider
from opentelemetry.trace import TracerProvider

from onebeat.broker.opening import find
from onebeat.broker.store import Store
from onebeat.events import AttemptEnded, Carried, Event, Figure, Observer, Sending, TaskArchived, TaskCancelled
from onebeat.observe.otel import carrier, words
from onebeat.observe.otel.attempts import Attempts
from onebeat.observe.otel.groups import aggregation
from onebeat.observe.otel.metrics import Metered
from onebeat.observe.otel.sending import SentTask, SentTasks
from onebeat.observe.otel.words import Attributes
from onebeat.observe.recording import Recording
from onebeat.server.context import Context
from onebeat.task import Task

NAME = "onebeat"

_ENDS = (AttemptEnded, TaskArchived, TaskCancelled)


class OpenTelemetry(Observer):
    """
    Makes spans of what is enqueued and what runs, carries their context in the headers of tasks, and keeps figures.

    `app.observe(OpenTelemetry())`, or `observers=[OpenTelemetry()]` of a `Client`, `SyncClient`, `Server` or
    `Scheduler`; one for all of a process.

    Args:
        tracer_provider: Takes the spans; default: the one that the process is set to, also if that is set later.

        meter_provider: Takes the figures; default: likewise.

        new_traces: Each attempt begins a trace of its own that links to whoever enqueued the task. Default: it
            continues that trace, as a child of the span that enqueued it.
    """

    def __init__(
        self,
        tracer_provider: TracerProvider | None = None,
        meter_provider: MeterProvider | None = None,
        *,
        new_traces: bool = False,
    ) -> None:
        self._tracer = trace.get_tracer(NAME, version(NAME), tracer_provider, schema_url=words.SCHEMA)
        self._attempts = Attempts(self._tracer, are_roots=new_traces)
        meter = metrics.get_meter(NAME, version(NAME), meter_provider, schema_url=words.SCHEMA)
        self._recording = Recording(Metered(meter))
        self._where: Attributes = {}

    def attached(self, source: object) -> None:
        self._where = address(source)

    def sending(self, *, many: bool) -> Sending:
        return (SentTasks if many else SentTask)(self._tracer, self._where)

    def running(self, context: Context[Any], task: Task[Any]) -> AbstractContextManager[object]:  # noqa: ARG002
        return self._attempts.begin(context, self._where)

    def failing(self, queue: str, task_id: str) -> Mapping[str, str]:
        return self._attempts.kept(queue, task_id)

    def crossing(self) -> Carried:
        return Carried("onebeat.observe.otel.crossing:entered", carrier.injected())

    def aggregating(
        self, queue: str, group: str, members: Sequence[Mapping[str, str]]
    ) -> AbstractContextManager[object]:
        return aggregation(self._tracer, queue, group, members, self._where)

    @asynccontextmanager
    async def serving(self, limit: float) -> AsyncIterator[None]:  # noqa: ARG002
        try:
            yield
        finally:
            self._attempts.hand_over()

    def event(self, event: Event) -> None:
        if isinstance(event, _ENDS):
            self._attempts.outcome(event)
        self._recording.event(event)

    def measured(self, figure: Figure, label: str, value: float) -> None:
        self._recording.measured(figure, label, value)


def address(source: object) -> Attributes:
    """Return where a store is: a host and its port, or a socket. Nothing of several nodes, which have no one place."""
    endpoint = source.endpoint if isinstance(source, Store) else find(source, None)
    settings = endpoint.settings
    if endpoint.seeds or not ("host" in settings or "path" in settings):
        return {}
    if "path" in settings:
        return {words.SERVER_ADDRESS: str(settings["path"])}
    return {words.SERVER_ADDRESS: str(settings["host"]), words.SERVER_PORT: int(settings.get("port", 6379))}
