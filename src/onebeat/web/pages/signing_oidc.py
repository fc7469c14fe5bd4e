"""Signing in with a provider, by OpenID Connect: to it, and back."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from onebeat.web import admitting, forms, links
from onebeat.web.page import render
from onebeat.web.security import gate
from onebeat.web.security.leading import leading
from onebeat.web.security.login import safe_next
from onebeat.web.security.oidc.flows import CALLBACK, PATH, WAY, Flow
from onebeat.web.security.oidc.troubles import Away, NoRole, Trouble

if TYPE_CHECKING:
    from onebeat.web.security.oidc.door import Door

log: logging.Logger = logging.getLogger("onebeat.web")


async def begin(request: Request) -> Response:
    """Send the browser to the provider."""
    door, form = _door(request), forms.query(request)
    there = safe_next(form.get("next", "/"))
    try:
        to, flow = await door.begin(request, there, as_other=form.get("account") == "other")
    except Trouble as trouble:
        return _told(request, trouble, there)
    answer = RedirectResponse(to, status_code=303)
    door.flows.keep(request, answer, flow)
    return answer


async def callback(request: Request) -> Response:
    """Let in whom the provider has signed in."""
    door = _door(request)
    try:
        flow = door.flow(request)
    except Trouble as trouble:
        return _told(request, trouble, "/")
    try:
        entry = await door.enter(request, flow)
    except Trouble as trouble:
        return await _turned_away(request, trouble, flow)
    answer = leading(f"{links.root(request)}{safe_next(flow.there)}")
    answer.headers["Referrer-Policy"] = "no-referrer"
    await admitting.admit(request, answer, entry.user, WAY, door.key_of, entry.grants)
    door.flows.forget(request, answer, flow)
    door.keep_hint(request, answer, entry.hint)
    return answer


async def _turned_away(request: Request, trouble: Trouble, flow: Flow) -> Response:
    answer = _told(request, trouble, flow.there)
    if not isinstance(trouble, Away):  # then one may look once more
        _door(request).flows.forget(request, answer, flow)
        await admitting.turn_away(request, trouble.user if isinstance(trouble, NoRole) else None, trouble.sentence)
    return answer


def _told(request: Request, trouble: Trouble, there: str) -> Response:
    """Answer that nobody was signed in, and why, and what to do."""
    log.warning("nobody was signed in by OpenID Connect: %s %s", trouble.sentence, trouble.detail)
    there_after = there if there != "/" else None
    answer = render(
        request,
        "oidc.html",
        status=trouble.status,
        place="",
        polls=False,
        same=links.url(request, gate.LOGIN),  # never this address: it has a code in it, or words of who wrote it
        sentence=trouble.sentence,
        seen=trouble.seen if isinstance(trouble, NoRole) else None,
        provider=_door(request).settings.name,
        again=links.url(request, gate.LOGIN, next=there_after),
        other=links.url(request, PATH, account="other", next=there_after),
    )
    answer.headers["Referrer-Policy"] = "no-referrer"
    return answer


async def leave(request: Request) -> Response | None:
    """Return what leads to where the provider ends its own session; None: nowhere, or it is none of its."""
    who, door = gate.identity(request), gate.oidc(request)
    if door is None or who is None or who.way != WAY:
        return None
    to = await door.end(request)
    if to is None:
        return None
    answer = leading(to, sentence=f"You are signed out here. Go on to {door.settings.name}, to sign out there.")
    door.forget_hint(request, answer)
    return answer


def _door(request: Request) -> Door:
    """
    Return what signs users in.

    Raises:
        HTTPException: 404: there is no provider; 405: it is only looked what there is.
    """
    if (found := gate.oidc(request)) is None:
        raise HTTPException(404)
    if request.method == "HEAD":
        raise HTTPException(405)
    return found


routes: list[Route] = [Route(PATH, begin), Route(CALLBACK, callback)]
