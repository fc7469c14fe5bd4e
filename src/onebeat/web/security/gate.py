"""
The gate in front of all pages and of the API: what is refused before any of them is asked, and whose a request is.

In this order: what a proxy says; sizes; who is near, where nobody is asked; the name in `Host`; whose it is; whether
another site made it. What the console answers then goes out with the headers of `headers`.
"""

from __future__ import annotations

import inspect
import logging
from collections.abc import Awaitable, Callable, Collection
from typing import TYPE_CHECKING, Final
from urllib.parse import quote

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from onebeat.clock import Clock, SystemClock
from onebeat.errors import BrokerUnavailable
from onebeat.web.reading import SharedReads
from onebeat.web.security import hosts
from onebeat.web.security.crossing import SAFE, crossing
from onebeat.web.security.doors import Doors
from onebeat.web.security.headers import Headed
from onebeat.web.security.leading import leading
from onebeat.web.security.ledger import Ledger
from onebeat.web.security.limits import MAX_API_BODY, MAX_BODY, bounded, check_size
from onebeat.web.security.login import Login
from onebeat.web.security.oidc import flows
from onebeat.web.security.proxies import Proxied, check_unambiguous
from onebeat.web.security.roles import Role, User
from onebeat.web.security.rules import Rules
from onebeat.web.security.sessions import Session
from onebeat.web.security.ways import Function, Identity, bearer

if TYPE_CHECKING:
    from onebeat.web.security.oidc.door import Door

log: logging.Logger = logging.getLogger("onebeat.web")

Answer = Callable[[Request, int, str], Response | Awaitable[Response]]
"""Makes a page of a refusal: the request, the status, the sentence."""

LOGIN: Final = "/login"
LOGOUT: Final = "/logout"
PUBLIC: Final = ("/assets/",)
OIDC: Final = frozenset({flows.PATH, flows.CALLBACK})
API: Final = "/api/"

OPEN: Final = Identity(User("local", Role.ADMIN), "open")
"""Whoever asks, where nobody is asked."""

_IDENTITY, _LOGIN, _DOORS = "onebeat.identity", "onebeat.login", "onebeat.doors"
_OIDC = "onebeat.oidc"


def identity(request: Request) -> Identity | None:
    """Return whose a request is, and how one knows; None on the login page alone."""
    found: Identity | None = request.scope.get(_IDENTITY)
    return found


def login(request: Request) -> Login | None:
    """Return what signs users in by password; None: nobody has one."""
    found: Login | None = request.scope.get(_LOGIN)
    return found


def oidc(request: Request) -> Door | None:
    """Return what signs users in with a provider; None: there is none."""
    found: Door | None = request.scope.get(_OIDC)
    return found


def signs_in(request: Request) -> bool:
    """Whether there is a page where users sign in."""
    return login(request) is not None or oidc(request) is not None


def doors(request: Request) -> Doors:
    """Return what begins and ends sessions."""
    found: Doors = request.scope[_DOORS]
    return found


def user(request: Request) -> User:
    """
    Return whose a request is.

    Raises:
        HTTPException: 401: nobody's. The gate lets such a request to the login page alone.
    """
    found = identity(request)
    if found is None:
        raise HTTPException(401, "Sign in first.")
    return found.user


def plain(request: Request, status: int, sentence: str) -> Response:
    """Answer a refusal without any page: as JSON where a script asks, else as text."""
    if is_script(request):
        return JSONResponse({"detail": sentence}, status)
    return PlainTextResponse(f"{sentence}\n", status)


def is_script(request: Request) -> bool:
    """Whether what is asked is no page: of the API, or with a token."""
    return path_of(request.scope).startswith(API) or bearer(request) is not None


def path_of(scope: Scope) -> str:
    """Return a request's path below where the console is mounted."""
    path: str = scope["path"].removeprefix(scope.get("root_path", ""))
    return path or "/"


def guarded(
    app: ASGIApp,
    rules: Rules,
    *,
    answer: Answer = plain,
    clock: Clock | None = None,
    ledger: Ledger | None = None,
    heard: Callable[[Identity], object] = lambda _found: None,
    paths: Collection[str] = (),
) -> ASGIApp:
    """
    Return an application that asks this one only for what may be asked.

    Args:
        app: The console's pages.

        rules: Who may come in.

        answer: Makes a page of a refusal.

        clock: Where sessions take their time from.

        ledger: Knows which sessions were ended before their time; None: none of another process.

        heard: Told whose each request is that comes in.

        paths: Of the application, so that none is taken for a prefix.

    Raises:
        ConfigurationError: The prefix is one of them, and whether a proxy strips it is not said.
    """
    check_unambiguous(rules.prefix, paths, stripped=rules.prefix_stripped)
    clock = clock or SystemClock()
    gate = Gate(app, rules, answer, clock, ledger or Ledger(_no_store, SharedReads(clock.monotonic), clock), heard)
    return Proxied(Headed(gate), proxies=rules.proxies, prefix=rules.prefix, stripped=rules.prefix_stripped,
        paths=paths, headers=rules.private_headers)  # fmt: skip


async def _no_store() -> None:
    """Return that there is nothing to ask."""


class Gate:
    """Refuses what may not come in, and tells the application whose the rest is. To be made by `guarded`."""

    def __init__(
        self,
        app: ASGIApp,
        rules: Rules,
        answer: Answer,
        clock: Clock,
        ledger: Ledger,
        heard: Callable[[Identity], object],
    ) -> None:
        self._app = app
        self._rules = rules
        self._answer, self._heard = answer, heard
        self.doors: Doors = Doors(rules.secret, ledger, clock)
        self.login: Login | None = Login(rules.passwords, self.doors, clock) if rules.passwords is not None else None
        self.oidc: Door | None = _door(rules, self.doors, clock)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        most = MAX_API_BODY if path_of(scope).startswith(API) else MAX_BODY
        receive = bounded(receive, max_body=most)
        request = Request(scope, receive)
        scope[_LOGIN], scope[_DOORS], scope[_OIDC] = self.login, self.doors, self.oidc
        try:
            check_size(scope, max_body=most)
            refused = await self._refuse(request)
        except HTTPException as error:
            refused = await self._say(request, error.status_code, error.detail)
        await (self._app if refused is None else refused)(scope, receive, send)

    async def _say(self, request: Request, status: int, sentence: str) -> Response:
        made = self._answer(request, status, sentence)
        return await made if inspect.isawaitable(made) else made

    async def _refuse(self, request: Request) -> Response | None:
        """Return what a request is answered that does not come in."""
        if not self._rules.is_asked and not hosts.is_near(request.scope):
            return plain(request, 403, hosts.FAR)
        host = request.headers.get("host", "")
        if not hosts.is_known_host(host, self._rules.hosts):
            return plain(request, 421, hosts.unknown_host(host))
        path = path_of(request.scope)
        if path.startswith(PUBLIC) and request.method in SAFE:
            return None
        found = await self._identify(request)
        request.scope[_IDENTITY] = found
        request.state.user = None if found is None else found.user
        has_token = found is not None and (not found.is_forgeable or (found is OPEN and bearer(request) is not None))
        if (why := crossing(request, self._rules.origins, has_token=has_token)) is not None:
            return await self._say(request, 403, why)
        if found is not None:
            self._heard(found)
        if found is not None or (path == LOGIN and signs_in(request)) or (path in OIDC and self.oidc is not None):
            return None
        return await self._ask(request, path)

    async def _identify(self, request: Request) -> Identity | None:
        """
        Find out whose a request is. A token that nobody knows is not passed over for a cookie beside it.

        Raises:
            HTTPException: 503: the application's function failed, or the store is away.
        """
        rules, token = self._rules, bearer(request)
        if not rules.is_asked:
            return OPEN
        if token is not None and rules.tokens is not None and (known := rules.tokens.user(token)) is not None:
            return Identity(known, "token", is_forgeable=False)
        if token is None and (found := self._session(request)) is not None:
            signed_in, session = found
            return await self._on(request, Identity(signed_in, session.way, session=session))
        if token is None and rules.header is not None and (known := rules.header.find(request)) is not None:
            return Identity(known, "proxy")
        for function in rules.functions:
            if (known := await _asked(function, request)) is not None:
                return Identity(known, "function", is_forgeable=token is None)
        return None

    def _session(self, request: Request) -> tuple[User, Session] | None:
        """Return whose session a request bears, however it was begun."""
        found = self.login.find(request) if self.login is not None else None
        return self.oidc.find(request) if found is None and self.oidc is not None else found

    async def _on(self, request: Request, found: Identity) -> Identity | None:
        """
        Return whose a session is, or None: it was ended.

        Raises:
            HTTPException: 503: that cannot be found out. Nothing could be shown either, so nothing is; but one can
                always sign out.
        """
        if found.session is None or path_of(request.scope) == LOGOUT:
            return found
        try:
            return found if await self.doors.is_on(request, found.session) else None
        except BrokerUnavailable as error:
            request.scope[_IDENTITY] = found
            text = str(error)
            raise HTTPException(503, f"{text[:1].upper()}{text[1:]}") from None

    async def _ask(self, request: Request, path: str) -> Response:
        """Answer somebody who has not said who they are."""
        if is_script(request):
            answer = await self._say(request, 401, "Nobody is known by this: send Authorization: Bearer, with a token.")
            answer.headers["WWW-Authenticate"] = "Bearer"
            return answer
        to = self._login_url(request, path)
        if to is None:
            return await self._say(request, 403, "Nobody is known by this: who signs users in has sent no name.")
        if request.headers.get("hx-request") == "true":  # the page as a whole goes there, not the part that asks
            return Response(status_code=401, headers={"HX-Redirect": to})
        if signs_in(request) and _is_from_elsewhere(request):
            return _again(request)
        return RedirectResponse(to, status_code=303)

    def _login_url(self, request: Request, path: str) -> str | None:
        root = str(request.scope.get("root_path", ""))
        if not signs_in(request):
            return self._rules.login_url
        query = request.scope.get("query_string", b"").decode("latin-1")
        is_place = path not in ("/", LOGIN) and request.method in SAFE
        there = f"{path}?{query}" if query else f"{path}"
        return f"{quote(root)}{LOGIN}" + (f"?next={quote(there, safe='')}" if is_place and len(there) < 2000 else "")


def _door(rules: Rules, doors: Doors, clock: Clock) -> Door | None:
    if rules.oidc is None:
        return None
    from onebeat.web.security.oidc.door import Door  # it needs the extra `oidc`

    names = {*(rules.passwords.names if rules.passwords else ()), *(rules.tokens.names if rules.tokens else ())}
    return Door(rules.oidc, doors, secret=rules.secret, origins=rules.origins, taken=names, clock=clock)


async def _asked(function: Function, request: Request) -> User | None:
    try:
        return await function.find(request)
    except HTTPException:
        raise
    except Exception:
        log.exception("who a request is of could not be found out: authenticate() failed")
        raise HTTPException(503, "Who you are could not be found out: authenticate() failed, see the log.") from None


def _is_from_elsewhere(request: Request) -> bool:
    """Whether a link of another site led here, so that the browser has kept the session back."""
    return (
        request.method == "GET"
        and request.headers.get("sec-fetch-site") in ("cross-site", "same-site")
        and request.headers.get("sec-fetch-mode") == "navigate"
    )


def _again(request: Request) -> Response:
    """Have the browser ask once more, by our own page: then it sends the session, if it has one."""
    to = quote(str(request.scope["path"]))
    query = request.scope.get("query_string", b"").decode("latin-1")
    return leading(f"{to}?{query}" if query else to)
