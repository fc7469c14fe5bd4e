"""
A small HTTP server in threads of its own, so that it answers while the event loop is blocked.

It is for probes and scrapers: few, short questions. One connection carries one, has a few seconds for all of it, and
there are never more than some dozens of them, whoever sends what.
"""

from __future__ import annotations

import logging
import socket
import sys
import threading
import time
from functools import partial
from http.server import BaseHTTPRequestHandler
from socketserver import ThreadingTCPServer
from types import TracebackType
from typing import Any, Self

from onebeat.errors import ConfigurationError, shown
from onebeat.observe.routes import Answer, Routes

log: logging.Logger = logging.getLogger("onebeat.http")

MAX_CONNECTIONS = 32
"""Connections at the same time. For a further one the oldest that has asked nothing is closed, or else itself."""

READ_WITHIN_S = 5.0
"""How long a client may take to send its request, all of it."""

POLL_S = 0.1
"""How often it looks whether it is to stop."""

DONE_WITHIN_S = 30.0
"""How long its answer may then take, until the client has it: that to a scrape of thousands of queues takes a while."""


class HttpServer:
    """
    Serves routes while its `with` block runs, or from `start` to `stop`.

    Args:
        routes: What is answered. Paths may be added later.

        host: The address to listen on. Default: this machine alone. "0.0.0.0" or "::" is every address of it, which
            probes of a container need.

        port: 0: any that is free.

    Raises:
        ConfigurationError: The port is no port.
    """

    def __init__(self, routes: Routes, *, host: str = "127.0.0.1", port: int = 0) -> None:
        if not _is_port(port):
            raise ConfigurationError(f"metrics port is {shown(port)}: give a number from 0 to 65535")
        self.routes: Routes = routes
        self._host = host
        self._port = port
        self._server: _Server | None = None

    @property
    def url(self) -> str:
        """Where it answers, such as "http://127.0.0.1:9090"."""
        return f"http://{f'[{self._host}]' if ':' in self._host else self._host}:{self.port}"

    @property
    def port(self) -> int:
        """The port it has: the one that was free, if any would do."""
        return self._server.server_address[1] if self._server is not None else self._port

    def start(self) -> None:
        """
        Listen, and answer.

        Raises:
            ConfigurationError: Somebody else listens there, or we may not, or the host is none of this machine's.
        """
        try:
            self._server = _Server(self.routes, self._host, self._port)
        except (OSError, UnicodeError) as error:
            why = getattr(error, "strerror", None) or str(error)
            raise ConfigurationError(
                f"metrics port {self._port} of host {shown(self._host)} cannot be had ({why.lower()}): "
                "give another port or host, or port 0 for any that is free"
            ) from None
        serve = partial(self._server.serve_forever, poll_interval=POLL_S)
        thread = threading.Thread(target=serve, name="onebeat-http", daemon=True)
        thread.start()
        log.info("answering at %s: %s", self.url, ", ".join(self.routes.paths))

    def stop(self) -> None:
        """Listen no more; waits a tenth of a second at most, and for no client."""
        if self._server is not None:
            self._server.shutdown()
            self._server.server_close()
            self._server = None

    def __enter__(self) -> Self:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()


def _is_port(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= 65_535


class _Server(ThreadingTCPServer):
    allow_reuse_address = True
    daemon_threads = True
    block_on_close = False
    request_queue_size = MAX_CONNECTIONS

    def __init__(self, routes: Routes, host: str, port: int) -> None:
        found = socket.getaddrinfo(host or None, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        self.address_family, _, _, _, address = found[0]
        self.routes = routes
        self._reading: dict[socket.socket, float] = {}  # until when each may last, in the order in which they came
        self._answering: dict[socket.socket, float] = {}
        self._lock = threading.Lock()
        super().__init__((str(address[0]), port), _Handler)

    def process_request(self, request: Any, client_address: Any) -> None:
        with self._lock:
            is_full = len(self._reading) + len(self._answering) >= MAX_CONNECTIONS
            idlest = next(iter(self._reading), None) if is_full else None
            if idlest is not None:
                del self._reading[idlest]
            if idlest is not None or not is_full:
                self._reading[request] = time.monotonic() + READ_WITHIN_S
        if idlest is not None:
            log.debug("the connection that has asked nothing for longest is closed: %d are open", MAX_CONNECTIONS)
            _cut(idlest)
        if is_full and idlest is None:
            log.debug("a connection from %s is closed: %d are being answered", client_address[0], MAX_CONNECTIONS)
            super().shutdown_request(request)
        else:
            super().process_request(request, client_address)

    def has_asked(self, request: socket.socket) -> None:
        """Give a connection whose request is there the time to be answered."""
        with self._lock:
            self._reading.pop(request, None)
            self._answering[request] = time.monotonic() + DONE_WITHIN_S

    def shutdown_request(self, request: Any) -> None:
        with self._lock:
            self._reading.pop(request, None)
            self._answering.pop(request, None)
        super().shutdown_request(request)

    def service_actions(self) -> None:
        """Cut connections that last too long, which ends the thread that waits for them; called twice a second."""
        now = time.monotonic()
        with self._lock:
            all_ = [*self._reading.items(), *self._answering.items()]
        for connection, until in all_:
            if now > until:
                _cut(connection)

    def handle_error(self, request: Any, client_address: Any) -> None:  # noqa: ARG002 - the base's name
        log.debug("connection from %s ended: %s", client_address, sys.exception())


def _cut(connection: socket.socket) -> None:
    try:
        connection.shutdown(socket.SHUT_RDWR)
    except OSError as error:
        log.debug("a connection had ended by itself: %s", error)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    @property
    def _ours(self) -> _Server:
        assert isinstance(self.server, _Server)  # noqa: S101 - no other makes one
        return self.server

    def do_GET(self) -> None:
        self._ours.has_asked(self.connection)
        self._answer(self._ours.routes.answer(self.command, self.path, self._headers()))

    do_HEAD = do_GET  # noqa: N815 - the base calls it so

    def _headers(self) -> dict[str, str]:
        return {name.lower(): ", ".join(self.headers.get_all(name, [])) for name in self.headers}

    def _answer(self, answer: Answer) -> None:
        self.close_connection = True
        self.send_response(answer.status)
        for name, value in {**answer.headers_with(len(answer.body)), "connection": "close"}.items():
            self.send_header(name, value)
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(answer.body)

    def send_error(self, code: int, message: str | None = None, explain: str | None = None) -> None:  # noqa: ARG002
        """Refuse what is no request, without repeating any of it."""
        if code == 501:  # there is no do_POST
            self._answer(self._ours.routes.answer(self.command, self.path, {}))
        else:
            self._answer(Answer(code, b"This is no request that is answered here.\n"))

    def version_string(self) -> str:
        return "onebeat"

    def log_message(self, format: str, *args: Any) -> None:
        log.debug("%s asked: %r", self.client_address[0], format % args)
