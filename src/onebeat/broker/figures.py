"""What many queues hold and did, read for metrics at a cost that does not grow with them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from onebeat.broker.browse import number
from onebeat.broker.call import Argument, Call
from onebeat.broker.store import BlockingStore
from onebeat.errors import BrokerError

MAX_COMMANDS = 600
"""Commands inside one script, which then takes the store about two milliseconds."""

MAX_GROUPS = 100
"""Groups of a queue whose tasks are counted; those of others are taken to be as large."""

NAMES = 300
"""Queues that one script is asked for."""


@dataclass(frozen=True, slots=True)
class QueueFigures:
    """
    What a queue holds and did.

    Attributes:
        processed, failed: Attempts in all, failed ones in both.

        pending, active, scheduled, retry, archived, completed, aggregating: Tasks in each state.

        staged: Tasks that were taken out of their group and are being aggregated; asynq counts them nowhere.

        groups: Groups that tasks wait in.

        latency_ms: Age of the task that runs next; 0: none waits, or nobody wrote since when.

        paused_since: When it was paused, in seconds since 1970; None: it is not.

        lapsed: Running tasks whose lease is past: their server died or is cut off.

        overdue: Delayed tasks and retries past their time, which nobody made pending.

        schedules: Onebeat's schedules that fire into it.

        schedule_overdue_ms: How long a tick of them has been due that nobody fired.
    """

    processed: int = 0
    failed: int = 0
    pending: int = 0
    active: int = 0
    scheduled: int = 0
    retry: int = 0
    archived: int = 0
    completed: int = 0
    aggregating: int = 0
    staged: int = 0
    groups: int = 0
    latency_ms: int = 0
    paused_since: int | None = None
    lapsed: int = 0
    overdue: int = 0
    schedules: int = 0
    schedule_overdue_ms: int = 0

    @property
    def size(self) -> int:
        """All tasks, as asynq counts them: without those that are being aggregated."""
        waiting = self.pending + self.scheduled + self.retry + self.aggregating
        return waiting + self.active + self.archived + self.completed


Row = QueueFigures | BrokerError
"""Of one queue; an error if it is damaged."""


def figures(queues: Sequence[str]) -> Call[list[Row]]:
    """Read the figures of queues of one store, of as many as one short script can: of the first at least."""

    def interpret(answer: Any) -> list[Row]:
        return [_row(name, row) for name, row in zip(queues, answer, strict=False)]

    return Call("figures", queues[0], (MAX_COMMANDS, MAX_GROUPS, *queues[:NAMES]), interpret)


def _row(queue: str, answer: Any) -> Row:
    if isinstance(answer, bytes):
        return BrokerError(f"queue {queue!r} is damaged: {answer.decode('utf-8', 'replace').removeprefix('error ')}")
    if len(answer) == 2:
        return QueueFigures(number(answer[0]), number(answer[1]))
    processed, failed = number(answer[0]), number(answer[1])
    pending, active, scheduled, retry, archived, completed = answer[2:8]
    grouped, counted, groups, in_sets, of_sets, sets, latency, since, lapsed, overdue, schedules, late = answer[8:]
    return QueueFigures(
        processed=processed,
        failed=failed,
        pending=pending,
        active=active,
        scheduled=scheduled,
        retry=retry,
        archived=archived,
        completed=completed,
        aggregating=_all(grouped, counted, groups),
        staged=_all(in_sets, of_sets, sets),
        groups=groups,
        latency_ms=int(latency),
        paused_since=None if since == b"" else number(since),
        lapsed=lapsed,
        overdue=overdue,
        schedules=schedules,
        schedule_overdue_ms=int(late),
    )


def _all(tasks: int, counted: int, there: int) -> int:
    """Return how many tasks there are, from those in as many groups as were counted."""
    return tasks if counted >= there else round(tasks / counted * there)


def look(store: BlockingStore, queues: Sequence[str]) -> list[Row]:
    """
    Look at some of many queues, in order, by one script, or, where queues are spread, one per queue in one round trip
    per node.

    Returns:
        The rows of the first queues: of one at least, of `NAMES` at most.

    Raises:
        BrokerError: The store could not be asked. Where queues are spread, that of one node is in its queues' rows.
    """
    if not store.is_spread:
        return store.run(figures(queues))
    homes: dict[str, list[str]] = {}
    for queue in queues[:NAMES]:
        homes.setdefault(store.home(queue), []).append(queue)
    rows: dict[str, Row] = {}
    for own in homes.values():
        rows.update(zip(own, _look_at(store, own), strict=True))
    return [rows[queue] for queue in queues[:NAMES]]


def _look_at(store: BlockingStore, queues: Sequence[str]) -> list[Row]:
    """Look at queues of one node."""
    calls = [figures([queue]) for queue in queues]
    try:
        first = store.run(calls[0])  # after it the node knows the script
        words: list[Sequence[Argument]] = [store.words(call) for call in calls[1:]]
        rest = store.commands(words) if words else []
    except BrokerError as error:
        return [error] * len(queues)
    return [first[0], *(call.interpret(answer)[0] for call, answer in zip(calls[1:], rest, strict=True))]
