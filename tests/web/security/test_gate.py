"""What is refused before any page is asked: other sites, other names, too much; and what every answer says."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import pytest
from starlette.types import Message

from onebeat.errors import ConfigurationError
from onebeat.web.security import limits
from onebeat.web.security.hosts import refuse_open_door
from onebeat.web.security.limits import TooMuch, bounded
from onebeat.web.security.rules import Rules
from tests.web.security.gates import ORIGIN, TOKEN, asking, pages, passwords, signed_in, tokens


@pytest.mark.parametrize(
    ("headers", "status"),
    [
        ({"Sec-Fetch-Site": "same-origin"}, 200),
        ({"Sec-Fetch-Site": "none"}, 200),
        ({"Sec-Fetch-Site": "same-site"}, 403),
        ({"Sec-Fetch-Site": "cross-site"}, 403),
        ({"Sec-Fetch-Site": "cross-site", "Origin": ORIGIN}, 403),
        ({"Sec-Fetch-Site": "same-origin", "Origin": "null"}, 200),
        ({"Origin": ORIGIN}, 200),
        ({"Origin": "https://127.0.0.1:8080"}, 200),
        ({"Origin": "http://127.0.0.1:9090"}, 403),
        ({"Origin": "http://127.0.0.1"}, 403),
        ({"Origin": "http://evil.example"}, 403),
        ({"Origin": "http://127.0.0.1:8080.evil.example"}, 403),
        ({"Origin": "http://127.0.0.1:8080@evil.example"}, 403),
        ({"Origin": "null"}, 403),
        ({"Origin": ""}, 403),
        ({"Origin": "http://[::1"}, 403),
        ({}, 403),
    ],
)
async def test_a_change_comes_from_our_own_pages(headers: Mapping[str, str], status: int) -> None:
    """By Sec-Fetch-Site, else by Origin; by neither, it is no browser and bears no token."""
    async with asking(pages(Rules.make(passwords())), headers={"Sec-Fetch-Site": "none"}) as client:
        await signed_in(client)
        cookies = client.cookies
    async with asking(pages(Rules.make(passwords())), headers=headers) as client:
        client.cookies = cookies
        assert status == (await client.post("/queue/pause")).status_code
        assert 200 == (await client.get("/queue")).status_code


async def test_another_site_signs_nobody_in() -> None:
    """A login is a change as well: else somebody works in a session that is not theirs."""
    async with asking(pages(Rules.make(passwords())), headers={"Origin": "http://evil.example"}) as client:
        assert 403 == (await client.post("/login", data={"name": "ann", "password": "x"})).status_code


async def test_a_public_address_is_ours_where_a_proxy_changes_the_host() -> None:
    """If it is said so; its name is then known as well."""
    rules = Rules.make(origins=["https://Jobs.example.com/"])
    headers = {"Origin": "https://jobs.example.com"}
    async with asking(pages(rules), headers=headers) as client:
        assert 200 == (await client.post("/")).status_code
        assert 403 == (await client.post("/", headers={"Origin": "http://jobs.example.com"})).status_code
        assert 200 == (await client.get("/", headers={"Host": "jobs.example.com"})).status_code


async def test_a_port_that_goes_without_saying_is_no_difference() -> None:
    """Browsers leave it out of one, and some proxies put it into the other."""
    async with asking(pages(Rules.make()), url="http://localhost:80", headers={"Origin": "http://localhost"}) as client:
        assert 200 == (await client.post("/", headers={"Host": "localhost:80"})).status_code


async def test_a_script_bears_a_token() -> None:
    """A token is sent by no browser on its own; where nobody is asked, any will do."""
    for rules in (Rules.make(tokens()), Rules.make()):
        async with asking(pages(rules), headers={"Authorization": f"Bearer {TOKEN}"}) as client:
            assert 200 == (await client.post("/api/v1/queues/pause")).status_code
            assert 403 == (await client.post("/", headers={"Origin": "http://evil.example"})).status_code


@pytest.mark.parametrize("wrong", ["jobs.example.com", "ftp://x", "https://", "https://a/b", "https://u@a", 3])
def test_an_origin_that_is_none_is_refused(wrong: Any) -> None:
    """With what one is."""
    with pytest.raises(ConfigurationError, match=r"give scheme, host and port"):
        Rules.make(origins=[wrong])


@pytest.mark.parametrize(
    ("host", "status"),
    [
        ("localhost", 200),
        ("LOCALHOST.:8080", 200),
        ("console.localhost:8080", 200),
        ("127.0.0.1:8080", 200),
        ("[::1]:8080", 200),
        ("192.0.2.7", 200),
        ("jobs.example.com", 200),
        ("a.example.net", 200),
        ("example.net", 421),
        ("xexample.net", 421),
        ("evil.example", 421),
        ("localhost.evil.example", 421),
        ("", 421),
        (":8080", 421),
        ("[::1", 421),
    ],
)
async def test_the_console_answers_to_its_own_names(host: str, status: int) -> None:
    """Else another site's name could point here; an address as it is typed can not."""
    rules = Rules.make(hosts=["jobs.example.com", "*.example.net"])
    async with asking(pages(rules)) as client:
        assert status == (await client.get("/", headers={"Host": host})).status_code


async def test_any_name_is_known_if_it_is_said_so() -> None:
    """Where the application looks after that by itself."""
    async with asking(pages(Rules.make(hosts="*"))) as client:
        assert 200 == (await client.get("/", headers={"Host": "what.ever"})).status_code


@pytest.mark.parametrize("wrong", ["https://a", "a b", "a:80", "", 3])
def test_a_host_that_is_none_is_refused(wrong: Any) -> None:
    """With what one is."""
    with pytest.raises(ConfigurationError, match="is no name: give it without scheme and port"):
        Rules.make(hosts=[wrong])


@pytest.mark.parametrize("path", ["/", "/login", "/assets/x/y", "/api/v1/x"])
async def test_every_answer_is_kept_in_bounds(path: str) -> None:
    """Also that of a refusal."""
    for rules, peer in ((Rules.make(passwords()), "127.0.0.1"), (Rules.make(), "192.0.2.1")):
        async with asking(pages(rules), peer=peer) as client:
            headers = (await client.get(path)).headers
        assert (
            "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
            "form-action 'self'; frame-ancestors 'none'; base-uri 'none'" == headers["Content-Security-Policy"]
        )
        assert ("nosniff", "DENY", "same-origin", "same-origin", "same-origin", "no-store") == tuple(
            headers[name]
            for name in (
                "X-Content-Type-Options",
                "X-Frame-Options",
                "Referrer-Policy",
                "Cross-Origin-Opener-Policy",
                "Cross-Origin-Resource-Policy",
                "Cache-Control",
            )
        )


@pytest.mark.parametrize("host", ["0.0.0.0", "::", "10.0.0.5", "jobs.example.com", ""])  # noqa: S104 - what it is about
def test_an_open_door_is_refused_with_the_line_that_closes_it(host: str) -> None:
    """Unless somebody is asked who they are."""
    with pytest.raises(ConfigurationError, match=r"ONEBEAT_WEB_PASSWORD='…' onebeat web --host"):
        refuse_open_door(host, is_asked=False)
    refuse_open_door(host, is_asked=True)


@pytest.mark.parametrize("host", ["127.0.0.1", "127.0.0.9", "::1", "localhost", "LocalHost"])
def test_this_machine_needs_no_lock(host: str) -> None:
    """What others do not reach is open to who works here."""
    refuse_open_door(host, is_asked=False)


@pytest.mark.parametrize(
    ("path", "headers", "status"),
    [
        ("/?q=" + "a" * limits.MAX_QUERY, {}, 414),
        ("/?" + "a&" * limits.MAX_FIELDS, {}, 400),
        ("/", {"Cookie": "a=" + "b" * limits.MAX_HEADERS}, 431),
        ("/", {"Content-Length": str(limits.MAX_BODY + 1)}, 413),
        ("/", {"Content-Length": "9" * 5000}, 413),
        ("/", {"Content-Length": "-1"}, 413),
        ("/", {"Content-Length": "x"}, 413),
        ("/?q=%ff%00%zz&=&&%", {}, 200),
        ("/%ff%00", {}, 200),
        ("/", {"Cookie": 'a="\\;;=;=,"'}, 200),
    ],
)
async def test_too_much_is_refused_before_it_is_read(path: str, headers: dict[str, str], status: int) -> None:
    """And what is only odd is not."""
    async with asking(pages(Rules.make())) as client:
        assert status == (await client.get(path, headers=headers)).status_code


async def test_a_body_that_does_not_say_its_length_is_counted() -> None:
    """It is read no further than it may be long."""
    sent = 0

    async def chunks() -> Any:
        nonlocal sent
        while True:
            sent += 100_000
            yield b"x" * 100_000

    async with asking(pages(Rules.make())) as client:
        answer = await client.post("/", content=chunks())
    assert 413 == answer.status_code
    assert sent <= limits.MAX_BODY + 200_000


async def test_the_api_takes_larger_bodies() -> None:
    """Payloads are written in JSON there."""
    async with asking(pages(Rules.make())) as client:
        answer = await client.post("/api/v1/tasks", content=b"x" * (limits.MAX_BODY + 1))
    assert limits.MAX_BODY + 1 == answer.json()["body"]


async def test_a_body_that_does_not_arrive_is_waited_for_no_longer() -> None:
    """Whoever sends nothing holds nothing."""

    async def never() -> Message:
        await asyncio.Event().wait()
        raise AssertionError

    with pytest.raises(TooMuch) as caught:
        await bounded(never, seconds=0)()
    assert 408 == caught.value.status_code


async def test_a_client_may_be_listened_to_as_long_as_one_likes_once_all_has_arrived() -> None:
    """What waits for it to leave is not cut off."""
    messages: list[Message] = [{"type": "http.request", "body": b"", "more_body": False}, {"type": "http.disconnect"}]

    async def receive() -> Message:
        return messages.pop(0)

    read = bounded(receive, seconds=0)
    assert ["http.request", "http.disconnect"] == [(await read())["type"], (await read())["type"]]


async def test_sockets_are_refused() -> None:
    """The console has none."""
    said: list[Message] = []

    async def receive() -> Message:
        return {"type": "websocket.connect"}

    async def send(message: Message) -> None:
        said.append(message)

    await pages(Rules.make())({"type": "websocket", "path": "/", "headers": []}, receive, send)
    assert [{"type": "websocket.close", "code": 1000}] == said
