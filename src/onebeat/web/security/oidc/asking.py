"""HTTP to a provider: so long, so much, and nowhere but where it was asked."""

from __future__ import annotations

import asyncio
import json
import ssl
from collections.abc import Mapping
from functools import cache
from typing import Any, Final

import httpx2

from onebeat.web.security.oidc.troubles import Away, Unbelievable

WITHIN_S: Final = 10.0
"""How long an answer may take, to its last byte."""

MAX_ANSWER: Final = 256 * 1024
"""Bytes of an answer."""


async def ask(
    name: str,
    address: str,
    *,
    form: Mapping[str, str] | None = None,
    headers: Mapping[str, str] | None = None,
    statuses: tuple[int, ...] = (200,),
) -> Mapping[str, Any]:
    """
    Return the JSON object that an address answers. Redirects are not followed.

    Args:
        name: Of the provider.

        form: What is sent; None: nothing, it is read only.

        headers: Sent besides.

        statuses: Which are an answer.

    Raises:
        Away: There is none in time, or the provider says that it cannot now.
        Unbelievable: It is no JSON object, too large, or sends elsewhere.
    """
    try:
        async with asyncio.timeout(WITHIN_S):
            status, body = await _read(address, form, headers or {})
    except TimeoutError:
        raise Away(name, f"{address} did not answer within {WITHIN_S:g} s") from None
    except (httpx2.HTTPError, httpx2.InvalidURL, OSError) as error:
        raise Away(name, f"{address}: {str(error) or type(error).__name__}") from None
    if status in (408, 429) or status >= 500:
        raise Away(name, f"{address} answered {status}")
    if status not in statuses:
        raise Unbelievable(name, f"it came with the status {status}", f"{address} answered {status}")
    if len(body) > MAX_ANSWER:
        raise Unbelievable(name, f"it has more than {MAX_ANSWER // 1024} KB", address)
    try:
        found = json.loads(body)
    except (ValueError, RecursionError):
        # of what else than an address alone was asked, the answer may have a token in it, and is not for the log
        told = f", {body[:100]!r}" if form is None and not headers else ""
        raise Unbelievable(name, "it is no JSON", f"{address} answered {status}{told}") from None
    if not isinstance(found, dict):
        raise Unbelievable(name, "it is no JSON object", address)
    return found


@cache
def _trusted() -> ssl.SSLContext:
    """Read whose certificates are believed, once: it takes longer than the rest."""
    return httpx2.create_ssl_context()


async def _read(address: str, form: Mapping[str, str] | None, headers: Mapping[str, str]) -> tuple[int, bytes]:
    """Return status and body; of one that is too large no more than shows that it is."""
    body = b""
    trusted = await asyncio.to_thread(_trusted)
    # What is not compressed cannot be larger than it came, and is not read further than it may be.
    sent = {"Accept": "application/json", "Accept-Encoding": "identity", "User-Agent": "onebeat", **headers}
    method = "GET" if form is None else "POST"
    async with (
        httpx2.AsyncClient(verify=trusted, follow_redirects=False, timeout=WITHIN_S) as http,
        http.stream(method, address, data=None if form is None else dict(form), headers=sent) as answer,
    ):
        async for part in answer.aiter_raw():
            body += part
            if len(body) > MAX_ANSWER:
                break
        return answer.status_code, body
