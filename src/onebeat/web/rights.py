"""What of a page a viewer may see and do, so that it shows no more than that. The checks that count are in `acting`."""

from __future__ import annotations

from typing import Any

from starlette.requests import Request


def sees(request: Request, queue: str) -> bool:
    """Whether the viewer may look at a queue."""
    user = _user(request)
    return user is None or bool(user.sees(queue))


def may(request: Request, action: str, queue: str | None = None) -> bool:
    """
    Whether the viewer may do something, so that a button for it makes sense.

    Args:
        action: Such as "schedule.run".

        queue: On which queue; None: it is about none.
    """
    if request.app.state.console.settings.read_only:
        return False
    user = _user(request)
    return user is None or bool(user.may(action, queue))


def _user(request: Request) -> Any:
    return getattr(request.state, "user", None)
