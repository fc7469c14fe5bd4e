"""Each role × each action × each way in, over HTTP: pages and API."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager
from typing import Any

import httpx2
import pytest
from starlette.exceptions import HTTPException
from starlette.requests import Request

from onebeat.broker.store import Store
from onebeat.inspector.auditing import AuditOutcome, AuditRecord
from onebeat.inspector.inspector import Inspector
from onebeat.web import Console, Grant, Passwords, ProxyHeader, Tokens, User, console
from onebeat.web.admitting import BEGIN
from onebeat.web.api.limits import Rate
from onebeat.web.api.operation import PREFIX
from onebeat.web.api.table import OPERATIONS
from onebeat.web.security.oidc.flows import CALLBACK
from onebeat.web.security.oidc.flows import PATH as SIGN_IN
from onebeat.web.security.roles import ALWAYS
from tests.conftest import NOON
from tests.web.api.filling import fill
from tests.web.conftest import ORIGIN, cheap_hash
from tests.web.oidc.conftest import told
from tests.web.oidc.provider import Provider
from tests.web.security.rights import JOB, PAGES, PERSONAL, QUEUE, Change, api, pages, posting

pytestmark = pytest.mark.slow

USERS = (
    User("view", "view"),
    User("operate", "operate"),
    User("admin", "admin"),
    User("operates-one", "view", {QUEUE: "operate"}),
    User("owns-one", None, {QUEUE: "admin"}),
    User("sees-another", None, {"other": "admin"}),
    User("all-but-one", "admin", {QUEUE: None}),
)
WAYS = ("password", "oidc", "token", "proxy", "function")
CHANGES = (*PAGES, *api())
PASSWORD = "one for all of them"  # noqa: S105 - of a test
HASH = cheap_hash(PASSWORD)
PASSED = 409
"""What the deed is answered by: that it was allowed is all that one wants to know."""


def token(user: User) -> str:
    return f"token-of-{user.name}-0123456789"


def authenticate(request: Request) -> User | None:
    return next((user for user in USERS if user.name == request.headers.get("x-test-user")), None)


PROVIDER = Provider()


@pytest.fixture(scope="module", autouse=True)
def _provider() -> Iterator[None]:
    """Serve the provider."""
    with PROVIDER.serving():
        yield


MADE: dict[str, Callable[[], dict[str, Any]]] = {
    "password": lambda: {"auth": Passwords([(HASH, user) for user in USERS])},
    "oidc": lambda: {"auth": told(PROVIDER, roles={user.name: Grant(user.role, user.queues) for user in USERS})},
    "token": lambda: {"auth": Tokens([(token(user), user) for user in USERS])},
    "proxy": lambda: {"auth": ProxyHeader(users={user.name: user for user in USERS}), "proxies": ["127.0.0.1"]},
    "function": lambda: {"auth": authenticate},
    "none": dict,
}


@asynccontextmanager
async def asking(board: Console, way: str, user: User | None) -> AsyncIterator[httpx2.AsyncClient]:
    """Ask as a user who comes in by a way; None: as nobody."""
    headers = {"Origin": ORIGIN}
    if user is not None:
        headers |= {
            "token": {"Authorization": f"Bearer {token(user)}"},
            "proxy": {"X-Forwarded-User": user.name},
            "function": {"X-Test-User": user.name},
        }.get(way, {})
    transport = httpx2.ASGITransport(board)
    async with httpx2.AsyncClient(transport=transport, base_url=ORIGIN, headers=headers) as http:
        if way == "password" and user is not None:
            answer = await http.post("/login", data={"name": user.name, "password": PASSWORD})
            assert 303 == answer.status_code
        if way == "oidc" and user is not None:
            PROVIDER.person = {"sub": "1", "preferred_username": user.name, "groups": [user.name]}
            answer = await http.get(PROVIDER.authorize((await http.get(SIGN_IN)).headers["location"]))
            assert 200 == answer.status_code
        yield http


async def send(http: httpx2.AsyncClient, change: Change, job: str = JOB, **headers: str) -> int:
    """Ask for a change; return the status."""
    said = {name: job if value == JOB else value for name, value in change.said.items()}
    if change.is_api:
        return (await http.post(change.path, json=said, headers=headers)).status_code
    return (await http.post(change.path, data=said, headers=headers)).status_code


@pytest.fixture
async def filled(store: Store) -> Store:
    """Return a store with something of everything."""
    await fill(store, NOON)
    return store


@pytest.fixture
async def job(filled: Store) -> str:
    """Return a job that somebody has begun and stopped."""
    inspector = Inspector(filled)
    begun = await inspector.begin_job("archive", f"queue={QUEUE}", user="somebody")
    await inspector.run_job(begun.id, stopping=lambda: True)
    return begun.id


@pytest.fixture
def noted(monkeypatch: pytest.MonkeyPatch) -> list[AuditRecord]:
    """Return what is written down of each change; none takes place, as it is stopped just before."""
    found: list[AuditRecord] = []

    async def record_audit(_self: Inspector, record: AuditRecord) -> AuditRecord:
        if record.action == BEGIN:  # signing in is no change, and comes before all that is looked at
            return record
        found.append(record)
        if record.outcome is AuditOutcome.BEGUN:
            raise HTTPException(PASSED, "It was allowed.")
        return record

    monkeypatch.setattr(Inspector, "record_audit", record_audit)
    monkeypatch.setattr(Rate, "take", lambda *_asked: None)
    monkeypatch.setattr("onebeat.web.acting.REFUSALS", 1000)
    return found


def test_no_route_that_changes_something_is_left_out() -> None:
    """A page that takes a form has to say here which action it is, or it fails this test."""
    paths = posting()
    api_paths = {path for path in paths if path.startswith("/api/")}
    assert paths - api_paths == {change.path for change in PAGES} | PERSONAL


@pytest.mark.parametrize("user", USERS, ids=lambda user: user.name)
@pytest.mark.parametrize("way", WAYS)
async def test_each_role_may_do_what_the_table_says(
    filled: Store, job: str, noted: list[AuditRecord], way: str, user: User
) -> None:
    """Whichever way it comes in; and each attempt is written down, that which was refused as well."""
    board = console(filled, **MADE[way]())
    wrong: list[str] = []
    async with asking(board, way, user) as http:
        for change in CHANGES:
            noted.clear()
            status = await send(http, change, job)
            records = {(record.action, record.outcome) for record in noted}
            if change.allows(user):
                expected, statuses = {(change.action, AuditOutcome.BEGUN)}, {PASSED}
            elif change.is_seen(user):
                expected, statuses = {(change.action, AuditOutcome.REFUSED)}, {403}
            else:  # it is not told whether it is there
                expected, statuses = records & {(change.action, AuditOutcome.REFUSED)}, {403, 404}
            if status not in statuses or records != expected or {record.user for record in noted} - {user.name}:
                wrong.append(f"{change}: {status}, {sorted(records)}, not {sorted(statuses)}, {sorted(expected)}")
    assert "" == "\n".join(wrong)


@pytest.mark.parametrize("way", WAYS)
async def test_nobody_may_do_or_read_anything(filled: Store, noted: list[AuditRecord], way: str) -> None:
    """Without saying who one is one gets to the login, and nothing else; the store is not asked."""
    board = console(filled, **MADE[way]())
    async with asking(board, way, None) as http:
        read = {path: (await http.get(path)).status_code for path in pages() - {"/login", SIGN_IN, CALLBACK}}
        told = {(await http.get(f"{PREFIX}{one.path}")).status_code for one in OPERATIONS if not one.writes}
        done = {str(change): await send(http, change) for change in CHANGES}
    assert {303 if way in ("password", "oidc") else 403} == set(read.values())
    assert {401} == told
    assert {True} == {status in (303, 401, 403) for status in done.values()}
    assert "" == board.store_name
    assert [] == noted


async def test_where_nobody_is_asked_who_is_here_may_do_all(filled: Store, job: str, noted: list[AuditRecord]) -> None:
    """Under the name "local"."""
    async with asking(console(filled), "none", None) as http:
        assert {PASSED} == {await send(http, change, job) for change in CHANGES}
    assert {"local"} == {record.user for record in noted}


@pytest.mark.parametrize("way", [*WAYS, "none"])
async def test_a_read_only_console_lets_nobody_change_anything(
    filled: Store, job: str, noted: list[AuditRecord], way: str
) -> None:
    """Not even an administrator; but to end sessions is no change of anything that tasks do."""
    board = console(filled, read_only=True, **MADE[way]())
    async with asking(board, way, USERS[2]) as http:
        for change in CHANGES:
            expected = PASSED if change.action in ALWAYS else 403
            assert expected == await send(http, change, job), change
    assert ALWAYS == {record.action for record in noted}


@pytest.mark.parametrize("change", CHANGES, ids=str)
async def test_another_site_makes_no_change(filled: Store, noted: list[AuditRecord], change: Change) -> None:
    """Nor does something that says not where it comes from, however well it is signed in."""
    board = console(filled, **MADE["password"]())
    async with asking(board, "password", USERS[2]) as http:
        assert 403 == await send(http, change, Origin="http://evil.example")
        assert 403 == await send(http, change, **{"Sec-Fetch-Site": "cross-site"})
        del http.headers["Origin"]
        assert 403 == await send(http, change)
    assert [] == noted
