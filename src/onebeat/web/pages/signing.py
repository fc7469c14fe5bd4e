"""Signing in and out."""

from __future__ import annotations

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from onebeat.web import admitting, forms, links
from onebeat.web.page import redirect, render
from onebeat.web.pages import signing_oidc
from onebeat.web.security import gate
from onebeat.web.security.login import PASSWORD, Login, Refused, safe_next
from onebeat.web.security.oidc import flows
from onebeat.web.security.ways import Passwords

UNTOLD = "The store took no note of it: a copy of the session still opens other processes of this console."


async def login(request: Request) -> Response:
    """Show the form, or let somebody in."""
    door = gate.login(request)
    if not gate.signs_in(request):
        raise HTTPException(404)
    if request.method != "POST":
        there = safe_next(forms.query(request).get("next", "/"))
        if gate.identity(request) is not None:
            return RedirectResponse(links.root(request) + there, status_code=303)
        return _form(request, there)
    if door is None:
        raise HTTPException(405, "Nobody has a password here.")
    form = await forms.read(request)
    there, name = safe_next(form.get("next", "/")), form.text("name", most=200)
    found = await door.attempt(request, name, form.text("password", most=2000))
    if isinstance(found, Refused):
        await admitting.turn_away(request, name if door.passwords.user(name) else None, found.message)
        answer = _form(request, there, name=name, refused=found)
        if found.wait_s:
            answer.headers["Retry-After"] = str(found.wait_s)
        return answer
    answer = RedirectResponse(links.root(request) + there, status_code=303)
    await admitting.admit(request, answer, found, PASSWORD, door.key_of)
    return answer


def _form(request: Request, there: str, *, name: str = "", refused: Refused | None = None) -> Response:
    passwords, oidc = _passwords(gate.login(request)), gate.oidc(request)
    return render(
        request,
        "login.html",
        status=200 if refused is None else refused.status,
        place="",
        polls=False,
        there=there,
        given=name,
        has_passwords=passwords is not None,
        only_name=passwords.first_name if passwords is not None and passwords.is_for_one else None,
        provider=None if oidc is None else oidc.settings.name,
        to_provider=links.url(request, flows.PATH, next=there if there != "/" else None),
        why=refused.message if refused is not None else "",
    )


def _passwords(door: Login | None) -> Passwords | None:
    return None if door is None else door.passwords


async def logout(request: Request) -> Response:
    """End the session that asks, and have the browser forget it."""
    who = gate.identity(request)
    if who is None or who.session is None:
        raise HTTPException(404)
    is_told = await admitting.leave(request)
    answer = await signing_oidc.leave(request) if is_told else None
    answer = answer or redirect(
        request, "/login", signed_out("You are signed out.", is_told), kind="good" if is_told else "bad"
    )
    gate.doors(request).forget(request, answer)
    return answer


def signed_out(sentence: str, is_told: bool) -> str:
    """Say that one is signed out, and what of it could not be noted."""
    return sentence if is_told else f"{sentence} {UNTOLD}"


routes: list[Route] = [
    Route(gate.LOGIN, login, methods=["GET", "POST"]),
    Route(gate.LOGOUT, logout, methods=["POST"]),
]
