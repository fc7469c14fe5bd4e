"""What every answer says to the browser: run nothing but our own files, keep no page, show it in no frame."""

from __future__ import annotations

from typing import Final

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
    "form-action 'self'; frame-ancestors 'none'; base-uri 'none'"
)
"""Nothing inline, nothing from elsewhere, nothing evaluated."""

HEADERS: Final = {
    "Content-Security-Policy": POLICY,
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "same-origin",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}
"""Set on every answer that does not set them itself, as files do that may be kept for ever."""

FILE_HEADERS: Final = ("X-Content-Type-Options", "Cross-Origin-Resource-Policy")
"""What of them says something of a script, a style or a drawing that a page loads; a first page loads ten of them."""


class Headed:
    """Adds `HEADERS` to what an application answers."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def headed(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(raw=list(message.get("headers", [])))
                is_file = "immutable" in headers.get("cache-control", "")
                for name in FILE_HEADERS if is_file else HEADERS:
                    headers.setdefault(name, HEADERS[name])
                message = {**message, "headers": headers.raw}
            await send(message)

        await self._app(scope, receive, headed if scope["type"] == "http" else send)
