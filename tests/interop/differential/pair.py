"""
Two databases that must stay the same: every operation is applied to both, and what differs must be declared.

What a rule of `rules` claims is copied from our side to asynq's, so that the two go on from the same state, and one
declared difference does not hide what comes after it. Anything that no rule claims is a fault.
"""

from __future__ import annotations

import time
from collections import Counter
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from tests.conftest import NOON
from tests.interop.differential import facts
from tests.interop.differential.cases import ANSWER, Case, Difference, plain_answer
from tests.interop.differential.facts import GRAIN_MS, Database, Facts
from tests.interop.differential.go_side import GoSide
from tests.interop.differential.our_side import OurSide
from tests.interop.differential.table import RULES


class Pair:
    """asynq and Onebeat, each on a database of its own."""

    def __init__(self, program: Path, socket: str) -> None:
        self.go = GoSide(program, socket)
        self.ours = OurSide(f"unix://{socket}")
        self.go_base, self.our_base = Database(socket, 1), Database(socket, 0)
        self.used: Counter[str] = Counter()
        self.compared: Counter[str] = Counter()
        self.stalled_ms = 0.0

    def __enter__(self) -> Self:
        self.ours.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.ours.__exit__(kind, error, trace)
        self.go.close()
        self.go_base.close()
        self.our_base.close()

    def begin(self) -> None:
        """Start with nothing, at noon."""
        self.our_base.client.flushall()
        self.go.ask("begin")
        self.ours.begin()
        self.state: Facts = {}
        self.private: Facts = {}
        self.stalled_ms = 0.0
        self.now_us = NOON * 1_000_000
        self.tick(0)

    @property
    def now_ms(self) -> int:
        return self.now_us // 1000

    def tick(self, seconds: float) -> None:
        """Let time pass on both sides."""
        self.now_us += round(seconds * 1_000_000)
        self.ours.set_time(self.now_us)
        self.go.ask("now", NowUs=self.now_us)
        self.go_base.read(self.now_ms)
        self.state, self.private = self.our_base.read(self.now_ms)

    def ids(self, queue: str, *states: str) -> list[str]:
        """List the tasks of a queue that are in one of these states, by name."""
        prefix = f"asynq:{{{queue}}}:t:"
        found = [key.removeprefix(prefix) for key, part in self.state if part == "state" and key.startswith(prefix)]
        return sorted(i for i in found if not states or self.state[prefix + i, "state"] in states)

    def sets(self) -> list[tuple[str, str, str]]:
        """List the aggregation sets: their queue, group and id."""
        found = [part for key, part in self.state if key.endswith("}:aggregation_sets")]
        parts = (key.removeprefix("asynq:{").partition("}:g:") for key in sorted(found))
        return [(queue, *rest.rpartition(":")[::2]) for queue, _, rest in parts]

    # -------------------------------------------------------------- one operation on both

    def do(self, do: str, **order: Any) -> Any:
        """Apply an operation to both sides, compare, and return the answer."""
        began = time.perf_counter()
        ours = self.ours.apply(do, order)
        public, private = self.our_base.read(self.now_ms)
        between = time.perf_counter()
        answer = self._ask(do, order)
        lapsed = answer == "lapsed" and ours in ("applied", "ok")
        if lapsed:
            answer = self._ask(do, order, Force=True)
        if do == "stage":
            self._name_sets(public)
        go_public, _ = self.go_base.read(self.now_ms)
        self.stalled_ms = max(self.stalled_ms, (between - began) * 1000, (time.perf_counter() - between) * 1000)
        case = Case(do, order, self.now_us, self.state, self.private, go_public, public, private)
        case.lapsed = lapsed
        case.answers = (plain_answer(do, answer), plain_answer(do, ours))
        self._compare(case)
        self.state, self.private = public, private
        return ours

    def _compare(self, case: Case) -> None:
        if case.lapsed:
            self.used["lapsed_lease_still_counts"] += 1
        unclaimed = []
        differences = case.differences()
        for difference in differences:
            names = [rule.name for rule in RULES if rule.claims(case, difference)]
            if not names and not self._is_doubtful(difference):
                unclaimed.append(difference)
            self.used.update(names[:1])
        assert not unclaimed, report(case, unclaimed)
        for key in {difference.key for difference in differences} - {ANSWER}:
            self.go_base.copy(key, self.our_base)
        facts.check(case.ours, case.private)
        self.compared[case.do] += 1

    def _name_sets(self, ours: Facts) -> None:
        """Give asynq's new aggregation sets the names of ours that hold the same tasks: both are made up."""
        theirs, _ = self.go_base.read(self.now_ms)
        names = {_members(ours, key): key for key in _new_sets(ours, self.state)}
        for key in _new_sets(theirs, self.state):
            if name := names.get(_members(theirs, key)):
                index = key[: key.index("}:")] + "}:aggregation_sets"
                self.go_base.client.rename(key, name)
                self.go_base.client.zrem(index, key)
                self.go_base.client.zadd(index, {name: theirs[index, key]})

    def _is_doubtful(self, it: Difference) -> bool:
        """Whether the machine stood still so long between a write and its reading that this may come of it."""
        if it.part != "ends" or None in (it.go, it.ours):
            return False
        return self.has_stalled and bool(abs(it.go - it.ours) <= self.stalled_ms + GRAIN_MS)

    @property
    def has_stalled(self) -> bool:
        """Whether times to live may have passed unseen."""
        return self.stalled_ms > GRAIN_MS * 0.8

    def _ask(self, do: str, order: dict[str, Any], **more: Any) -> Any:
        """Put an operation to asynq; what it has no word for becomes what comes nearest."""
        if do == "cancel":
            key = f"asynq:{{{order['queue']}}}:t:{order['id']}"
            waits = self.state.get((key, "state")) in ("pending", "scheduled", "retry", "aggregating")
            do = "delete" if waits else "cancel" if (key, "state") in self.state else "info"
        return self.go.apply(do.replace("_all", " all"), order, **more)


def _new_sets(facts_: Facts, before: Facts) -> list[str]:
    return [part for key, part in facts_ if key.endswith("}:aggregation_sets") and (key, part) not in before]


def _members(facts_: Facts, set_key: str) -> tuple[str, ...]:
    return (set_key.rpartition(":")[0], *sorted(part for key, part in facts_ if key == set_key))


def report(case: Case, unclaimed: list[Difference]) -> str:
    """Say what differs and is not declared."""
    lines = [f"{item.key} {item.part}: asynq {item.go!r}, Onebeat {item.ours!r}" for item in unclaimed]
    seconds = case.now_us / 1_000_000 - NOON
    return f"undeclared difference after {case.do} {case.order} at noon + {seconds} s:\n  " + "\n  ".join(lines)
