"""The console served by itself: uvicorn around it."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Callable

import h11
import uvicorn
from uvicorn.protocols.http.h11_impl import H11Protocol

from onebeat.app.app import Onebeat
from onebeat.broker import place as embedding
from onebeat.broker.opening import find
from onebeat.errors import ConfigurationError, shown
from onebeat.web.console import Console
from onebeat.web.security.hosts import refuse_open_door
from onebeat.web.settings import Settings

HEAD_WITHIN_S = 10.0
"""How long the first line and the headers of a request may take."""


def serve(
    source: object,
    settings: Settings,
    *,
    host: str,
    port: int,
    told: Callable[[str], object],
    app: Onebeat | None = None,
) -> None:
    """
    Serve the console until SIGINT or SIGTERM.

    Args:
        source, app: See `console`.

        host, port: Where to answer; port 0: one that is free.

        told: Hears where it answers.

    Raises:
        ConfigurationError: There it cannot answer, or others would come in whom nobody asks who they are.
        MissingExtra: The store is an embedded one, and what serves that is not installed.
    """
    refuse_open_door(host, is_asked=settings.rules.is_asked)
    where = source.url if isinstance(source, Onebeat) else source
    if isinstance(where, str | None) and find(where, None).store is not None:
        embedding.engine()  # else each page would say so
    board = Console(source, settings, app=app)
    with listening(host, port) as place:
        told(f"console: {address(place).rstrip('/')}{settings.rules.prefix}/")
        asyncio.run(server(board).serve(sockets=[place]))


class Patient(H11Protocol):
    """HTTP that waits for the head of a request no longer than `HEAD_WITHIN_S`: uvicorn waits for ever."""

    _end: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]  # as in uvicorn itself
        super().connection_made(transport)
        self._watch()

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        self._rest()
        super().connection_lost(exc)

    def _watch(self) -> None:
        if self.conn.their_state is not h11.IDLE:
            self._rest()
        elif self._end is None:
            self._end = self.loop.call_later(HEAD_WITHIN_S, self.transport.close)

    def _rest(self) -> None:
        if self._end is not None:
            self._end.cancel()
            self._end = None


def server(console: Console) -> uvicorn.Server:
    """Make what serves a console."""
    config = uvicorn.Config(
        console,
        http=Patient,
        log_level="warning",
        access_log=False,
        server_header=False,
        proxy_headers=False,
        lifespan="on",
    )
    return uvicorn.Server(config)


def listening(host: str, port: int) -> socket.socket:
    """
    Open a socket, before anything else is.

    Raises:
        ConfigurationError: The address is taken, or none of this machine.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family, backlog=128)
    except OSError as error:
        why = os.strerror(error.errno).lower() if error.errno else error  # asyncio's own words repeat the address
        raise ConfigurationError(
            f"port {port} of host {shown(host)} cannot be had ({why}): give another --port or --host, or --port 0 for "
            "any that is free"
        ) from error


def address(place: socket.socket) -> str:
    """Return the address of the first page."""
    host, port = place.getsockname()[:2]
    return f"http://{f'[{host}]' if ':' in host else host}:{port}/"
