"""All that one asks first of a queue, gathered: a procedure for both inspectors."""

from __future__ import annotations

from collections import Counter
from datetime import datetime

from onebeat.broker import browse
from onebeat.broker.browse import QueueStats
from onebeat.broker.spoiled import Spoiled
from onebeat.errors import BrokerError, BrokerUnavailable, InvalidTask, shown
from onebeat.inspector import fleet, reading
from onebeat.inspector.models import QueueDetails
from onebeat.inspector.showing import instant
from onebeat.inspector.steps import Procedure, alone, command
from onebeat.states import TaskState
from onebeat.wire import keys

MAX_SAMPLE = 10_000


def details(queue: str, sample: object) -> Procedure[QueueDetails]:
    if not isinstance(sample, int) or isinstance(sample, bool) or not 0 <= sample <= MAX_SAMPLE:
        raise InvalidTask(f"sample is {shown(sample)}: give a whole number from 0 to {MAX_SAMPLE}")
    unread: list[str] = []
    yield from alone(reading.check_queue(queue), unread)
    stats = yield from _stats(queue, unread)
    memory, refusal = yield from _memory(queue)
    groups = yield from alone(reading.groups(queue), unread)
    servers = yield from alone(fleet.servers(), unread)
    pending = (
        (yield from alone(reading.Listing(queue, TaskState.PENDING, "").page(1, sample), unread)) if sample else []
    )
    return QueueDetails(
        queue=queue,
        stats=stats,
        paused_since=(yield from alone(_paused_since(queue), unread)),
        memory=memory,
        memory_refusal=refusal,
        groups=tuple(groups or ()),
        servers=tuple(server for server in servers or () if queue in server.queues),
        types=dict(Counter(info.type for info in pending or ()).most_common()),
        sampled=len(pending or ()),
        next_due=(yield from _next_due(queue, unread)),
        unread=tuple(unread),
    )


def _stats(queue: str, unread: list[str]) -> Procedure[QueueStats]:
    """Count what a queue holds as far as it can be read: a key of a foreign type counts as empty."""
    try:
        return (yield from reading.stats(queue))
    except Spoiled as error:
        unread.append(str(error))
        return browse.readable(error) or browse.NOTHING


def _memory(queue: str) -> Procedure[tuple[int | None, str]]:
    try:
        return (yield from reading.memory(queue)), ""
    except BrokerUnavailable:
        raise
    except BrokerError as error:
        return None, str(error)


def _paused_since(queue: str) -> Procedure[datetime | None]:
    since = yield from command("GET", keys.root(queue) + "paused")
    return instant(int(since)) if since is not None and since.isdigit() else None


def _next_due(queue: str, unread: list[str]) -> Procedure[datetime | None]:
    due: list[datetime] = []
    for state in (TaskState.SCHEDULED, TaskState.RETRY):
        first = yield from alone(reading.Listing(queue, state, "").page(1, 1), unread)
        due += [info.next_process_at for info in first or () if info.next_process_at is not None]
    return min(due, default=None)
