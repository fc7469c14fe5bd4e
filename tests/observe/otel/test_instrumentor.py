"""Without a line of code: by the instrumentor, and by `opentelemetry-instrument`."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import entry_points
from pathlib import Path

import pytest

from onebeat.client import Client
from onebeat.observe.otel import OpenTelemetry
from onebeat.observe.otel.instrumentor import OnebeatInstrumentor
from onebeat.task import Task
from tests.observe.otel.conftest import Watch


@pytest.fixture
def instrumented(watch: Watch) -> Iterator[None]:
    """Instrument this process for a test."""
    instrumentor = OnebeatInstrumentor()
    instrumentor.instrument(tracer_provider=watch.tracers, meter_provider=watch.meters)
    yield
    instrumentor.uninstrument()


@pytest.mark.usefixtures("instrumented")
async def test_what_is_made_later_is_observed(url: str, watch: Watch) -> None:
    """A client that was told of no observer."""
    async with Client(url) as client:
        await client.enqueue(Task("mail"))
    assert 1 == len(watch.named("send default"))


@pytest.mark.usefixtures("instrumented")
async def test_an_observer_of_one_s_own_is_enough(url: str, watch: Watch) -> None:
    """Nothing is told twice."""
    async with Client(url, observers=[OpenTelemetry(watch.tracers)]) as client:
        await client.enqueue(Task("mail"))
    assert 1 == len(watch.named("send default"))


async def test_it_can_be_undone(url: str, watch: Watch) -> None:
    """What is made then is not observed."""
    OnebeatInstrumentor().instrument(tracer_provider=watch.tracers)
    OnebeatInstrumentor().uninstrument()
    async with Client(url) as client:
        await client.enqueue(Task("mail"))
    assert [] == watch.named("send default")


def test_it_is_found_by_its_entry_point() -> None:
    """As those of other libraries."""
    [found] = entry_points(group="opentelemetry_instrumentor", name="onebeat")
    assert OnebeatInstrumentor is found.load()


PROGRAM = """
import asyncio, os
from onebeat import Client, Task

async def main():
    async with Client(os.environ["ONEBEAT_URL"]) as client:
        await client.enqueue(Task("mail"))

asyncio.run(main())
"""


@pytest.mark.slow
def test_opentelemetry_instrument_traces_an_untouched_program(url: str, tmp_path: Path) -> None:
    """Its spans go where the environment says: here to standard output."""
    (tmp_path / "program.py").write_text(PROGRAM)
    environment = {
        **os.environ,
        "ONEBEAT_URL": url,
        "OTEL_TRACES_EXPORTER": "console",
        "OTEL_METRICS_EXPORTER": "none",
        "OTEL_LOGS_EXPORTER": "none",
    }
    words: list[str | Path] = [
        Path(sys.executable).with_name("opentelemetry-instrument"),
        sys.executable,
        tmp_path / "program.py",
    ]
    done = subprocess.run(words, env=environment, capture_output=True, text=True, check=True)
    assert '"name": "send default"' in done.stdout
