"""Taking tasks from a queue, keeping them, and writing what became of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import chain
from typing import Any

import msgspec

from onebeat.broker.call import Argument, Call, Filed, filed, texts

MAX_TAKEN = 1000
MAX_TAKEN_BYTES = 4_000_000
MAX_ITEMS = 256

TAIL_AFTER_S = 60.0
"""
Tasks that ran longer are looked for from the old end of `active`.

New ones enter at its head, so an id is found in a few steps from the side it is nearer to, where a search
from the wrong one passes every long runner (mechanism-rules 25).
"""


class TakenTask(msgspec.Struct, frozen=True, gc=False):
    """
    A task handed to a server.

    Attributes:
        id, message: As they stand in the store; the message may be foreign and undecodable.

        timeout_ms: The exact timeout, where whole seconds cannot hold it; else 0.

        unknown_since_ms: When a server first had no handler for it; 0 if none ever lacked one.

        crashes: How often a process died with it since it last ended an attempt.

        since_ns: Since when it was due, nanoseconds since 1970; 0 where nobody wrote it, and to who asks again.
    """

    id: str
    message: bytes
    timeout_ms: int
    unknown_since_ms: int
    crashes: int
    since_ns: int = 0


@dataclass(frozen=True, slots=True)
class Taken:
    """
    An answer to `take`: the store's time (µs), the token and the tasks.

    `status` is "taken", "more" (expired tasks were met; there may be others behind them), "paused" or "stale".
    `expired` are those that were met.
    """

    status: str
    now_us: int
    token: str
    tasks: list[TakenTask]
    expired: Sequence[Filed] = ()


def take(queue: str, *, server: str, sequence: int, limit: int, lease_ms: int) -> Call[Taken]:
    """
    Take up to `limit` tasks, the longest waiting first, and hold them under a lease.

    A repeat under the same sequence hands out the same tasks again, so no lost answer strands a batch
    (mechanism-rules 6). Tasks are known as ours by the token `server:sequence`.

    Args:
        server, sequence: Who takes, and its number of this fetch, which rises. If those are a server's tag and the
            instant (ms since 1970), it is known of an attempt that dies with its process when it began.
    """

    def interpret(answer: Any) -> Taken:
        status, _, number = answer[0].decode().partition(" ")
        end = len(answer) - 4 * int(number or 0)
        tasks = [_taken_task(*answer[i : i + 6]) for i in range(3, end, 6)]
        return Taken(status, int(answer[1]), f"{server}:{sequence}", tasks, filed(answer[end:]))

    words = (server, sequence, min(limit, MAX_TAKEN), MAX_TAKEN_BYTES, lease_ms)
    return Call("take", queue, words, interpret)


def _taken_task(
    task_id: bytes, message: bytes, timeout: bytes, unknown: bytes, crashes: bytes, since: bytes
) -> TakenTask:
    name = task_id.decode("utf-8", "surrogateescape")
    return TakenTask(
        name,
        message,
        int(timeout) if timeout else 0,
        int(unknown) if unknown else 0,
        int(crashes) if crashes else 0,
        int(since) if since.isdigit() else 0,
    )


def extend(queue: str, held: Sequence[tuple[str, str]], *, lease_ms: int) -> Call[list[str]]:
    """
    Keep tasks ours for another lease period, counted from the store's now.

    Args:
        queue: The queue they were taken from.

        held: (id, token) of each.

        lease_ms: The lease.

    Returns:
        Per task "ok", "cancel" (it is ours, but is to be stopped), "lost" (another server has it), "gone" (there is
        no such task), or "error <text>".
    """
    arguments: list[Argument] = [lease_ms]
    for pair in held:
        arguments += pair
    return Call("extend", queue, arguments, texts)


@dataclass(frozen=True, slots=True)
class Noted:
    """How far a running task says it is: a fraction from 0 to 1, and a text."""

    id: str
    token: str
    fraction: float
    text: str


def progress(queue: str, said: Sequence[Noted]) -> Call[list[str]]:
    """
    Note how far running tasks are.

    Returns:
        Per task "noted", "lost" (it is not the caller's any more), or "error <text>".
    """
    arguments: list[Argument] = []
    for item in said:
        arguments += (item.id, item.token, f"{item.fraction:.6g}", item.text)
    return Call("progress", queue, arguments, texts)


def write_result(queue: str, task_id: str, token: str, result: bytes) -> Call[bool]:
    """Keep a result of a running task; false, and nothing written, if it is not the caller's any more."""
    return Call("result", queue, (task_id, token, result), bool)


class Outcome(StrEnum):
    """What becomes of an active task. The value is the script's word for it."""

    DONE = "done"
    COMPLETED = "completed"
    RETRY = "retry"
    ARCHIVED = "archived"
    PENDING = "pending"
    CANCELLED = "cancelled"


class Finished(msgspec.Struct, frozen=True, gc=False):
    """
    The outcome of one active task, ready to be written.

    Attributes:
        token: The one it was taken under.

        tail_first: Search `active` from its old end; see `TAIL_AFTER_S`.

        unique_key: The lock in its message, to be released if it still is the task's own.

        head, tail: The new message around the field that holds the time of the outcome, which the store
            fills in. An archived task without a head keeps its bytes.

        number: Retention (s) of a completed task, delay (ms) of a retry.

        blob: The result of a completed task; "failure", "soft", "waits" (for its turn, which is counted nowhere),
            "unknown" or "apart" for a retry; the reason for archiving bytes that cannot be decoded, or "release" to
            free the lock of an archived task. "soft" may be followed by how often that may be, after which the task is
            archived, and by "release".
    """

    id: str
    token: str
    outcome: Outcome
    tail_first: bool = False
    unique_key: str = ""
    head: bytes = b""
    tail: bytes = b""
    number: int = 0
    blob: bytes | str = b""


def finish(queue: str, batch: Sequence[Finished], kept: Sequence[tuple[int, str]] = ()) -> Call[list[str]]:
    """
    Write outcomes of active tasks, each only if the task is still its caller's.

    Args:
        queue, batch: Which.

        kept: What is kept of attempts, by their place in the batch, from 1 (see `onebeat.wire.attempts`).

    Returns:
        Per task "applied", "spent" (it was a soft failure too many: the task is archived), "cancelled" (it was to be,
        and is archived instead of waiting again), "already" (by the same token), "gone" (no such task: on a repeat, it
        was written before), "lost" (another server has it), or "error <text>".
    """
    arguments: list[Argument] = [queue, msgspec.msgpack.encode([*chain(*kept)]) if kept else b""]
    for item in batch:
        arguments += (
            item.id, item.token, item.outcome.value, "-1" if item.tail_first else "1",
            item.unique_key, item.head, item.tail, item.number, item.blob,
        )  # fmt: skip
    return Call("finish", queue, arguments, texts)
