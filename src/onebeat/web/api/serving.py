"""The API as an ASGI application: looks an operation up, calls its handler, and writes what that returns."""

from __future__ import annotations

import asyncio
import hashlib
import logging
from collections.abc import Mapping

import msgspec
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from onebeat.errors import BrokerUnavailable, OnebeatError
from onebeat.web import links
from onebeat.web.api import decoding, problems
from onebeat.web.api.asking import Asked
from onebeat.web.api.limits import Rate
from onebeat.web.api.operation import PREFIX, Operation
from onebeat.web.api.problems import Problem, Refused

log: logging.Logger = logging.getLogger("onebeat.web")

WITHIN_S = 20.0
"""How long an operation may take."""

RETRY_AFTER_S = 2
"""When to try again after the store was away."""

_READING = ("GET", "HEAD")


class Api:
    """
    Answers all below `PREFIX`.

    Args:
        resources: What it can be asked for, by what it is about.

        rate: How often somebody may ask.
    """

    def __init__(self, resources: Mapping[str, tuple[Operation, ...]], rate: Rate) -> None:
        self._resources, self._rate = resources, rate
        self._at: dict[str, dict[str, Operation]] = {}
        for operation in (one for some in resources.values() for one in some):
            self._at.setdefault(operation.path, {})[operation.method] = operation

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request = Request(scope, receive)
        answer = await self.answer(request)
        await answer(scope, receive, send)

    async def answer(self, request: Request) -> Response:
        """Answer one request, whatever comes."""
        page = page_of(request)
        asked = Asked(request, self._resources)
        try:
            self._rate.take(asked.counted_as, self._cost(request))
            operation = self._find(request)
            if operation is None:
                return Response(status_code=204, headers={"Allow": self._allowed(request)})
            async with asyncio.timeout(WITHIN_S):
                return await _done(asked, operation)
        except Refused as error:
            return refusal(problems.problem(error.code, error.detail, page), error.headers)
        except HTTPException as error:
            code = getattr(error, "code", "") or problems.code_of_status(error.status_code)
            return refusal(problems.problem(code, error.detail, page), error.headers)
        except OnebeatError as error:
            again = {"Retry-After": str(RETRY_AFTER_S)} if isinstance(error, BrokerUnavailable) else {}
            return refusal(problems.of_error(error, page, names_others=asked.sees_all), again)
        except TimeoutError:
            sentence = f"it took longer than {WITHIN_S:g} s: ask for less, or try again later"
            return refusal(problems.problem("took-too-long", sentence, page), {"Retry-After": str(RETRY_AFTER_S)})
        except Exception:
            log.exception("%s %s failed", request.method, request.url.path)
            sentence = "the console could not answer, through a mistake of its own: its log says more"
            return refusal(problems.problem("internal", sentence, page))

    def _cost(self, request: Request) -> int:
        found = self._at.get(path_of(request), {}).get(request.method.replace("HEAD", "GET"))
        return 1 if found is None else found.cost

    def _find(self, request: Request) -> Operation | None:
        """Return what is asked for; None: what can be."""
        path, method = path_of(request), request.method
        there = self._at.get(path)
        if there is None:
            raise Refused(
                "no-such-operation", f"there is nothing at {PREFIX}{path}: {page_of(request)} lists what there is"
            )
        if method == "OPTIONS":
            return None
        found = there.get("GET" if method == "HEAD" else method)
        if found is None:
            allowed = self._allowed(request)
            raise Refused(
                "method-not-allowed", f"{PREFIX}{path} knows no method {method}: use {allowed}", {"Allow": allowed}
            )
        return found

    def _allowed(self, request: Request) -> str:
        methods = set(self._at[path_of(request)]) | {"OPTIONS"}
        return ", ".join(sorted(methods | ({"HEAD"} if "GET" in methods else set())))


def path_of(request: Request) -> str:
    """Return the path of a request below `PREFIX`."""
    path: str = request.scope["path"]
    here = path.removeprefix(str(request.scope.get("root_path", "")).rstrip("/")).removeprefix(PREFIX)
    return here or "/"


def page_of(request: Request) -> str:
    """Return where the page about this API is."""
    return links.url(request, f"{PREFIX}/")


async def _done(asked: Asked, operation: Operation) -> Response:
    request = asked.request
    given: dict[str, msgspec.Struct] = {"query": decoding.parameters(request, operation.query)}
    if operation.body is not None:
        given["body"] = await decoding.body(request, operation.body, operation.most)
    if operation.queue:
        source = given["query"] if operation.method == "GET" else given["body"]
        asked.check_sees(getattr(source, operation.queue) or None)
    wanted = {name: value for name, value in given.items() if name in operation.handler.__annotations__}
    found = await operation.handler(asked, **wanted)
    return found if isinstance(found, Response) else document(request, found, operation.status)


def document(request: Request, found: object, status: int) -> Response:
    """Write a document; of one that is read, only what has changed since it was read before."""
    data = msgspec.json.encode(found)
    headers = {"Cache-Control": "no-store"}
    if request.method in _READING:
        tag = f'W/"{hashlib.blake2b(data, digest_size=12).hexdigest()}"'  # weak: it may be sent packed, or not
        headers["ETag"] = tag
        if is_known(request.headers.get("if-none-match", ""), tag):
            return Response(status_code=304, headers=headers)
    return _written(request, data, status, "application/json", headers)


def _written(request: Request, data: bytes, status: int, kind: str, headers: Mapping[str, str]) -> Response:
    if request.method == "HEAD":
        return Response(status_code=status, media_type=kind, headers={**headers, "Content-Length": str(len(data))})
    return Response(data, status_code=status, media_type=kind, headers=dict(headers))


def is_known(tags: str, tag: str) -> bool:
    """Whether `If-None-Match` names a tag."""
    wanted = tag.removeprefix("W/")
    return any(known.strip().removeprefix("W/") in (wanted, "*") for known in tags.split(","))


def refusal(found: Problem, headers: Mapping[str, str] | None = None) -> Response:
    """Write a problem document."""
    data = msgspec.json.encode(found)
    given = {"Cache-Control": "no-store", **(headers or {})}
    return Response(data, status_code=found.status, media_type=problems.CONTENT_TYPE, headers=given)
