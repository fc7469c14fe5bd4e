"""One operation as it went on both sides, what differs after it, and the table of what may."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from tests.interop.differential.facts import Facts

ANSWER = "the answer"


@dataclass(frozen=True)
class Difference:
    """A fact that is not the same on both sides; None where there is none."""

    key: str
    part: str
    go: Any
    ours: Any


@dataclass
class Case:
    """One operation, the state before it, and the two states after it."""

    do: str
    order: dict[str, Any]
    now_us: int
    before: Facts
    private_before: Facts
    go: Facts
    ours: Facts
    private: Facts
    answers: tuple[Any, Any] = (None, None)
    lapsed: bool = False

    def differences(self) -> list[Difference]:
        """List what is not the same, the answers first."""
        parts = sorted(self.go.keys() | self.ours.keys(), key=str)
        found = [Difference(*part, self.go.get(part), self.ours.get(part)) for part in parts]
        return [item for item in [Difference(ANSWER, "", *self.answers), *found] if item.go != item.ours]

    @property
    def now_ms(self) -> int:
        return self.now_us // 1000

    @property
    def now_s(self) -> int:
        return self.now_us // 1_000_000

    @property
    def queue(self) -> str:
        return str(self.order.get("queue") or self.order["options"]["queue"])

    @property
    def id(self) -> str:
        return str(self.order.get("id") or self.order.get("options", {}).get("task_id", ""))

    def key(self, name: str) -> str:
        """Name a key of the queue."""
        return f"asynq:{{{self.queue}}}:{name}"

    def task(self, task_id: str = "") -> str:
        return self.key(f"t:{task_id or self.id}")

    def old(self, name: str, part: str = "") -> Any:
        return self.before.get((self.key(name), part))

    def new(self, name: str, part: str = "") -> Any:
        return self.ours.get((self.key(name), part))

    def state(self, task_id: str = "") -> str | None:
        """Say in which state a task was before."""
        return self.before.get((self.task(task_id), "state"))

    def option(self, name: str) -> Any:
        return self.order.get("options", {}).get(name)

    def due_us(self) -> int:
        """Say when the task of this operation is due, exactly."""
        if self.option("process_at") is not None:
            return max(self.now_us, round(float(self.option("process_at").timestamp()) * 1_000_000))
        return self.now_us + round((self.option("process_in") or 0) * 1_000_000)

    def exact(self, task_id: str) -> float:
        """Say until when a task waited, in milliseconds."""
        found = self.private_before.get((f"onebeat:{{{self.queue}}}:exact", task_id))
        return math.inf if found is None else float(found)

    def recovered(self) -> list[str]:
        """List the tasks whose lease had lapsed and that are not active any more, longest running last."""
        if not self.has_upkeep:
            return []
        running: tuple[str, ...] = self.old("active") or ()
        return [i for i in running if self.old("lease", i) <= self.now_s and self.new("lease", i) is None]

    def forwarded(self) -> list[str]:
        """List the tasks that are due, in the order in which they are."""
        waiting = self.ids_in("scheduled") + self.ids_in("retry")
        return sorted((i for i in waiting if self.exact(i) <= self.now_ms), key=lambda i: (self.exact(i), i))

    @property
    def has_upkeep(self) -> bool:
        """Whether the operation looks after the queue; staging groups is a part of that."""
        return self.do in ("upkeep", "stage")

    def group(self, task_id: str) -> str:
        """Say of which group a task was, if it had one that still counted."""
        return str(self.old(f"t:{task_id}", "group") or "") if self.state(task_id) != "retry" else ""

    def ids_in(self, name: str) -> list[str]:
        return [part for key, part in self.before if key == self.key(name)]


Claims = Callable[[Case, Difference], bool]


@dataclass(frozen=True)
class Rule:
    """One declared difference."""

    name: str
    cites: str
    claims: Claims


RULES: list[Rule] = []


def rule(cites: str) -> Callable[[Claims], Claims]:
    """Put a rule into the table, under the name of its function."""

    def enter(claims: Claims) -> Claims:
        RULES.append(Rule(claims.__name__, cites, claims))
        return claims

    return enter


ON_ONE = ("info", "run", "cancel", "archive", "delete", "update")
TELLING = (
    "enqueue", "dequeue", "combine", "info", "list", "stats", "history", "groups", "run_all", "archive_all",
    "delete_all", "fire",
)  # fmt: skip
WRITES = ("succeed", "fail", "requeue", "extend")


def plain_answer(do: str, answer: Any) -> Any:
    """Put answers into common words: who was refused is told so in several, and some answers say less than others."""
    if do in WRITES and str(answer).startswith(("lost", "gone", "lapsed", "already")):
        return "nothing written"
    if do in ON_ONE and answer == "refused: queue not found":
        return "refused: task not found"
    if do == "remove" and answer == "refused: precondition":
        return "refused: not empty"
    if do == "groups" and isinstance(answer, dict):
        return {group: size for group, size in answer.items() if size}
    if do == "queues":
        return sorted(answer or [])
    if do not in ("info", "list", "stats", "history", "groups") and "refused" not in str(answer):
        return (
            answer if do in ("enqueue", "dequeue", *WRITES, "run_all", "archive_all", "delete_all", "combine") else "ok"
        )
    return answer
