"""Who a request is of: by session, token, proxy, function, or nobody asked."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

import httpx2
import pytest
from starlette.requests import Request

from onebeat.errors import ConfigurationError
from onebeat.web.security import attempts, sessions
from onebeat.web.security.login import safe_next
from onebeat.web.security.roles import User
from onebeat.web.security.rules import Rules
from onebeat.web.security.ways import Passwords, ProxyHeader
from tests.web.conftest import cheap
from tests.web.security.gates import (
    ANN,
    PASSWORD,
    SAME,
    TOKEN,
    Hands,
    asking,
    pages,
    passwords,
    signed_in,
    tokens,
)

HEADER = ProxyHeader(
    groups="X-Forwarded-Groups", role="view", group_roles={"oncall": "operate", "root": "admin"}, users={"ann": ANN}
)


async def test_nobody_is_asked_on_this_machine() -> None:
    """Without any way to say who one is, everybody here may do all."""
    async with asking(pages(Rules.make())) as client:
        assert ("local", "admin", "open") == of(await client.get("/queue"))


@pytest.mark.parametrize("peer", ["10.0.0.9", "192.0.2.1", "2001:db8::1", "unix", ""])
async def test_where_nobody_is_asked_others_are_told_no(peer: str) -> None:
    """With what to do about it; also those of whom nothing is known."""
    async with asking(pages(Rules.make()), peer=peer) as client:
        answer = await client.get("/")
    assert 403 == answer.status_code
    assert "give it auth=" in answer.text


@pytest.mark.parametrize("name", ["X-Forwarded-For", "Forwarded", "X-Real-IP", "Via"])
async def test_where_nobody_is_asked_no_proxy_may_stand_between(name: str) -> None:
    """A proxy on this machine brings others here."""
    async with asking(pages(Rules.make())) as client:
        assert 403 == (await client.get("/", headers={name: "127.0.0.1"})).status_code


@pytest.mark.parametrize("peer", ["127.0.0.2", "::1", "::ffff:127.0.0.1"])
async def test_this_machine_has_several_addresses(peer: str) -> None:
    """All of 127.0.0.0/8, and that of IPv6, also where it stands for the other."""
    async with asking(pages(Rules.make()), peer=peer) as client:
        assert 200 == (await client.get("/")).status_code


async def test_a_password_begins_a_session() -> None:
    """That is a cookie which no script reads and no other site sends."""
    async with asking(pages(Rules.make(passwords()))) as client:
        answer = await client.post("/login", data={"name": "ann", "password": PASSWORD, "next": "/queue?name=a%26b"})
        assert (303, "/queue?name=a%26b") == (answer.status_code, answer.headers["location"])
        cookie = answer.headers["set-cookie"]
        assert ("ann", "admin", "password") == of(await client.get("/queue"))
    assert cookie.startswith("onebeat_session_8080=")
    assert cookie.endswith("; HttpOnly; Max-Age=43200; Path=/; SameSite=strict")


async def test_over_https_the_session_is_sent_over_https_alone() -> None:
    """Also where a proxy ends it; and it is for the path of the console."""
    rules = Rules.make(passwords(), proxies=["10.0.0.1"], hosts=["jobs.example.com"], prefix="/tasks")
    headers = {"Origin": "https://jobs.example.com", "X-Forwarded-Proto": "https"}
    async with asking(pages(rules), peer="10.0.0.1", url="http://jobs.example.com", headers=headers) as client:
        answer = await client.post("/tasks/login", data={"name": "ann", "password": PASSWORD})
    assert "; Path=/tasks/; SameSite=strict; Secure" in answer.headers["set-cookie"]
    assert answer.headers["set-cookie"].startswith("__Secure-onebeat_session=")


async def test_over_https_a_session_of_another_site_of_the_domain_is_none() -> None:
    """Nobody but this host by https can set one of its name; one by the plain name is not looked at."""
    headers = {"Origin": "https://jobs.example.com"}
    rules = Rules.make(passwords(), hosts=["jobs.example.com"])
    async with asking(pages(rules), url="https://jobs.example.com", headers=headers) as client:
        answer = await client.post("/login", data={"name": "ann", "password": PASSWORD})
        name, _, value = answer.headers["set-cookie"].partition(";")[0].partition("=")
        assert ("__Host-onebeat_session", 200) == (name, (await client.get("/queue")).status_code)
        client.cookies.clear()
        assert 303 == (await client.get("/queue", headers={"Cookie": f"onebeat_session={value}"})).status_code


@pytest.mark.slow
@pytest.mark.parametrize(("name", "password"), [("ann", "wrong"), ("bob", PASSWORD), ("nobody", PASSWORD), ("", "")])
async def test_what_does_not_fit_begins_no_session(name: str, password: str) -> None:
    """Whether the name is known or not, in the same words."""
    async with asking(pages(Rules.make(passwords()))) as client:
        answer = await client.post("/login", data={"name": name, "password": password})
    assert (403, "This name and password do not fit.") == (answer.status_code, answer.json()["detail"])
    assert "set-cookie" not in answer.headers


async def test_where_no_name_is_asked_for_none_is_blamed() -> None:
    """The console's one password has a form of one field, and so has what is said of it."""
    with cheap():
        one = Passwords([(PASSWORD, ANN)])
    async with asking(pages(Rules.make(one))) as client:
        answer = await client.post("/login", data={"name": "ann", "password": "wrong"})
    assert (403, "This password does not fit.") == (answer.status_code, answer.json()["detail"])


async def test_a_page_leads_to_the_login_and_back() -> None:
    """Whoever is not signed in finds the login, which knows where they wanted to go."""
    async with asking(pages(Rules.make(passwords()))) as client:
        answer = await client.get("/task?queue=mail&id=a%26b")
        assert "/login?next=%2Ftask%3Fqueue%3Dmail%26id%3Da%2526b" == answer.headers["location"]
        assert "/login" == (await client.get("/")).headers["location"]


async def test_a_part_of_a_page_is_led_to_the_login_as_a_whole() -> None:
    """A poll whose session has ended does not put the login into the page."""
    async with asking(pages(Rules.make(passwords()))) as client:
        answer = await client.get("/queue", headers={"HX-Request": "true"})
    assert (401, "/login?next=%2Fqueue") == (answer.status_code, answer.headers["HX-Redirect"])


async def test_a_link_of_another_site_is_asked_for_once_more() -> None:
    """Browsers keep the session back there; they send it to a page that our own page leads to."""
    headers = {"Sec-Fetch-Site": "cross-site", "Sec-Fetch-Mode": "navigate"}
    async with asking(pages(Rules.make(passwords()))) as client:
        answer = await client.get('/queue?name=a"<b>', headers=headers)
    assert 200 == answer.status_code
    assert 'content="0;url=/queue?name=a%22%3Cb%3E"' in answer.text


async def test_a_session_ends() -> None:
    """After twelve hours."""
    hands = Hands()
    async with asking(pages(Rules.make(passwords()), clock=hands)) as client:
        await signed_in(client)
        hands.moved += sessions.LASTS - timedelta(seconds=1)
        assert 200 == (await client.get("/")).status_code
        hands.moved += timedelta(seconds=1)
        assert 303 == (await client.get("/")).status_code


async def test_a_changed_password_ends_sessions() -> None:
    """Of its user alone."""
    with cheap():
        other = Passwords([("a new password", ANN), ("another long one", User("bob"))])
    for name, password, status in (("ann", PASSWORD, 303), ("bob", "another long one", 200)):
        async with asking(pages(Rules.make(passwords()))) as client:
            await signed_in(client, name, password)
            cookies = client.cookies
        async with asking(pages(Rules.make(other))) as client:
            client.cookies = cookies
            assert status == (await client.get("/")).status_code


async def test_processes_with_the_same_passwords_take_each_others_sessions() -> None:
    """Nothing is kept in one; but a secret that one has and the other has not tells them apart."""
    async with asking(pages(Rules.make(passwords()))) as client:
        await signed_in(client)
        cookies = client.cookies
    for secret, status in (("", 200), ("another secret of theirs", 303)):
        async with asking(pages(Rules.make(passwords(), secret=secret))) as client:
            client.cookies = cookies
            assert status == (await client.get("/")).status_code


@pytest.mark.parametrize(
    "cookie",
    [
        "",
        ".",
        "a.b",
        "a.b.c",
        "é",
        "x" * 2000,
        "W10.W10",
        "bnVsbA.bnVsbA",
        "W1siYSJdLDFd.AAAA",
        "WyJhbm4iLCJ3IiwieCIsMSwyXQ.AAAA",
        "%00",
        '"a',
        "[" * 900,
    ],
)
async def test_a_forged_session_is_none(cookie: str) -> None:
    """Whatever it is, it is no mistake of the console."""
    headers = {b"Cookie": f"onebeat_session_8080={cookie}".encode()}
    async with asking(pages(Rules.make(passwords()))) as client:
        assert 303 == (await client.get("/", headers=headers)).status_code


async def test_a_session_with_another_name_in_it_is_none() -> None:
    """What it says is signed as a whole."""
    now = Hands().now()
    session = sessions.new("bob", "password", now=now)
    _, signature = sessions.write(session, "a key", "").split(".")
    for name in ("ann", "bob"):
        forged = sessions.write(replace(session, user=name), "another key", "").split(".")[0]
        found = sessions.read(f"{forged}.{signature}", lambda _name, _way: "a key", "", now=now)
        assert (session if name == "bob" else None) == found


async def test_one_address_may_fail_ten_times_with_a_name() -> None:
    """Then it waits, also with the right password, while others need not; a while later it may again."""
    hands = Hands()
    app = pages(Rules.make(passwords()), clock=hands)
    async with asking(app) as client, asking(app, peer="10.0.0.9") as other:
        for _ in range(attempts.BY_NAME):
            assert 403 == (await client.post("/login", data={"name": "ann", "password": "wrong"})).status_code
        answer = await client.post("/login", data={"name": "ann", "password": PASSWORD})
        assert (429, "Too many failed logins. Try again in 15 minutes.") == (
            answer.status_code,
            answer.json()["detail"],
        )
        await signed_in(other)
        hands.moved += timedelta(seconds=attempts.WITHIN_S)
        await signed_in(client)


def test_one_address_may_fail_thirty_times_with_all_names() -> None:
    """Whatever the names; in IPv6 half an address is one."""
    counted = attempts.Attempts(lambda: 0.0)
    for number in range(attempts.BY_ADDRESS):
        assert 0 == counted.wait("2001:db8::1", f"name{number}")
        counted.failed(f"2001:db8::{number:x}", f"name{number}")
    assert 900 == counted.wait("2001:db8::ffff", "another")
    assert 0 == counted.wait("2001:db8:1::1", "another")


def test_who_signs_in_is_no_failure() -> None:
    """However many do from one address, as from behind one proxy; who fails beside them is still counted."""
    counted = attempts.Attempts(lambda: 0.0)
    for number in range(2 * attempts.BY_ADDRESS):
        counted.failed("10.0.0.1", "ann")
        counted.succeeded("10.0.0.1", "ann")
        assert 0 == counted.wait("10.0.0.1", "ann"), number
    for number in range(attempts.BY_ADDRESS):
        counted.failed("10.0.0.1", f"name{number}")
    assert 900 == counted.wait("10.0.0.1", "ann")


def test_what_is_counted_does_not_grow() -> None:
    """However many addresses try."""
    counted = attempts.Attempts(lambda: 0.0)
    for number in range(attempts.MOST):
        counted.failed(f"10.{number >> 16}.{number >> 8 & 255}.{number & 255}", "ann")
    assert attempts.MOST == len(counted._failures)


async def test_a_token_is_known_by_its_header() -> None:
    """And needs no word of where it comes from."""
    async with asking(pages(Rules.make(tokens())), headers={"Authorization": f"Bearer {TOKEN}"}) as client:
        assert ("ann", "admin", "token") == of(await client.get("/api/v1/queues"))
        assert ("ann", "admin", "token") == of(await client.post("/api/v1/queues/pause"))


@pytest.mark.parametrize(
    "value", [f"Bearer {TOKEN}x", "Bearer x", "Bearer", "Basic YTpi", f"Token {TOKEN}", "Bearer \xe9"]
)
async def test_a_wrong_token_lets_nobody_in(value: str) -> None:
    """And says how to do it."""
    headers = {b"Authorization": value.encode()}
    async with asking(pages(Rules.make(tokens()))) as client:
        answer = await client.get("/api/v1/queues", headers=headers)
    assert (401, "Bearer") == (answer.status_code, answer.headers["WWW-Authenticate"])


async def test_a_wrong_token_is_not_passed_over_for_a_session() -> None:
    """Who sends one means it."""
    async with asking(pages(Rules.make([passwords(), tokens()]))) as client:
        await signed_in(client)
        assert 401 == (await client.get("/", headers={"Authorization": "Bearer wrong"})).status_code


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        ({"X-Forwarded-User": "carol"}, ("carol", "view", "proxy")),
        ({"X-Forwarded-User": "carol", "X-Forwarded-Groups": "dev, oncall"}, ("carol", "operate", "proxy")),
        ({"X-Forwarded-User": "carol", "X-Forwarded-Groups": "root,oncall"}, ("carol", "admin", "proxy")),
        ({"X-Forwarded-User": "ann"}, ("ann", "admin", "proxy")),
    ],
)
async def test_a_proxy_says_who_a_user_is(sent: Mapping[str, str], expected: tuple[str, str, str]) -> None:
    """With roles by name, by group, or for all."""
    async with asking(pages(Rules.make(HEADER, proxies=["10.0.0.0/8"])), peer="10.1.2.3") as client:
        assert expected == of(await client.get("/", headers=sent))


@pytest.mark.parametrize(
    "sent", [[], [("X-Forwarded-User", "")], [("X-Forwarded-User", "a"), ("X-Forwarded-User", "b")]]
)
async def test_a_proxy_that_says_no_one_name_lets_nobody_in(sent: list[tuple[str, str]]) -> None:
    """None, an empty one, or two."""
    async with asking(pages(Rules.make(HEADER, proxies=["10.0.0.0/8"])), peer="10.1.2.3") as client:
        assert 403 == (await client.get("/", headers=[*SAME.items(), *sent])).status_code


@pytest.mark.parametrize("name", ["X-Forwarded-User", "x_forwarded_user", "X-Forwarded_User"])
async def test_nobody_else_says_who_a_user_is(name: str) -> None:
    """The header is taken away, however it is spelt, so that the application's function sees none either."""
    seen: list[str] = []

    def authenticate(request: Request) -> User:
        seen.extend(request.headers)
        return User("dave")

    rules = Rules.make([HEADER, authenticate], proxies=["10.0.0.0/8"])
    async with asking(pages(rules), peer="192.0.2.1") as client:
        assert ("dave", "view", "function") == of(await client.get("/", headers={name: "ann", "X-Other": "1"}))
    assert "x-other" in seen
    assert [] == [each for each in seen if "forwarded" in each]


async def test_a_header_without_a_named_proxy_is_refused_at_once() -> None:
    """Nobody could send it, or everybody."""
    with pytest.raises(ConfigurationError, match="no proxy is named that may send it"):
        Rules.make(HEADER)


async def test_the_applications_own_function_says_who_a_user_is() -> None:
    """One that is awaited, or one that is not; None is nobody."""

    async def later(request: Request) -> User | None:
        return User("eve", "operate") if request.headers.get("x-eve") else None

    def at_once(request: Request) -> User | None:
        return User("dave") if request.headers.get("x-dave") else None

    async with asking(pages(Rules.make([later, at_once])), peer="192.0.2.1") as client:
        assert ("eve", "operate", "function") == of(await client.get("/", headers={"X-Eve": "1"}))
        assert ("dave", "view", "function") == of(await client.get("/", headers={"X-Dave": "1"}))
        assert 403 == (await client.get("/")).status_code


async def test_an_application_with_a_login_of_its_own_is_led_to() -> None:
    """Where it says."""
    rules = Rules.make(lambda _request: None, login_url="/accounts/login")
    async with asking(pages(rules)) as client:
        assert "/accounts/login" == (await client.get("/queue")).headers["location"]


@pytest.mark.parametrize("wrong", ["ann", 1 / 2, ZeroDivisionError])
async def test_a_function_that_fails_lets_nobody_in(wrong: object, caplog: pytest.LogCaptureFixture) -> None:
    """It is said, and stands in the log."""

    def authenticate(_request: Request) -> Any:
        if isinstance(wrong, type):
            raise wrong
        return wrong

    async with asking(pages(Rules.make(authenticate))) as client:
        assert 503 == (await client.get("/")).status_code
    assert "authenticate() failed" in caplog.text


async def test_a_user_is_noted_for_the_console_alone() -> None:
    """The state of an application around it stays as it was."""
    state = {"user": "of the application around"}
    app = pages(Rules.make(tokens()))

    async def around(scope: Any, receive: Any, send: Any) -> None:
        await app({**scope, "state": state}, receive, send)

    async with asking(around, headers={"Authorization": f"Bearer {TOKEN}"}) as client:
        assert 200 == (await client.get("/")).status_code
    assert {"user": "of the application around"} == state


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("/queue?name=a", "/queue?name=a"),
        ("//evil.example", "/"),
        ("/\\evil.example", "/"),
        ("https://evil.example/", "/"),
        ("javascript:alert(1)", "/"),
        ("queue", "/"),
        ("/a\r\nSet-Cookie: x", "/"),
        ("/\tevil", "/"),
        ("", "/"),
        ("/" + "a" * 5000, "/"),
    ],
)
def test_a_login_leads_to_our_own_pages_alone(given: str, expected: str) -> None:
    """Whatever stands in the address."""
    assert expected == safe_next(given)


@pytest.mark.parametrize("wrong", [[], 3, "secret", [3], [tokens(), tokens()], [HEADER, HEADER]])
def test_what_is_no_way_is_refused(wrong: Any) -> None:
    """And two of one kind, and none at all."""
    with pytest.raises(ConfigurationError, match="auth "):
        Rules.make(wrong, proxies=["10.0.0.1"])


def of(answer: httpx2.Response) -> tuple[str, str, str]:
    """Return whom the application saw."""
    assert 200 == answer.status_code, answer.text
    said = answer.json()
    return said["user"], said["role"], said["way"]
