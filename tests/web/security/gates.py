"""A small application behind the gate, and browsers of sorts that ask it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from datetime import UTC, datetime, timedelta
from functools import cache
from typing import Any

import httpx2
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from onebeat.web import forms, links
from onebeat.web.security.gate import doors, guarded, identity
from onebeat.web.security.login import PASSWORD as PASSWORD_WAY
from onebeat.web.security.login import Login, Refused, safe_next
from onebeat.web.security.roles import Role, User
from onebeat.web.security.rules import Rules
from onebeat.web.security.ways import Passwords, Tokens
from tests.web.conftest import cheap

ORIGIN = "http://127.0.0.1:8080"
SAME = {"Origin": ORIGIN}

ANN, BOB = User("ann", Role.ADMIN), User("bob", Role.VIEW, {"mail": Role.OPERATE})
PASSWORD = "correct horse battery"  # noqa: S105 - of a test
TOKEN = "ob_0123456789abcdefghij"  # noqa: S105 - of a test


class Hands:
    """A clock that is moved by hand."""

    def __init__(self) -> None:
        self.moved = timedelta()

    def now(self) -> datetime:
        return datetime(2026, 11, 26, 8, tzinfo=UTC) + self.moved

    def monotonic(self) -> float:
        return self.moved.total_seconds()


async def say(request: Request) -> Response:
    """Tell what has come in."""
    who = identity(request)
    return JSONResponse(
        {
            "path": request.scope["path"].removeprefix(request.scope["root_path"]),
            "root": request.scope["root_path"],
            "scheme": request.scope["scheme"],
            "client": request.scope["client"][0],
            "user": who and who.user.name,
            "role": who and str(who.user.role),
            "way": who and who.way,
            "headers": sorted(request.headers.keys()),
            "body": len(await request.body()),
        }
    )


async def login(request: Request) -> Response:
    """Sign in, as the login page does."""
    door: Login = request.scope["onebeat.login"]
    if request.method == "GET":
        return await say(request)
    form = await forms.read(request)
    found = await door.attempt(request, form.get("name"), form.get("password"))
    if isinstance(found, Refused):
        return JSONResponse({"detail": found.message}, found.status)
    answer = RedirectResponse(links.root(request) + safe_next(form.get("next", "/")), 303)
    await doors(request).begin(request, answer, found.name, PASSWORD_WAY, door.key_of)
    return answer


def pages(rules: Rules, **more: Any) -> Any:
    """Return the application behind the gate."""
    app = Starlette(
        routes=[
            Route("/login", login, methods=["GET", "POST"]),
            Route("/{path:path}", say, methods=["GET", "POST"]),
        ]
    )
    return guarded(app, rules, **more)


@cache
def passwords() -> Passwords:
    """Return ann and bob, each with a password."""
    with cheap():
        return Passwords([(PASSWORD, ANN), ("another long one", BOB)])


def tokens() -> Tokens:
    """Return ann, with a token."""
    return Tokens([(TOKEN, ANN)])


@asynccontextmanager
async def asking(
    app: Any, *, peer: str = "127.0.0.1", url: str = ORIGIN, headers: Mapping[str, str] = SAME
) -> AsyncIterator[httpx2.AsyncClient]:
    """Ask an application from an address."""
    transport = httpx2.ASGITransport(app, client=(peer, 50_000))
    async with httpx2.AsyncClient(transport=transport, base_url=url, headers=dict(headers)) as client:
        yield client


async def signed_in(client: httpx2.AsyncClient, name: str = "ann", password: str = PASSWORD) -> None:
    """Sign in."""
    answer = await client.post("/login", data={"name": name, "password": password})
    assert 303 == answer.status_code, answer.text
