"""Who is signed in, and ending it: one's own sessions, and for administrators everybody's."""

from __future__ import annotations

import json
from collections.abc import Sequence

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from onebeat.errors import OnebeatError, shown
from onebeat.inspector.inspector import Inspector
from onebeat.inspector.signing import ConsoleSession
from onebeat.web import admitting, consoles, forms, reasons
from onebeat.web.acting import perform
from onebeat.web.page import redirect, render
from onebeat.web.pages.signing import signed_out
from onebeat.web.rights import may
from onebeat.web.security import gate
from onebeat.web.showing.signs import short
from onebeat.web.showing.words import counted


async def read(request: Request, user: str) -> list[ConsoleSession]:
    """List the sessions of a user; "" of all."""
    console = consoles.of(request)
    inspector = await console.inspector()
    return await console.reads.get(("sessions", user), lambda: inspector.console_sessions(user))


async def own(request: Request) -> list[ConsoleSession] | None:
    """List the sessions of who asks, who is in one; None: the store is away, or who asks is in none."""
    who = gate.identity(request)
    if who is None or who.session is None:
        return None
    try:
        return await read(request, who.user.name)
    except OnebeatError:  # the rest of the page needs no store
        return None


async def sessions(request: Request) -> Response:
    """Show who is signed in: all, to whom may end that; else oneself."""
    sees_all = may(request, admitting.END)
    found = await read(request, "" if sees_all else gate.user(request).name)
    return render(
        request, "sessions.html", place="settings", sessions=found, sees_all=sees_all, sentence=_verdict(found),
        this=this(request), line=short,
    )  # fmt: skip


def _verdict(found: Sequence[ConsoleSession]) -> str:
    if not found:
        return "Nobody is signed in by a session"
    return f"{counted(len({one.user for one in found}), 'user')} in {counted(len(found), 'session')}"


def this(request: Request) -> str:
    """Return the id of the session that a request bears; "" if it bears none."""
    who = gate.identity(request)
    return "" if who is None or who.session is None else who.session.id


async def end(request: Request) -> Response:
    """End one session, or all of a user."""
    form = await forms.read(request)
    me = gate.user(request).name
    user, id_ = _named(form)
    user, reason = user or me, form.get("reason")
    if fault := reasons.fault(consoles.of(request).settings, admitting.END, reason):
        return redirect(request, _back(form), fault, kind="bad")
    if user == me and this(request):
        is_told = await admitting.leave(request, session_id=id_, everywhere=not id_, reason=reasons.read(reason))
        if admitting.stays(request, user, id_):
            return redirect(request, _back(form), signed_out("It is ended.", is_told), kind=_kind(is_told))
        answer = redirect(request, "/login", signed_out("You are signed out everywhere.", is_told), kind=_kind(is_told))
        gate.doors(request).forget(request, answer)
        return answer
    ended = await perform(
        request, admitting.END, about=f"{user} {id_ or 'all'}", reason=reason, deed=lambda: _ended(request, user, id_)
    )
    return redirect(request, "/sessions", f"{counted(ended, 'session')} of {short(user, 60)} ended.")


def _named(form: forms.Form) -> tuple[str, str]:
    """
    Read whose session is meant, and which; "" who asks, and all.

    Raises:
        HTTPException: 400: a row of the table is meant, and is none.
    """
    if "one" not in dict(form.pairs):
        return form.text("user", most=200).strip(), form.text("session", most=64)
    try:
        found = json.loads(form.text("one", most=1000))
    except (ValueError, RecursionError):
        found = None
    match found:
        case [str(user), str(id_)] if user and id_:
            return user, id_
    raise HTTPException(400, f"Session is {shown(form.get('one'))}: end it by its button, on a page that is new.")


async def _ended(request: Request, user: str, session_id: str) -> int:
    inspector: Inspector = await consoles.of(request).inspector()
    return await inspector.end_console_sessions(user, session=session_id, by=gate.user(request).name)


def _back(form: forms.Form) -> str:
    return "/sessions" if form.get("back") == "sessions" else "/settings"


def _kind(is_told: bool) -> str:
    return "good" if is_told else "bad"


routes: list[Route] = [Route("/sessions", sessions), Route("/sessions/end", end, methods=["POST"])]
