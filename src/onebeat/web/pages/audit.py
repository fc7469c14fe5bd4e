"""Who did what: the trail of all that was changed through a console, the API or a job."""

from __future__ import annotations

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from onebeat.errors import BrokerError, BrokerUnavailable, shown
from onebeat.inspector.auditing import AuditOutcome, AuditPage, AuditRecord
from onebeat.web import consoles
from onebeat.web.page import render
from onebeat.web.parts import note
from onebeat.web.scope import name_of, visible
from onebeat.web.showing.deeds import told
from onebeat.web.showing.signs import short

ROWS = 50
FILTERS = ("user", "action", "queue", "job")
ABOUT = {
    "task": "tasks", "queue": "queues", "group": "groups", "schedule": "schedules", "server": "servers",
    "lock": "locks", "health": "repairs", "session": "signing in and out",
    "view": "saved views",
}  # fmt: skip
"""What actions are about, by the word that they begin with."""

KINDS = {
    AuditOutcome.BEGUN: "warn", AuditOutcome.DONE: "", AuditOutcome.REFUSED: "warn", AuditOutcome.FAILED: "bad",
}  # fmt: skip


async def audit(request: Request) -> Response:
    """Show what was done, the latest first."""
    asked = {name: request.query_params.get(name, "").strip() for name in FILTERS}
    kind, cursor = request.query_params.get("kind", ""), request.query_params.get("cursor", "")
    if kind and kind not in ABOUT:
        raise HTTPException(400, f"Kind is {shown(kind)}: give one of {', '.join(ABOUT)}.")
    inspector = await consoles.of(request).inspector()
    sees, me = visible(request), name_of(request)

    def may_see(record: AuditRecord) -> bool:
        if sees is None or record.user == me:
            return True
        return bool(record.queue) and sees(record.queue)

    is_asked = bool(kind) or any(asked.values())
    try:
        page = await inspector.audit(**asked, kind=kind, where=may_see, size=ROWS, cursor=cursor)
    except BrokerUnavailable:
        raise
    except BrokerError as error:
        note(request, [str(error)])
        page = AuditPage(records=(), cursor="")
    return render(
        request,
        "audit.html",
        place="audit",
        polls=not cursor,
        page=page,
        kinds=KINDS,
        asked=asked,
        is_asked=is_asked,
        about=ABOUT,
        kind=kind,
        cursor=cursor,
        sentence=_verdict(page, is_asked=is_asked),
        line=short,
    )


def _verdict(page: AuditPage, *, is_asked: bool) -> str:
    if not page.records:
        return "Nothing fits" if is_asked else "Nothing was changed yet"
    return f"The latest{' that fits' if is_asked else ''}: {told(page.records[0])}"


routes: list[Route] = [Route("/audit", audit)]
