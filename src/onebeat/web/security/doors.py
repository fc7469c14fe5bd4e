"""Sessions in browsers: begun, found and ended, however their users signed in."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response

from onebeat.clock import Clock
from onebeat.web.security import sessions
from onebeat.web.security.ledger import Ledger
from onebeat.web.security.proxies import client
from onebeat.web.security.sessions import Key, Session


class Doors:
    """
    Begins and ends sessions.

    Args:
        secret: What they are signed with besides.

        ledger: Notes them.

        clock: Where time is taken from.
    """

    def __init__(self, secret: str, ledger: Ledger, clock: Clock) -> None:
        self.ledger = ledger
        self._secret = secret
        self._clock = clock

    async def begin(
        self, request: Request, answer: Response, user: str, way: str, key_of: Key, grants: str = ""
    ) -> Session:
        """
        Begin a session: the browser keeps it. Every session begins here.

        Args:
            user: The name of whose it is.

            way: How the user signed in, a word: "password".

            key_of: Returns what signs the user's sessions; see `sessions.read`.

            grants: See `Session`.

        Raises:
            KeyError: It knows no such user.
        """
        if (key := key_of(user, way)) is None:
            raise KeyError(user)
        session = await self.ledger.begin(
            sessions.new(user, way, now=self._clock.now(), grants=grants), client(request.scope)
        )
        answer.set_cookie(
            sessions.cookie_name(request),
            sessions.write(session, key, self._secret),
            max_age=int(sessions.LASTS.total_seconds()),
            path=sessions.cookie_path(request),
            secure=sessions.is_secure(request),
            httponly=True,
            samesite="strict",
        )
        return session

    def find(self, request: Request, key_of: Key) -> Session | None:
        """Return the session that a request bears; that it was ended before its time is not asked here."""
        cookie = request.cookies.get(sessions.cookie_name(request))
        return None if cookie is None else sessions.read(cookie, key_of, self._secret, now=self._clock.now())

    async def is_on(self, request: Request, session: Session) -> bool:
        """
        Whether a session was not ended.

        Raises:
            BrokerUnavailable: The store cannot be asked.
        """
        return await self.ledger.is_on(session, client(request.scope))

    def forget(self, request: Request, answer: Response) -> None:
        """Have the browser forget its session."""
        answer.delete_cookie(
            sessions.cookie_name(request),
            path=sessions.cookie_path(request),
            secure=sessions.is_secure(request),
            httponly=True,
            samesite="strict",
        )
