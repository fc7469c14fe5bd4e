"""
Sign-ins that are under way: kept by the browser that began them, each in a cookie of its own, for ten minutes.

So nothing grows here, any process can take up what another began, and several tabs may sign in at once. The cookie is
sent with a link of another site, as the provider's answer is one; the session's is not.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import json
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Final

from starlette.requests import Request
from starlette.responses import Response

from onebeat.clock import Clock
from onebeat.web import links
from onebeat.web.security.sessions import is_secure

WAY: Final = "oidc"
"""The way in of who signs in so."""

PATH: Final = "/login/oidc"
CALLBACK: Final = f"{PATH}/callback"
"""Where the provider sends browsers back to."""

COOKIE: Final = "onebeat_signin_"
LASTS: Final = timedelta(minutes=10)

AT_ONCE: Final = 8
"""Sign-ins that one browser may have under way: the oldest gives way."""

MAX_COOKIE: Final = 3000
"""Characters; a longer one is none of ours."""

MAX_NEXT: Final = 1500
"""Characters of where to go on: a longer one is forgotten, and the first page comes."""


@dataclass(frozen=True, slots=True)
class Flow:
    """
    A sign-in that is under way.

    Attributes:
        state: Names it, in what the provider is asked and answers.

        nonce: Names it in the ID token.

        verifier: Proves that who brings the code has asked for it: PKCE.

        there: Where to go on.

        begun: When it began, seconds since 1970.
    """

    state: str
    nonce: str
    verifier: str
    there: str
    begun: int

    @property
    def challenge(self) -> str:
        """What is told of `verifier` beforehand: S256."""
        return _write(hashlib.sha256(self.verifier.encode()).digest())

    def cookie(self, request: Request) -> str:
        """Name its cookie; by https its prefix keeps browsers from taking it from anybody who is not."""
        prefix = "__Secure-" if is_secure(request) else ""
        return f"{prefix}{COOKIE}{hashlib.sha256(self.state.encode()).hexdigest()[:16]}"


class Flows:
    """
    Begins sign-ins, and finds them again.

    Args:
        key: Signs them: they are taken from nobody else.

        clock: Where time is taken from.
    """

    def __init__(self, key: bytes, clock: Clock) -> None:
        self._clock = clock
        self._key = hmac.digest(key, b"onebeat sign-in", "sha256")

    def begin(self, there: str) -> Flow:
        """Return a new sign-in; `keep` has the browser keep it."""
        state, nonce, verifier = (secrets.token_urlsafe(32) for _ in range(3))
        return Flow(state, nonce, verifier, there if len(there) <= MAX_NEXT else "/", self._now())

    def keep(self, request: Request, answer: Response, flow: Flow) -> None:
        """Have the browser keep a sign-in, and forget the oldest of many."""
        found = sorted(self._all(request), key=lambda one: one.begun, reverse=True)
        for old in found[AT_ONCE - 1 :]:
            self.forget(request, answer, old)
        said = json.dumps([flow.state, flow.nonce, flow.verifier, flow.there, flow.begun]).encode()
        answer.set_cookie(
            flow.cookie(request),
            f"{_write(said)}.{_write(self._sign(said))}",
            max_age=int(LASTS.total_seconds()),
            path=f"{links.root(request)}{PATH}",
            secure=is_secure(request),
            httponly=True,
            samesite="lax",
        )

    def find(self, request: Request, state: str) -> Flow | None:
        """Return the sign-in of this browser that an answer belongs to."""
        for flow in self._all(request):
            if hmac.compare_digest(flow.state.encode(), state.encode("utf-8", "surrogatepass")):
                return flow
        return None

    def forget(self, request: Request, answer: Response, flow: Flow) -> None:
        """Have the browser forget a sign-in: each is answered once."""
        answer.delete_cookie(
            flow.cookie(request),
            path=f"{links.root(request)}{PATH}",
            secure=is_secure(request),
            httponly=True,
            samesite="lax",
        )

    def _all(self, request: Request) -> Iterator[Flow]:
        for name, value in request.cookies.items():
            flow = self._read(value) if COOKIE in name and len(value) <= MAX_COOKIE else None
            is_on = flow is not None and self._now() - flow.begun < LASTS.total_seconds()
            if flow is not None and is_on and flow.cookie(request) == name:
                yield flow

    def _read(self, text: str) -> Flow | None:
        try:
            said, signature = (_decode(part) for part in text.split("."))
            if not hmac.compare_digest(signature, self._sign(said)):
                return None
            return Flow(*json.loads(said))
        except (ValueError, TypeError, binascii.Error):
            return None

    def _now(self) -> int:
        return int(self._clock.now().timestamp())

    def _sign(self, said: bytes) -> bytes:
        return hmac.digest(self._key, said, "sha256")


def _write(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def _decode(text: str) -> bytes:
    return base64.b64decode(text.encode("ascii") + b"=" * (-len(text) % 4), b"-_", validate=True)
