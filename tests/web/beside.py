"""A console that answers over HTTP beside the test."""

from __future__ import annotations

import asyncio
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from onebeat.web.console import Console
from onebeat.web.serving import server
from onebeat.web.settings import Settings


@contextmanager
def beside(url: str, settings: Settings, place: socket.socket) -> Iterator[None]:
    """Serve the console of a store from a thread of its own while the block runs, and close the socket with it."""
    serving = server(Console(url, settings))
    thread = threading.Thread(target=lambda: asyncio.run(serving.serve(sockets=[place])), name="console", daemon=True)
    thread.start()
    try:
        yield
    finally:
        serving.should_exit = True
        thread.join()
        place.close()
