"""Every change that the console makes goes through here."""

from __future__ import annotations

import logging
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, TypeVar

from starlette.exceptions import HTTPException
from starlette.requests import Request

if TYPE_CHECKING:
    from onebeat.web.console import Console

T = TypeVar("T")

log: logging.Logger = logging.getLogger("onebeat.web")


async def perform(
    request: Request, action: str, *, deed: Callable[[], Awaitable[T]], queue: str | None = None, about: str = ""
) -> T:
    """
    Make a change, if who asks may.

    Args:
        action: What is done, such as "pause".

        deed: Does it.

        queue: Of which queue; None: it concerns none, or all.

        about: Of what in it: the id of a task, a filter, a server.

    Raises:
        HTTPException: Who asks may not.
    """
    console: Console = request.app.state.console
    if console.settings.read_only:
        raise HTTPException(403, "This console is read-only: it was started so.")
    log.info("console: %s %s %s", action, queue or "-", about or "-")
    try:
        return await deed()
    finally:
        console.reads.forget()
