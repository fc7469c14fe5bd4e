"""Starlette and FastAPI: what clients are told when Onebeat refuses. Lifespan and health are in `asgi`."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any

from onebeat.integrations.answers import ANSWERS, answer
from onebeat.integrations.missing import missing

try:
    from starlette.requests import Request
    from starlette.responses import JSONResponse, Response
except ImportError as _error:
    raise missing("starlette", "Starlette", "starlette") from _error


async def refuse(_request: Request, error: Exception) -> JSONResponse:
    """Answer for an error of `ANSWERS`: 404, 409 or 503, and {"detail": a sentence}."""
    status, detail = answer(error)
    return JSONResponse({"detail": detail}, status)


exception_handlers: dict[int | type[Exception], Callable[[Request, Any], Coroutine[Any, Any, Response]]] = (
    dict.fromkeys(ANSWERS, refuse)
)
"""For `Starlette(exception_handlers=...)` and `FastAPI(exception_handlers=...)`."""
