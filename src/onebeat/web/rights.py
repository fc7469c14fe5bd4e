"""What of a page a viewer may see and do, so that it shows no more than that. Changes are checked in `acting`."""

from __future__ import annotations

from starlette.exceptions import HTTPException
from starlette.requests import Request

from onebeat.web.security import gate, roles


def sees(request: Request, queue: str | None) -> bool:
    """Whether the viewer may look at a queue; None: at what belongs to no queue, such as servers."""
    who = gate.identity(request)
    return who is not None and who.user.sees(queue)


def sees_all(request: Request) -> bool:
    """Whether no queue is hidden from the viewer, so that a message may name others than were asked for."""
    who = gate.identity(request)
    return who is not None and who.user.sees_all


def check_sees(request: Request, queue: str | None) -> None:
    """
    Refuse what the viewer may not look at, whether it is there or not.

    Raises:
        HTTPException: It is so.
    """
    if not sees(request, queue):
        what = "what belongs to no queue, such as servers" if queue is None else f"queue {queue!r}"
        raise HTTPException(403, f"You may not look at {what}: ask for the role view there.")


def may(request: Request, action: str, queue: str | None = None) -> bool:
    """
    Whether the viewer may do something, so that a button for it makes sense.

    Args:
        action: Such as "schedule.run".

        queue: On which queue; None: it is about none.
    """
    who = gate.identity(request)
    read_only = request.app.state.console.settings.read_only
    return who is not None and roles.refusal(who.user, action, (queue,), read_only=read_only) is None


def may_somewhere(request: Request, action: str) -> bool:
    """Whether the viewer may do something on some queue, so that a form that asks for one makes sense."""
    who = gate.identity(request)
    if who is None or request.app.state.console.settings.read_only:
        return False
    return who.user.may(action) or any(who.user.may(action, queue) for queue in who.user.queues)
