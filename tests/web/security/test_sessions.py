"""Sessions that end before their time, in every process, and what stands of them in the audit."""

from __future__ import annotations

import html
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any
from urllib.parse import unquote

import httpx2
import pytest

from onebeat.broker.store import Store
from onebeat.errors import BrokerError, BrokerUnavailable
from onebeat.inspector.auditing import AuditOutcome
from onebeat.inspector.inspector import Inspector
from onebeat.web import Console, Passwords, User, admitting, console
from onebeat.web.api.operation import PREFIX
from onebeat.web.security import ledger
from tests.web.conftest import ORIGIN, cheap_hash

PASSWORD = "one for all of them"  # noqa: S105 - of a test
HASH = cheap_hash(PASSWORD)
USERS = (User("ann", "view"), User("bob", "admin"), User("eve", None, {"mail": "view"}))


def board_of(store: Store, **more: Any) -> Console:
    """Return one process of a console."""
    return console(store, auth=Passwords([(HASH, user) for user in USERS]), **more)


@asynccontextmanager
async def browser(board: Console, name: str = "", *, cookies: Any = None) -> AsyncIterator[httpx2.AsyncClient]:
    """Return a browser in which somebody is signed in, or with another's cookies."""
    transport = httpx2.ASGITransport(board)
    async with httpx2.AsyncClient(transport=transport, base_url=ORIGIN, headers={"Origin": ORIGIN}) as http:
        if name:
            answer = await http.post("/login", data={"name": name, "password": PASSWORD})
            assert 303 == answer.status_code
        if cookies is not None:
            http.cookies = httpx2.Cookies(cookies)
        yield http


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have every request ask the store, so that nobody has to wait for an answer to get old."""
    monkeypatch.setattr(ledger, "GOOD_S", 0.0)


async def is_in(http: httpx2.AsyncClient) -> bool:
    """Whether somebody is let in."""
    return (await http.get("/settings")).status_code == 200


async def test_who_signs_out_ends_the_session_itself(store: Store) -> None:
    """A copy of the cookie is of no use, in any process; other sessions of the user stay on."""
    one, other = board_of(store), board_of(store)
    async with browser(one, "ann") as http, browser(one, "ann") as second:
        stolen = httpx2.Cookies(http.cookies)
        answer = await http.post("/logout")
        assert ("/login", False) == (answer.headers["location"], await is_in(http))
        for board in (one, other):
            async with browser(board, cookies=stolen) as thief:
                assert not await is_in(thief)
        assert await is_in(second)


async def test_who_signs_out_everywhere_ends_all_ones_sessions(store: Store) -> None:
    """In all processes, and nobody else's; then one can sign in again at once."""
    one, other = board_of(store), board_of(store)
    async with browser(one, "ann") as http, browser(other, "ann") as second, browser(one, "bob") as third:
        answer = await http.post("/sessions/end", data={"user": ""})
        assert "/login" == answer.headers["location"]
        assert (False, False, True) == (await is_in(http), await is_in(second), await is_in(third))
        async with browser(other, "ann") as again:
            assert await is_in(again)


async def test_another_of_ones_sessions_is_ended_from_settings(store: Store) -> None:
    """Each stands there, with a button."""
    board = board_of(store)
    async with browser(board, "ann") as http, browser(board, "ann") as second:
        assert (True, True) == (await is_in(http), await is_in(second))
        page = html.unescape((await http.get("/settings")).text)
        found = await Inspector(store).console_sessions("ann")
        assert 2 == len(found)
        assert all(f'name="session" value="{one.id}"' in page for one in found)
        [this] = [one.id for one in found if f's-{one.id}">' in page.partition("this one")[0][-400:]]
        [other] = [one.id for one in found if one.id != this]
        assert "/settings" == (await http.post("/sessions/end", data={"session": other})).headers["location"]
        assert (True, False) == (await is_in(http), await is_in(second))


async def test_an_administrator_ends_the_sessions_of_somebody_else(store: Store) -> None:
    """By a page, or by the API; nobody else may, nor learns who is signed in."""
    board = board_of(store)
    async with browser(board, "ann") as http, browser(board, "bob") as admin:
        assert 403 == (await http.post("/sessions/end", data={"user": "bob"})).status_code
        assert (True, True) == (await is_in(http), await is_in(admin))
        assert {"ann"} == {one["user"] for one in (await http.get(f"{PREFIX}/sessions")).json()["sessions"]}
        assert {"ann", "bob"} == {one["user"] for one in (await admin.get(f"{PREFIX}/sessions")).json()["sessions"]}
        assert ("bob" in (await http.get("/sessions")).text, True) == (
            False, "<bdi>ann</bdi>" in (await admin.get("/sessions")).text,
        )  # fmt: skip
        assert "/sessions" == (await admin.post("/sessions/end", data={"user": "ann"})).headers["location"]
        assert (False, True) == (await is_in(http), await is_in(admin))
    async with browser(board, "ann") as http, browser(board, "bob") as admin:
        await is_in(http)
        assert {"ended": 1} == (await admin.post(f"{PREFIX}/sessions/end", json={"user": "ann"})).json()
        assert not await is_in(http)


async def test_why_sessions_were_ended_stands_in_the_audit(store: Store) -> None:
    """One by its button, all of somebody, and one's own; Enter in the field of why ends none."""
    board, inspector = board_of(store), Inspector(store)
    async with browser(board, "ann") as http, browser(board, "ann") as other, browser(board, "bob") as admin:
        assert (True, True) == (await is_in(http), await is_in(other))
        page = (await admin.get("/sessions")).text
        one = (await inspector.console_sessions("ann"))[0].id
        assert f'name="one" value=\'["ann", "{one}"]\'' in page
        assert "<button disabled hidden></button>" in page
        for empty in ("", "x", '["ann"]', '["ann", ""]'):
            data = {"back": "sessions", "one": empty, "reason": "lost laptop"}
            assert 400 == (await admin.post("/sessions/end", data=data)).status_code
        assert (True, True) == (await is_in(http), await is_in(other))
        data = {"back": "sessions", "one": json.dumps(["ann", one]), "reason": "lost laptop"}
        assert 303 == (await admin.post("/sessions/end", data=data)).status_code
        assert [False, True] == sorted([await is_in(http), await is_in(other)])
        assert 303 == (await admin.post("/sessions/end", data={"user": "ann", "reason": "x" * 201})).status_code
        assert "reason has 201 characters" in (await admin.get("/settings")).text
        assert 303 == (await admin.post("/sessions/end", data={"user": "ann", "reason": "left us"})).status_code
        assert 303 == (await admin.post("/sessions/end", data={"user": "bob", "reason": "home"})).status_code
    records = (await inspector.audit(action="session.end")).records
    assert ["home", "left us", "lost laptop"] == [one.reason for one in records]


async def test_while_the_store_is_away_nobody_is_shown_anything(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Since it is not known whether the session was ended; one can sign out, and is told what that cannot reach."""
    board = board_of(store)
    async with browser(board, "ann") as http:
        stolen = httpx2.Cookies(http.cookies)

        async def away(_store: Store, _call: Any) -> Any:
            raise BrokerUnavailable("store redis://gone is away")

        monkeypatch.setattr(Store, "run", away)
        for path in ("/settings", "/", "/tasks"):
            answer = await http.get(path)
            assert (503, True) == (answer.status_code, "Store redis://gone is away" in answer.text), path
        answer = await http.get(f"{PREFIX}/queues")
        assert (503, "store-away", "2") == (answer.status_code, answer.json()["code"], answer.headers["retry-after"])
        answer = await http.post("/logout")
        assert ("/login", True) == (answer.headers["location"], "took no note" in read_notice(answer))
    monkeypatch.undo()
    async with browser(board, cookies=stolen) as thief:
        assert not await is_in(thief)


def read_notice(answer: httpx2.Response) -> str:
    """Return what the next page is to say."""
    return unquote(answer.cookies["onebeat_notice"])


async def test_a_store_that_keeps_nothing_is_no_hindrance(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """One signs in and is shown pages as before; what is ended is ended in that process."""
    real = Store.run

    async def run(self: Store, call: Any) -> Any:
        if call.script in ("session_see", "session_end", "audit"):
            raise BrokerError("NOPERM this user has no permissions")
        return await real(self, call)

    monkeypatch.setattr(Store, "run", run)
    board = board_of(store)
    async with browser(board, "ann") as http, browser(board, "ann") as second, browser(board, "bob") as third:
        stolen = httpx2.Cookies(http.cookies)
        assert (True, True) == (await is_in(http), await is_in(second))
        assert "took no note" in read_notice(await http.post("/logout"))
        async with browser(board, cookies=stolen) as thief:
            assert not await is_in(thief)
        assert await is_in(second)
        await second.post("/sessions/end", data={"user": ""})
        assert (False, True) == (await is_in(second), await is_in(third))
        async with browser(board, "ann") as again:
            assert await is_in(again)


async def test_a_session_asks_the_store_once_in_a_while(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many pages and tabs there are of it."""
    monkeypatch.setattr(ledger, "GOOD_S", 60.0)
    asked: list[str] = []
    real = Store.run

    async def run(self: Store, call: Any) -> Any:
        asked.append(call.script)
        return await real(self, call)

    board = board_of(store)
    async with browser(board, "ann") as http:
        monkeypatch.setattr(Store, "run", run)
        for _ in range(5):
            await http.get("/settings")
    assert 1 == asked.count("session_see")


async def test_signing_in_and_out_stands_in_the_audit(store: Store) -> None:
    """With who, as what, from where; as a kind of its own."""
    board = board_of(store)
    async with browser(board, "ann") as http:
        await http.post("/logout")
    async with browser(board, "bob") as admin:
        page = html.unescape((await admin.get("/audit", params={"kind": "session"})).text)
        assert ("session.begin" in page, "session.end" in page) == (True, True)
        assert "session.begin" not in (await admin.get("/audit", params={"kind": "task"})).text
        assert 400 == (await admin.get("/audit", params={"kind": "odd"})).status_code
        found = (await admin.get(f"{PREFIX}/audit", params={"kind": "session", "user": "ann"})).json()["records"]
    assert [("session.end", "view", "127.0.0.1"), ("session.begin", "view", "127.0.0.1")] == [
        (one["action"], one["role"], one["address"]) for one in found
    ]


@pytest.mark.slow
async def test_who_was_not_let_in_stands_in_the_audit(store: Store) -> None:
    """By name, if there is such a user: what is no name may be a password."""
    async with browser(board_of(store)) as http:
        for name in ("ann", "correct horse"):
            answer = await http.post("/login", data={"name": name, "password": "wrong"})
            assert 403 == answer.status_code
    found = (await Inspector(store).audit(kind="session")).records
    assert [("(unknown)", ""), ("ann", "")] == [(one.user, one.about) for one in found]
    assert {(AuditOutcome.REFUSED, "This name and password do not fit.", "127.0.0.1")} == {
        (one.outcome, one.why, one.address) for one in found
    }


async def test_a_flood_of_failed_logins_leaves_the_audit_as_it_was() -> None:
    """So many are written at once, then one a minute, with how many were left out."""
    now = 0.0
    bucket = admitting.Bucket(lambda: now)
    assert [0] * admitting.BURST + [None] * 500 == [bucket.take() for _ in range(admitting.BURST + 500)]
    now = admitting.EVERY_S
    assert [500, None] == [bucket.take(), bucket.take()]
    now = 1e6
    assert [1, *[0] * (admitting.BURST - 1), None] == [bucket.take() for _ in range(admitting.BURST + 1)]


async def test_a_flood_is_counted_in_the_audit(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """As one record."""
    board = board_of(store)
    monkeypatch.setattr(board.turned_away, "take", lambda: 1234)
    async with browser(board) as http:
        await http.post("/login", data={"name": "ann", "password": "wrong"})
    [one] = (await Inspector(store).audit()).records
    assert one.why.endswith("1,234 more were not written down.")


async def test_a_read_only_console_has_sessions_that_end(store: Store) -> None:
    """It changes nothing of tasks; who may look is another thing."""
    board = board_of(store, read_only=True)
    async with browser(board, "ann") as http, browser(board, "bob") as admin:
        assert 303 == (await admin.post("/sessions/end", data={"user": "ann"})).status_code
        assert (False, True) == (await is_in(http), await is_in(admin))


async def test_an_old_cookie_of_another_form_signs_nobody_in(store: Store) -> None:
    """It leads to the login, and no further."""
    async with browser(board_of(store), cookies={"onebeat_session_8080": "WyJhbm4iLDE4MDAwMDAwMDBd.AAAA"}) as http:
        assert "/login?next=%2Fsettings" == (await http.get("/settings")).headers["location"]
