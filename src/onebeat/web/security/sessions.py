"""
Sessions of who signed in with a password: a signed cookie, and nothing kept here.

What signs is made of the user's own password hash. So all processes that are given the same credentials take one
another's sessions, and a changed password ends those that were begun with the old one.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Final

from starlette.requests import Request

from onebeat.web import links
from onebeat.web.security.credentials import PasswordHash

COOKIE: Final = "onebeat_session"
LASTS: Final = timedelta(hours=12)
"""For how long one stays signed in: a shift."""

MAX_COOKIE = 1000
"""Characters of a session; a longer one is none of ours."""


def cookie_name(request: Request) -> str:
    """
    Name the cookie, with the port that the browser knows: browsers tell no ports apart, and two consoles that are
    reached through tunnels to one machine must not sign each other out.
    """
    port = request.headers.get("host", "").rpartition("]")[2].rpartition(":")[2]
    return f"{COOKIE}_{port}" if port.isascii() and port.isdigit() and len(port) <= 5 else COOKIE


def cookie_path(request: Request) -> str:
    """Return what a cookie of this console is for: nothing beside it on the same host."""
    return f"{links.root(request)}/"


def begin(name: str, password: PasswordHash, secret: str, *, now: datetime) -> str:
    """
    Return a session.

    Args:
        name: Of the user.

        password: The hash that the user signed in by.

        secret: What else signs: who reads the hashes cannot make sessions without it.

        now: What time it is.
    """
    said = json.dumps([name, int((now + LASTS).timestamp())], separators=(",", ":")).encode()
    return f"{_write(said)}.{_write(_sign(said, password, secret))}"


def read(cookie: str, known: Callable[[str], PasswordHash | None], secret: str, *, now: datetime) -> str | None:
    """
    Return whose session a cookie is, or None: it is none, has ended, or was begun with another password.

    Args:
        known: Returns the hash that a user's password has now.
    """
    if len(cookie) > MAX_COOKIE:
        return None
    try:
        said, signature = map(_read, cookie.split("."))
        name, until = json.loads(said)
    except (ValueError, TypeError, binascii.Error, RecursionError):
        return None
    if not isinstance(name, str) or type(until) is not int or (password := known(name)) is None:
        return None
    is_ours = hmac.compare_digest(signature, _sign(said, password, secret))
    return name if is_ours and now.timestamp() < until else None


def _sign(said: bytes, password: PasswordHash, secret: str) -> bytes:
    key = hmac.digest(secret.encode("utf-8", "surrogatepass"), b"onebeat session " + password.text.encode(), "sha256")
    return hmac.new(key, said, hashlib.sha256).digest()


def _write(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def _read(text: str) -> bytes:
    return base64.b64decode(text.encode("ascii") + b"=" * (-len(text) % 4), b"-_", validate=True)
