"""The lease keeper's own thread (mechanism-rules 2, 3)."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

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

    is_spread = False

    def home(self, _queue: str) -> str:
        return ""

    def close(self) -> None: ...


class Nodes(Script):
    """A store of two nodes, one of which is away: what a queue's name begins with is its node."""

    is_spread = True

    def __init__(self) -> None:
        super().__init__()
        self.queues: list[str] = []

    def home(self, queue: str) -> str:
        return queue.partition("-")[0]

    def run(self, call: Any) -> list[str]:
        self.queues.append(call.queue)
        if self.home(call.queue) == "away":
            raise BrokerUnavailable("it is away")
        return ["ok"]


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
        assert store.is_empty.wait(60)


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
            assert store.is_empty.wait(60)
        assert told == stopped[: len(told)]


def test_a_bug_of_ours_does_not_end_it() -> None:
    """A server without its keeper would lose every task after one lease."""
    store = Script(ValueError("a bug"), "ok")
    with keeping(store, period=0.01):
        assert store.is_empty.wait(60)
    assert store.asked >= 2


def test_a_node_that_is_away_is_asked_once_a_turn_and_last() -> None:
    """Each question to it may take five seconds, in which the leases at other nodes would lapse."""
    store, nobody = Nodes(), Nobody()
    keeper: Any = Keeper(
        store,  # type: ignore[arg-type] # it has the part that is used
        lease_ms=30_000,
        period=10,
        stop_attempt=lambda *_: None,
        presence=nobody,  # type: ignore[arg-type]
        watchdog=nobody,  # type: ignore[arg-type]
    )
    for queue in ("away-1", "away-2", "here-1", "away-3", "here-2"):
        keeper.hold(Running(queue, "a", "token", 0.0))
    for _ in range(2):
        with pytest.raises(BrokerUnavailable):
            keeper._turn()
    assert ["away-1", "here-1", "here-2", "here-1", "here-2", "away-1"] == store.queues
