"""
Changes that another site makes a browser ask for: refused.

Browsers say where a request comes from: in `Sec-Fetch-Site`, but over plain HTTP only at localhost, and else in
`Origin`. Whoever sends neither is no browser, and has to bear a token, which no browser adds by itself.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Final
from urllib.parse import urlsplit

from starlette.requests import Request

from onebeat.errors import ConfigurationError, shown

SAFE: Final = frozenset({"GET", "HEAD", "OPTIONS"})
"""Methods that change nothing."""

_PORTS: Final = {"http": 80, "https": 443}


def origins(given: Collection[str]) -> frozenset[str]:
    """
    Read the addresses under which browsers reach the console, where a proxy changes `Host`: "https://jobs.example.com".

    Raises:
        ConfigurationError: One is none.
    """
    found: set[str] = set()
    for text in [given] if isinstance(given, str) else given:
        origin = origin_of(text)
        if origin is None or urlsplit(text).path not in ("", "/") or urlsplit(text).query:
            raise ConfigurationError(
                f"origin {shown(text)} is no address of a site: give scheme, host and port, such as "
                "https://jobs.example.com"
            )
        found.add(origin)
    return frozenset(found)


def crossing(request: Request, allowed: Collection[str], *, has_token: bool) -> str | None:
    """
    Say why a request may have been made by another site; None: it was not.

    Args:
        allowed: Origins that are ours beside that of `Host`.

        has_token: Whether the request says whose it is by what no browser adds by itself.
    """
    if request.method in SAFE:
        return None
    site = request.headers.get("sec-fetch-site")
    if site is not None:
        if site in ("same-origin", "none"):
            return None
        return f"Another site asked for this ({shown(site)} by Sec-Fetch-Site): use the console's own pages."
    origin = request.headers.get("origin")
    if origin is not None:
        known = origin_of(origin)
        if known is not None and (known in allowed or known.partition("://")[2] == _host(request)):
            return None
        return (
            f"This came from {shown(origin)}, and the console is at {shown(request.headers.get('host', ''))}. If a "
            "proxy changes Host, tell the console its public address: --origin https://…, or console(origins=[…])."
        )
    if has_token:
        return None
    return "Neither Sec-Fetch-Site nor Origin says where this comes from: a script has to send a bearer token."


def _host(request: Request) -> str:
    """Return where the browser thinks that it is: host and port as `Origin` writes them."""
    scheme = str(request.scope.get("scheme", "http"))
    origin = origin_of(f"{scheme}://{request.headers.get('host', '')}")
    return "" if origin is None else origin.partition("://")[2]


def origin_of(text: object) -> str | None:
    """Write an origin in one way: lower case, no port that goes without saying; None: it is none, such as "null"."""
    if not isinstance(text, str):
        return None
    try:
        parts = urlsplit(text)
        host, port = parts.hostname, parts.port
    except ValueError:
        return None
    if parts.scheme not in _PORTS or not host or parts.username is not None or parts.password is not None:
        return None
    host = f"[{host}]" if ":" in host else host
    return f"{parts.scheme}://{host}" if port in (None, _PORTS[parts.scheme]) else f"{parts.scheme}://{host}:{port}"
