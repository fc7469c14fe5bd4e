"""Background loops: what makes them pause, go on, and end."""

from __future__ import annotations

import asyncio
import logging
import math
from types import SimpleNamespace
from typing import Any

import pytest

from onebeat.broker.maintain import Maintained
from onebeat.errors import BrokerUnavailable
from onebeat.upkeep.maintainer import Maintainer
from onebeat.upkeep.service import Backoff, Crew, TroubleLog, cancelled, supervise
from onebeat.upkeep.survey import period
from tests.client.test_client import Minute


def done(**fields: object) -> Maintained:
    plain: dict[str, object] = {"now_us": 1_000_000_000, "next_due_ms": None, "forwarded": 0, "expired": 0}
    plain |= {"fired": [], "recovered": [], "low": [], "errors": [], "mended": 0, "is_busy": False}
    return Maintained(**{**plain, **fields})  # type: ignore[arg-type] # each test gives what it is about


@pytest.mark.parametrize(
    ("answer", "spent", "pause"),
    [
        (done(), 0.0, math.inf),
        (done(next_due_ms=1_000_250), 0.0, 0.25),
        (done(next_due_ms=1_000_250), 0.05, 0.2),
        (done(next_due_ms=1_000_001), 0.5, 0.005),
        (done(next_due_ms=999_000), 0.0, 0.005),
        (done(next_due_ms=2_000_000), 0.0, 1000.0),
        (done(next_due_ms=999_000, forwarded=100), 0.0, 0.0),
        (done(next_due_ms=999_000, errors=["forward WRONGTYPE"]), 0.0, 1.0),
    ],
)
def test_the_maintainer_sleeps_until_something_is_due(answer: Maintained, spent: float, pause: float) -> None:
    """At least 5 ms, not at all when a call was full, and it never spins on what fails."""
    assert pause == pytest.approx(Maintainer(None, [])._pause(answer, spent))  # type: ignore[arg-type] # needs no store


@pytest.mark.parametrize(
    ("answer", "rests"),
    [
        (done(), True),
        (done(is_busy=True), False),
        (done(errors=["forward WRONGTYPE"]), False),
        (done(next_due_ms=1_001_900), False),
        (done(next_due_ms=1_002_100), True),
        (done(forwarded=100), False),
    ],
)
def test_a_queue_rests_when_nothing_is_due_soon(answer: Maintained, rests: bool) -> None:
    """Nothing runs, nothing failed, and nothing is due before the next two looks of the survey."""
    store: Any = SimpleNamespace(is_spread=False)
    maintainer = Maintainer(store, [])
    assert rests is maintainer._is_at_rest(answer, maintainer._pause(answer, 0.0))


@pytest.mark.parametrize(
    ("queues", "is_spread", "seconds"),
    [(1, False, 1.0), (5_000, False, 1.0), (20_000, False, 4.0), (2_000, True, 1.0), (10_000, True, 5.0)],
)
def test_many_queues_are_looked_at_in_turns(queues: int, is_spread: bool, seconds: float) -> None:
    """Up to 5,000 in a second; in a cluster, where each costs more, up to 2,000."""
    assert seconds == period(queues, is_spread=is_spread)


def test_pauses_double_up_to_a_bound() -> None:
    """And begin again when things work."""
    backoff = Backoff(0.1, 0.5, jitter=lambda: 1.0)
    assert [0.1, 0.2, 0.4, 0.5, 0.5] == pytest.approx([backoff.pause() for _ in range(5)])
    backoff.reset()
    assert 0.1 == pytest.approx(backoff.pause())


def test_lasting_trouble_is_not_told_every_time(caplog: pytest.LogCaptureFixture) -> None:
    """Once, then every half minute with a count, and when it is over."""
    caplog.set_level(logging.INFO)
    clock = Minute()
    trouble = TroubleLog("the pump", clock=clock)
    for second in range(100):
        clock.seconds = float(second)
        trouble.trouble(BrokerUnavailable("leaks"))
    trouble.over()
    trouble.over()
    lines = [record.getMessage() for record in caplog.records]
    assert 5 == len(lines)
    assert "the pump: leaks; trying again" == lines[0]
    assert "the pump works again after 100 failures" == lines[-1]


def test_trouble_that_comes_and_goes_is_told_of_three_times(caplog: pytest.LogCaptureFixture) -> None:
    """Within half a minute, however often it does; a lasting store of ten thousand queues fills no disk."""
    caplog.set_level(logging.INFO)
    clock = Minute()
    trouble = TroubleLog("the pump", clock=clock)
    for tenth in range(290):
        clock.seconds = tenth / 10
        trouble.trouble(BrokerUnavailable("leaks"))
        trouble.over()
    assert 3 == sum(record.levelname == "WARNING" for record in caplog.records)
    assert 3 == sum("works again" in record.getMessage() for record in caplog.records)


def test_another_cause_is_told_at_once(caplog: pytest.LogCaptureFixture) -> None:
    """First the line is cut, then the password is wrong: the second is what one has to know."""
    trouble = TroubleLog("the pump", clock=Minute())
    for cause in ("cut", "cut", "wrong password", "wrong password"):
        trouble.trouble(BrokerUnavailable(cause))
    assert ["the pump: cut; trying again", "the pump: wrong password (seen 3 times); trying again"] == [
        record.getMessage() for record in caplog.records
    ]


async def test_what_a_library_makes_of_a_cancellation_is_no_trouble(caplog: pytest.LogCaptureFixture) -> None:
    """A service that turns its cancellation into an error of the store ends at once, without a word."""

    class Confused:
        name = "confused"

        async def run(self) -> None:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                raise BrokerUnavailable("connection closed") from None

    task = asyncio.create_task(supervise(Confused()))
    await asyncio.sleep(0)
    task.cancel()
    await asyncio.wait([task])
    assert task.cancelled()
    assert "" == caplog.text


class Flaky:
    """A service that fails so often, then ends."""

    name = "flaky"

    def __init__(self, *errors: Exception) -> None:
        self.errors = list(errors)
        self.runs = 0

    async def run(self) -> None:
        self.runs += 1
        if self.errors:
            raise self.errors.pop()


async def test_a_service_is_started_again_whatever_it_meets(caplog: pytest.LogCaptureFixture) -> None:
    """Trouble of the store and bugs of ours alike; it ends when it returns."""
    service = Flaky(BrokerUnavailable("away"), ValueError("a bug"))
    await supervise(service, backoff=Backoff(0.001, 0.001))
    assert 3 == service.runs
    assert "a bug of ours" in caplog.text


async def test_a_swallowed_cancellation_is_asked_for_again() -> None:
    """A library that eats the first one does not keep us."""
    eaten = 0

    async def greedy() -> None:
        nonlocal eaten
        while True:
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                eaten += 1
                if eaten == 3:
                    raise

    task = asyncio.create_task(greedy())
    await asyncio.sleep(0)
    await cancelled(task)
    assert (3, True) == (eaten, task.cancelled())


async def test_a_crew_stops_last_started_first() -> None:
    """So that what others stand on is there to the end."""
    ended: list[str] = []

    async def member(name: str) -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.append(name)

    crew = Crew()
    for name in ("first", "second"):
        crew.spawn(member(name), name)
    await asyncio.sleep(0)
    await crew.stop()
    assert ["second", "first"] == ended
