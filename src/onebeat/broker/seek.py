"""Searching among the tasks of one state, in steps, each of which goes on from where the last one ended."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from onebeat.broker.browse import RawTask, raw_task
from onebeat.broker.call import Call
from onebeat.states import TaskState

STEP, WHOLE_STEP = 500, 200
"""Tasks that one step looks at: where the store looks for bytes, and where it gives them all. A few milliseconds."""

MAX_READ = 2_000_000
"""Bytes of messages that one step looks through; a larger one goes alone."""

MAX_GIVEN = 1_000_000
"""Bytes of tasks that one step gives; a larger one goes alone."""

_FIELDS = 15


@dataclass(frozen=True, slots=True)
class Place:
    """
    Where a walk through the tasks of one state is: behind this entry.

    Attributes:
        offset: Entries up to it.

        score: As the store writes it; "" in a list.
    """

    offset: int = 0
    id: str = ""
    score: str = ""


@dataclass(frozen=True, slots=True)
class Step:
    """
    One step.

    Attributes:
        now_us: What time it was in the store.

        seen: Entries it looked at.

        end: Where it ended.

        is_last: There were no entries behind it.

        lost: Entries whose record is missing or cannot be read, and the id of the first.

        tasks: What may be wanted, each with its place, and how many of the lost stand before it.
    """

    now_us: int
    seen: int
    end: Place
    is_last: bool
    lost: tuple[int, str]
    tasks: list[tuple[Place, int, RawTask]]


def search(
    queue: str,
    state: TaskState,
    group: str,
    place: Place,
    *,
    needles: Sequence[Sequence[tuple[str, str]]],
    scores: tuple[int, int] | None,
    limit: int,
    down: bool = False,
) -> Call[Step]:
    """
    Look at some tasks of a state.

    Args:
        place: Behind which to go on.

        needles: Groups of alternatives, of which one must be found in a task: see scripts/search.lua.

        scores: The lowest and highest score to look at.

        limit: How many entries to look at.

        down: Go through a sorted set from its highest score down.
    """

    def interpret(answer: Any) -> Step:
        now_us, seen, offset, last, score, ended, lost, first_lost, *rest = answer
        items = (rest[i : i + _FIELDS] for i in range(0, len(rest), _FIELDS))
        tasks = [(_place(item[2], item[0], item[1]), int(item[3]), raw_task(item[4:], state)) for item in items]
        unreadable = int(lost), first_lost.decode("utf-8", "replace")
        return Step(int(now_us), int(seen), _place(offset, last, score), bool(ended), unreadable, tasks)

    suffix = f"g:{group}" if state is TaskState.AGGREGATING else state.value
    lowest, highest = scores if scores is not None else ("-inf", "+inf")
    packed = msgspec.msgpack.encode(needles) if needles else b""
    return Call(
        "search",
        queue,
        (
            suffix, place.offset, place.id, place.score, lowest, highest,
            min(limit, STEP if needles else WHOLE_STEP), MAX_READ, MAX_GIVEN, packed,
            "1" if down else "",
        ),
        interpret,
    )  # fmt: skip


def _place(offset: int, task_id: bytes, score: bytes) -> Place:
    return Place(int(offset), task_id.decode("utf-8", "replace"), score.decode())
