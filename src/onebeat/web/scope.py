"""What of many queues a viewer sees and may act in, and how tasks are seen: for searches, jobs and what they say."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.exceptions import HTTPException
from starlette.requests import Request

from onebeat.inspector.filters import Filter, Look
from onebeat.inspector.searching import Visible
from onebeat.web.security import gate, proxies
from onebeat.web.security.roles import User
from onebeat.web.security.searching import as_seen, look_of
from onebeat.web.security.standing import Right

if TYPE_CHECKING:
    from onebeat.web.console import Console
    from onebeat.web.showing.redaction import Redaction


def visible(request: Request) -> Visible | None:
    """Return which queues may be looked in; None: all."""
    user = gate.user(request)
    return None if user.sees_all else user.sees


def sight(request: Request) -> User | None:
    """
    Return what tells viewers apart who see different queues, for what several of them look at; None: all are seen.

    A name would not do: a user's token may have other rights than the user, and rights may change.
    """
    user = gate.user(request)
    return None if user.sees_all else user


def doable(request: Request, action: str) -> Visible:
    """
    Return in which queues a viewer may do something.

    Args:
        action: Such as "task.run".
    """
    user = gate.user(request)
    return lambda queue: user.may(action, queue)


def right(request: Request, action: str) -> Right:
    """
    Return what a job that does something for who asks goes by: what they may at each moment.

    Args:
        action: Such as "task.run".
    """
    console: Console = request.app.state.console
    who = gate.identity(request)
    if who is None:
        raise HTTPException(401, "Sign in first.")
    return Right(console.standing, who, action, lambda: console.settings.read_only)


def hidden(request: Request) -> Redaction:
    """Return the rules of what nobody may see."""
    console: Console = request.app.state.console
    return console.settings.redaction


def wanted(request: Request, text: str) -> Filter:
    """
    Return a filter that decides by what may be seen.

    Raises:
        InvalidFilter: It cannot be read, or asks for what is hidden.
    """
    return as_seen(text, hidden(request))


def seen(request: Request) -> Look | None:
    """Return what shows a task as it may be seen, for groups of errors; None: as it is."""
    return look_of(hidden(request), "error")


def name_of(request: Request) -> str:
    """Name who asks, for what is written down."""
    return gate.user(request).name


def role_of(request: Request) -> str:
    """Name the role of who asks; "" of who has none but on queues."""
    role = gate.user(request).role
    return "" if role is None else str(role)


def address_of(request: Request) -> str:
    """Say where a request comes from."""
    return proxies.client(request.scope)
