"""What operators do to tasks and queues: steer one, steer many in steps, change, move, pause, remove."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from onebeat.broker.browse import Seen, packed
from onebeat.broker.call import Call, texts
from onebeat.states import TaskState

STEP = 100
"""Tasks that one step of a bulk looks at: 100 take the store about a millisecond (docs/measurements.md)."""

STEP_BYTES = 1_000_000
"""Bytes of their records; a larger one goes alone."""

KEYS_STEP = 500
"""Keys of the store that one step looks at, in search of what is left of a queue."""


def steer(queue: str, action: str, ids: Sequence[str], *, seen: Seen = ()) -> Call[list[str]]:
    """
    Do "run", "archive" or "delete" to some tasks.

    Args:
        queue, action, ids: What, to which.

        seen: What each must still be.

    Returns:
        Per id "pending", "archived", "deleted", "gone", "changed" since it was seen, "already <state>", or
        "error <text>".
    """
    return Call("steer", queue, [action, packed(seen), *ids], texts, durable=True)


@dataclass(frozen=True, slots=True)
class Step:
    """
    One step of a bulk.

    Attributes:
        there: Entries before it.

        looked: Entries it looked at; some may have had no task any more.

        moved: Tasks it did what was asked to.

        left: Tasks that it could not move, and `why` of the first.
    """

    there: int
    looked: int
    moved: int
    left: int
    why: str


def bulk(queue: str, action: str, state: TaskState, group: str, *, skip: int, limit: int) -> Call[Step]:
    """Do "run", "archive" or "delete" to the first tasks of a state, after `skip` that could not be moved before."""

    def interpret(answer: Any) -> Step:
        there, looked, moved, left, why = answer
        return Step(int(there), int(looked), int(moved), int(left), why.decode("utf-8", "replace"))

    return Call(
        "bulk", queue, (action, state.value, group, skip, min(limit, STEP), STEP_BYTES), interpret, durable=True
    )


def pause(queue: str, action: str) -> Call[bool]:
    """Do "pause" or "resume"; false when it was so already."""
    return Call("pause", queue, (action,), bool)


@dataclass(frozen=True, slots=True)
class Change:
    """
    What an update makes of a task.

    Attributes:
        old, new: Its message, before and after.

        due: "" as it is, "+ms" from the store's now, "ms" since 1970.

        timeout_ms: "=" as it is, "" none beside the message's, else milliseconds.

        expires: "" as it is, "+ms" from when it is due, "ms" since 1970.

        lock: The unique key of the new message, if it is another.
    """

    id: str
    old: bytes
    new: bytes
    due: str = ""
    timeout_ms: str = "="
    expires: str = ""
    lock: str = ""


def update(queue: str, change: Change) -> Call[str]:
    """
    Change a task that does not run, if it still has the message that the change was made of.

    Returns:
        "updated", "gone", "changed", the state that forbids it, "duplicate <holder>", or "staged".
    """
    arguments = (
        queue, change.id, change.old, change.new, change.due, change.timeout_ms, change.expires, change.lock,
    )  # fmt: skip
    return Call("update", queue, arguments, _text, durable=True)


@dataclass(frozen=True, slots=True)
class Luggage:
    """
    What goes along with a task to another queue.

    Attributes:
        lock: Its unique key, and `lock_ms` how long it still holds it: None not at all, -1 without end.

        past: Name, value, … of the fields of its record that tell of its past.
    """

    timeout_ms: str
    expires: str
    lock: str
    lock_ms: int | None
    lock_until: str
    past: tuple[bytes, ...]


def carry(queue: str, task_id: str) -> Call[Luggage | None]:
    """Read what goes along when a task is moved; None: there is none."""

    def interpret(answer: Any) -> Luggage | None:
        if not answer:
            return None
        timeout_ms, expires, lock, left, starts = texts(answer[:5])
        until, past = "start" if starts else "", tuple(answer[5:])
        return Luggage(timeout_ms, expires, lock, int(left) if left else None, until, past)

    return Call("carry", queue, (task_id,), interpret)


def moved(queue: str, task_id: str, message: bytes) -> Call[str]:
    """Delete a task that was copied to another queue: "deleted", "gone", or "changed" since it was copied."""
    return Call("moved", queue, (task_id, message), _text, durable=True)


def vacate(queue: str, step: str) -> Call[str]:
    """Do "begin", "force" or "end" to the removal of a queue; see scripts/vacate.lua for the answers."""
    return Call("vacate", queue, (step,), _text)


def purge(queue: str) -> Call[tuple[int, int]]:
    """Delete some tasks of a queue under removal: how many, and how many run, which forbids it."""
    return Call("purge", queue, (STEP, STEP_BYTES), lambda answer: (int(answer[0]), int(answer[1])))


def raze(queue: str, cursor: str) -> Call[tuple[str, list[str]]]:
    """Delete what else is left of a queue: where to go on, "0" at the end, and the ids of its schedules."""

    def interpret(answer: Any) -> tuple[str, list[str]]:
        cursor, *schedules = texts(answer)
        return cursor, schedules

    return Call("raze", queue, (cursor, KEYS_STEP), interpret)


def _text(answer: bytes) -> str:
    return answer.decode("utf-8", "replace")
