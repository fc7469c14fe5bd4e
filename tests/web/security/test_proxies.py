"""Proxies and prefixes: who is believed, and where the console is."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest
from starlette.applications import Starlette
from starlette.routing import Mount

from onebeat.errors import ConfigurationError
from onebeat.web.security.rules import Rules
from tests.web.security.gates import asking, pages, passwords


@pytest.mark.parametrize(
    ("prefix", "path", "expected"),
    [
        ("", "/queue", ("", "/queue")),
        ("/a/b", "/queue", ("/a/b", "/queue")),
        ("/a/b", "/a/b/queue", ("/a/b", "/queue")),
        ("/a/b/", "/a/b", ("/a/b", "/")),
        ("/a/b", "/a/b/", ("/a/b", "/")),
        ("/a/b", "/a/bc", ("/a/b", "/a/bc")),
        ("/a/b", "//queue", ("/a/b", "/queue")),
        ("/a/b", "/a/b//queue", ("/a/b", "/queue")),
        ("", "//evil.example/x", ("", "/evil.example/x")),
    ],
)
async def test_a_prefix_may_be_stripped_or_kept(prefix: str, path: str, expected: tuple[str, str]) -> None:
    """By a proxy that does either, and joins paths with one slash or two."""
    async with asking(pages(Rules.make(prefix=prefix))) as client:
        said = (await client.get(f"http://127.0.0.1:8080{path}")).json()
    assert expected == (said["root"], said["path"])


@pytest.mark.parametrize("path", ["/tasks/queue", "/tasks//queue"])
async def test_a_mounted_console_knows_where_it_is(path: str) -> None:
    """Also behind a proxy that strips a prefix before the application sees it."""
    app = Starlette(routes=[Mount("/tasks", app=pages(Rules.make(hosts="*", auth=lambda _: None, login_url="/in")))])
    async with asking(app) as client:
        assert "/in" == (await client.get(path)).headers["location"]
    app = Starlette(routes=[Mount("/tasks", app=pages(Rules.make(passwords(), proxies=["127.0.0.1"])))])
    async with asking(app) as client:
        answer = await client.get(path, headers={"X-Forwarded-Prefix": "/shop"})
    assert "/shop/tasks/login?next=%2Fqueue" == answer.headers["location"]


@pytest.mark.parametrize(
    ("peer", "headers", "expected"),
    [
        ("10.0.0.1", {"X-Forwarded-For": "192.0.2.7"}, "192.0.2.7"),
        ("10.0.0.1", {"X-Forwarded-For": "6.6.6.6, 192.0.2.7"}, "192.0.2.7"),
        ("10.0.0.1", {"X-Forwarded-For": "6.6.6.6, 192.0.2.7, 10.0.0.2"}, "192.0.2.7"),
        ("10.0.0.1", {"X-Forwarded-For": "10.0.0.3, 10.0.0.2"}, "10.0.0.3"),
        ("10.0.0.1", {"X-Forwarded-For": "192.0.2.7, unknown, 10.0.0.2"}, "10.0.0.2"),
        ("10.0.0.1", {"X-Forwarded-For": "[2001:db8::1]"}, "2001:db8::1"),
        ("10.0.0.1", {"X-Forwarded-For": ""}, "10.0.0.1"),
        ("192.0.2.9", {"X-Forwarded-For": "127.0.0.1"}, "192.0.2.9"),
    ],
)
async def test_the_address_is_that_which_the_proxies_saw(peer: str, headers: Mapping[str, str], expected: str) -> None:
    """Going back from the last, as far as they are known; what stood there before is anybody's word."""
    rules = Rules.make(lambda _: None, proxies=["10.0.0.0/8"])
    async with asking(pages(rules), peer=peer) as client:
        assert expected == (await client.get("/assets/x", headers=headers)).json()["client"]


async def test_scheme_and_prefix_are_believed_of_a_proxy_alone() -> None:
    """From anybody else they are taken away."""
    headers = {"X-Forwarded-Proto": "https", "X-Forwarded-Prefix": "/shop", "X-Forwarded-Host": "evil.example"}
    rules = Rules.make(lambda _: None, proxies=["10.0.0.0/8"])
    async with asking(pages(rules), peer="10.0.0.1") as client:
        said = (await client.get("/assets/x", headers=headers)).json()
        assert ("https", "/shop", "/assets/x") == (said["scheme"], said["root"], said["path"])
    async with asking(pages(rules), peer="192.0.2.9") as client:
        said = (await client.get("/assets/x", headers=headers)).json()
        assert ("http", "", "/assets/x") == (said["scheme"], said["root"], said["path"])
        assert [] == [name for name in said["headers"] if "forwarded" in name]


@pytest.mark.parametrize("prefix", ["//evil.example", "/a/../b", "https://evil.example", "/a b", "/\u00e9", "/a?b"])
async def test_a_prefix_that_is_none_is_passed_over(prefix: str) -> None:
    """It would stand in every link."""
    rules = Rules.make(lambda _: None, proxies=["10.0.0.0/8"])
    async with asking(pages(rules), peer="10.0.0.1") as client:
        answer = await client.get("/assets/x", headers={b"X-Forwarded-Prefix": prefix.encode()})
    assert "" == answer.json()["root"]


@pytest.mark.parametrize("wrong", ["tasks", "https://a/b", "/a?b", "/a b", "/a/../b", "/a//b", 3])
def test_a_prefix_that_cannot_be_is_refused(wrong: Any) -> None:
    """With what one is."""
    with pytest.raises(ConfigurationError, match=r"^prefix is"):
        Rules.make(prefix=wrong)


@pytest.mark.parametrize("wrong", ["proxy.example", "10.0.0.1:80", "0.0.0.0/0", "::/0", "", 3])
def test_a_proxy_that_is_no_address_or_all_of_them_is_refused(wrong: Any) -> None:
    """Names change their addresses, and everybody is no proxy."""
    with pytest.raises(ConfigurationError, match=r"^proxy "):
        Rules.make(proxies=[wrong])
