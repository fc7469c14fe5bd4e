"""The API over a filled store, asked as a script asks."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import httpx2
import pytest
from jsonschema import Draft202012Validator

from onebeat.broker.call import Argument
from onebeat.broker.store import Store
from onebeat.web import Console, console
from onebeat.web.api import openapi
from onebeat.web.api.operation import PREFIX
from onebeat.web.api.table import RESOURCES
from tests.conftest import NOON, Clock
from tests.inspector.conftest import everything
from tests.web.api.filling import fill
from tests.web.conftest import ORIGIN

DOCUMENT = openapi.document(RESOURCES, "", is_open=True)


class Api:
    """Asks, and holds each answer against the document."""

    def __init__(self, http: httpx2.AsyncClient) -> None:
        self.http = http

    async def get(self, path: str, status: int = 200, **query: Any) -> Any:
        """Read something."""
        answer = await self.http.get(PREFIX + path, params=query)
        return check(answer, "GET", path, status)

    async def post(self, path: str, status: int = 200, **body: Any) -> Any:
        """Change something."""
        answer = await self.http.post(PREFIX + path, json=body)
        return check(answer, "POST", path, status)


def check(answer: httpx2.Response, method: str, path: str, status: int) -> Any:
    """Return the document of an answer, as the OpenAPI document says that it is."""
    assert status == answer.status_code, answer.text
    responses = DOCUMENT["paths"][path][method.lower()]["responses"]
    said = responses[str(status)]
    if "$ref" in said:
        said = DOCUMENT["components"]["responses"][said["$ref"].rpartition("/")[2]]
    [(kind, content)] = said["content"].items()
    assert kind == answer.headers["content-type"]
    found = answer.json()
    schema = {**content["schema"], "components": DOCUMENT["components"]}
    Draft202012Validator(schema, format_checker=Draft202012Validator.FORMAT_CHECKER).validate(found)
    return found


@pytest.fixture(scope="session")
def kept() -> list[tuple[Argument, ...]]:
    """Return the commands that fill a store, once it was filled: it takes long, and comes out the same each time."""
    return []


@pytest.fixture
async def filled(store: Store, clock: Clock, kept: list[tuple[Argument, ...]]) -> Store:
    """Return a store with something of everything."""
    if not kept:
        await fill(store, NOON)
        dumps = await everything(store)
        spans = await store.commands([("PTTL", key) for key in dumps])
        kept += [
            ("RESTORE", key, max(span, 0), dump, "REPLACE")
            for (key, dump), span in zip(dumps.items(), spans, strict=True)
        ]
    await store.commands(kept)
    return store


@pytest.fixture
async def board(filled: Store) -> AsyncIterator[Console]:
    """Return a console of it; what it runs by itself ends with the test."""
    made = console(filled)
    yield made
    await made.aclose()


@pytest.fixture
async def api(board: Console) -> AsyncIterator[Api]:
    """Return what asks the API."""
    transport = httpx2.ASGITransport(board)
    async with httpx2.AsyncClient(transport=transport, base_url=ORIGIN, headers={"Origin": ORIGIN}) as http:
        yield Api(http)
