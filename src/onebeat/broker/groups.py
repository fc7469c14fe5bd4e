"""Aggregation: the sets that groups are cut into, what is read of them, and what becomes of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from onebeat.broker.call import Argument, Call, Filed, filed, texts
from onebeat.broker.produce import NewTask, rest
from onebeat.wire import keys

MAX_SET = 1000
"""Members of a set at most: so many are moved, read and deleted in a script each (lib/stage.lua)."""


@dataclass(frozen=True, slots=True)
class Rule:
    """
    When groups whose names begin with `start` are due; times in milliseconds, 0 is no limit.

    The longest start that fits a group counts, so rules are sorted by it.
    """

    start: str
    grace_ms: int
    delay_ms: int
    size: int


@dataclass(frozen=True, slots=True)
class Aggregating:
    """
    What a server tells upkeep of its aggregation.

    Attributes:
        owner: The server; "" aggregates nothing, and only returns what others have left behind.

        lease_ms: How long its sets stay its own without a further call.

        at_once: How many sets of the queue it may have.

        cursor: Where its scan of all groups goes on; "" for none this time.

        rules: Of its aggregators, the longest start first.

        most, backoff_ms: Failures after which a member is archived; how long a group rests after the first.

        frees: Whether the lock of an archived member is freed.
    """

    owner: str = ""
    lease_ms: int = 30_000
    at_once: int = 0
    cursor: str = ""
    rules: Sequence[Rule] = ()
    most: int = 5
    backoff_ms: int = 5_000
    frees: bool = False

    def arguments(self) -> list[Argument]:
        words: list[Argument] = [
            self.owner, self.lease_ms, self.at_once, self.cursor, self.most, self.backoff_ms, int(self.frees),
        ]  # fmt: skip
        for rule in self.rules:
            words += (rule.start, rule.grace_ms, rule.delay_ms, rule.size)
        return words


@dataclass(frozen=True, slots=True)
class GroupSet:
    """
    Members of a group that one server aggregates. Its id is a UUID, as Go's are.

    A group's name may be no UTF-8, if strangers write: the key is decoded, and encoded, with "surrogateescape".
    """

    queue: str
    key: str

    @property
    def raw_key(self) -> bytes:
        return self.key.encode("utf-8", "surrogateescape")

    @property
    def group(self) -> str:
        return self.key[len(keys.group(self.queue, "")) :].rpartition(":")[0]

    @property
    def id(self) -> str:
        return self.key.rpartition(":")[2]


@dataclass(frozen=True, slots=True)
class Returned:
    """A set that was returned to its group: how many members went back, how many to the archive, and which."""

    key: str
    back: int
    archived: int
    filed: Sequence[Filed] = field(default=(), compare=False)


@dataclass(frozen=True, slots=True)
class Outgoing:
    """A combined task on its way to another queue."""

    id: str
    queue: str
    message: bytes
    due: str
    rest: bytes


def outgoing(answer: Any) -> list[Outgoing]:
    """Read what the store has noted of tasks that were to go to other queues."""
    rows = zip(*(answer[place::5] for place in range(5)), strict=True)
    return [
        Outgoing(task_id.decode(), queue.decode(), message, due.decode(), rest_)
        for task_id, queue, message, due, rest_ in rows
    ]


def members(of: GroupSet, owner: str) -> Call[list[tuple[str, bytes]]]:
    """Read the ids and messages of a set, the first to join first; nothing if it is not this server's any more."""

    def interpret(answer: Any) -> list[tuple[str, bytes]]:
        return [(id_.decode(), message) for id_, message in zip(answer[::2], answer[1::2], strict=True)]

    return Call("members", of.queue, (of.raw_key, owner), interpret)


def aggregate(
    of: GroupSet, owner: str, count: int, new: NewTask, queue: str, locks: Sequence[tuple[str, str]]
) -> Call[str]:
    """
    Put a combined task in the place of a set's members.

    Args:
        count: How many members went into it.

        new, queue: The task, and where it goes. If that is another queue it is only noted (see `deliver`).

        locks: The id and the unique key of each member that has one.

    Returns:
        "aggregated", "already", "changed", "lost", "conflict", "duplicate <holder>" or "error <text>".
    """
    elsewhere = queue if queue != of.queue else ""
    words: list[Argument] = [of.queue, of.raw_key, owner, count, new.id, elsewhere, new.message, new.due, rest(new)]
    for lock in locks:
        words += lock
    return Call("aggregate", of.queue, words, lambda answer: str(answer.decode()))


def restore(
    of: GroupSet, owner: str, *, reason: str = "", most: int, backoff_ms: int, frees: bool
) -> Call[Returned | None]:
    """
    Return a set to its group; with a reason, as a failure that is counted.

    None if it is not this server's any more.
    """

    def interpret(answer: Any) -> Returned | None:
        return Returned(of.key, answer[0], answer[1], filed(answer[2])) if answer else None

    return Call("restore", of.queue, (of.queue, of.raw_key, owner, reason, most, backoff_ms, int(frees)), interpret)


def expel(of: GroupSet, owner: str, misfits: Sequence[tuple[str, str, bool]], *, frees: bool) -> Call[list[str]]:
    """
    Archive members that no aggregator can be given.

    Args:
        misfits: Of each the id, why, and whether its bytes could be read.

    Returns:
        Per member "archived", "gone" or "error <text>".
    """
    words: list[Argument] = [of.raw_key, owner, int(frees)]
    for task_id, why, is_read in misfits:
        words += (task_id, why, "read" if is_read else "")
    return Call("expel", of.queue, words, texts)


def delivered(queue: str, task_id: str) -> tuple[str, ...]:
    """Return the command that strikes off a combined task of a group in `queue` which is where it belongs."""
    return ("HDEL", keys.own_root(queue) + "out", task_id)


def deliver(item: Outgoing) -> Call[str]:
    """
    Enqueue a combined task where it goes; a repeat within ten minutes does so once, even if the task has run meanwhile.

    Returns:
        What `enqueue` answers.
    """
    words: list[Argument] = [item.queue, item.id, 1, item.id, item.message, item.due, item.rest]
    return Call("enqueue", item.queue, words, lambda answer: texts(answer)[0])
