"""What is read once for all viewers is shown to those alone who may see it."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

import httpx2
import pytest
from starlette.requests import Request

from onebeat import Every, Task
from onebeat.broker.store import Store
from onebeat.client import Client
from onebeat.scheduler.entry import entry
from onebeat.scheduler.scheduler import Scheduler
from onebeat.web import Console, User, console
from onebeat.web.api.operation import PREFIX
from tests.conftest import NOON
from tests.web.api.filling import ODD, list_server
from tests.web.conftest import ORIGIN

ANN, EVE = User("ann", "admin"), User("eve", "view", {"payroll": None})
TWINS = {"one": User("bob", None, {"payroll": "view"}), "other": User("bob", None, {"mail": "view"})}


async def asked(board: Console, path: str, who: str) -> httpx2.Response:
    """Ask a console as somebody."""
    transport = httpx2.ASGITransport(board)
    async with httpx2.AsyncClient(transport=transport, base_url=ORIGIN, headers={"X-Who": who}) as client:
        return await client.get(path)


def board_of(store: Store, users: Mapping[str, User]) -> Console:
    """Return a console that is told who asks."""

    def authenticate(request: Request) -> User | None:
        return users.get(request.headers.get("x-who", ""))

    return console(store, auth=authenticate)


@pytest.fixture
async def payroll(store: Store, client: Client) -> Store:
    """Return a store with a queue that some may not see, with a schedule and a task."""
    scheduler = Scheduler(store, app="pay", entries=[entry("pay", Every(60), Task("t", queue="payroll"), {})])
    await scheduler.declare(store)
    await client.enqueue(Task("salary"), queue="payroll")
    await client.enqueue(Task("letter"), queue="mail")
    return store


async def test_a_schedule_that_one_viewer_looks_at_is_hidden_from_another(payroll: Store) -> None:
    """Also within the moment for which answers are kept, and while one is read."""
    board = board_of(payroll, {"ann": ANN, "eve": EVE})
    first, second = await asyncio.gather(*(asked(board, "/schedule?id=pay", who) for who in ("ann", "eve")))
    assert [200, 404] == [first.status_code, second.status_code]
    assert [404, 200] == [(await asked(board, "/schedule?id=pay", who)).status_code for who in ("eve", "ann")]


@pytest.mark.parametrize("path", ["/tasks?q=type:*", "/tasks/complete"])
async def test_one_name_may_have_several_rights(payroll: Store, path: str) -> None:
    """As where a token is called as a user is: what one of them sees is not shown to the other."""
    board = board_of(payroll, TWINS)
    await asked(board, path, "one")
    assert "payroll" not in (await asked(board, path, "other")).text


async def test_what_one_may_do_is_not_counted_for_another(payroll: Store) -> None:
    """Though both see all queues."""
    board = board_of(payroll, {"ann": ANN, "bob": User("bob", "view")})
    path = f"{PREFIX}/jobs/preview?action=archive"
    counts = [(await asked(board, path, who)).json()["count"] for who in ("bob", "ann")]
    assert [0, 2] == counts


async def test_the_queues_of_a_server_are_named_as_far_as_they_are_seen(payroll: Store) -> None:
    """In the list as in its own document."""
    await list_server(payroll, "web-1", 41, "one", NOON)
    board = board_of(payroll, {"eve": User("eve", "view", {"q": None})})
    [row] = (await asked(board, f"{PREFIX}/servers", "eve")).json()["servers"]
    alone = (await asked(board, f"{PREFIX}/server?server=one", "eve")).json()["server"]
    assert [[ODD], [ODD]] == [list(one["queues"]) for one in (row, alone)]
