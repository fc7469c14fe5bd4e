"""Without a line of code: by the instrumentor, and by `opentelemetry-instrument`."""

from __future__ import annotations

import asyncio
import os
import re
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
from tests.server.conftest import until


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


SHOP = """
from opentelemetry import trace
from onebeat import Onebeat

app = Onebeat("shop")

@app.task()
async def pay() -> None:
    await mail.enqueue()

@app.task(isolation="process")
def mail() -> None:
    with trace.get_tracer("shop").start_as_current_span("smtp"):
        pass
"""

ORDER = """
import asyncio
from shop import app, pay

async def main():
    async with app:
        await pay.enqueue()

asyncio.run(main())
"""


@pytest.mark.slow
async def test_opentelemetry_instrument_traces_untouched_programs(url: str, tmp_path: Path) -> None:
    """A client, the children of `onebeat run`, and the process of an isolated task: one trace, exported by each."""
    (tmp_path / "shop.py").write_text(SHOP)
    (tmp_path / "order.py").write_text(ORDER)
    environment = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "ONEBEAT_URL": url,
        "OTEL_TRACES_EXPORTER": "console",
        "OTEL_METRICS_EXPORTER": "none",
        "OTEL_LOGS_EXPORTER": "none",
        "OTEL_BSP_SCHEDULE_DELAY": "50",
    }
    with (tmp_path / "spans").open("w") as spans:

        async def begin(*words: str) -> asyncio.subprocess.Process:
            return await asyncio.create_subprocess_exec(
                "opentelemetry-instrument", *words, cwd=tmp_path, env=environment, stdout=spans
            )

        async def are_there() -> bool:
            return '"name": "smtp"' in (tmp_path / "spans").read_text()

        server = await begin("onebeat", "run", "shop:app", "--processes", "2")
        assert 0 == await (await begin("python", "order.py")).wait()
        await until(are_there, 120)
        server.terminate()
        assert 0 == await server.wait()
    said = (tmp_path / "spans").read_text()
    names = re.findall(r'"name": "(.*?)"', said)
    assert ["process default", "process default", "send default", "send default", "smtp"] == sorted(names)
    assert 1 == len(set(re.findall(r'"trace_id": "(.*?)"', said)))
