"""How many servers the work wants, and what `/scale` answers."""

from __future__ import annotations

import json
import time
from dataclasses import replace
from typing import Any

import pytest

from onebeat.broker.figures import QueueFigures
from onebeat.observe.routes import Asked
from onebeat.observe.scale import Scale, Scaler, Wish
from onebeat.observe.sweep import Snapshot, Sweep
from onebeat.wire.records import ServerRecord


def server(
    host: str = "a", concurrency: int = 10, queues: tuple[str, ...] = ("q",), status: str = "active"
) -> ServerRecord:
    return ServerRecord(
        host=host,
        pid=1,
        server_id=host,
        concurrency=concurrency,
        queues=dict.fromkeys(queues, 1),
        start_time=0,
        status=status,
    )


class Story:
    """A scaler that is told what was found, one look after another, each ten seconds later."""

    def __init__(self, *servers: ServerRecord) -> None:
        self.scaler = Scaler(Sweep("redis://127.0.0.1:1"))
        self.servers = servers
        self._at = time.monotonic() - 1000

    def look(self, wish: Wish | None = None, **figures: QueueFigures) -> Scale:
        self._at += 10
        found = Snapshot(is_up=True, at=self._at, oldest=self._at, figures=figures, servers=self.servers)
        return self.scaler.answer(wish or Wish(), found)


def test_while_nothing_is_measured_what_there_is_stays() -> None:
    """The first answer of a new process scales nothing."""
    answer = Story(server("a"), server("b")).look(q=QueueFigures(pending=100_000, active=20))
    assert (2, 2, 20) == (answer.desired_replicas, answer.replicas, answer.slots)
    assert (None, None, None, 0) == (
        answer.arrived_per_second, answer.ended_per_second, answer.run_seconds, answer.measured_seconds,
    )  # fmt: skip


def test_rates_are_measured_between_looks() -> None:
    """What ended, what came, and by Little's law how long it took."""
    story = Story(server())
    story.look(q=QueueFigures(processed=0, pending=0, active=10))
    answer = story.look(q=QueueFigures(processed=100, pending=50, active=10))
    assert (10, 10, 15, 1) == (
        answer.measured_seconds, answer.ended_per_second, answer.arrived_per_second, answer.run_seconds,
    )  # fmt: skip


def test_slots_keep_up_with_what_comes_and_take_the_backlog_down_in_time() -> None:
    """15 a second of 1 s each want 15 slots; 60 that wait are to be gone in 30 s: 2 more. Of 10 each: 2 replicas."""
    story = Story(server())
    story.look(q=QueueFigures(processed=0, pending=10, active=10))
    answer = story.look(q=QueueFigures(processed=100, pending=60, active=10))
    assert (17, 2) == (answer.desired_slots, answer.desired_replicas)


def test_a_shorter_target_wants_more() -> None:
    """The backlog is to be gone sooner."""
    story = Story(server())
    for wish in (Wish(queues=("q",)), Wish(queues=("q",), target=6)):
        story.look(wish, q=QueueFigures(processed=0, pending=60, active=10))
        answer = story.look(wish, q=QueueFigures(processed=100, pending=60, active=10))
        story = Story(server())
        assert 10 + 60 / wish.target == answer.desired_slots


def test_tasks_that_take_longer_than_was_measured_want_a_slot_each() -> None:
    """Those that run, and those that wait."""
    story = Story(server())
    story.look(q=QueueFigures(active=10, pending=7))
    assert 17 == story.look(q=QueueFigures(active=10, pending=7)).desired_slots


def test_nobody_serves_and_something_waits() -> None:
    """Then one replica is wanted at least, whatever was measured."""
    story = Story()
    for _ in range(3):
        answer = story.look(q=QueueFigures(pending=1))
        assert (1, 0, 64) == (answer.desired_replicas, answer.replicas, answer.slots_per_replica)


def test_nothing_to_do_wants_none_but_the_least() -> None:
    """Once it is measured."""
    story = Story(server())
    story.look(Wish(least=2), q=QueueFigures())
    assert 2 == story.look(Wish(least=2), q=QueueFigures()).desired_replicas
    assert 0 == story.look(Wish(), q=QueueFigures()).desired_replicas


def test_the_answer_has_bounds() -> None:
    """Both, even if much waits."""
    story = Story(server())
    story.look(Wish(most=3), q=QueueFigures(pending=1000))
    assert 3 == story.look(Wish(most=3), q=QueueFigures(pending=1000)).desired_replicas


def test_paused_queues_want_nothing() -> None:
    """What waits there is not to run; what is overdue elsewhere is."""
    answer = Story(server()).look(
        q=QueueFigures(pending=5, paused_since=1), r=QueueFigures(pending=2, overdue=3, latency_ms=1500)
    )
    assert (5, 1.5) == (answer.backlog, answer.latency_seconds)


def test_replicas_are_hosts_that_serve_the_queues() -> None:
    """Several processes of one host are one; those that stop, or serve others, are none."""
    story = Story(
        server("a"),
        server("a", 6),
        server("b", 20, ("q", "r")),
        server("c", status="stopped"),
        server("d", queues=("r",)),
    )
    answer = story.look(Wish(queues=("q",)), q=QueueFigures(), r=QueueFigures())
    assert (2, 36, 18) == (answer.replicas, answer.slots, answer.slots_per_replica)


def test_a_removed_queue_begins_the_measurement_anew() -> None:
    """Its counters are gone, which is no negative rate."""
    story = Story(server())
    story.look(q=QueueFigures(processed=100, active=1))
    answer = story.look(q=QueueFigures(processed=0, active=1))
    assert (None, 1) == (answer.ended_per_second, answer.desired_replicas)


def test_old_looks_are_forgotten() -> None:
    """Rates are those of the last two minutes."""
    story = Story(server())
    answers = [story.look(q=QueueFigures(processed=10 * number)) for number in range(100)]
    assert 120 == answers[-1].measured_seconds


class Found(Sweep):
    """A sweep that finds what a test says."""

    def __init__(self, found: Snapshot) -> None:
        super().__init__("redis://127.0.0.1:1")
        self._found = found

    def read(self, max_age: float | None = None) -> Snapshot:
        return self._found


UP = Snapshot(is_up=True, at=1, figures={"q": QueueFigures(pending=3), "r": QueueFigures(pending=4)})


def ask(found: Snapshot, **query: list[str]) -> tuple[int, Any]:
    answer = Scaler(Found(found)).page(Asked(path="/scale", query=query))
    return answer.status, json.loads(answer.body) if answer.status == 200 else answer.body.decode()


def test_a_question_names_queues_or_means_all() -> None:
    """In any order; one that is not there yet is empty."""
    assert (["q", "r"], 7) == (ask(UP)[1]["queues"], ask(UP)[1]["backlog"])
    status, body = ask(UP, queue=["r", "new", "r"], min=["2"], slots=["8"])
    assert (200, ["new", "r"], 4, 2, 8) == (
        status, body["queues"], body["backlog"], body["desired_replicas"], body["slots_per_replica"],
    )  # fmt: skip


@pytest.mark.parametrize(
    ("query", "says"),
    [
        ({"qeue": ["q"]}, "parameter 'qeue' is unknown"),
        ({"target": ["0"]}, "target is '0'"),
        ({"slots": ["nan"]}, "slots is 'nan'"),
        ({"max": ["many"]}, "max is 'many'"),
        ({"min": ["5"], "max": ["4"]}, "min is 5 and max 4"),
    ],
)
def test_a_question_that_makes_no_sense_is_refused(query: dict[str, list[str]], says: str) -> None:
    """With status 400 and a sentence."""
    status, body = ask(UP, **query)
    assert 400 == status
    assert says in body


def test_a_queue_that_cannot_be_read_is_not_empty() -> None:
    """Asked for it, there is no answer; asked for all, the answer says how many it knows nothing of."""
    found = replace(UP, unread=1)
    assert (200, 503) == (ask(found, queue=["q"])[0], ask(found, queue=["q", "broken"])[0])
    assert "Queue 'broken' cannot be read" in ask(found, queue=["broken"])[1]
    assert 1 == ask(found)[1]["unread"]


def test_while_the_store_is_away_there_is_no_answer() -> None:
    """503: whoever asks keeps what there is."""
    assert 503 == ask(Snapshot(error="it is gone"))[0]
    assert "it is gone" in ask(Snapshot(error="it is gone"))[1]
