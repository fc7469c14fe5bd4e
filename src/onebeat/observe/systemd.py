"""
Word to systemd, for units of `Type=notify`: when it is ready, that it stops, and, while it may live on, a sign of life.

Sent from a thread of its own, so that a blocked event loop is judged by its health and not by the block itself.
"""

from __future__ import annotations

import logging
import os
import socket
import threading
from collections.abc import Callable
from types import TracebackType
from typing import Self

from onebeat.server.health import HealthReport

log: logging.Logger = logging.getLogger("onebeat.systemd")

LOOK_S = 0.5
"""How often it is looked whether it is ready yet, or stops."""


LAST_WORD_S = 2.0
"""How long an end waits until systemd was told of it."""


class Notifier:
    """
    Tells systemd how a process fares, while its `with` block runs.

    Args:
        address: The socket, as NOTIFY_SOCKET has it.

        report: Says how the process fares.

        watchdog: Seconds after which systemd ends a process that gave no sign of life; None: it does not.
    """

    def __init__(self, address: str, report: Callable[[], HealthReport], *, watchdog: float | None = None) -> None:
        self._address = "\0" + address[1:] if address.startswith("@") else address
        self._report = report
        self._period = min(LOOK_S, watchdog / 2) if watchdog else LOOK_S
        self._has_watchdog = watchdog is not None
        self._stopping = threading.Event()
        self._said: set[str] = set()
        self._thread = threading.Thread(target=self._run, name="onebeat-systemd", daemon=True)

    @classmethod
    def of_this_process(cls, report: Callable[[], HealthReport]) -> Self | None:
        """
        Make the one that systemd asks for in the environment; None if it does not.

        What it asks is taken out of the environment: what this process starts is not the service.
        """
        address = os.environ.pop("NOTIFY_SOCKET", "")
        limit, whose = os.environ.pop("WATCHDOG_USEC", ""), os.environ.pop("WATCHDOG_PID", "")
        if not address.startswith(("/", "@")):
            return None
        is_ours = limit.isdecimal() and whose in ("", str(os.getpid()))
        return cls(address, report, watchdog=int(limit) / 1e6 if is_ours and int(limit) else None)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stopping.set()
        self._thread.join(LAST_WORD_S)

    def _run(self) -> None:
        while not self._stopping.wait(self._period):
            try:
                found = self._report()
            except Exception:  # whoever gives no report is not heard as dead: the next look may tell
                log.exception("no report of the service's health; systemd is told nothing this time")
                continue
            if found.ready:
                self._say_once("READY=1")
            if found.state == "stopping":
                self._say_once("STOPPING=1")
            if found.live and self._has_watchdog:
                self._send("WATCHDOG=1")
            self._say_once(f"STATUS={summary(found)}")
        self._say_once("STOPPING=1")

    def _say_once(self, word: str) -> None:
        """Say what has not been said, or, of a status, what was not said last."""
        if word in self._said:
            return
        self._said = {said for said in self._said if not (word.startswith("STATUS") and said.startswith("STATUS"))}
        self._said.add(word)
        self._send(word)

    def _send(self, word: str) -> None:
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as wire:
                wire.settimeout(self._period)
                wire.sendto(word.encode(), self._address)
        except OSError as error:
            log.warning("systemd was not told %s: %s", word, error)


def summary(report: HealthReport) -> str:
    """Say in one line how something fares."""
    whys = [f"{check.name}: {check.why}" for check in report.checks if check.why]
    ready = "ready" if report.ready else "not ready" if report.live else "not live"
    return " ".join(f"{report.state}, {ready}{'; ' if whys else ''}{'; '.join(whys)}".split())
