"""Queues and groups."""

from __future__ import annotations

from fnmatch import fnmatchcase
from typing import Annotated

import msgspec

from onebeat.documents.queues import Day, Details, Group, QueueCounts, Unreadable, split
from onebeat.errors import WrongState, shown
from onebeat.inspector.inspector import Inspector
from onebeat.web.api import paging
from onebeat.web.api.asking import Asked
from onebeat.web.api.operation import Operation
from onebeat.web.api.paging import Cursor, Limit, MaybeName, Name, Reason

MOST_REMOVED = 10_000
"""Tasks that are removed along with a queue within one request."""


class QueuesQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """
    Which queues.

    Attributes:
        like: Only those whose names fit this pattern with `*`, `?` and `[…]`.

        limit: How many at most.

        cursor: Where to go on: `cursor` of the answer before.
    """

    like: MaybeName = ""
    limit: Limit = 100
    cursor: Cursor = ""


class QueuePage(msgspec.Struct, frozen=True, kw_only=True):
    """Queues by name; those that cannot be read; and where the list goes on, null at its end."""

    queues: list[QueueCounts]
    unreadable: list[Unreadable]
    cursor: str | None


class QueueQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """
    Which queue.

    Attributes:
        name: Its name.

        sample: Of how many pending tasks the types are counted.
    """

    name: Name
    sample: Annotated[int, msgspec.Meta(ge=0, le=10_000)] = 500


class HistoryQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """
    Which days of which queue.

    Attributes:
        name: Its name.

        days: The last so many days in UTC, today among them; counts are kept for 90.
    """

    name: Name
    days: Annotated[int, msgspec.Meta(ge=1, le=90)] = 10


class QueueHistory(msgspec.Struct, frozen=True, kw_only=True):
    """What a queue did on each day, today first."""

    days: list[Day]


class GroupsQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """
    Which groups.

    Attributes:
        queue: Of which queue.

        limit: How many at most.

        cursor: Where to go on: `cursor` of the answer before.
    """

    queue: Name
    limit: Limit = 100
    cursor: Cursor = ""


class GroupPage(msgspec.Struct, frozen=True, kw_only=True):
    """Groups by name, and where the list goes on, null at its end."""

    groups: list[Group]
    cursor: str | None


class QueueNamed(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """
    Which queue.

    Attributes:
        queue: Its name.

        reason: Why, in a line: it stands in the audit. A console may require it (`reason-missing`).
    """

    queue: Name
    reason: Reason = ""


class QueueRemoval(QueueNamed, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """
    Which queue is to be removed.

    Attributes:
        queue: Its name.

        force: Also if it holds tasks, at most 10,000, which are deleted with it.

        reason: Why, in a line: it stands in the audit. A console may require it (`reason-missing`).
    """

    force: bool = False


class QueuePaused(msgspec.Struct, frozen=True, kw_only=True):
    """A queue, and whether it hands out no tasks."""

    queue: str
    paused: bool


class QueueRemoved(msgspec.Struct, frozen=True, kw_only=True):
    """A queue that is no more, and how many tasks went with it."""

    queue: str
    tasks: int


async def list_queues(asked: Asked, query: QueuesQuery) -> QueuePage:
    """Count what each queue holds, and did, by name."""
    names = await asked.read("queues", read=Inspector.queues)
    fitting = (name for name in names if asked.sees(name) and (not query.like or fnmatchcase(name, query.like)))
    chosen, cursor = paging.part(fitting, str, of=f"queues {query.like}", limit=query.limit, cursor=query.cursor)

    async def read(inspector: Inspector) -> QueuePage:
        rows, broken = split(await inspector.stats_each(chosen))
        return QueuePage(queues=rows, unreadable=broken, cursor=cursor)

    return await asked.read("queues", *chosen, cursor, read=read)


async def get_queue(asked: Asked, query: QueueQuery) -> Details:
    """Gather what one asks first of a queue: counts, memory, groups, servers, types of what waits."""

    async def read(inspector: Inspector) -> Details:
        found = await inspector.details(query.name, sample=query.sample)
        return Details.of(found, await inspector.key_slot(query.name), await inspector.nodes(query.name))

    return await asked.read("queue", query.name, query.sample, read=read)


async def get_queue_history(asked: Asked, query: HistoryQuery) -> QueueHistory:
    """Say what a queue did on each of the last days in UTC."""

    async def read(inspector: Inspector) -> QueueHistory:
        return QueueHistory(days=[Day.of(day) for day in await inspector.history(query.name, query.days)])

    return await asked.read("history", query.name, query.days, read=read)


async def pause_queue(asked: Asked, body: QueueNamed) -> QueuePaused:
    """
    Stop servers from taking tasks of a queue.

    What runs goes on; what is due becomes pending. A queue need not exist yet: it begins paused then.
    """
    await asked.perform(
        "queue.pause", lambda inspector: inspector.pause(body.queue), queue=body.queue, reason=body.reason
    )
    return QueuePaused(queue=body.queue, paused=True)


async def resume_queue(asked: Asked, body: QueueNamed) -> QueuePaused:
    """Let servers take tasks of a queue again: within a second."""
    await asked.perform(
        "queue.resume", lambda inspector: inspector.resume(body.queue), queue=body.queue, reason=body.reason
    )
    return QueuePaused(queue=body.queue, paused=False)


async def remove_queue(asked: Asked, body: QueueRemoval) -> QueueRemoved:
    """
    Remove a queue and all that is its own: counters, locks, groups, schedules, and with `force` its tasks.

    It is paused while it goes. Of a queue that holds more than 10,000 tasks, delete these by a job first.
    """

    async def remove(inspector: Inspector) -> int:
        size = (await inspector.stats(body.queue)).size
        if body.force and size > MOST_REMOVED:
            raise WrongState(
                f"queue {shown(body.queue)} was left alone: it holds {size:,} tasks, and a request removes "
                f"{MOST_REMOVED:,} at most; delete them by a job first, or use `onebeat queue rm --force`"
            )
        return await inspector.remove_queue(body.queue, force=body.force)

    tasks = await asked.perform("queue.remove", remove, queue=body.queue, reason=body.reason)
    return QueueRemoved(queue=body.queue, tasks=tasks)


async def list_groups(asked: Asked, query: GroupsQuery) -> GroupPage:
    """List the groups in which tasks of a queue wait to be aggregated."""
    found = await asked.read("groups", query.queue, read=lambda inspector: inspector.groups(query.queue))
    groups, cursor = paging.part(
        found, lambda group: group.name, of=f"groups {query.queue}", limit=query.limit, cursor=query.cursor
    )
    return GroupPage(groups=[Group.of(group) for group in groups], cursor=cursor)


OPERATIONS = (
    Operation("GET", "/queues", list_queues),
    Operation("GET", "/queue", get_queue, refusals=(404,), queue="name"),
    Operation("GET", "/queue/history", get_queue_history, refusals=(404,), queue="name"),
    Operation("POST", "/queue/pause", pause_queue, "queue.pause", queue="queue"),
    Operation("POST", "/queue/resume", resume_queue, "queue.resume", queue="queue"),
    Operation("POST", "/queue/remove", remove_queue, "queue.remove", refusals=(404,), queue="queue"),
)

GROUP_OPERATIONS = (Operation("GET", "/groups", list_groups, refusals=(404,), queue="queue"),)
