"""Who is signed in to consoles of this store, and ending that."""

from __future__ import annotations

from typing import Annotated

import msgspec

from onebeat.documents.values import Instant
from onebeat.inspector.inspector import Inspector
from onebeat.inspector.signing import ConsoleSession
from onebeat.web.api.asking import Asked
from onebeat.web.api.operation import Operation
from onebeat.web.api.paging import Reason

END = "session.end"

UserName = Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
SessionId = Annotated[str, msgspec.Meta(pattern="^([0-9a-f]{32})?$")]


class SessionDocument(msgspec.Struct, frozen=True, kw_only=True):
    """
    A browser in which somebody is signed in.

    Attributes:
        user: Who.

        id: The session's own; it does not let anybody in.

        way: How the user signed in: "password", "oidc".

        address: From where it was seen last.

        begun, seen: When it began, and was seen last, to the minute.

        until: When it ends by itself.
    """

    user: str
    id: str
    way: str
    address: str
    begun: Instant
    seen: Instant
    until: Instant

    @classmethod
    def of(cls, one: ConsoleSession) -> SessionDocument:
        """Write a session as a document."""
        return cls(
            user=one.user, id=one.id, way=one.way, address=one.address, begun=one.begun_at, seen=one.seen_at,
            until=one.until,
        )  # fmt: skip


class SessionPage(msgspec.Struct, frozen=True, kw_only=True):
    """Sessions, those seen last first."""

    sessions: list[SessionDocument]


class SessionsEnd(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """
    Whose sessions are to end.

    Attributes:
        user: The name.

        session: The id of one of them; "": all.

        reason: Why, in a line: it stands in the audit.
    """

    user: UserName
    session: SessionId = ""
    reason: Reason = ""


class SessionsEnded(msgspec.Struct, frozen=True, kw_only=True):
    """
    What was ended.

    Attributes:
        ended: How many of the sessions that were listed. All are ended, whether they were or not.
    """

    ended: int


async def list_sessions(asked: Asked) -> SessionPage:
    """List who is signed in by a session: all, to whom may end that; else who asks."""
    name = "" if asked.may(END, None) else asked.who

    async def read(inspector: Inspector) -> list[SessionDocument]:
        return [SessionDocument.of(one) for one in await inspector.console_sessions(name)]

    return SessionPage(sessions=await asked.read("sessions", name, read=read))


async def end_sessions(asked: Asked, body: SessionsEnd) -> SessionsEnded:
    """
    Sign a user out: end one session, or all that there are by now, within two seconds in every console.

    Where all are ended, jobs that the user began stop. Who knows the password can sign in again.
    """

    async def deed(inspector: Inspector) -> int:
        return await inspector.end_console_sessions(body.user, session=body.session, by=asked.who)

    about = f"{body.user} {body.session or 'all'}"
    return SessionsEnded(ended=await asked.perform(END, deed, about=about, reason=body.reason))


OPERATIONS = (
    Operation("GET", "/sessions", list_sessions),
    Operation("POST", "/sessions/end", end_sessions, END),
)
