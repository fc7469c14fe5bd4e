"""Which queues a viewer sees, for what searches in many: it looks into no others, and says nothing of them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.requests import Request

from onebeat.inspector.searching import Visible

if TYPE_CHECKING:
    from onebeat.web.security.roles import User


def visible(request: Request) -> Visible | None:
    """Return which queues may be looked in; None: all."""
    user = _user(request)
    if user is None or user.sees_all:
        return None
    return user.sees


def sight(request: Request) -> str:
    """Return what tells viewers apart who see different queues, for what several of them look at."""
    user = _user(request)
    return "" if user is None or user.sees_all else user.name


def doable(request: Request, action: str) -> Visible | None:
    """
    Return in which queues a viewer may do something; None: in all.

    Args:
        action: Such as "task.run".
    """
    user = _user(request)
    if user is None:
        return None
    return lambda queue: user.may(action, queue)


def name_of(request: Request) -> str:
    """Name who asks, for what is written down; where nobody is asked, "somebody"."""
    user = _user(request)
    return "somebody" if user is None else user.name


def role_of(request: Request) -> str:
    """Name the role of who asks; "" where nobody is asked."""
    user = _user(request)
    return "" if user is None or user.role is None else str(user.role)


def address_of(request: Request) -> str:
    """Say where a request comes from."""
    return request.client.host if request.client is not None else ""


def _user(request: Request) -> User | None:
    """Return who asks; None: the console asks nobody, and anybody may see and do all."""
    return getattr(request.state, "user", None)
