"""Tasks: finding, reading, and steering them."""

from __future__ import annotations

import asyncio
import time
from typing import Annotated, Literal

import msgspec

from onebeat.errors import TaskNotFound, shown
from onebeat.task import TaskInfo
from onebeat.web.api import payloads
from onebeat.web.api.asking import Asked
from onebeat.web.api.operation import MANY, Operation
from onebeat.web.api.paging import Name, Reason
from onebeat.web.api.task_documents import TaskItem, TaskWhole, task_item, task_whole

MOST_LOOKED_AT = 100_000
"""Tasks that one search may look at; its cursor goes on."""

SEARCH_S = 3.0
"""Seconds after which a search is interrupted; its cursor goes on."""


class TasksQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """
    Which tasks.

    Attributes:
        q: A filter: `type:mail:* state:retry age>2h`; see the reference of filters. "": all tasks.

        limit: How many to find at most.

        scan: How many to look at at most.

        cursor: Where to go on: `cursor` of the answer before, with the same `q`.
    """

    q: Annotated[str, msgspec.Meta(max_length=10_000)] = ""
    limit: Annotated[int, msgspec.Meta(ge=1, le=200)] = 50
    scan: Annotated[int, msgspec.Meta(ge=1, le=MOST_LOOKED_AT)] = 20_000
    cursor: Annotated[str, msgspec.Meta(max_length=8000)] = ""


class TaskPage(msgspec.Struct, frozen=True, kw_only=True):
    """
    Tasks that a search found.

    Attributes:
        tasks: Which. There may be none although the search goes on.

        scanned, total: How many were looked at so far, over all answers that a cursor joins, of about how many.

        cursor: Where the search goes on; null: all was looked at.

        unread: What could not be looked at, since what stands in the store is damaged: a sentence each.
    """

    tasks: list[TaskItem]
    scanned: int
    total: int
    cursor: str | None
    unread: list[str]


class TaskQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """
    Which task.

    Attributes:
        queue, id: Of which queue, and its id.

        raw: Also its record as it stands in the store, by field.
    """

    queue: Name
    id: Name
    raw: bool = False


class ContentQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """
    Of which task.

    Attributes:
        queue, id: Of which queue, and its id.
    """

    queue: Name
    id: Name


class Content(msgspec.Struct, frozen=True, kw_only=True):
    """
    A payload or a result.

    Attributes:
        queue, id: Of which task.

        bytes: How long it is.

        json: It itself, if it is JSON: with its numbers as they were written, digit by digit; else null.

        text: It as a text; null if it is none.

        base64: Its bytes, if it is no text; else null.

        is_cut: It is longer than 4,000,000 bytes, and only the beginning is here: download it from the task's page.

        is_redacted: Secrets are replaced in it.
    """

    queue: str
    id: str
    bytes: int
    json: msgspec.Raw | None
    text: str | None
    base64: str | None
    is_cut: bool
    is_redacted: bool


class TaskNamed(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """
    Which task.

    Attributes:
        queue, id: Of which queue, and its id.

        reason: Why, in a line: it stands in the audit. A console may require it (`reason-missing`).
    """

    queue: Name
    id: Name
    reason: Reason = ""


class TaskActed(msgspec.Struct, frozen=True, kw_only=True):
    """
    What became of a task.

    Attributes:
        queue, id: Which.

        became: "pending", "archived", "deleted"; "stopping": its server is told, and archives it; or "ended": it had
            ended before it was to be cancelled, and was left alone.
    """

    queue: str
    id: str
    became: Literal["pending", "archived", "deleted", "stopping", "ended"]


async def search_tasks(asked: Asked, query: TasksQuery) -> TaskPage:
    """
    Look for tasks in all queues and states, or those that a filter names.

    A search looks at a bounded number of tasks and says how far it came; its cursor goes on. A task that stays where it
    is meanwhile is found; one that moves may be found twice, or not.
    """
    wanted = asked.filter(query.q)
    inspector = await asked.inspector()
    found: list[TaskInfo] = []
    scanned, total, cursor = 0, 0, ""
    unread: tuple[str, ...] = ()
    end = time.monotonic() + SEARCH_S
    look = inspector.search(wanted, limit=query.limit, scan=query.scan, cursor=query.cursor, queues=asked.visible)
    async for step in look:
        found += step.tasks
        scanned, total, cursor, unread = step.scanned, step.total, step.cursor, step.unread
        if time.monotonic() > end:
            break
    tasks = await asyncio.to_thread(lambda: [task_item(asked, info) for info in found])
    return TaskPage(tasks=tasks, scanned=scanned, total=total, cursor=cursor or None, unread=list(unread))


async def get_task(asked: Asked, query: TaskQuery) -> TaskWhole:
    """Read all that is known of one task: beside it its lock, who runs it, its schedule."""
    inspector = await asked.inspector()
    record = await inspector.record(query.queue, query.id)
    return await asyncio.to_thread(task_whole, asked, record, raw=query.raw)  # rules take a moment in a long payload


async def get_task_payload(asked: Asked, query: ContentQuery) -> Content:
    """Read the whole payload of a task, exact to the last digit."""
    inspector = await asked.inspector()
    info = await inspector.task(query.queue, query.id)
    return await asyncio.to_thread(_content, asked, info, info.payload)


async def get_task_result(asked: Asked, query: ContentQuery) -> Content:
    """Read the whole result of a task, exact to the last digit."""
    inspector = await asked.inspector()
    info = await inspector.task(query.queue, query.id)
    if info.result is None:
        raise TaskNotFound(
            f"task {shown(query.id)} of queue {shown(query.queue)} has no result: it is {info.state.value}, or "
            "returned none; with retention a task keeps what it returns"
        )
    return await asyncio.to_thread(_content, asked, info, info.result)


def _content(asked: Asked, info: TaskInfo, data: bytes) -> Content:
    found = asked.seen(data, payloads.WHOLE)
    text, base64 = found.bytes.text, found.bytes.base64
    return Content(
        queue=info.queue,
        id=info.id,
        bytes=len(data),
        json=None if text is None or found.is_cut else payloads.as_json(text.encode(), info.headers),
        text=text,
        base64=base64,
        is_cut=found.is_cut,
        is_redacted=found.is_redacted,
    )


async def run_task(asked: Asked, body: TaskNamed) -> TaskActed:
    """Make a waiting, archived or completed task pending now."""
    await asked.perform(
        "task.run",
        lambda inspector: inspector.run(body.queue, body.id),
        queue=body.queue,
        about=body.id,
        reason=body.reason,
    )
    return TaskActed(queue=body.queue, id=body.id, became="pending")


async def archive_task(asked: Asked, body: TaskNamed) -> TaskActed:
    """Put a task that does not run into the archive, as it is."""
    await asked.perform(
        "task.archive",
        lambda inspector: inspector.archive(body.queue, body.id),
        queue=body.queue,
        about=body.id,
        reason=body.reason,
    )
    return TaskActed(queue=body.queue, id=body.id, became="archived")


async def delete_task(asked: Asked, body: TaskNamed) -> TaskActed:
    """Delete a task that does not run, and free its lock."""
    await asked.perform(
        "task.delete",
        lambda inspector: inspector.delete(body.queue, body.id),
        queue=body.queue,
        about=body.id,
        reason=body.reason,
    )
    return TaskActed(queue=body.queue, id=body.id, became="deleted")


async def cancel_task(asked: Asked, body: TaskNamed) -> TaskActed:
    """Stop a task for good: deleted if it waits; if it runs, stopped and archived as "cancelled"."""
    done = await asked.perform(
        "task.cancel",
        lambda inspector: inspector.cancel(body.queue, body.id),
        queue=body.queue,
        about=body.id,
        reason=body.reason,
    )
    return TaskActed(queue=body.queue, id=body.id, became=done.value)


OPERATIONS = (
    Operation("GET", "/tasks", search_tasks, refusals=(404,), cost=MANY),
    Operation("GET", "/task", get_task, refusals=(404,), queue="queue"),
    Operation("GET", "/task/payload", get_task_payload, refusals=(404,), queue="queue"),
    Operation("GET", "/task/result", get_task_result, refusals=(404,), queue="queue"),
    Operation("POST", "/task/run", run_task, "task.run", refusals=(404,), queue="queue"),
    Operation("POST", "/task/archive", archive_task, "task.archive", refusals=(404,), queue="queue"),
    Operation("POST", "/task/delete", delete_task, "task.delete", refusals=(404,), queue="queue"),
    Operation("POST", "/task/cancel", cancel_task, "task.cancel", refusals=(404,), queue="queue"),
)
