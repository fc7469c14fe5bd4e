"""How much a request may say, and how long it may take to say it."""

from __future__ import annotations

import asyncio
from typing import Final

from starlette.exceptions import HTTPException
from starlette.types import Message, Receive, Scope

MAX_BODY: Final = 2_000_000
"""Bytes of a form."""

MAX_API_BODY: Final = 16_000_000
"""Bytes of a document for the API, whose operations have lower limits of their own."""

MAX_QUERY: Final = 16 * 1024
"""Bytes behind the question mark: a filter of 10,000 characters fits in."""

MAX_HEADERS: Final = 32 * 1024
"""Bytes of all headers."""

MAX_FIELDS: Final = 2000
"""Fields of a form or a query."""

BODY_WITHIN_S: Final = 30.0
"""How long a body may take to arrive."""


class TooMuch(HTTPException):
    """A request says more than is read, or too slowly."""


def check_size(scope: Scope, *, max_body: int = MAX_BODY) -> None:
    """
    Look at what a request announces, before anything of it is read.

    Raises:
        TooMuch: It is more than is read.
    """
    if len(scope.get("query_string", b"")) > MAX_QUERY:
        raise TooMuch(414, f"The address has more than {MAX_QUERY // 1024} KB behind its question mark.")
    if scope.get("query_string", b"").count(b"&") >= MAX_FIELDS:
        raise TooMuch(400, f"The address has more than {MAX_FIELDS} fields.")
    if sum(len(name) + len(value) + 4 for name, value in scope["headers"]) > MAX_HEADERS:
        raise TooMuch(431, f"The headers have more than {MAX_HEADERS // 1024} KB: delete this site's cookies.")
    for name, value in scope["headers"]:
        if name.lower() == b"content-length" and (not value.isdigit() or int(value[:18]) > max_body):
            raise _too_large(max_body)


def bounded(receive: Receive, *, max_body: int = MAX_BODY, seconds: float = BODY_WITHIN_S) -> Receive:
    """
    Return what reads a body that is neither too large nor too slow.

    It raises `TooMuch` where it is read.
    """
    seen = 0
    is_whole = False
    until: float | None = None

    async def read() -> Message:
        nonlocal seen, is_whole, until
        if is_whole:  # who waits now waits for the client to leave
            return await receive()
        loop = asyncio.get_running_loop()
        until = loop.time() + seconds if until is None else until
        try:
            async with asyncio.timeout_at(until):
                message = await receive()
        except TimeoutError:
            raise TooMuch(408, f"The request did not arrive within {seconds:g} s.") from None
        seen += len(message.get("body", b""))
        is_whole = message["type"] != "http.request" or not message.get("more_body", False)
        if seen > max_body:
            raise _too_large(max_body)
        return message

    return read


def _too_large(max_body: int) -> TooMuch:
    return TooMuch(413, f"The request is larger than {max_body:,} bytes, the most that is taken.")
