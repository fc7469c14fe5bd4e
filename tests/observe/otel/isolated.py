"""An application with an isolated task, as a server and the processes of its tasks import it."""

from __future__ import annotations

from opentelemetry import baggage, trace

from onebeat import Context, Onebeat
from onebeat.observe.otel import OpenTelemetry

app = Onebeat("isolated-traces")
app.observe(OpenTelemetry())  # no SDK in this process: the context passes through


@app.task(isolation="process", retention=60)
def seen(ctx: Context) -> list[str]:
    """Say which span is current, what baggage there is, and which headers the task has."""
    span = trace.get_current_span().get_span_context()
    return [f"{span.trace_id:032x}", f"{span.span_id:016x}", str(baggage.get_baggage("tenant")), *sorted(ctx.headers)]


@app.task(isolation="process", retention=60)
def sends() -> str:
    """Enqueue another task, and say which."""
    return seen.enqueue_sync().id


@app.task(isolation="process", max_retry=0)
def fails() -> None:
    """Fail."""
    raise ValueError("in a process")
