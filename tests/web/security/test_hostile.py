"""Over a real socket: whatever is sent, nothing fails, nothing hangs, and the next one is answered."""

from __future__ import annotations

import socket
from collections.abc import Iterator

import pytest
from starlette.types import Message

from onebeat.broker.store import Store
from onebeat.web import Passwords, Settings, User, console, serving
from onebeat.web.security.limits import MAX_HEADERS, MAX_QUERY
from tests.web.beside import beside

HEAD = b"Host: 127.0.0.1\r\nOrigin: http://127.0.0.1\r\n"
FORM = b"Content-Type: application/x-www-form-urlencoded\r\n"

SENT = {
    "a long address": b"GET /?q=" + b"a" * (MAX_QUERY + 1) + b" HTTP/1.1\r\n" + HEAD + b"\r\n",
    "an endless address": b"GET /" + b"a" * 200_000 + b" HTTP/1.1\r\n" + HEAD + b"\r\n",
    "large headers": b"GET / HTTP/1.1\r\n" + HEAD + b"X: " + b"a" * (MAX_HEADERS + 1) + b"\r\n\r\n",
    "many headers": b"GET / HTTP/1.1\r\n" + HEAD + b"X: a\r\n" * 5000 + b"\r\n",
    "many cookies": b"GET / HTTP/1.1\r\n" + HEAD + b"Cookie: " + b"a=b; " * 3000 + b"\r\n\r\n",
    "odd cookies": b"GET / HTTP/1.1\r\n" + HEAD + b'Cookie: onebeat_notice=%5B; onebeat_zone="\\\x80\xff;=;\r\n\r\n',
    "an odd notice": b"GET / HTTP/1.1\r\n" + HEAD + b"Cookie: onebeat_notice=" + b"%5B" * 5000 + b"\r\n\r\n",
    "no host": b"GET / HTTP/1.1\r\n\r\n",
    "two hosts": b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\nHost: evil.example\r\n\r\n",
    "bad escapes": b"GET /queue?name=%zz%ff%00%&%=%ed%a0%80 HTTP/1.1\r\n" + HEAD + b"\r\n",
    "bad escapes in a path": b"GET /%ff%00%zz%2e%2e%2f HTTP/1.1\r\n" + HEAD + b"\r\n",
    "dots": b"GET /../../etc/passwd HTTP/1.1\r\n" + HEAD + b"\r\n",
    "an asset outside": b"GET /assets/x/..%2f..%2fconsole.py HTTP/1.1\r\n" + HEAD + b"\r\n",
    "many parameters": b"GET /tasks?" + b"q=a&" * 3000 + b" HTTP/1.1\r\n" + HEAD + b"\r\n",
    "odd numbers": b"GET /?page=99999999999999999999999&find=%00 HTTP/1.1\r\n" + HEAD + b"\r\n",
    "an odd page": "GET /?page=٣ HTTP/1.1\r\n".encode() + HEAD + b"\r\n",
    "an odd cursor": b"GET /tasks?cursor=////%ff&q=state:retry HTTP/1.1\r\n" + HEAD + b"\r\n",
    "a deep filter": b"GET /tasks?q=" + b"-" * 9000 + b" HTTP/1.1\r\n" + HEAD + b"\r\n",
    "a surrogate": b"POST /queue/pause HTTP/1.1\r\n" + HEAD + FORM + b"Content-Length: 15\r\n\r\nqueue=%ed%a0%80",
    "a NUL": b"POST /queue/pause HTTP/1.1\r\n" + HEAD + FORM + b"Content-Length: 9\r\n\r\nqueue=%00",
    "no form": b"POST /queue/pause HTTP/1.1\r\n" + HEAD + b"Content-Length: 3\r\n\r\n{}}",
    "an empty form": b"POST /act HTTP/1.1\r\n" + HEAD + FORM + b"Content-Length: 0\r\n\r\n",
    "a huge form": b"POST /act HTTP/1.1\r\n" + HEAD + FORM + b"Content-Length: 99999999999\r\n\r\n",
    "many fields": b"POST /act HTTP/1.1\r\n" + HEAD + FORM + b"Content-Length: 6000\r\n\r\n" + b"a&" * 3000,
    "two lengths": b"POST /act HTTP/1.1\r\n" + HEAD + FORM + b"Content-Length: 1\r\nContent-Length: 2\r\n\r\nab",
    "length and chunks": b"POST /act HTTP/1.1\r\n" + HEAD
    + b"Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
    "bad chunks": b"POST /act HTTP/1.1\r\n" + HEAD + FORM + b"Transfer-Encoding: chunked\r\n\r\nzz\r\n",
    "an odd method": b"BREW / HTTP/1.1\r\n" + HEAD + b"\r\n",
    "a proxy's request": b"GET http://evil.example/ HTTP/1.1\r\n" + HEAD + b"\r\n",
    "a tunnel": b"CONNECT evil.example:443 HTTP/1.1\r\n" + HEAD + b"\r\n",
    "a socket": b"GET / HTTP/1.1\r\n" + HEAD + b"Connection: upgrade\r\nUpgrade: websocket\r\n"
    b"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: AAAAAAAAAAAAAAAAAAAAAA==\r\n\r\n",
    "no HTTP": b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n",
    "an odd prefix": b"GET / HTTP/1.1\r\n" + HEAD + b"X-Forwarded-Prefix: //evil\r\nX-Forwarded-For: x\r\n\r\n",
    "JSON that is none": b"POST /api/v1/queue/pause HTTP/1.1\r\n" + HEAD
    + b"Content-Type: application/json\r\nContent-Length: 4\r\n\r\n\xff{[]",
}  # fmt: skip


@pytest.fixture
def place(url: str) -> Iterator[tuple[str, int]]:
    """Serve the console; return where it answers."""
    found = serving.listening("127.0.0.1", 0)
    host, port = found.getsockname()[:2]
    with beside(url, Settings(), found):
        yield host, port


def answered(place: tuple[str, int], sent: bytes, *, waits: bool = False) -> bytes:
    """Send bytes, and return all that comes back until the end; who does not wait for it says that nothing follows."""
    with socket.create_connection(place, timeout=60) as open_:
        try:
            open_.sendall(sent)
            if not waits:  # uvicorn may give up an answer whose asker has hung up
                open_.shutdown(socket.SHUT_WR)
            return b"".join(iter(lambda: open_.recv(65_536), b""))
        except OSError:  # it was told no, and the connection ended, before all was sent
            return b""


def test_whatever_is_sent_nothing_fails(place: tuple[str, int]) -> None:
    """Each is answered below 500, or not at all; and a plain request after it as ever."""
    told: dict[str, bytes] = {}
    for name, sent in SENT.items():
        line = answered(place, sent.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n", 1)).partition(b"\r\n")[0]
        if line and line.split(b" ")[1][:1] not in (b"2", b"3", b"4"):
            told[name] = line
    assert {} == told
    plain = b"GET / HTTP/1.1\r\n" + HEAD + b"Connection: close\r\n\r\n"
    assert answered(place, plain, waits=True).startswith(b"HTTP/1.1 200")


@pytest.mark.parametrize("sent", [b"", b"GET / HT", b"GET / HTTP/1.1\r\nHost: 127.0.0.1\r\n"])
def test_who_does_not_finish_the_head_is_waited_for_no_longer(
    place: tuple[str, int], sent: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The connection is closed; uvicorn would hold it for ever."""
    monkeypatch.setattr(serving, "HEAD_WITHIN_S", 0.05)
    with socket.create_connection(place, timeout=60) as open_:
        open_.sendall(sent)
        assert b"" == open_.recv(1)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("path", "kind"), [("/login", "application/x-www-form-urlencoded"), ("/api/v1/queue/pause", "application/json")]
)
async def test_who_leaves_in_the_middle_of_a_body_is_no_failure(store: Store, path: str, kind: str) -> None:
    """It is answered as every other mistake, though nobody hears it: no traceback gets into the log."""
    sent: list[Message] = []
    messages: list[Message] = [{"type": "http.request", "body": b"a", "more_body": True}, {"type": "http.disconnect"}]

    async def receive() -> Message:
        return messages.pop(0)

    async def send(message: Message) -> None:
        sent.append(message)

    board = console(store, auth=Passwords([("a good password", User("ann", "admin"))]) if path == "/login" else None)
    headers = [(b"host", b"127.0.0.1"), (b"origin", b"http://127.0.0.1"), (b"content-type", kind.encode())]
    await board(
        {
            "type": "http", "method": "POST", "path": path, "raw_path": path.encode(), "query_string": b"",
            "root_path": "", "scheme": "http", "headers": headers, "client": ("127.0.0.1", 1),
            "server": ("127.0.0.1", 80), "http_version": "1.1",
        },
        receive,
        send,
    )  # fmt: skip
    assert 400 == sent[0]["status"]
