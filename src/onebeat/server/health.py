"""
How a process fares, check by check: may it live on, is it ready for work, and why not.

Looked at from any thread, so that the answer comes although the event loop is blocked. It asks the store nothing:
what the lease keeper was answered last, a few seconds ago at most, is what is told.
"""

from __future__ import annotations

from collections.abc import Iterable
from enum import Enum
from typing import TYPE_CHECKING, Self

import msgspec

if TYPE_CHECKING:
    from onebeat.server.config import ServerConfig
    from onebeat.server.serving import Serving

BLOCKED_S = 5.0
"""After so long without a turn of the event loop a server is not ready: when its log says what blocks the loop, too."""

RECENT_S = 10.0
"""For how long a fetch that was refused counts, if none was tried since."""

SILENT_S = 15.0
"""After so long without an answer the store counts as away, whatever the keeper waits for; it asks every 5 s."""

STUCK_S = 60.0
"""After so long without a turn, or two leases if they are longer, the lease keeper counts as stuck."""


class Health(Enum):
    """How a server fares."""

    OK = "ok"

    DEGRADED = "degraded"
    """Handlers that were given up still run and hold slots; at half of the slots the server stops."""

    STOPPING = "stopping"
    """It takes nothing more and ends what it runs."""


class Check(msgspec.Struct, frozen=True, kw_only=True):
    """
    One thing that was looked at.

    Attributes:
        name: Which: "serving", "event_loop", "store", "lease_keeper", "fetcher", "slots"; of many processes,
            "processes".

        live: Whether the process may live on: False only where a new process would fare better.

        ready: Whether it stands in the way of work.

        why: What is wrong, or noteworthy; "" if nothing is.
    """

    name: str
    live: bool = True
    ready: bool = True
    why: str = ""


class ProcessHealth(msgspec.Struct, frozen=True, kw_only=True):
    """
    How one process of several fares.

    Attributes:
        number: Which, from 1.

        pid: Its process id; null while there is none.

        state: "starting", "serving", "draining", "stopping", "waiting" (for its next start), "stopped".

        live, ready: As of the whole.

        restarts: How often it was started again because it had ended.

        last_end: How its last predecessor ended, such as "signal SIGKILL"; "" if none has.

        checks: What was looked at; none where it does not answer.
    """

    number: int
    pid: int | None
    state: str
    live: bool
    ready: bool
    restarts: int = 0
    last_end: str = ""
    checks: list[Check] = []


class HealthReport(msgspec.Struct, frozen=True, kw_only=True):
    """
    How a process fares, or several under one parent.

    Attributes:
        state: "starting", "serving", "draining" (it takes no more tasks), "stopping", "stopped"; of what does not
            answer "absent", or "unknown".

        live: False if a new process would fare better than this one.

        ready: Whether it takes tasks and runs them.

        checks: What was looked at, and why it fails.

        processes: Each process, where there are several under a parent.
    """

    state: str
    live: bool
    ready: bool
    checks: list[Check]
    processes: list[ProcessHealth] = []

    @classmethod
    def of(cls, state: str, checks: Iterable[Check], processes: Iterable[ProcessHealth] = ()) -> Self:
        """Draw the conclusion: one check that fails is enough."""
        found = list(checks)
        live = all(check.live for check in found)
        ready = live and all(check.ready for check in found)
        return cls(state=state, live=live, ready=ready, checks=found, processes=list(processes))

    @classmethod
    def starting(cls, why: str = "it has not begun to serve") -> Self:
        """Report on what is on its way."""
        return cls.of("starting", [Check(name="serving", ready=False, why=why)])

    @classmethod
    def stopped(cls) -> Self:
        """Report on what has ended."""
        return cls.of("stopped", [Check(name="serving", ready=False, why="it has ended")])


def examined(serving: Serving, config: ServerConfig, now: float) -> HealthReport:
    """Look at a server that was built."""
    state = state_of(serving)
    checks = [_serving(serving, state)]
    if state != "stopped":
        checks += [_event_loop(serving, config), _store(serving, now), _keeper(serving, config, now)]
        checks += [_fetcher(serving, now), _slots(serving, config)]
    return HealthReport.of(state, checks)


def state_of(serving: Serving) -> str:
    """Return the state of a server in one word."""
    if serving.has_ended:
        return "stopped"
    if serving.stop_asked.is_set():
        return "stopping"
    return "serving" if serving.takes_more else "draining"


def _serving(serving: Serving, state: str) -> Check:
    why = {
        "draining": "it takes no more tasks; those that run go on",
        "stopping": "it takes no more tasks; those that run are given their time",
        "stopped": "it has ended",
    }.get(state, "")
    return Check(name="serving", live=not serving.failed, ready=state == "serving", why=serving.failed or why)


def _event_loop(serving: Serving, config: ServerConfig) -> Check:
    blocked = serving.watchdog.probe()
    if blocked < min(BLOCKED_S, config.block_limit):
        return Check(name="event_loop")
    why = f"it has had no turn for {blocked:.0f} s: a handler blocks it; the log says which"
    return Check(name="event_loop", live=blocked < config.block_limit, ready=False, why=why)


def _store(serving: Serving, now: float) -> Check:
    keeper = serving.keeper
    if keeper.store_error:
        return Check(name="store", ready=False, why=keeper.store_error)
    if keeper.answered_at is None:
        return Check(name="store", ready=False, why="it has not answered yet")
    silent = now - keeper.answered_at
    if silent > SILENT_S:
        return Check(name="store", ready=False, why=f"it has not answered for {silent:.0f} s")
    return Check(name="store")


def _keeper(serving: Serving, config: ServerConfig, now: float) -> Check:
    if serving.keeper.has_died:
        return Check(name="lease_keeper", live=False, ready=False, why="its thread has ended by a bug of ours")
    stuck = now - serving.keeper.turned_at
    if stuck > max(STUCK_S, 2 * config.lease):
        return Check(name="lease_keeper", live=False, ready=False, why=f"it has had no turn for {stuck:.0f} s")
    return Check(name="lease_keeper")


def _fetcher(serving: Serving, now: float) -> Check:
    fetcher = serving.fetcher
    if fetcher.error and now - fetcher.failed_at < RECENT_S:
        return Check(name="fetcher", ready=False, why=fetcher.error)
    return Check(name="fetcher")


def _slots(serving: Serving, config: ServerConfig) -> Check:
    lost, all_ = len(serving.executor.overstaying), config.concurrency
    why = f"{lost} of {all_} are held by handlers that do not end" if lost else ""
    has_half = 2 * lost >= all_
    return Check(name="slots", live=not has_half, ready=not has_half, why=why)
