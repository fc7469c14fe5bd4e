"""Signing in and out."""

from __future__ import annotations

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route

from onebeat.web import forms, links
from onebeat.web.page import redirect, render
from onebeat.web.security import gate
from onebeat.web.security.login import Login, Refused, safe_next

MAX_NEXT = 4000


async def login(request: Request) -> Response:
    """Show the form, or let somebody in."""
    door = gate.login(request)
    if door is None:
        raise HTTPException(404)
    if request.method != "POST":
        there = safe_next(forms.query(request).get("next", "/"))
        if gate.identity(request) is not None:
            return RedirectResponse(links.root(request) + there, status_code=303)
        return _form(request, door, there)
    form = await forms.read(request)
    there, name = safe_next(form.get("next", "/")), form.text("name", most=200)
    found = await door.attempt(request, name, form.text("password", most=2000))
    if isinstance(found, Refused):
        answer = _form(request, door, there, name=name, refused=found)
        if found.wait_s:
            answer.headers["Retry-After"] = str(found.wait_s)
        return answer
    answer = RedirectResponse(links.root(request) + there, status_code=303)
    door.begin(request, answer, found)
    return answer


def _form(request: Request, door: Login, there: str, *, name: str = "", refused: Refused | None = None) -> Response:
    return render(
        request,
        "login.html",
        status=200 if refused is None else refused.status,
        place="",
        polls=False,
        there=there,
        given=name,
        only_name=door.passwords.first_name if door.passwords.is_for_one else None,
        why=refused.message if refused is not None else "",
    )


async def logout(request: Request) -> Response:
    """Have the browser forget its session."""
    door = gate.login(request)
    if door is None:
        raise HTTPException(404)
    answer = redirect(request, "/login", "You are signed out.")
    door.end(request, answer)
    return answer


routes: list[Route] = [
    Route(gate.LOGIN, login, methods=["GET", "POST"]),
    Route("/logout", logout, methods=["POST"]),
]
