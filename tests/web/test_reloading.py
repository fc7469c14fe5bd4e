"""Viewers share what is read; who reloads is shown how it is."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import timedelta

import httpx2
import pytest

from onebeat.broker.store import Store
from onebeat.web.console import Console
from onebeat.web.settings import Settings
from tests.conftest import Clock
from tests.inspector.test_error_groups import fail
from tests.web.conftest import ORIGIN
from tests.web.security.gates import Hands

RELOADS = ("max-age=0", "no-cache", "No-Cache, no-store", "private, MAX-AGE=0")


@pytest.fixture
def hands() -> Hands:
    """Return the clock that says how old an answer is."""
    return Hands()


@pytest.fixture
async def web(store: Store, hands: Hands) -> AsyncIterator[httpx2.AsyncClient]:
    """Return a browser of a console that goes by the clock."""
    board = Console(store, Settings(), monotonic=hands.monotonic)
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(board), base_url=ORIGIN) as client:
        yield client
    await board.aclose()


async def told(web: httpx2.AsyncClient, path: str, cache_control: str = "") -> str:
    answer = await web.get(path, headers={"Cache-Control": cache_control} if cache_control else {})
    assert 200 == answer.status_code, answer.text
    return answer.text


@pytest.mark.parametrize("path", ["/tasks?q=error:bank", "/errors?q=error:bank", "/api/v1/errors?q=error:bank"])
@pytest.mark.parametrize("said", RELOADS)
async def test_who_reloads_is_shown_how_it_is(
    web: httpx2.AsyncClient, store: Store, clock: Clock, hands: Hands, path: str, said: str
) -> None:
    """Not what somebody else was shown some seconds ago, though that stays good for whoever comes by."""
    await fail(store, "first", "the bank is closed")
    await told(web, path)
    await fail(store, "second", "the bank burns")
    hands.moved += timedelta(seconds=2)
    assert "burns" not in await told(web, path)
    assert "burns" in await told(web, path, said)
    assert "burns" in await told(web, path)


async def test_who_reloads_and_reloads_asks_the_store_once_a_second(
    web: httpx2.AsyncClient, store: Store, clock: Clock, hands: Hands
) -> None:
    """However many do."""
    path = "/tasks?q=error:bank"
    await told(web, path, "no-cache")
    await fail(store, "first", "the bank is closed")
    hands.moved += timedelta(seconds=0.9)
    assert "closed" not in await told(web, path, "no-cache")
    hands.moved += timedelta(seconds=0.1)
    assert "closed" in await told(web, path, "no-cache")


@pytest.mark.parametrize("said", ["max-age=10", "only-if-cached", "no-cachet", "max-age=01"])
async def test_other_words_are_none_of_a_reload(
    web: httpx2.AsyncClient, store: Store, clock: Clock, hands: Hands, said: str
) -> None:
    """A proxy may say what it likes."""
    await told(web, "/tasks?q=error:bank")
    await fail(store, "first", "the bank is closed")
    hands.moved += timedelta(seconds=2)
    assert "closed" not in await told(web, "/tasks?q=error:bank", said)
