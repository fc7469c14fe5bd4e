"""The HTTP server and its table of paths."""

from __future__ import annotations

import http.client
import json
import socket
import threading
from collections.abc import Iterator
from typing import Any

import pytest

from onebeat.errors import ConfigurationError
from onebeat.observe import http as module
from onebeat.observe.http import HttpServer
from onebeat.observe.routes import Answer, Asked, Routes


def echo(asked: Asked) -> Answer:
    """Answer with what was asked."""
    return Answer.json({"path": asked.path, "query": asked.query, "accept": asked.headers.get("accept")})


def broken(_asked: Asked) -> Answer:
    raise RuntimeError("password=secret")


@pytest.fixture
def server() -> Iterator[HttpServer]:
    """Return a server at work."""
    with HttpServer(Routes({"/echo": echo, "/broken": broken})) as server:
        yield server


def ask(server: HttpServer, method: str, path: str, **headers: str) -> tuple[int, str, http.client.HTTPResponse]:
    """Return status, body and the response."""
    connection = http.client.HTTPConnection("127.0.0.1", server.port, timeout=60)
    try:
        connection.request(method, path, headers=headers)
        response = connection.getresponse()
        return response.status, response.read().decode(), response
    finally:
        connection.close()


def raw(server: HttpServer, request: bytes) -> bytes:
    """Send these bytes; return all that comes back."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=60) as client:
        client.sendall(request)
        return b"".join(iter(lambda: client.recv(65_536), b""))


def test_a_page_is_given_path_query_and_headers(server: HttpServer) -> None:
    """And its answer is what the client has."""
    status, body, response = ask(server, "GET", "/echo?queue=a%20b&queue=c", Accept="text/x")
    assert (200, "application/json") == (status, response.headers["content-type"])
    assert {"path": "/echo", "query": {"queue": ["a b", "c"]}, "accept": "text/x"} == json.loads(body)
    assert ("no-store", "onebeat", "close") == tuple(
        response.headers[name] for name in ("cache-control", "server", "connection")
    )


def test_head_has_the_headers_alone(server: HttpServer) -> None:
    """With the length that GET would have."""
    status, body, response = ask(server, "HEAD", "/echo")
    assert (200, "", len(ask(server, "GET", "/echo")[1])) == (status, body, int(response.headers["content-length"]))


def test_the_root_lists_what_there_is(server: HttpServer) -> None:
    """One path a line."""
    assert "/broken\n/echo\n" == ask(server, "GET", "/")[1]


def test_an_unknown_path_is_not_repeated(server: HttpServer) -> None:
    """The answer names what there is instead."""
    assert (404, "There is nothing here but /broken, /echo.\n") == ask(server, "GET", "/%3Cscript%3E")[:2]


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "BREW"])
def test_only_get_and_head_are_answered(server: HttpServer, method: str) -> None:
    """Others are told which."""
    status, _, response = ask(server, method, "/echo")
    assert (405, "GET, HEAD") == (status, response.headers["allow"])


def test_what_a_page_raises_stays_in_the_log(server: HttpServer, caplog: pytest.LogCaptureFixture) -> None:
    """The client is told nothing of our inside."""
    status, body, _ = ask(server, "GET", "/broken")
    assert (500, False, True) == (status, "secret" in body, "secret" in caplog.text)


@pytest.mark.parametrize(
    "request_", [b"\x16\x03\x01\x02\x00\x01", b"GET", b"GET / FTP/1", b"GET / HTTP/1.1\r\n" + b"a:b\r\n" * 101]
)
def test_what_is_no_request_is_refused(server: HttpServer, request_: bytes) -> None:
    """In one line that repeats nothing; the server goes on."""
    assert raw(server, request_ + b"\r\n\r\n").endswith(b"This is no request that is answered here.\n")
    assert 200 == ask(server, "GET", "/echo")[0]


def test_a_request_without_an_end_is_refused(server: HttpServer) -> None:
    """Its line is read up to a limit."""
    with socket.create_connection(("127.0.0.1", server.port), timeout=60) as client:
        client.sendall(b"GET /" + b"a" * 65_532)
        assert client.recv(12).startswith(b"HTTP/1.1 414")


def test_no_header_can_be_put_in() -> None:
    """Neither by a value that a page gives, nor by a path."""
    with pytest.raises(ConfigurationError, match="printable ASCII in one line"):
        Answer(200, b"", "text/plain\r\nset-cookie: a=b")


def test_a_client_that_drips_is_cut(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its request must be there as a whole in time, however often a byte of it comes."""
    monkeypatch.setattr(module, "READ_WITHIN_S", 0.0)
    with HttpServer(Routes({"/echo": echo})) as server:
        assert b"" == raw(server, b"GET /echo HTTP/1.1\r\n")


def test_connections_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    """One more than may be is closed; when one has ended there is room again."""
    monkeypatch.setattr(module, "MAX_CONNECTIONS", 1)
    entered, leave = threading.Event(), threading.Event()

    def slow(_asked: Asked) -> Answer:
        entered.set()
        leave.wait(60)
        return Answer.text("done")

    with HttpServer(Routes({"/slow": slow})) as server:
        answers: list[bytes] = []
        request = b"GET /slow HTTP/1.0\r\n\r\n"
        first = threading.Thread(target=lambda: answers.append(raw(server, request)))
        first.start()
        entered.wait(60)
        with socket.create_connection(("127.0.0.1", server.port), timeout=60) as second:
            assert b"" == second.recv(1)
        leave.set()
        first.join()
        assert answers[0].endswith(b"done\n")


@pytest.mark.slow
def test_who_only_connects_keeps_nobody_out(server: HttpServer) -> None:
    """However many do: the one that has waited for longest gives way to who asks."""
    silent = [
        socket.create_connection(("127.0.0.1", server.port), timeout=60) for _ in range(3 * module.MAX_CONNECTIONS)
    ]
    try:
        assert 200 == ask(server, "GET", "/echo")[0]
        assert b"" == silent[0].recv(1)
    finally:
        for client in silent:
            client.close()


def test_stopping_waits_for_no_client() -> None:
    """One whose answer is under way is left to its thread."""
    entered, leave = threading.Event(), threading.Event()

    def slow(_asked: Asked) -> Answer:
        entered.set()
        leave.wait(60)
        return Answer.text("done")

    server = HttpServer(Routes({"/slow": slow}))
    server.start()
    asking = threading.Thread(target=raw, args=(server, b"GET /slow HTTP/1.0\r\n\r\n"))
    asking.start()
    entered.wait(60)
    server.stop()
    assert not leave.is_set()
    leave.set()
    asking.join()


def test_a_port_in_use_is_one_sentence(server: HttpServer) -> None:
    """It says what to do."""
    with pytest.raises(ConfigurationError) as caught:
        HttpServer(Routes(), port=server.port).start()
    assert (
        f"metrics port {server.port} of host '127.0.0.1' cannot be had (address already in use): "
        "give another port or host, or port 0 for any that is free"
    ) == str(caught.value)


@pytest.mark.parametrize("host", ["192.0.2.1", "no such host", "a" * 300])
def test_a_host_that_is_not_ours_is_one_sentence(host: str) -> None:
    """Whether it cannot be resolved, or is another machine's."""
    with pytest.raises(ConfigurationError, match="cannot be had"):
        HttpServer(Routes(), host=host, port=0).start()


@pytest.mark.parametrize("port", [-1, 65_536, True, "9090"])
def test_what_is_no_port_is_refused(port: Any) -> None:
    """Before anything listens."""
    with pytest.raises(ConfigurationError, match="give a number from 0 to 65535"):
        HttpServer(Routes(), port=port)


def test_it_listens_where_it_is_told() -> None:
    """On every address, by IPv6 too."""
    with HttpServer(Routes({"/echo": echo}), host="0.0.0.0") as server:  # noqa: S104 - that is the question
        assert 200 == ask(server, "GET", "/echo")[0]
    with HttpServer(Routes({"/echo": echo}), host="::1") as server:
        assert f"http://[::1]:{server.port}" == server.url
        with socket.create_connection(("::1", server.port), timeout=60) as client:
            client.sendall(b"GET / HTTP/1.0\r\n\r\n")
            assert client.recv(12).startswith(b"HTTP/1.1 200")


@pytest.mark.parametrize("path", ["metrics", "/", "/metrics/", "/größe"])
def test_what_is_no_path_is_refused(path: str) -> None:
    """A path begins with a slash and does not end with one."""
    with pytest.raises(ConfigurationError, match="give one such as"):
        Routes({path: echo})


def test_a_path_is_added_once() -> None:
    """Two functions for one path are a mistake."""
    with pytest.raises(ConfigurationError, match="path /echo is taken"):
        Routes({"/echo": echo}).add("/echo", broken)


async def asgi(routes: Routes, scope: dict[str, Any], *incoming: dict[str, Any]) -> list[Any]:
    """Return what an ASGI application sends."""
    sent: list[Any] = []
    waiting = list(incoming)

    async def receive() -> Any:
        return waiting.pop(0)

    async def send(message: Any) -> None:
        sent.append(message)

    await routes(scope, receive, send)
    return sent


async def test_the_same_routes_are_an_asgi_application() -> None:
    """Also where they are mounted below a path."""
    scope = {
        "type": "http", "method": "GET", "path": "/ops/echo", "root_path": "/ops",
        "query_string": b"a=1", "headers": [(b"Accept", b"x"), (b"accept", b"y")],
    }  # fmt: skip
    start, body = await asgi(Routes({"/echo": echo}), scope)
    assert 200 == start["status"]
    assert {"path": "/echo", "query": {"a": ["1"]}, "accept": "x, y"} == json.loads(body["body"])
    assert (b"content-type", b"application/json") in start["headers"]


async def test_as_an_asgi_application_it_answers_head_without_a_body() -> None:
    """The length is that of GET."""
    scope = {"type": "http", "method": "HEAD", "path": "/", "query_string": b"", "headers": []}
    start, body = await asgi(Routes({"/echo": echo}), scope)
    assert (b"content-length", b"6") in start["headers"]
    assert b"" == body["body"]


async def test_as_an_asgi_application_it_may_run_alone() -> None:
    """It starts and stops with its web server; a websocket is closed."""
    incoming = [{"type": "lifespan.startup"}, {"type": "lifespan.shutdown"}]
    sent = await asgi(Routes(), {"type": "lifespan"}, *incoming)
    assert ["lifespan.startup.complete", "lifespan.shutdown.complete"] == [message["type"] for message in sent]
    assert [{"type": "websocket.close"}] == await asgi(Routes(), {"type": "websocket"})
