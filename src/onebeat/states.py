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


LISTS = frozenset({TaskState.PENDING, TaskState.ACTIVE})
"""States kept in a list; all others are kept in a sorted set scored by seconds."""

ENDED = frozenset({TaskState.ARCHIVED, TaskState.COMPLETED})
"""States that a task leaves only by an operator's hand or by expiry."""
