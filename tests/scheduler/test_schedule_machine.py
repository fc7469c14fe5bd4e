"""
Random histories of a schedule: time passes, upkeep looks, instances declare other forms of it, in another queue, too,
and operators pause it, resume it and run it by hand.

After each step: no tick has fired twice, none fires while it is paused, all are in the phase of a form that was in
force, and once upkeep has looked, the next tick is the first one after now.
"""

from __future__ import annotations

import asyncio
import os
from collections import Counter
from collections.abc import Coroutine
from typing import Any, ClassVar, TypeVar

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule, run_state_machine_as_test

from onebeat.broker.maintain import maintain
from onebeat.broker.store import Store
from onebeat.errors import ScheduleNotFound, WrongState
from onebeat.inspector.inspector import Inspector
from onebeat.inspector.schedule_models import ScheduleInfo, ScheduleState
from onebeat.scheduler.entry import Entry, entry
from onebeat.scheduler.scheduler import Scheduler
from onebeat.scheduler.triggers import Cron, Every
from onebeat.task import Task
from tests.anywhere import everywhere
from tests.conftest import NOON, Clock

GIVEN = os.environ.get("ONEBEAT_MACHINE_EXAMPLES")
EXAMPLES = int(GIVEN or "100")
BOUNDARY_S = 5.0
"""For so long a queue fires the ticks of a schedule that moves to another."""

T = TypeVar("T")


def form(trigger: Every | Cron, queue: str = "q", **options: Any) -> Entry:
    return entry("s", trigger, Task("t", queue=queue), options)


FORMS = {
    "two": form(Every(2)),
    "two, changed": form(Every(2), max_retry=3),
    "three": form(Every(3)),
    "moved": form(Every(2), "other"),
    "minutes": form(Cron("* * * * *")),
    "minutes, moved": form(Cron("* * * * *"), "other"),
}
STEPS_MS = {"@every 2s": 2000, "@every 3s": 3000, "* * * * *": 60_000}


class Machine(RuleBasedStateMachine):
    """One schedule, and what must be true of it."""

    url = ""
    seen: ClassVar[Counter[str]] = Counter()

    def __init__(self) -> None:
        super().__init__()
        self.loop = asyncio.new_event_loop()
        self.store: Store = self.do(Store.open(self.url, injected_clock=True))
        self.do(everywhere(self.store, "FLUSHALL"))
        self.clock = Clock(self.store)
        self.do(self.clock.set(NOON))
        self.inspector = Inspector(self.store)
        self.fired: list[int] = []
        self.is_paused = False
        self.moved_at = 0.0
        self.ran = 0

    def do(self, work: Coroutine[Any, Any, T]) -> T:
        return self.loop.run_until_complete(work)

    def teardown(self) -> None:
        self.do(self.store.aclose())
        self.loop.close()

    @property
    def info(self) -> ScheduleInfo:
        return self.do(self.inspector.schedule("s"))

    @initialize()
    def begin(self) -> None:
        self.name = "two"
        self.declare()

    def declare(self) -> None:
        self.scheduler = Scheduler(self.store, entries=[FORMS[self.name]])
        before = self.do(self.store.command("HGET", "onebeat:schedules", "s"))
        self.do(self.scheduler.declare(self.store))
        if before not in (None, self.do(self.store.command("HGET", "onebeat:schedules", "s"))):
            self.moved_at = self.clock.now
            self.seen["moved"] += 1

    @rule(seconds=st.sampled_from([0.1, 1.0, 1.9, 4.0, 15.0, 70.0]))
    def time_passes(self, seconds: float) -> None:
        self.do(self.clock.advance(seconds))

    @rule(name=st.sampled_from(sorted(FORMS)))
    def deploy(self, name: str) -> None:
        self.name = name
        self.declare()

    @rule()
    def restart(self) -> None:
        self.declare()

    @rule()
    def upkeep(self) -> None:
        self.look()
        info = self.info
        if self.is_paused:
            assert ScheduleState.PAUSED is info.state
        elif self.clock.now > self.moved_at + BOUNDARY_S:
            step = STEPS_MS[info.spec]
            assert info.next_at is not None
            assert (round(self.clock.now * 1000) // step + 1) * step == round(info.next_at.timestamp() * 1000)

    def look(self) -> list[int]:
        """Have upkeep look at both queues until nothing is due; return the ticks that fired."""
        found: list[int] = []
        home = self.info.queue
        for queue in ("q", "other"):
            while True:
                done = self.do(self.store.run(maintain(queue, max_crashes=5)))
                self.do(self.scheduler.report(self.store, queue, done))
                ticks = [tick for _, tick in done.fired]
                if self.is_paused and queue == home:
                    assert [] == ticks
                elif self.is_paused:
                    assert all(tick <= (self.moved_at + BOUNDARY_S) * 1000 for tick in ticks)
                found += ticks
                if not done.low and (done.next_due_ms is None or done.next_due_ms * 1000 > done.now_us):
                    break
        self.fired += found
        assert all(tick % 2000 == 0 or tick % 3000 == 0 for tick in found)
        assert all(tick <= self.clock.now * 1000 for tick in found)
        assert len(set(self.fired)) == len(self.fired), "a tick fired twice"
        return found

    @precondition(lambda self: not self.is_paused)
    @rule()
    def pause(self) -> None:
        self.do(self.inspector.pause_schedule("s"))
        self.is_paused = True

    @precondition(lambda self: self.is_paused)
    @rule(missed=st.sampled_from(["skip", "once", "all"]))
    def resume(self, missed: str) -> None:
        done = self.do(self.inspector.resume_schedule("s", missed))
        self.is_paused = False
        self.seen[missed if done.passed else "nothing passed"] += 1
        assert {"skip": 0, "once": min(1, done.passed), "all": done.passed}[missed] == done.firing
        boundary = (self.moved_at + BOUNDARY_S) * 1000  # ticks up to here may be the old queue's
        assert done.firing == len([tick for tick in self.look() if tick > boundary])

    @rule()
    def run_by_hand(self) -> None:
        before = self.info
        task_id = self.do(self.inspector.run_schedule("s"))
        after = self.info
        assert (before.next_at, before.fired, before.ran + 1) == (after.next_at, after.fired, after.ran)
        assert "pending" == self.do(self.inspector.task(after.queue, task_id)).state

    @rule()
    def ask_in_vain(self) -> None:
        method = self.inspector.pause_schedule if self.is_paused else self.inspector.resume_schedule
        with pytest.raises((WrongState, ScheduleNotFound)):
            self.do(method("s"))


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_random_histories_fire_each_tick_once_and_none_while_paused(engine: str) -> None:
    """And reach what they are there for. `ONEBEAT_MACHINE_EXAMPLES` runs more of them, others each time."""
    Machine.url = engine
    run_state_machine_as_test(
        Machine,
        settings=settings(
            max_examples=EXAMPLES,
            stateful_step_count=40,
            deadline=None,
            derandomize=GIVEN is None,
            database=None,
            phases=[Phase.generate],
            suppress_health_check=list(HealthCheck),
        ),
    )
    print(dict(Machine.seen))
    wanted = {"moved", "skip", "once", "all", "nothing passed"}
    assert set() == wanted - Machine.seen.keys(), "the histories do not reach what they are there for"
