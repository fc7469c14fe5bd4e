"""A small OpenID Connect provider on a port of this machine, which can be made to misbehave."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import json
import secrets
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qs, parse_qsl, unquote_plus, urlencode, urlsplit

import uvicorn
from joserfc import jws, jwt
from joserfc.jwk import ECKey, Key, RSAKey
from joserfc.registry import HeaderParameter
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
from starlette.routing import Route

from onebeat.web.serving import listening

CLIENT, SECRET = "onebeat", "a secret: of the client + 100%"
ALGORITHMS = ["RS256", "PS256", "ES256", "Ed25519"]

FORM = """<!doctype html><html lang="en"><title>Provider</title><h1>Provider</h1>
<form method="post"><label>Account <input name="account"></label><button>Continue</button></form></html>"""


def rsa(kid: str, size: int = 2048) -> RSAKey:
    """Make a key pair."""
    return RSAKey.generate_key(size, {"kid": kid, "use": "sig", "alg": "RS256"})


ONE, TWO = rsa("one"), rsa("two")
EC = ECKey.generate_key("P-256", {"kid": "ec"})


@dataclass(frozen=True)
class Later:
    """An instant so many seconds after now, as a claim."""

    seconds: float


class Provider:
    """
    A provider. What it says and does is set from outside.

    Attributes:
        issuer: Where it is.

        keys: Those that it shows.

        signing: That which it signs with.

        algorithm: How.

        person: Claims of whoever signs in next, in the ID token.

        told: What it tells at the userinfo endpoint beside `sub`; None: there is no such endpoint.

        says: What its description says otherwise; None leaves a name out.

        twisted: What the ID token says otherwise; None leaves a claim out.

        answers: What it answers at a path, in place of what is right.

        refuses: An error that it answers in place of a code.

        forge: Makes the ID token of its claims.

        asked: Paths, as they were asked for.

        ended: What it was asked when a session ended.

        clients: How clients said who they are: "basic", "post" or "public".

        secret: The client's; None: it has none.
    """

    def __init__(self) -> None:
        self.issuer = ""
        self.reset()

    def reset(self) -> None:
        self.keys: list[Key] = [ONE]
        self.signing: Key = ONE
        self.algorithm = "RS256"
        self.person: dict[str, Any] = {"sub": "u-1", "preferred_username": "ann", "groups": ["oncall", "staff"]}
        self.told: Mapping[str, Any] | None = None
        self.says: dict[str, Any] = {}
        self.twisted: dict[str, Any] = {}
        self.answers: dict[str, Callable[[], Response]] = {}
        self.refuses: Mapping[str, str] | None = None
        self.forge: Callable[[dict[str, Any]], str] = self.sign
        self.asked: list[str] = []
        self.ended: list[Mapping[str, str]] = []
        self.people: dict[str, dict[str, Any]] = {}
        self.clients: list[str] = []
        self.secret: str | None = SECRET
        self._codes: dict[str, dict[str, str]] = {}

    def sign(self, claims: dict[str, Any]) -> str:
        """Sign claims as it is right."""
        header = {"alg": self.algorithm, "kid": self.signing.kid}
        return jwt.encode(header, claims, self.signing, algorithms=[self.algorithm])

    def raw(self, header: dict[str, Any], payload: bytes, key: Key | None = None) -> str:
        """Sign, or not, whatever it is."""
        if key is None:
            return f"{b64(_json(header))}.{b64(payload)}."
        registry = jws.JWSRegistry({"new": HeaderParameter("New", "int")}, [header["alg"]])
        return jws.serialize_compact(header, payload, key, registry=registry)

    def sealed(self, header: dict[str, Any], payload: bytes, secret: bytes) -> str:
        """Sign with a secret that both know, whatever it is: joserfc takes no public key for one."""
        said = f"{b64(_json(header))}.{b64(payload)}"
        return f"{said}.{b64(hmac.digest(secret, said.encode(), 'sha256'))}"

    def authorize(self, address: str, **more: str) -> str:
        """Return where a browser is sent back to that was sent to an address, once its user has signed in."""
        asked = {name: values[0] for name, values in parse_qs(urlsplit(address).query).items()}
        assert {"code", "S256", CLIENT} == {
            asked["response_type"],
            asked["code_challenge_method"],
            asked["client_id"],
        }
        if self.refuses is not None:
            return f"{asked['redirect_uri']}?{urlencode({**self.refuses, 'state': asked['state'], **more})}"
        code = secrets.token_urlsafe(16)
        self._codes[code] = asked
        return f"{asked['redirect_uri']}?{urlencode({'code': code, 'state': asked['state'], **more})}"

    @contextmanager
    def serving(self, name: str = "127.0.0.1") -> Iterator[Provider]:
        """Serve on a thread of its own while the block runs."""
        with listening("127.0.0.1", 0) as place:
            self.issuer = f"http://{name}:{place.getsockname()[1]}"
            server = uvicorn.Server(uvicorn.Config(self._app(), log_level="warning", lifespan="off"))
            thread = threading.Thread(target=lambda: asyncio.run(server.serve(sockets=[place])), daemon=True)
            thread.start()
            try:
                yield self
            finally:
                server.should_exit = True
                thread.join()

    def _app(self) -> Starlette:
        paths: Mapping[str, tuple[Callable[[Request], Any], list[str]]] = {
            "/.well-known/openid-configuration": (self._describe, ["GET"]),
            "/keys": (self._show_keys, ["GET"]),
            "/authorize": (self._authorize, ["GET", "POST"]),
            "/token": (self._token, ["POST"]),
            "/userinfo": (self._userinfo, ["GET"]),
            "/end": (self._end, ["GET"]),
        }
        return Starlette(routes=[Route(path, self._asked(do), methods=how) for path, (do, how) in paths.items()])

    def _asked(self, do: Callable[[Request], Any]) -> Callable[[Request], Any]:
        async def answer(request: Request) -> Response:
            path = request.url.path
            self.asked.append(path)
            if path in self.answers:
                return await asyncio.to_thread(self.answers[path])
            answered: Response = await do(request)
            return answered

        return answer

    async def _describe(self, _request: Request) -> Response:
        said = {
            "issuer": self.issuer,
            "authorization_endpoint": f"{self.issuer}/authorize?realm=staff",
            "token_endpoint": f"{self.issuer}/token",
            "jwks_uri": f"{self.issuer}/keys",
            "end_session_endpoint": f"{self.issuer}/end",
            "id_token_signing_alg_values_supported": [*ALGORITHMS, "HS256", "none"],
            **({} if self.told is None else {"userinfo_endpoint": f"{self.issuer}/userinfo"}),
            **self.says,
        }
        return JSONResponse({name: value for name, value in said.items() if value is not None})

    async def _show_keys(self, _request: Request) -> Response:
        return JSONResponse({"keys": [key.as_dict(private=False) for key in self.keys]})

    async def _authorize(self, request: Request) -> Response:
        account = request.cookies.get("account")
        if request.method == "POST":
            account = dict(parse_qsl((await request.body()).decode()))["account"]
        if account is None or (request.method == "GET" and "prompt" in request.query_params):
            return HTMLResponse(FORM)
        self.person = self.people[account]
        answer = RedirectResponse(self.authorize(str(request.url)), 303)
        answer.set_cookie("account", account)
        return answer

    async def _token(self, request: Request) -> Response:
        form = dict(parse_qsl((await request.body()).decode()))
        asked = self._codes.pop(form.get("code", ""), None)
        challenge = b64(hashlib.sha256(form.get("code_verifier", "").encode()).digest())
        if asked is None or asked["code_challenge"] != challenge or asked["redirect_uri"] != form["redirect_uri"]:
            return JSONResponse({"error": "invalid_grant", "error_description": "<b>no</b>\nsuch code"}, 400)
        if not self._is_client(request, form):
            return JSONResponse({"error": "invalid_client"}, 401)
        now = int(time.time())
        claims = {
            "iss": self.issuer, "aud": CLIENT, "exp": now + 300, "iat": now, "nonce": asked["nonce"],
            **self.person, **self.twisted,
        }  # fmt: skip
        token = self.forge(_said(claims, now))
        return JSONResponse({"id_token": token, "access_token": "access", "token_type": "Bearer"})

    def _is_client(self, request: Request, form: Mapping[str, str]) -> bool:
        if "authorization" not in request.headers:
            self.clients.append("post" if "client_secret" in form else "public")
            return (form.get("client_id"), form.get("client_secret")) == (CLIENT, self.secret)
        self.clients.append("basic")
        pair = base64.b64decode(request.headers["authorization"].removeprefix("Basic ")).decode()
        return [CLIENT, self.secret] == [unquote_plus(part) for part in pair.split(":")]

    async def _userinfo(self, request: Request) -> Response:
        if request.headers.get("authorization") != "Bearer access":
            return Response(status_code=401)
        return JSONResponse({"sub": self.person["sub"], **(self.told or {})})

    async def _end(self, request: Request) -> Response:
        self.ended.append(dict(request.query_params))
        answer = RedirectResponse(request.query_params["post_logout_redirect_uri"], 303)
        answer.delete_cookie("account")
        return answer


def _said(claims: Mapping[str, Any], now: int) -> dict[str, Any]:
    return {
        name: now + value.seconds if isinstance(value, Later) else value
        for name, value in claims.items()
        if value is not None
    }


def _json(value: Any) -> bytes:

    return json.dumps(value).encode()


def b64(data: bytes) -> str:
    """Write bytes as tokens have them."""
    return base64.urlsafe_b64encode(data).decode().rstrip("=")
