"""
Sessions of who signed in: a signed cookie, which says whose it is, since when and until when.

What signs is made of a key of the user's own, such as the hash of the password. So all processes that are given the
same credentials take one another's sessions, and a changed password ends those that were begun with the old one. That
one was ended before its time is noted in the store: see `ledger`.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final

from starlette.requests import Request

from onebeat.inspector.signing import ID
from onebeat.web import links

COOKIE: Final = "onebeat_session"
LASTS: Final = timedelta(hours=12)
"""For how long one stays signed in: a shift."""

MAX_COOKIE = 2000
"""Characters of a session; a longer one is none of ours."""

Key = Callable[[str, str], str | None]
"""Returns what signs the sessions of a user, given the name and the way; None: that user has none."""


@dataclass(frozen=True, slots=True)
class Session:
    """
    A session as its cookie says it.

    Attributes:
        user: The name of whose it is.

        way: How the user signed in, a word: "password".

        id: Its own, of no use without the signature.

        begun, until: When it began, and when it ends by itself, ms since 1970.

        grants: What the way in has to know again of what the user may do; "" if it knows that by the name.
    """

    user: str
    way: str
    id: str
    begun: int
    until: int
    grants: str = ""


def new(user: str, way: str, *, now: datetime, grants: str = "") -> Session:
    """Return a session that begins now."""
    begun = int(now.timestamp() * 1000)
    return Session(user, way, secrets.token_hex(16), begun, begun + int(LASTS.total_seconds() * 1000), grants)


def is_secure(request: Request) -> bool:
    """Whether the browser came by https, so that it is to send cookies that way alone."""
    return request.scope.get("scheme") == "https"


def cookie_name(request: Request) -> str:
    """
    Name the cookie, with the port that the browser knows: browsers tell no ports apart, and two consoles that are
    reached through tunnels to one machine must not sign each other out.

    By https its prefix keeps browsers from taking it from anybody but this host, by https.
    """
    port = request.headers.get("host", "").rpartition("]")[2].rpartition(":")[2]
    name = f"{COOKIE}_{port}" if port.isascii() and port.isdigit() and len(port) <= 5 else COOKIE
    if not is_secure(request):
        return name
    return f"__Host-{name}" if cookie_path(request) == "/" else f"__Secure-{name}"


def cookie_path(request: Request) -> str:
    """Return what a cookie of this console is for: nothing beside it on the same host."""
    return f"{links.root(request)}/"


def write(session: Session, key: str, secret: str) -> str:
    """
    Return what the cookie of a session holds.

    Args:
        key: The user's own, such as the hash that the user signed in by.

        secret: What else signs: who reads the hashes cannot make sessions without it.
    """
    said = json.dumps(
        [session.user, session.way, session.id, session.begun, session.until, session.grants], separators=(",", ":")
    ).encode()
    return f"{_write(said)}.{_write(_sign(said, key, secret))}"


def read(cookie: str, key_of: Key, secret: str, *, now: datetime) -> Session | None:
    """
    Return the session that a cookie is, or None: it is none, is over, or was begun with another key.

    Args:
        key_of: Returns the key that a user has now.
    """
    if len(cookie) > MAX_COOKIE:
        return None
    try:
        said, signature = map(_read, cookie.split("."))
        session = _session(json.loads(said))
    except (ValueError, TypeError, binascii.Error, RecursionError):
        return None
    if session is None or (key := key_of(session.user, session.way)) is None:
        return None
    is_ours = hmac.compare_digest(signature, _sign(said, key, secret))
    return session if is_ours and now.timestamp() * 1000 < session.until else None


def _session(said: object) -> Session | None:
    match said:
        case [str(user), str(way), str(id_), int(begun), int(until), str(grants)] if ID.fullmatch(id_):
            return Session(user, way, id_, begun, until, grants)
    return None


def _sign(said: bytes, key: str, secret: str) -> bytes:
    root = secret.encode("utf-8", "surrogatepass")
    made = hmac.digest(root, b"onebeat session " + key.encode("utf-8", "surrogatepass"), "sha256")
    return hmac.new(made, said, hashlib.sha256).digest()


def _write(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def _read(text: str) -> bytes:
    return base64.b64decode(text.encode("ascii") + b"=" * (-len(text) % 4), b"-_", validate=True)
