"""What a search found, what was chosen of it, and how far is what is done to that."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from onebeat.states import TaskState
from onebeat.task import TaskInfo


@dataclass(frozen=True, slots=True, kw_only=True)
class Found:
    """
    What one step of a search found.

    Attributes:
        tasks: Tasks that fit.

        scanned: How many were looked at so far, from the first step on, over all searches that a cursor joins.

        total: How many there are to look at; while tasks come and go, about.

        cursor: What `search` goes on with behind the last of these tasks; "" when all was looked at.

        unread: What could not be looked at so far, since what stands in the store is damaged, and which entries have no
            record: a sentence each, with the queue, the key and the remedy. Without a part like that it is empty.
    """

    tasks: tuple[TaskInfo, ...]
    scanned: int
    total: int
    cursor: str
    unread: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Chosen:
    """
    One task that something is to be done to.

    Attributes:
        queue, id: Which.

        state, stamp: What it was when it was chosen: it is left alone if it is no more.
    """

    queue: str
    id: str
    state: TaskState
    stamp: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Selection:
    """
    The tasks that something is to be done to, as `select` found them.

    Attributes:
        action: What: "run", "archive", "delete", "cancel" or "update".

        filter: By which they were found.

        tasks: Which.

        first: The first ten, whole, to be looked at.

        scanned: How many tasks were looked at.

        is_whole: Whether all were; else the limit was reached, or something could not be read, and there may be more.

        unread: What could not be looked at, since what stands in the store is damaged: a sentence each.

        lost: Which entries have no record, a sentence for each list: nothing can be done to them.
    """

    action: str
    filter: str
    tasks: tuple[Chosen, ...]
    first: tuple[TaskInfo, ...]
    scanned: int
    is_whole: bool
    unread: tuple[str, ...] = ()
    lost: tuple[str, ...] = ()

    @property
    def counts(self) -> dict[tuple[str, TaskState], int]:
        """How many there are by queue and state."""
        return dict(Counter((task.queue, task.state) for task in self.tasks))


@dataclass(frozen=True, slots=True, kw_only=True)
class Applied:
    """
    How far something is that is done to a selection.

    Attributes:
        action, total: What, to how many tasks.

        done: Tasks it was done to.

        skipped: Tasks left alone, since they were no more what they were when they were chosen.

        failed: Tasks it could not be done to, and `why` not to the first of them.
    """

    action: str
    total: int
    done: int
    skipped: int
    failed: int
    why: str = ""

    @property
    def left(self) -> int:
        """How many were not tried yet."""
        return self.total - self.done - self.skipped - self.failed
