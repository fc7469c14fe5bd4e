"""What consoles note of queues, and the charts that come of it."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import httpx2
import pytest
from starlette.types import Message

from onebeat.broker.store import Store
from onebeat.client import Client
from onebeat.errors import BrokerError
from onebeat.inspector.inspector import Inspector
from onebeat.task import Task
from onebeat.web import Console, console, sampling
from onebeat.wire import keys
from tests.conftest import Clock
from tests.web.conftest import ORIGIN


async def hold(client: Client, store: Store, clock: Clock, inspector: Inspector) -> None:
    """Have two minutes noted, in which a queue of Go's servers grew, and did something."""
    await client.enqueue_many([Task("t") for _ in range(3)], queue="mail")
    await inspector.sample_sizes()
    await clock.advance(60)
    await store.command("SET", f"{keys.root('mail')}processed", 40)
    await client.enqueue_many([Task("t") for _ in range(5)], queue="mail")
    await inspector.sample_sizes()


@pytest.mark.parametrize("path", ["/", "/queue?name=mail"])
async def test_a_queue_that_nobody_of_ours_serves_has_charts(
    web: httpx2.AsyncClient, client: Client, store: Store, clock: Clock, inspector: Inspector, path: str
) -> None:
    """How many tasks wait, and attempts by asynq's counters."""
    await hold(client, store, clock, inspector)
    page = (await web.get(path)).text
    assert "Tasks that waited, last hour. pending: 8 last, between 3 and 8" in page
    assert "Attempts a minute, last hour. attempts: 40 last" in page


@pytest.mark.parametrize("path", ["/", "/queue?name=mail"])
async def test_a_chart_says_as_of_when_it_is(
    store: Store, client: Client, clock: Clock, inspector: Inspector, path: str
) -> None:
    """Beside figures of this second: the last minute that was noted, in the viewer's zone."""
    await hold(client, store, clock, inspector)
    last = (await inspector.sizes("mail"))[-1].at
    await clock.advance(60)
    transport = httpx2.ASGITransport(console(store, read_only=True))  # which notes nothing itself
    async with httpx2.AsyncClient(transport=transport, base_url=ORIGIN) as web:
        page = (await web.get(path)).text
    assert f'as of <time datetime="{last:%Y-%m-%dT%H:%M}:00.000Z">{last:%H:%M}</time>' in page


async def test_one_minute_is_no_chart(web: httpx2.AsyncClient, client: Client, clock: Clock) -> None:
    """A single point says nothing of whether it grows."""
    await client.enqueue(Task("t"), queue="mail")
    assert 'id="backlog"' not in (await web.get("/")).text


async def test_a_look_notes_what_no_lifespan_does(
    web: httpx2.AsyncClient, client: Client, clock: Clock, inspector: Inspector
) -> None:
    """A console that is mounted has none: whoever looks lets it note the minute."""
    await client.enqueue(Task("t"), queue="mail")
    await web.get("/")
    assert [1] == [one.pending for one in await inspector.sizes("mail", minutes=1)]


async def test_a_console_that_is_read_only_writes_nothing(
    store: Store, client: Client, clock: Clock, inspector: Inspector
) -> None:
    """Not even this; it shows what others noted."""
    await hold(client, store, clock, inspector)
    await clock.advance(60)
    transport = httpx2.ASGITransport(console(store, read_only=True))
    async with httpx2.AsyncClient(transport=transport, base_url=ORIGIN) as web:
        assert "between 3 and 8" in (await web.get("/")).text
    assert None is (await inspector.sizes("mail", minutes=1))[0].pending


async def test_a_console_that_is_served_notes_it_unasked(
    board: Console, client: Client, clock: Clock, inspector: Inspector, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From when its lifespan begins, until that ends."""
    noted, real = asyncio.Event(), Inspector.sample_sizes

    async def sample_sizes(self: Inspector) -> int:
        number = await real(self)
        noted.set()
        return number

    monkeypatch.setattr(Inspector, "sample_sizes", sample_sizes)
    await client.enqueue(Task("t"), queue="mail")
    said: asyncio.Queue[Message] = asyncio.Queue()
    heard: asyncio.Queue[Message] = asyncio.Queue()
    life = asyncio.ensure_future(board({"type": "lifespan", "state": {}}, heard.get, said.put))
    heard.put_nowait({"type": "lifespan.startup"})
    assert "lifespan.startup.complete" == (await said.get())["type"]
    await noted.wait()
    assert [1] == [one.pending for one in await inspector.sizes("mail", minutes=1)]
    heard.put_nowait({"type": "lifespan.shutdown"})
    assert "lifespan.shutdown.complete" == (await said.get())["type"]
    await life


async def test_a_store_that_refuses_is_tried_again(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """What is wrong is said once, and that it works again."""
    caplog.set_level(logging.INFO, "onebeat.web")
    answers, worked = [BrokerError("no permission"), BrokerError("no permission")], asyncio.Event()

    class Noting:
        async def sample_sizes(self) -> int:
            if answers:
                raise answers.pop()
            worked.set()
            return 1

    async def inspector() -> Any:
        return Noting()

    monkeypatch.setattr(sampling, "EVERY_S", 0.0)
    noting = asyncio.ensure_future(sampling.keep_sampling(inspector))
    await worked.wait()
    await asyncio.sleep(0)
    noting.cancel()
    await asyncio.gather(noting, return_exceptions=True)
    said = [record.getMessage() for record in caplog.records]
    assert "noting how much queues hold: no permission; trying again" == said[0]
    assert "noting how much queues hold works again after 2 failures" in said
