"""All that one asks first of a queue, gathered: a procedure for both inspectors."""

from __future__ import annotations

from collections import Counter
from datetime import datetime

from onebeat.errors import BrokerUnsupported, InvalidTask, shown
from onebeat.inspector import fleet, reading
from onebeat.inspector.models import QueueDetails
from onebeat.inspector.showing import instant
from onebeat.inspector.steps import Procedure, command
from onebeat.states import TaskState
from onebeat.wire import keys

MAX_SAMPLE = 10_000


def details(queue: str, sample: object) -> Procedure[QueueDetails]:
    if not isinstance(sample, int) or isinstance(sample, bool) or not 0 <= sample <= MAX_SAMPLE:
        raise InvalidTask(f"sample is {shown(sample)}: give a whole number from 0 to {MAX_SAMPLE}")
    yield from reading.check_queue(queue)
    stats = yield from reading.stats(queue)
    memory, refusal = yield from _memory(queue)
    groups = yield from reading.groups(queue)
    servers = yield from fleet.servers()
    pending = (yield from reading.Listing(queue, TaskState.PENDING, "").page(1, sample)) if sample else []
    return QueueDetails(
        queue=queue,
        stats=stats,
        paused_since=(yield from _paused_since(queue)),
        memory=memory,
        memory_refusal=refusal,
        groups=tuple(groups),
        servers=tuple(server for server in servers if queue in server.queues),
        types=dict(Counter(info.type for info in pending).most_common()),
        sampled=len(pending),
        next_due=(yield from _next_due(queue)),
    )


def _memory(queue: str) -> Procedure[tuple[int | None, str]]:
    try:
        return (yield from reading.memory(queue)), ""
    except BrokerUnsupported as error:
        return None, str(error)


def _paused_since(queue: str) -> Procedure[datetime | None]:
    since = yield from command("GET", keys.root(queue) + "paused")
    return instant(int(since)) if since is not None and since.isdigit() else None


def _next_due(queue: str) -> Procedure[datetime | None]:
    due: list[datetime] = []
    for state in (TaskState.SCHEDULED, TaskState.RETRY):
        first = yield from reading.Listing(queue, state, "").page(1, 1)
        due += [info.next_process_at for info in first if info.next_process_at is not None]
    return min(due, default=None)
