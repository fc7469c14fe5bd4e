"""Which console a request is for."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.requests import Request

if TYPE_CHECKING:
    from onebeat.web.console import Console


def of(request: Request) -> Console:
    """Return the console that a request is for."""
    console: Console = request.app.state.console
    return console
