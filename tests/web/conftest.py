"""A console over a real store, asked over HTTP."""

from __future__ import annotations

from collections.abc import AsyncIterator

import httpx2
import pytest

from onebeat.broker.store import Store
from onebeat.client import Client
from onebeat.inspector.inspector import Inspector
from onebeat.web import Console, console

ORIGIN = "http://127.0.0.1:8080"


@pytest.fixture
def board(store: Store) -> Console:
    """Return a console of the test's store."""
    return console(store)


@pytest.fixture
async def web(board: Console) -> AsyncIterator[httpx2.AsyncClient]:
    """Return a browser of sorts: it asks the console, and sends what a browser does with forms."""
    transport = httpx2.ASGITransport(board)
    async with httpx2.AsyncClient(transport=transport, base_url=ORIGIN, headers={"Origin": ORIGIN}) as client:
        yield client


@pytest.fixture
async def client(store: Store) -> AsyncIterator[Client]:
    """Return a client of the test's store."""
    async with Client(store) as opened:
        yield opened


@pytest.fixture
def inspector(store: Store) -> Inspector:
    """Return an inspector of the test's store."""
    return Inspector(store)
