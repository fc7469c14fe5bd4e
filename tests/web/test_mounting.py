"""The console inside other applications."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx2
import pytest
from fastapi import FastAPI
from starlette.applications import Starlette
from starlette.routing import Mount

from onebeat.app.app import Onebeat
from onebeat.client import Client
from onebeat.errors import BrokerUnavailable, ConfigurationError
from onebeat.task import Task
from onebeat.web import console, onebeat_web

Host = Callable[[Any], Any]


def starlette(console: Any) -> Any:
    return Starlette(routes=[Mount("/tasks", console)])


def fastapi(console: Any) -> Any:
    host = FastAPI()
    host.mount("/tasks", console)
    return host


@contextlib.asynccontextmanager
async def asking(host: Any) -> AsyncIterator[httpx2.AsyncClient]:
    origin = "http://127.0.0.1:8080"
    async with httpx2.AsyncClient(
        transport=httpx2.ASGITransport(host), base_url=origin, headers={"Origin": origin}
    ) as client:
        yield client


@pytest.mark.parametrize("framework", [starlette, fastapi])
async def test_a_mounted_console_links_below_its_mount(framework: Host, url: str) -> None:
    """Pages, forms, and what they load are addressed below where the console is mounted."""
    app = Onebeat("shop", url=url)
    async with app, asking(framework(onebeat_web(app))) as web:
        async with Client(url) as client:
            await client.enqueue(Task("email:welcome"), queue="reports")
        page = (await web.get("/tasks/")).text
        assert 'href="/tasks/queue?name=reports"' in page
        assert 'action="/tasks/queue/pause"' in page
        asset = page.partition('<link rel="stylesheet" href="')[2].partition('"')[0]
        assert asset.startswith("/tasks/assets/")
        assert 200 == (await web.get(asset)).status_code
        answer = await web.post("/tasks/queue/pause", data={"queue": "reports"})
        assert (303, "/tasks/") == (answer.status_code, answer.headers["location"])


async def test_a_console_opens_its_store_without_a_lifespan_and_closes_it(url: str) -> None:
    """Mounted applications get no lifespan: the first page opens the store, `aclose` or the loop's end closes it."""
    console = onebeat_web(url)
    async with asking(starlette(console)) as web:
        assert 200 == (await web.get("/tasks/")).status_code
        await console.aclose()
        assert 200 == (await web.get("/tasks/")).status_code
    await console.aclose()


def test_what_is_no_application_is_refused() -> None:
    """By what it is, and what would do."""
    with pytest.raises(ConfigurationError, match="app is 'shop:app': give an Onebeat application"):
        console("redis://127.0.0.1:1", app="shop:app")  # type: ignore[arg-type] # what it is about


async def test_an_application_alone_is_the_store_too() -> None:
    """And beside a store it only says what is declared."""
    app = Onebeat("shop", url="redis://of-code:1")
    for board, where in ((console(app=app), "of-code"), (console("redis://of-url:1", app=app), "of-url")):
        assert app is board.app
        with pytest.raises(BrokerUnavailable, match=where):
            await board.inspector()
        await board.aclose()
    await app.aclose()
