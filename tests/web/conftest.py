"""A console over a real store, asked over HTTP."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager

import httpx2
import pytest

from onebeat.broker.store import Store
from onebeat.client import Client
from onebeat.inspector.inspector import Inspector
from onebeat.web import Console, console
from onebeat.web.security import credentials
from onebeat.web.security.credentials import PasswordHash

ORIGIN = "http://127.0.0.1:8080"


@contextmanager
def cheap() -> Iterator[None]:
    """Have passwords hashed so that comparing takes no time; what a real one costs is for tests of it alone."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(credentials, "COST", {"n": 2, "r": 1, "p": 1})
        yield


def cheap_hash(password: str) -> PasswordHash:
    """Hash a password so."""
    with cheap():
        return PasswordHash.make(password)


@pytest.fixture
async def board(store: Store) -> AsyncIterator[Console]:
    """Return a console of the test's store; what it runs by itself ends with the test."""
    made = console(store)
    yield made
    await made.aclose()


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
