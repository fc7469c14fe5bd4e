"""When a process is started again, and when it is given up: with processes that only pretend."""

from __future__ import annotations

import asyncio
import logging
import socket
import subprocess
import sys
from typing import cast

import msgspec
import pytest

from onebeat.cli.processes.fleet import Fleet
from onebeat.cli.processes.orders import AWAY, STOP, Facts, Orders
from onebeat.cli.processes.place import Pace
from onebeat.cli.processes.process import Process, how
from onebeat.server.health import Check, HealthReport

FACTS = Facts("redis://x", [], [], {}, 1)
ORDERS = Orders(app="shop:app", folder="/", url=None, fallback=None, settings={})
AT_ONCE = Pace(first=0.0, longest=0.0, attempts=3)


class Pretended:
    """
    A process.

    Args:
        served: Whether it gets so far.

        status: How it ends, at once; None: when it is told to stop, with status 0.

        deaf: It hears no word, so it must be killed.

        stuck: It does not get so far, nor does it end, until it is killed.
    """

    def __init__(self, served: bool, status: int | None, *, deaf: bool = False, stuck: bool = False) -> None:
        self._deaf = deaf
        loop = asyncio.get_running_loop()
        self.ended: asyncio.Future[int] = loop.create_future()
        self.ready: asyncio.Future[Facts | None] = loop.create_future()
        if not stuck:
            self.ready.set_result(FACTS if served else None)
        self.served_s = 0.0
        if status is not None:
            self.ended.set_result(status)

    def tell(self, word: bytes) -> None:
        if word == STOP and not self._deaf and not self.ended.done():
            self.ended.set_result(0)

    def kill(self) -> None:
        if not self.ended.done():
            self.ended.set_result(-9)
        if not self.ready.done():
            self.ready.set_result(None)


def fleet(*lives: tuple[bool, int | None], pace: Pace = AT_ONCE) -> tuple[Fleet, list[Pretended]]:
    """Make a fleet of one process, whose starts live so, one after another; the last one stands for all after it."""
    started: list[Pretended] = []

    async def start(_orders: Orders) -> Process:
        started.append(Pretended(*lives[min(len(started), len(lives) - 1)]))
        if len(started) == len(lives) and lives[-1][1] is None:
            asyncio.get_running_loop().call_soon(made.stop)
        return cast("Process", started[-1])

    made = Fleet(ORDERS, 1, pace=pace, start=start)
    return made, started


async def test_who_ends_at_once_again_and_again_is_given_up(caplog: pytest.LogCaptureFixture) -> None:
    """After three starts in a row here; status 1, and it is said loudly."""
    made, started = fleet((True, -11))
    assert 1 == await made.run()
    assert 3 == len(started)
    [record] = [record for record in caplog.records if record.levelno == logging.CRITICAL]
    assert "ended at once 3 times in a row (signal SIGSEGV)" in record.getMessage()


async def test_who_served_for_a_while_is_started_again_without_end() -> None:
    """Only ends at once count, and only in a row."""
    made, started = fleet(*[(True, 1)] * 7, (True, None), pace=Pace(first=0.0, longest=0.0, attempts=3, steady=0.0))
    assert 0 == await made.run()
    assert 8 == len(started)


async def test_a_store_that_is_away_is_waited_for() -> None:
    """However often a process finds it away after the first has served, none is given up for it."""
    made, started = fleet((True, 1), *[(False, AWAY)] * 5, (True, None))
    assert 0 == await made.run()
    assert 7 == len(started)


async def test_who_cannot_start_at_all_is_not_tried_again() -> None:
    """The first process goes ahead; its failure is the command's."""
    made, started = fleet((False, 1))
    assert 1 == await made.run()
    assert 1 == len(started)


@pytest.mark.parametrize(
    ("status", "said"), [(-11, ["process 1 ended before it served (signal SIGSEGV)"]), (1, []), (AWAY, [])]
)
async def test_a_first_process_that_dies_silently_is_spoken_for(
    caplog: pytest.LogCaptureFixture, status: int, said: list[str]
) -> None:
    """As one that was killed while it imported; what it has said itself is not said twice."""
    made, _ = fleet((False, status))
    assert (AWAY if status == AWAY else 1) == await made.run()
    assert said == caplog.messages


def test_waits_double_with_jitter_up_to_a_limit() -> None:
    """Between half and all of 0.5 s, 1 s, 2 s … 30 s."""
    pace = Pace()
    for failures, longest in [(1, 0.5), (2, 1.0), (3, 2.0), (7, 30.0), (1000, 30.0)]:
        delays = [pace.delay(failures) for _ in range(200)]
        assert longest / 2 <= min(delays) < max(delays) <= longest


def of_the_deaf(pace: Pace) -> tuple[Fleet, asyncio.Event]:
    """Make a fleet of two processes that do not stop when they are told to, and what says that both run."""
    both = asyncio.Event()

    async def start(orders: Orders) -> Process:
        if orders.number == 2:
            both.set()
        return cast("Process", Pretended(True, None, deaf=True))

    return Fleet(ORDERS, 2, pace=pace, start=start), both


async def test_a_third_signal_kills() -> None:
    """The first two asked; that it had to be so is no clean end."""
    made, both = of_the_deaf(Pace())
    running = asyncio.create_task(made.run())
    await both.wait()
    for _ in range(3):
        made.stop()
        await asyncio.sleep(0)
        assert not running.done()
    assert 1 == await running


async def test_who_does_not_stop_in_time_is_killed(caplog: pytest.LogCaptureFixture) -> None:
    """Said with its number; status 1."""
    made, both = of_the_deaf(Pace(stop=0.01))
    running = asyncio.create_task(made.run())
    await both.wait()
    made.stop()
    assert 1 == await running
    assert {f"process {number} does not stop, and is killed" for number in (1, 2)} <= set(caplog.messages)


async def test_who_is_stuck_in_its_start_is_killed_when_all_stop(caplog: pytest.LogCaptureFixture) -> None:
    """As one that blocks its event loop in the lifespan, and so hears nothing; status 1."""
    begun = asyncio.Event()

    async def start(_orders: Orders) -> Process:
        begun.set()
        return cast("Process", Pretended(False, None, deaf=True, stuck=True))

    made = Fleet(ORDERS, 1, pace=Pace(stop=0.01), start=start)
    running = asyncio.create_task(made.run())
    await begun.wait()
    made.stop()
    assert 1 == await asyncio.wait_for(running, 60)
    assert "process 1 does not stop, and is killed" in caplog.messages


async def test_a_successor_that_is_stuck_does_not_keep_the_others_from_stopping() -> None:
    """It is killed, and the process that it should have replaced stops as ever."""
    started: list[Pretended] = []
    second = asyncio.Event()

    async def start(_orders: Orders) -> Process:
        stuck = bool(started)
        started.append(Pretended(not stuck, None, deaf=stuck, stuck=stuck))
        if stuck:
            second.set()
        return cast("Process", started[-1])

    made = Fleet(
        ORDERS, 1, pace=Pace(stop=0.01), start=start, ready=lambda _: asyncio.get_running_loop().call_soon(made.roll)
    )
    running = asyncio.create_task(made.run())
    await second.wait()
    made.stop()
    assert 1 == await asyncio.wait_for(running, 60)
    assert [0, -9] == [process.ended.result() for process in started]


def test_every_end_has_its_words() -> None:
    """Also by a real-time signal, most of which have no name."""
    assert ["status 3", "signal SIGKILL", "signal 40"] == list(map(how, (3, -9, -40)))


BLOCKED = """
import asyncio, sys, time
from onebeat.cli.processes.link import Link

async def main(link):
    link.obey(lambda: None)
    link.outlives_s = 0.05
    print("blocked", flush=True)
    time.sleep(3600)

link = Link(int(sys.argv[1]))
link.listen()
asyncio.run(main(link))
"""


def test_a_blocked_loop_does_not_outlive_its_parent_for_long() -> None:
    """The line is heard in a thread: when it ends, so does the process, after the time that a stop may take."""
    ours, theirs = socket.socketpair()
    ours.sendall(msgspec.json.encode(ORDERS) + b"\n")
    words = [sys.executable, "-c", BLOCKED, str(theirs.fileno())]
    process = subprocess.Popen(words, stdout=subprocess.PIPE, pass_fds=(theirs.fileno(),))
    theirs.close()
    with process:
        assert process.stdout is not None
        assert b"blocked\n" == process.stdout.readline()
        assert process.poll() is None
        ours.close()
        assert 1 == process.wait(60)


class Answering(Pretended):
    """A process that serves until it is told to stop, and says of itself what it is given; a number: how long it has
    not answered."""

    pid = 7

    def __init__(self, answer: HealthReport | float, *, served: bool = True) -> None:
        super().__init__(True, None, stuck=not served)
        self._answer = answer

    async def health(self, *, within: float) -> HealthReport | float:
        return self._answer


async def told(*answers: HealthReport | float, served: bool = True) -> HealthReport:
    """Return what a fleet of such processes is told to fare like, once all have been started."""
    waiting, all_there = list(answers), asyncio.Event()

    async def start(_orders: Orders) -> Process:
        process = Answering(waiting.pop(0), served=served)
        if not waiting:
            all_there.set()
        return cast("Process", process)

    made = Fleet(ORDERS, len(answers), pace=AT_ONCE, start=start)
    running = asyncio.create_task(made.run())
    await all_there.wait()
    await asyncio.sleep(0)
    found = await made.health(silence=30)
    made.stop()
    for place in made._places if not served else ():
        place.kill()
    await running
    return found


WELL = HealthReport.of("serving", [Check(name="store")])
APART = HealthReport.of("serving", [Check(name="store", ready=False, why="it is away")])
DEAD = HealthReport.of("serving", [Check(name="event_loop", live=False, why="it is blocked")])


@pytest.mark.parametrize(
    ("answers", "live", "ready", "why"),
    [
        ([WELL, WELL], True, True, ""),
        ([WELL, APART], True, True, "1 of 2 are ready; process 2: serving (it is away)"),
        (
            [APART, APART],
            True,
            False,
            "0 of 2 are ready; process 1: serving (it is away), process 2: serving (it is away)",
        ),
        ([WELL, DEAD], False, False, "1 of 2 are ready; process 2: serving (it is blocked)"),
        ([WELL, 3.0], True, True, "1 of 2 are ready; process 2: serving (it has not answered for 3 s)"),
        ([WELL, 31.0], False, False, "1 of 2 are ready; process 2: serving (it has not answered for 31 s)"),
    ],
    ids=["well", "one away", "all away", "one dead", "one silent", "one silent for long"],
)
async def test_a_parent_fares_as_its_processes_do(
    answers: list[HealthReport | float], live: bool, ready: bool, why: str
) -> None:
    """Live if each is, ready if one is; silence counts as a blocked loop."""
    found = await told(*answers)
    [check] = [check for check in found.checks if check.name == "processes"]
    assert (live, ready, why) == (found.live, found.ready, check.why)


async def test_a_process_that_has_only_begun_is_starting() -> None:
    """However long it has not answered: who waits for a start has a limit of their own."""
    found = await told(100.0, served=False)
    assert ("starting", True, False) == (found.state, found.live, found.ready)
    assert ["starting"] == [process.state for process in found.processes]


async def test_a_process_that_waits_for_its_next_start_shows() -> None:
    """With how often it was started again and how it ended; it is live, as its end is being dealt with."""
    ends = asyncio.Event()

    async def start(_orders: Orders) -> Process:
        ends.set()
        return cast("Process", Pretended(True, -11))

    made = Fleet(ORDERS, 1, pace=Pace(first=3600.0, longest=3600.0), start=start)
    running = asyncio.create_task(made.run())
    await ends.wait()
    while (found := await made.health()).processes[0].state != "waiting":  # noqa: ASYNC110 - it tells nobody
        await asyncio.sleep(0)
    [process] = found.processes
    assert (True, False, None, 0, "signal SIGSEGV") == (
        found.live, found.ready, process.pid, process.restarts, process.last_end
    )  # fmt: skip
    made.stop()
    await running
