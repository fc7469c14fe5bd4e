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

from hypothesis import reject

from tests.conftest import NOON
from tests.interop.differential import facts
from tests.interop.differential.cases import ANSWER, Case, Difference, plain_answer
from tests.interop.differential.facts import GRAIN_MS, Database, Facts
from tests.interop.differential.rules import RULES
from tests.interop.differential.sides import DELAY_S, GoSide, OurSide

UNITS = {"timeout": "TimeoutUs", "unique": "UniqueUs", "process_in": "InUs", "retention": "RetentionUs"}
PLAIN = {"task_id": "ID", "queue": "Queue", "max_retry": "MaxRetry", "headers": "Headers"}


class Pair:
    """asynq and Onebeat, each on a database of its own."""

    def __init__(self, program: Path, socket: str) -> None:
        self.go = GoSide(program, socket)
        self.ours = OurSide(f"unix://{socket}")
        self.go_base, self.our_base = Database(socket, 1), Database(socket, 0)
        self.used: Counter[str] = Counter()
        self.compared: Counter[str] = Counter()

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
        for base in (self.our_base, self.go_base):
            base.age(self.now_ms)
        self.state, self.private = self.our_base.read(self.now_ms)

    def ids(self, queue: str, *states: str) -> list[str]:
        """List the tasks of a queue that are in one of these states, by name."""
        prefix = f"asynq:{{{queue}}}:t:"
        found = [key.removeprefix(prefix) for key, part in self.state if part == "state" and key.startswith(prefix)]
        return sorted(i for i in found if not states or self.state[prefix + i, "state"] in states)

    # -------------------------------------------------------------- one operation on both

    def do(self, do: str, **order: Any) -> Any:
        """Apply an operation to both sides, compare, and return the answer."""
        began = time.perf_counter()
        ours = getattr(self, f"_ours_{do}")(order)
        public, private = self.our_base.read(self.now_ms)
        between = time.perf_counter()
        answer = self._ask(do, order)
        lapsed = answer == "lapsed" and ours in ("applied", "ok")
        if lapsed:
            answer = self._ask(do, order, Force=True)
        go_public, _ = self.go_base.read(self.now_ms)
        if max(between - began, time.perf_counter() - between) * 1000 > GRAIN_MS * 0.8:
            reject()  # the machine stood still, and times to live went on meanwhile: nothing can be said
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
            if not names:
                unclaimed.append(difference)
            self.used.update(names[:1])
        assert not unclaimed, report(case, unclaimed)
        for key in {difference.key for difference in differences} - {ANSWER}:
            self.go_base.copy(key, self.our_base)
        facts.check(case.ours, case.private)
        self.compared[case.do] += 1

    # -------------------------------------------------------------- the same order, in the words of each side

    def _ask(self, do: str, order: dict[str, Any], **more: Any) -> Any:
        if do == "enqueue":
            return self.go.ask(do, Type=order["type"], Payload=order["payload"], **_go_options(order["options"]))
        if do == "cancel":
            do = "delete" if self._state_of(order) in ("pending", "scheduled", "retry", "aggregating") else "cancel"
            do = do if self._state_of(order) else "info"
        words = {"queue": "Queue", "id": "ID", "state": "State", "kind": "Kind", "error": "Error", "result": "Result"}
        named = {words[key]: value for key, value in order.items() if key in words}
        page = {"Page": 1} if do == "list" else {}
        return self.go.ask(do, DelayUs=DELAY_S * 1_000_000, **page, **named, **more)

    def _state_of(self, order: dict[str, Any]) -> str | None:
        return self.state.get((f"asynq:{{{order['queue']}}}:t:{order['id']}", "state"))

    def _ours_enqueue(self, order: dict[str, Any]) -> Any:
        return self.ours.enqueue(order["type"], order["payload"], order["options"])

    def _ours_dequeue(self, order: dict[str, Any]) -> Any:
        return self.ours.dequeue(order["queue"])

    def _finish(self, do: str, order: dict[str, Any]) -> Any:
        more = {"kind": order.get("kind", ""), "error": order.get("error", ""), "result": order.get("result", b"")}
        return self.ours.finish(order["queue"], order["id"], do, **more)

    def _ours_succeed(self, order: dict[str, Any]) -> Any:
        return self._finish("succeed", order)

    def _ours_fail(self, order: dict[str, Any]) -> Any:
        return self._finish("fail", order)

    def _ours_requeue(self, order: dict[str, Any]) -> Any:
        return self._finish("requeue", order)

    def _ours_extend(self, order: dict[str, Any]) -> Any:
        return self.ours.extend(order["queue"], order["id"])

    def _ours_upkeep(self, order: dict[str, Any]) -> Any:
        return self.ours.upkeep(order["queue"])

    def _ours_info(self, order: dict[str, Any]) -> Any:
        return self.ours.info(order["queue"], order["id"])

    def _ours_list(self, order: dict[str, Any]) -> Any:
        return self.ours.list(order["queue"], order["state"])

    def _ours_stats(self, order: dict[str, Any]) -> Any:
        return self.ours.stats(order["queue"])

    def _ours_run(self, order: dict[str, Any]) -> Any:
        return self.ours.run(order["queue"], order["id"])

    def _ours_cancel(self, order: dict[str, Any]) -> Any:
        return self.ours.cancel(order["queue"], order["id"])


def _go_options(options: dict[str, Any]) -> dict[str, Any]:
    found: dict[str, Any] = {"MaxRetry": 25}
    for name, value in options.items():
        if name in UNITS:
            found[UNITS[name]] = round(value * 1_000_000)
        elif name == "deadline":
            found["DeadlineS"] = int(value.timestamp())
        elif name == "process_at":
            found["AtUs"] = round(value.timestamp() * 1_000_000)
        else:
            found[PLAIN[name]] = value
    return found


def report(case: Case, unclaimed: list[Difference]) -> str:
    """Say what differs and is not declared."""
    lines = [f"{item.key} {item.part}: asynq {item.go!r}, Onebeat {item.ours!r}" for item in unclaimed]
    seconds = case.now_us / 1_000_000 - NOON
    return f"undeclared difference after {case.do} {case.order} at noon + {seconds} s:\n  " + "\n  ".join(lines)
