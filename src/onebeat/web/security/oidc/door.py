"""Signing in with a provider, from the button to the session; and out again."""

from __future__ import annotations

import base64
import hmac
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any, Final
from urllib.parse import quote, quote_plus, urlencode

from starlette.requests import Request
from starlette.responses import Response

from onebeat.clock import Clock
from onebeat.errors import ConfigurationError
from onebeat.web import links
from onebeat.web.security import sessions
from onebeat.web.security.crossing import origin_of
from onebeat.web.security.doors import Doors
from onebeat.web.security.oidc import claims as claimed
from onebeat.web.security.oidc.asking import ask
from onebeat.web.security.oidc.flows import CALLBACK, WAY, Flow, Flows
from onebeat.web.security.oidc.provider import Description, Provider
from onebeat.web.security.oidc.settings import OpenIDConnect
from onebeat.web.security.oidc.tokens import claims_of
from onebeat.web.security.oidc.troubles import Trouble, Unbelievable, Unknown, said
from onebeat.web.security.roles import User
from onebeat.web.security.sessions import Session

AT_ONCE: Final = 16
"""Codes that are given back at the same time: each waits for the provider."""

MAX_CODE: Final = 4000
MAX_HINT: Final = 3500
"""Characters of an ID token that a browser keeps for signing out: a cookie has no more than 4 KB."""


@dataclass(frozen=True, slots=True)
class Entry:
    """
    Somebody whom the provider has signed in.

    Attributes:
        user: Who, with roles.

        grants: What grants them, for the session.

        hint: The ID token, which the provider wants to see again at the end.
    """

    user: User
    grants: str
    hint: str


class Door:
    """
    Signs users in with a provider.

    Args:
        settings: Which one.

        doors: Begins sessions.

        secret: What signs besides.

        origins: Addresses under which browsers reach the console, as far as they were given.

        taken: Names of users who sign in otherwise: who has one of them here is somebody else, and is called so.

        clock: Where time is taken from.
    """

    def __init__(
        self,
        settings: OpenIDConnect,
        doors: Doors,
        *,
        secret: str,
        origins: Collection[str],
        taken: Collection[str],
        clock: Clock,
    ) -> None:
        self.settings = settings
        self.provider: Provider = Provider(settings, clock.monotonic)
        self.flows: Flows = Flows(
            hmac.digest(secret.encode("utf-8", "surrogatepass"), settings.key.encode(), "sha256"), clock
        )
        self._key = settings.key
        self._doors = doors
        self._origins = origins
        self._taken = taken
        self._clock = clock
        self._at_work = 0

    async def begin(self, request: Request, there: str, *, as_other: bool = False) -> tuple[str, Flow]:
        """
        Return where the provider signs the user in, and the sign-in, for `flows.keep`.

        Args:
            there: Where to go on afterwards.

            as_other: Whether to ask the user for another account than the one that the provider knows already.

        Raises:
            Trouble: The provider is away, or says what cannot be.
        """
        description = await self.provider.description()
        flow = self.flows.begin(there)
        asked = {
            "response_type": "code",
            "client_id": self.settings.client_id,
            "redirect_uri": self.address(request, CALLBACK),
            "scope": " ".join(self.settings.scopes),
            "state": flow.state,
            "nonce": flow.nonce,
            "code_challenge": flow.challenge,
            "code_challenge_method": "S256",
        }
        if as_other:
            prompts = description.prompts
            asked["prompt"] = "login" if prompts and "select_account" not in prompts else "select_account"
        return _with(description.authorization, asked), flow

    def flow(self, request: Request) -> Flow:
        """
        Return the sign-in that an answer of the provider belongs to.

        Raises:
            Unknown: None of this browser.
        """
        flow = self.flows.find(request, request.query_params.get("state", ""))
        if flow is None:
            raise Unknown
        return flow

    async def enter(self, request: Request, flow: Flow) -> Entry:
        """
        Return whom the provider has signed in.

        Raises:
            Trouble: Nobody; it says why.
        """
        if self._at_work >= AT_ONCE:
            raise Trouble(429, "Too many sign in at the same time. Try again in a moment.")
        self._at_work += 1
        try:
            description = await self.provider.description()
            code = self._code(request, description)
            token, access = await self._exchange(request, flow, code, description)
            claims = await claims_of(
                token, provider=self.provider, description=description, settings=self.settings, nonce=flow.nonce,
                begun=flow.begun, now=self._clock.now(),
            )  # fmt: skip
            return self._entry(await self._completed(claims, access, description), token)
        finally:
            self._at_work -= 1

    def _code(self, request: Request, description: Description) -> str:
        """Read the answer; who says to be another issuer may have been asked by mistake: RFC 9207."""
        query, name = request.query_params, self.settings.name
        issuer = query.get("iss")
        if issuer != self.settings.issuer if issuer is not None else description.says_issuer:
            raise Unbelievable(name, "it is of another issuer", f"iss is {issuer!r}")
        if "error" in query:
            raise said(name, query["error"], query.get("error_description", ""))
        code = query.get("code", "")
        if not 0 < len(code) <= MAX_CODE:
            raise Unbelievable(name, "there is no code in it")
        return code

    async def _exchange(
        self, request: Request, flow: Flow, code: str, description: Description
    ) -> tuple[str, str | None]:
        """Give the code back; return the ID token, and the access token if there is one."""
        settings = self.settings
        form = {
            "grant_type": "authorization_code",
            "code": code,
            "redirect_uri": self.address(request, CALLBACK),
            "code_verifier": flow.verifier,
        }
        headers: dict[str, str] = {}
        if settings.client_secret and description.by_basic:  # RFC 6749, 2.3.1
            pair = f"{quote_plus(settings.client_id)}:{quote_plus(settings.client_secret)}"
            headers["Authorization"] = f"Basic {base64.b64encode(pair.encode()).decode()}"
        else:
            form["client_id"] = settings.client_id
            form |= {"client_secret": settings.client_secret} if settings.client_secret else {}
        found = await ask(settings.name, description.token, form=form, headers=headers, statuses=(200, 400, 401))
        if (error := found.get("error")) is not None:
            told = found.get("error_description")
            raise said(settings.name, str(error), told if isinstance(told, str) else "")
        token, access = found.get("id_token"), found.get("access_token")
        if not isinstance(token, str):
            raise Unbelievable(settings.name, "there is no ID token in it: is openid among the scopes?")
        return token, access if isinstance(access, str) and access.isascii() and access.isprintable() else None

    async def _completed(
        self, claims: Mapping[str, Any], access: str | None, description: Description
    ) -> Mapping[str, Any]:
        """Ask for what the ID token does not say, if there is where to ask."""
        settings = self.settings
        if access is None or description.userinfo is None or claimed.is_complete(claims, settings):
            return claims
        told = await ask(settings.name, description.userinfo, headers={"Authorization": f"Bearer {access}"})
        if told.get("sub") != claims["sub"]:
            raise Unbelievable(settings.name, "what it tells of the user is of another user")
        return claimed.joined(claims, told)

    def _entry(self, claims: Mapping[str, Any], token: str) -> Entry:
        name = self._name(claimed.name_of(claims, self.settings))
        grants = f"{sum(1 << number for number in claimed.granted(claims, self.settings)):x}"
        try:
            user = self._user(name, grants)
        except ConfigurationError as error:
            raise Unbelievable(self.settings.name, "it calls the user by what cannot be a name", str(error)) from None
        if user is None:
            raise claimed.no_role(claims, name, self.settings)
        return Entry(user, grants, token)

    def _name(self, name: str) -> str:
        return f"{name} ({self.settings.name})" if name in self._taken else name

    def _user(self, name: str, grants: str) -> User | None:
        """Return who has some grants, written as the bits of a number: as many as there may be fit into a cookie."""
        bits = int(grants, 16)
        numbers = tuple(number for number in range(len(self.settings.grants)) if bits >> number & 1)
        return claimed.user_of(name, numbers, self.settings)

    def find(self, request: Request) -> tuple[User, Session] | None:
        """Return whose session a request bears; that it was ended before its time is not asked here."""
        session = self._doors.find(request, self.key_of)
        user = None if session is None else self._user(session.user, session.grants)
        return None if session is None or user is None else (user, session)

    def key_of(self, _name: str, way: str) -> str | None:
        """Return what signs sessions: of all that they hang on."""
        return self._key if way == WAY else None

    def keep_hint(self, request: Request, answer: Response, hint: str) -> None:
        """Have the browser keep an ID token for when it signs out, and send it then alone."""
        if len(hint) > MAX_HINT:
            return
        answer.set_cookie(
            _hint_name(request),
            hint,
            max_age=int(sessions.LASTS.total_seconds()),
            path=f"{links.root(request)}/logout",
            secure=sessions.is_secure(request),
            httponly=True,
            samesite="strict",
        )

    async def end(self, request: Request) -> str | None:
        """
        Return where the provider signs the user out as well; None: nowhere, or it is away.

        The request is that which ends the session here.
        """
        try:
            description = await self.provider.description()
            there = self.address(request, "/login")
        except Trouble:  # the session ends here all the same
            return None
        if description.end_session is None:
            return None
        asked = {"client_id": self.settings.client_id, "post_logout_redirect_uri": there}
        if hint := request.cookies.get(_hint_name(request)):
            asked["id_token_hint"] = hint
        return _with(description.end_session, asked)

    def forget_hint(self, request: Request, answer: Response) -> None:
        """Have the browser forget the ID token."""
        answer.delete_cookie(
            _hint_name(request),
            path=f"{links.root(request)}/logout",
            secure=sessions.is_secure(request),
            httponly=True,
            samesite="strict",
        )

    def address(self, request: Request, path: str) -> str:
        """
        Return the public address of a path, which the provider has to know beforehand.

        Of a host that the request says, only where the gate knows it: `Rules` sees to that.

        Raises:
            Trouble: There are several public addresses, and this request came by none of them.
        """
        here = origin_of(f"{request.scope.get('scheme', 'http')}://{request.headers.get('host', '')}")
        if self._origins and here not in self._origins:
            if len(self._origins) > 1:
                raise Trouble(
                    400,
                    "This console has several public addresses, and is asked at none of them: let the proxy keep Host.",
                    f"asked at {here}",
                )
            here = next(iter(self._origins))
        if here is None:
            raise Trouble(400, "The address that this console is asked at is none.", request.headers.get("host", ""))
        return f"{here}{links.root(request)}{path}"


def _hint_name(request: Request) -> str:
    """Name the cookie as that of the session is; its path is another, which one prefix does not allow."""
    name = sessions.cookie_name(request).replace(sessions.COOKIE, "onebeat_id_token")
    return name.replace("__Host-", "__Secure-")


def _with(address: str, asked: Mapping[str, str]) -> str:
    return f"{address}{'&' if '?' in address else '?'}{urlencode(asked, quote_via=quote)}"
