"""A provider, and a console that has its users signed in there."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from typing import Any

import httpx2
import pytest

from onebeat.broker.store import Store
from onebeat.web import Console, OpenIDConnect, console
from tests.web.oidc.provider import CLIENT, SECRET, Provider

ORIGIN = "http://127.0.0.1:8080"
ROLES = {"oncall": "operate", "platform": "admin"}


@pytest.fixture(scope="module")
def served() -> Iterator[Provider]:
    """Serve a provider for a module."""
    with Provider().serving() as provider:
        yield provider


@pytest.fixture
def provider(served: Provider) -> Provider:
    """Return it as it should be."""
    served.reset()
    return served


def told(provider: Provider, **more: Any) -> OpenIDConnect:
    """Return what a console is told of the provider."""
    given = {"client_secret": SECRET, "name": "Acme", "roles": ROLES, **more}
    return OpenIDConnect(issuer=provider.issuer, client_id=CLIENT, **given)


class Visitor:
    """A browser of sorts in front of a console, whose user signs in with the provider."""

    def __init__(self, http: httpx2.AsyncClient, provider: Provider) -> None:
        self.http = http
        self.provider = provider

    async def begin(self, path: str = "/login/oidc") -> str:
        """Ask to sign in; return where one is sent."""
        answer = await self.http.get(path)
        assert 303 == answer.status_code, answer.text
        return answer.headers["location"]

    async def back(self, address: str) -> httpx2.Response:
        """Come back from the provider, whose page links here."""
        return await self.http.get(address, headers={"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"})

    async def sign_in(self, path: str = "/login/oidc", **more: str) -> httpx2.Response:
        """Go there and come back; return the answer."""
        return await self.back(self.provider.authorize(await self.begin(path), **more))

    async def who(self) -> tuple[str, str | None, dict[str, str]] | None:
        """Return whom the console knows: name, role, roles on queues; None: nobody."""
        answer = await self.http.get("/api/v1/whoami")
        if answer.status_code == 401:
            return None
        said = answer.json()
        return said["name"], said["role"], said["queues"]


Visiting = Callable[..., Visitor]


@pytest.fixture
async def visiting(store: Store, provider: Provider) -> AsyncIterator[Visiting]:
    """Return what opens a browser in front of a console; all that is told of the provider may be said otherwise."""
    opened: list[httpx2.AsyncClient] = []

    def visit(
        board: Console | None = None, *, url: str = ORIGIN, peer: str = "127.0.0.1", headers: Any = None, **more: Any
    ) -> Visitor:
        board = board or console(store, auth=told(provider, **more))
        transport = httpx2.ASGITransport(board, client=(peer, 50_000))
        opened.append(httpx2.AsyncClient(transport=transport, base_url=url, headers=headers))
        return Visitor(opened[-1], provider)

    yield visit
    for http in opened:
        await http.aclose()
