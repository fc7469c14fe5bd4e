"""Putting tasks on a queue."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import msgspec

from onebeat.broker.call import Argument, Call, texts

MAX_ITEMS = 256
"""Tasks per script: 256 take the store about a millisecond (mechanism-rules 9)."""

MAX_BYTES = 1_000_000
"""Message bytes per script; a larger message goes alone."""


@dataclass(frozen=True, slots=True)
class NewTask:
    """
    A task ready to be written.

    Attributes:
        due: "" now, "+ms" from the store's now, or "ms" since 1970.

        unique_until: "" or "done", "start", "ttl": when its lock is freed, if not by time.

        expires: "" never, "+ms" from when it is due, or "ms" since 1970.

        group: Where it waits, once it is due, to be aggregated; "" nowhere.

        past: Name, value, … of the fields of its record that tell of its past in another queue.
    """

    id: str
    message: bytes
    due: str = ""
    unique_key: str = ""
    unique_ms: int = 0
    unique_until: str = ""
    timeout_ms: str = ""
    expires: str = ""
    group: str = ""
    past: tuple[bytes, ...] = ()


@dataclass(frozen=True, slots=True)
class Placed:
    """
    What became of one task of a batch.

    Attributes:
        status: "pending", "scheduled", "aggregating", "conflict" (the id is taken), "duplicate" (the lock is held),
            "error", or "stale" (a later batch of this client was answered before this one).

        detail: When it is due (ms since 1970), who holds the lock, or the error.
    """

    status: str
    detail: str


def rest(task: NewTask) -> bytes:
    """Put what few tasks have into one argument: each costs the driver a microsecond."""
    if not (task.unique_key or task.timeout_ms or task.expires or task.group or task.past):
        return b""
    few = [task.unique_key, task.unique_ms, task.unique_until, task.timeout_ms, task.expires, task.group]
    return msgspec.msgpack.encode([*few, [_raw(part) for part in task.past]])


def _raw(data: bytes) -> msgspec.Raw:
    """Write bytes as a string, whatever they are: the store's Lua knows no other ones."""
    return msgspec.Raw(b"\xdb" + len(data).to_bytes(4, "big") + data)


def enqueue(queue: str, *, client: str, sequence: int, tasks: Sequence[NewTask]) -> Call[list[Placed]]:
    """
    Put a batch on a queue; one answer per task, in order.

    A repeat under the same sequence is answered as the first time and writes nothing, so a caller whose
    answer was lost repeats until it has one (mechanism-rules 7).
    """
    arguments: list[Argument] = [queue, client, sequence]
    for task in tasks:
        arguments += (task.id, task.message, task.due, rest(task))

    def interpret(answer: Any) -> list[Placed]:
        placed = [Placed(status, detail) for status, _, detail in (text.partition(" ") for text in texts(answer))]
        return placed * len(tasks) if placed and placed[0].status == "stale" else placed

    return Call("enqueue", queue, arguments, interpret, durable=True)
