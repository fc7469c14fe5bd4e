"""The seven states of a task: the words of the wire, which are also the suffixes of its keys."""

from __future__ import annotations

from enum import StrEnum


class TaskState(StrEnum):
    """Where a task is. The value is what stands in the `state` field of its hash (protocol §1.3)."""

    PENDING = "pending"
    ACTIVE = "active"
    SCHEDULED = "scheduled"
    RETRY = "retry"
    ARCHIVED = "archived"
    COMPLETED = "completed"
    AGGREGATING = "aggregating"


class Cancellation(StrEnum):
    """What `cancel` did to a task."""

    DELETED = "deleted"
    """It waited, and is gone."""

    STOPPING = "stopping"
    """It runs: its handler is being stopped, and the task ends in the archive as "cancelled"."""

    ENDED = "ended"
    """It had ended before: completed or archived, and was left alone."""


LISTS = frozenset({TaskState.PENDING, TaskState.ACTIVE})
"""States kept in a list; all others are kept in a sorted set scored by seconds."""

ENDED = frozenset({TaskState.ARCHIVED, TaskState.COMPLETED})
"""States that a task leaves only by an operator's hand or by expiry."""
