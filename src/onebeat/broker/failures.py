"""Looking at the tasks that failed, in steps, the latest first, without their payloads."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from onebeat.broker.browse import RawTask, raw_task
from onebeat.broker.call import Call
from onebeat.states import TaskState

STEP = 100
"""Tasks that one step looks at."""

MAX_BYTES = 2_000_000
"""Bytes of messages that one step reads; a larger one goes alone."""

_FIELDS = 13


@dataclass(frozen=True, slots=True)
class Failures:
    """
    One step.

    Attributes:
        seen: Entries it looked at.

        score, id: Where it ended.

        is_last: There were no entries behind it.

        tasks: Each with its id and its score.
    """

    seen: int
    score: str
    id: bytes
    is_last: bool
    tasks: list[tuple[str, float, RawTask]]


def look(queue: str, state: TaskState, *, score: str, task_id: bytes, limit: int, whole: bool) -> Call[Failures]:
    """
    Look at some retried or archived tasks.

    Args:
        score, task_id: Where the last step ended, the id byte for byte; empty to begin with.

        whole: Give their payloads too.
    """

    def interpret(answer: Any) -> Failures:
        seen, last, end, ended, *rest = answer
        items = (rest[i : i + _FIELDS] for i in range(0, len(rest), _FIELDS))
        tasks = [(item[0].decode("utf-8", "replace"), float(item[1]), raw_task(item[2:], state)) for item in items]
        return Failures(int(seen), end.decode(), last, bool(ended), tasks)

    arguments = (state.value, score, task_id, min(limit, STEP), MAX_BYTES, "1" if whole else "")
    return Call("failures", queue, arguments, interpret)
