"""The lease keeper's own thread (mechanism-rules 2, 3)."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from onebeat.errors import BrokerUnavailable
from onebeat.server.keeper import Keeper
from onebeat.server.running import Running, Stop


class Script:
    """A store that answers as it is told: an answer per task, or an error."""

    def __init__(self, *answers: str | Exception) -> None:
        self.answers = list(answers)
        self.asked = 0
        self.is_empty = threading.Event()

    def run(self, _call: Any) -> list[str]:
        self.asked += 1
        answer = self.answers.pop(0) if self.answers else "ok"
        if not self.answers:
            self.is_empty.set()
        if isinstance(answer, Exception):
            raise answer
        return [answer]

    def close(self) -> None: ...


class Nobody:
    """In place of presence and watchdog."""

    def is_due(self) -> bool:
        return False

    def end(self, _store: Any) -> None: ...

    def look(self, _held: Any) -> None: ...


@contextmanager
def keeping(store: Script, *, period: float) -> Iterator[list[tuple[str, Stop]]]:
    """Keep one attempt; what is yielded lists whom the keeper stopped, and why."""
    stopped: list[tuple[str, Stop]] = []
    nobody: Any = Nobody()
    keeper = Keeper(
        store,  # type: ignore[arg-type] # it has the part that is used
        lease_ms=30_000,
        period=period,
        stop_attempt=lambda attempt, why, _token: stopped.append((attempt.id, why)),
        presence=nobody,
        watchdog=nobody,
    )
    keeper.hold(Running("q", "a", "s:1", 0.0))
    keeper.start()
    try:
        yield stopped
    finally:
        keeper.stop()


def test_it_extends_again_soon_after_a_failure() -> None:
    """Not after its whole period: with one of an hour, three failures and a success come at once."""
    store = Script(*[BrokerUnavailable("away")] * 3, "ok")
    with keeping(store, period=3600.0):
        assert store.is_empty.wait(20)


def test_it_tells_of_lost_and_cancelled_tasks() -> None:
    """At every extension, until the server has let them go."""
    for answers, told in (
        (["lost"], [("a", Stop.LOST)]),
        (["gone"], [("a", Stop.LOST)]),
        (["ok", "cancel", "cancel"], [("a", Stop.CANCELLED)] * 2),
        (["error WRONGTYPE", "ok"], []),
    ):
        store = Script(*answers)
        with keeping(store, period=0.01) as stopped:
            assert store.is_empty.wait(20)
        assert told == stopped[: len(told)]


def test_a_bug_of_ours_does_not_end_it() -> None:
    """A server without its keeper would lose every task after one lease."""
    store = Script(ValueError("a bug"), "ok")
    with keeping(store, period=0.01):
        assert store.is_empty.wait(20)
    assert store.asked >= 2
