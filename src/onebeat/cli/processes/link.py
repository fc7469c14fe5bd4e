"""
A server process's end of the line to its parent.

It is heard in a thread of its own, so that a handler that blocks the event loop does not make the process deaf;
and when the line ends the parent is gone, killed perhaps, and this process must not outlive it.
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import threading
import time
from collections.abc import Callable

import msgspec

from onebeat.cli.processes.orders import HURRY, SERVES, STOP, Facts, Orders

log: logging.Logger = logging.getLogger("onebeat.processes")


class Link:
    """
    The line.

    Args:
        descriptor: Of the socket, inherited from the parent.
    """

    def __init__(self, descriptor: int) -> None:
        self._socket = socket.socket(fileno=descriptor)
        self._socket.set_inheritable(False)  # what handlers start is nobody's server process
        self._words = self._socket.makefile("rb")
        line = self._words.readline()
        if not line:
            raise SystemExit(1)  # the parent is gone already
        self.orders: Orders = msgspec.json.decode(line, type=Orders)
        self._saying = threading.Lock()
        self.answers: dict[bytes, Callable[[], bytes]] = {}
        """What to answer, in one line, when the parent asks with such a word: called from the thread that hears it."""
        self._loop: asyncio.AbstractEventLoop | None = None
        self._stop: Callable[[], object] = lambda: None
        self._hurry: Callable[[], object] = lambda: None
        self.outlives_s: float = 0.0
        """How long this process may go on without its parent."""

    def listen(self) -> None:
        """Hear what the parent says from now on."""
        threading.Thread(target=self._hear, name="onebeat-parent", daemon=True).start()

    def obey(self, stop: Callable[[], object], hurry: Callable[[], object] = lambda: None) -> None:
        """From now on call these, on the running loop, when the parent says so. Before, the process just ends."""
        self._stop, self._hurry = stop, hurry
        self._loop = asyncio.get_running_loop()

    def say(self, facts: Facts) -> None:
        """Tell the parent that we serve."""
        self._say(SERVES, msgspec.json.encode(facts))

    def _say(self, word: bytes, content: bytes) -> None:
        with self._saying:
            self._socket.sendall(word + b" " + content + b"\n")

    def stop(self) -> None:
        """Do on the loop what the parent's "stop" does."""
        self._stop()

    def _hear(self) -> None:
        try:
            for line in self._words:
                self._told(line.strip())
        except OSError as error:
            log.debug("line to the parent: %s", error)
        self._told(STOP)
        time.sleep(self.outlives_s)  # a clean stop ends the process, and this thread with it, before
        os._exit(1)

    def _told(self, word: bytes) -> None:
        if word in self.answers:
            self._answer(word)
        elif self._loop is None:
            os._exit(0)
        elif word == STOP:
            self._call(self.stop)
        elif word == HURRY:
            self._call(lambda: self._hurry())

    def _answer(self, word: bytes) -> None:
        try:
            content = self.answers[word]()
        except Exception:  # this thread must go on to hear
            log.exception("the parent asked for %s, and has no answer", word.decode())
        else:
            self._say(word, content)

    def _call(self, what: Callable[[], object]) -> None:
        assert self._loop is not None  # noqa: S101 - looked at just now
        try:
            self._loop.call_soon_threadsafe(what)
        except RuntimeError:
            log.debug("the loop has ended already")
