"""How a viewer wants to see things: the page Settings, and the cookies that it writes."""

from __future__ import annotations

from urllib.parse import quote

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from onebeat.errors import ConfigurationError
from onebeat.inspector.signing import ConsoleSession
from onebeat.scheduler import zones
from onebeat.web import forms, links, viewer
from onebeat.web.page import redirect, render
from onebeat.web.pages import sessions
from onebeat.web.security import gate

KEPT_S = 365 * 24 * 3600
"""For how long a browser keeps what was chosen."""

INTERVALS = {0: "not by itself", 1: "every second", 60: "every minute"}
"""How often a page looks again, in words; all others are so many seconds."""


async def settings(request: Request) -> Response:
    """Show what can be chosen."""
    return _page(request, await sessions.own(request))


async def choose(request: Request) -> Response:
    """Have the browser keep what was chosen."""
    form = await forms.read(request)
    zone = form.text("zone", "UTC", most=100).strip() or "UTC"
    chosen = {
        "onebeat_theme": form.choice("theme", viewer.THEMES, "system"),
        "onebeat_density": form.choice("density", viewer.DENSITIES, "roomy"),
        "onebeat_refresh": form.choice("refresh", map(str, viewer.INTERVALS), "2"),
        "onebeat_zone": zone,
    }
    try:
        zones.zone(zone)
    except ConfigurationError as error:
        request.state.typed = chosen
        request.state.wrong = f"{str(error)[:1].upper()}{str(error)[1:]}."
        return await settings(request)
    answer = redirect(request, "/settings", "Kept in this browser.")
    for name, value in chosen.items():  # scripts of the page change them, too
        answer.set_cookie(
            name,
            quote(value, safe=""),
            max_age=KEPT_S,
            path=f"{links.root(request)}/",
            secure=request.url.scheme == "https",
            samesite="lax",
        )
    return answer


def _page(request: Request, signed_in: list[ConsoleSession] | None) -> Response:
    who = gate.user(request)
    seen, wrong = viewer.of(request), getattr(request.state, "wrong", "")
    kept = dict(zip(viewer.COOKIES, (seen.theme, seen.density, str(seen.refresh), seen.zone_name), strict=True))
    return render(
        request,
        "settings.html",
        status=400 if wrong else 200,
        place="settings",
        polls=False,
        chosen=getattr(request.state, "typed", kept),
        wrong=wrong,
        themes=viewer.THEMES,
        densities=viewer.DENSITIES,
        intervals=[(number, INTERVALS.get(number, f"every {number} seconds")) for number in viewer.INTERVALS],
        zones=zones.names(),
        role=who.role_on(None),
        sessions=signed_in,
        this=sessions.this(request),
        queues=sorted((name, str(role)) for name, role in who.queues.items() if role is not None),
    )


routes: list[Route] = [
    Route("/settings", settings),
    Route("/settings", choose, methods=["POST"]),
]
