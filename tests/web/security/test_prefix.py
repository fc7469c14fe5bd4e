"""A console by uvicorn, behind a proxy that strips the prefix and behind one that keeps it."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx2
import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from onebeat.broker.store import Store
from onebeat.errors import ConfigurationError
from onebeat.inspector.inspector import Inspector
from onebeat.web import Passwords, User, console
from onebeat.web.console import routes
from onebeat.web.security.credentials import PasswordHash
from onebeat.web.security.proxies import is_ambiguous
from onebeat.web.serving import address, listening, server

pytestmark = pytest.mark.slow

PASSWORD = "correct horse"  # noqa: S105 - of a test
HASH = PasswordHash.make(PASSWORD)
PAGES = [route.path for route in routes() if isinstance(route, Route)]


@asynccontextmanager
async def served(serving: uvicorn.Server) -> AsyncIterator[str]:
    """Serve at a free port while the block runs; returns the address without a slash at its end."""
    with listening("127.0.0.1", 0) as place:
        task = asyncio.create_task(serving.serve(sockets=[place]))
        try:
            yield address(place).rstrip("/")
        finally:
            serving.should_exit = True
            await task


@asynccontextmanager
async def proxied(behind: str, prefix: str, *, strips: bool) -> AsyncIterator[str]:
    """Serve a proxy that passes on what is below a prefix."""
    async with httpx2.AsyncClient(timeout=60) as http:

        async def pass_on(request: Request) -> Response:
            path = request.url.path.removeprefix(prefix) if strips else request.url.path
            sent = [(name, value) for name, value in request.headers.items() if name != "connection"]
            sent += [("x-forwarded-for", "192.0.2.7"), ("x-forwarded-proto", "http")]
            answer = await http.request(
                request.method, f"{behind}{path or '/'}", params=request.url.query or None, headers=sent,
                content=await request.body(),
            )  # fmt: skip
            given = Response(answer.content, answer.status_code)
            given.raw_headers = [
                (name.encode(), value.encode())
                for name, value in answer.headers.multi_items()
                if name not in ("content-encoding", "content-length", "transfer-encoding", "connection")
            ]
            given.raw_headers.append((b"content-length", str(len(answer.content)).encode()))
            return given

        app = Starlette(routes=[Route(f"{prefix}{{rest:path}}", pass_on, methods=["GET", "POST"])])
        async with served(uvicorn.Server(uvicorn.Config(app, log_level="warning", lifespan="off"))) as public:
            yield public


@pytest.mark.parametrize("strips", [True, False], ids=["stripped", "kept"])
@pytest.mark.parametrize(
    ("prefix", "is_said"),
    [("/onebeat", False), ("/a/b", False), ("/tasks", True), ("/job", True), ("/api/v1", True), ("/login", True)],
)
async def test_every_page_is_found_behind_either_proxy(
    store: Store, prefix: str, *, strips: bool, is_said: bool
) -> None:
    """Links, files, forms and sessions as well, though the prefix be what a page is called."""
    more: dict[str, Any] = {"prefix_stripped": strips} if is_said else {}
    board = console(store, auth=Passwords([(HASH, User("ann", "admin"))]), prefix=prefix, proxies=["127.0.0.1"], **more)
    async with (
        served(server(board)) as behind,
        proxied(behind, prefix, strips=strips) as public,
        httpx2.AsyncClient(base_url=public, headers={"Origin": public}, timeout=60) as http,
    ):
        answer = await http.get(f"{prefix}/tasks")
        assert (303, f"{prefix}/login?next=%2Ftasks") == (answer.status_code, answer.headers["location"])
        answer = await http.post(f"{prefix}/login", data={"name": "ann", "password": PASSWORD, "next": "/tasks"})
        assert (303, f"{prefix}/tasks") == (answer.status_code, answer.headers["location"])
        assert f"Path={prefix}/;" in answer.headers["set-cookie"]
        titles, files = {}, [""]
        for path in ("/", "/tasks", "/jobs", "/login?next=/queue"):
            answer = await http.get(f"{prefix}{path}")
            titles[path] = answer.headers.get("location") or re.findall("<h1>(.*?)</h1>", answer.text)[0]
            files += re.findall('href="([^"]+console[^"]*css)"', answer.text)
        assert {"/": "Overview", "/tasks": "Tasks", "/jobs": "Jobs", "/login?next=/queue": f"{prefix}/queue"} == titles
        assert files[-1].startswith(f"{prefix}/assets/")
        assert 200 == (await http.get(files[-1])).status_code
        assert 200 == (await http.get(f"{prefix}/api/v1/queues")).status_code
    assert ["192.0.2.7"] == [one.address for one in await Inspector(store).console_sessions("ann")]


@pytest.mark.parametrize("prefix", ["/tasks", "/jobs", "/job", "/api", "/api/v1", "/assets", "/assets/x", "/login/"])
def test_a_prefix_that_a_path_does_not_show_is_refused(prefix: str) -> None:
    """With what to say; once that is said, it is taken."""
    with pytest.raises(ConfigurationError, match="say so with --prefix-stripped or --prefix-kept"):
        console(prefix=prefix)
    assert [True, False] == [
        console(prefix=prefix, prefix_stripped=stripped).settings.prefix_stripped for stripped in (True, False)
    ]


@pytest.mark.parametrize("prefix", ["", "/onebeat", "/a/tasks", "/tasksx", "/task-queue", "/api/onebeat"])
def test_other_prefixes_are_seen_from_the_path(prefix: str) -> None:
    """Nothing of the console begins so."""
    assert not is_ambiguous(prefix, PAGES)


async def test_a_proxy_that_says_what_it_stripped_is_believed(store: Store) -> None:
    """Though a page is called so."""
    board = console(store, auth=lambda _request: User("ann", "admin"), proxies=["127.0.0.1"])
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(board), base_url="http://127.0.0.1:8080") as http:
        page = (await http.get("/tasks", headers={"X-Forwarded-Prefix": "/tasks"})).text
        assert ("<h1>Tasks</h1>" in page, 'href="/tasks/tasks"' in page) == (True, True)
