"""
What is answered over HTTP to those who watch a process: a table of paths.

The same table is served by `HttpServer` from a thread of its own, and as an ASGI application by any web framework.
Functions in it are plain, and may block for a while: they run in a thread either way.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs

import msgspec

from onebeat.errors import ConfigurationError, shown

log: logging.Logger = logging.getLogger("onebeat.http")

Message = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[Message]]
Send = Callable[[Message], Awaitable[None]]

JSON = "application/json"
TEXT = "text/plain; charset=utf-8"


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """
    A question.

    Attributes:
        path: Without the query, such as "/metrics".

        query: Name → values, percent signs resolved.

        headers: By name in lower case; of several with one name, joined by commas.
    """

    path: str
    query: Mapping[str, list[str]] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Answer:
    """
    What is answered.

    Args:
        status: The HTTP status.

        body: The content.

        content_type: What that is.

        headers: Further ones.
    """

    status: int
    body: bytes
    content_type: str = TEXT
    headers: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name, value in self.headers_with(len(self.body)).items():
            if not (name + value).isascii() or not (name + value).isprintable():
                raise ConfigurationError(f"header {shown(name)} is {shown(value)}: give printable ASCII in one line")

    @classmethod
    def json(cls, document: object, status: int = 200) -> Answer:
        """Answer with what msgspec can write as JSON."""
        return cls(status, msgspec.json.format(msgspec.json.encode(document), indent=2) + b"\n", JSON)

    @classmethod
    def text(cls, text: str, status: int = 200) -> Answer:
        """Answer with a text; it ends with a line's end."""
        return cls(status, f"{text}\n".encode())

    def headers_with(self, length: int) -> dict[str, str]:
        """Return all headers."""
        return {
            "content-type": self.content_type,
            "content-length": str(length),
            "cache-control": "no-store",
            "x-content-type-options": "nosniff",
            **self.headers,
        }


Page = Callable[[Asked], Answer]


class Routes:
    """
    A table path → function. It is an ASGI application as well: `app.mount("/onebeat", routes)`.

    `/` lists the paths. Only GET and HEAD are answered, and nothing that a request carries beside its path, query and
    headers is read. What a function raises is logged and answered with 500, without its text.

    Args:
        pages: The functions by path. Each is given what was asked, and runs in a thread.
    """

    def __init__(self, pages: Mapping[str, Page] | None = None) -> None:
        self._pages: dict[str, Page] = {}
        for path, page in (pages or {}).items():
            self.add(path, page)

    @property
    def paths(self) -> list[str]:
        """What there is."""
        return sorted(self._pages)

    def add(self, path: str, page: Page) -> None:
        """
        Answer a path, from now on; any thread may add while others ask.

        Raises:
            ConfigurationError: It is no path, or is taken.
        """
        if not path.startswith("/") or path.rstrip("/") != path or not path.isascii():
            raise ConfigurationError(f'path is {shown(path)}: give one such as "/metrics"')
        if path in self._pages:
            raise ConfigurationError(f"path {path} is taken: add it once")
        self._pages = {**self._pages, path: page}

    def answer(self, method: str, target: str, headers: Mapping[str, str]) -> Answer:
        """
        Answer a request.

        Args:
            method: In capitals.

            target: Path and query, as they were sent.

            headers: By name in lower case.
        """
        path, _, query = target.partition("?")
        path = path.rstrip("/")
        if method not in ("GET", "HEAD"):
            return Answer(405, b"Only GET and HEAD are answered.\n", headers={"allow": "GET, HEAD"})
        if not path:
            return Answer.text("\n".join(self.paths))
        page = self._pages.get(path)
        if page is None:
            return Answer.text(f"There is nothing here but {', '.join(self.paths)}.", 404)
        try:
            return page(Asked(path=path, query=_values(query), headers=headers))
        except Exception:
            log.exception("%s could not be answered", path)
            return Answer.text("This could not be answered; the log of the process says why.", 500)

    async def __call__(self, scope: Message, receive: Receive, send: Send) -> None:
        """Answer as an ASGI application."""
        if scope["type"] == "lifespan":
            await _live(receive, send)
        elif scope["type"] == "websocket":
            await send({"type": "websocket.close"})
        elif scope["type"] == "http":
            path = scope["path"].removeprefix(scope.get("root_path", ""))
            target = f"{path}?{scope.get('query_string', b'').decode('latin-1')}"
            answer = await asyncio.to_thread(self.answer, scope["method"], target, _joined(scope["headers"]))
            pairs = [(name.encode(), value.encode()) for name, value in answer.headers_with(len(answer.body)).items()]
            await send({"type": "http.response.start", "status": answer.status, "headers": pairs})
            body = b"" if scope["method"] == "HEAD" else answer.body
            await send({"type": "http.response.body", "body": body})


def _values(query: str) -> dict[str, list[str]]:
    try:
        return parse_qs(query, keep_blank_values=True, max_num_fields=1000)
    except ValueError:  # too many
        return {}


def _joined(pairs: list[tuple[bytes, bytes]]) -> dict[str, str]:
    headers: dict[str, str] = {}
    for raw_name, raw_value in pairs:
        name, value = raw_name.decode("latin-1").lower(), raw_value.decode("latin-1")
        headers[name] = f"{headers[name]}, {value}" if name in headers else value
    return headers


async def _live(receive: Receive, send: Send) -> None:
    """Start and stop with the web server that runs nothing but this."""
    while True:
        message = await receive()
        await send({"type": f"{message['type']}.complete"})
        if message["type"] == "lifespan.shutdown":
            return
