"""Tasks as the rows of a table, with what matters of each in its state."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from starlette.requests import Request

from onebeat.inspector.models import ServerInfo, WorkerInfo
from onebeat.states import TaskState
from onebeat.task import TaskInfo
from onebeat.web import links
from onebeat.web.showing.lines import payload_line, text_line, visible

Redacted = Callable[[str], str]


@dataclass(frozen=True, slots=True)
class Row:
    """
    A task as a table shows it.

    Attributes:
        info: It.

        name: What a checkbox says of it: its queue, id and state.

        link: The address of its page.

        type, id, queue, payload, error: Each in one line.

        word, at: What its instant says, and when: "due", "waits since"; None where nothing is known.

        worker: What runs it; None: nothing does, or it is not known.
    """

    info: TaskInfo
    name: str
    link: str
    type: str
    id: str
    queue: str
    payload: str
    error: str
    word: str
    at: datetime | None
    worker: WorkerInfo | None


def rows(
    request: Request, tasks: Iterable[TaskInfo], *, servers: Iterable[ServerInfo] = (), redacted: Redacted
) -> list[Row]:
    """
    Make rows of tasks.

    Args:
        servers: Those that may run them.

        redacted: Replaces what is secret in a text.
    """
    running = {(worker.queue, worker.task_id): worker for server in servers for worker in server.workers}
    return [_row(request, info, running, redacted) for info in tasks]


def _row(request: Request, info: TaskInfo, running: Mapping[tuple[str, str], WorkerInfo], redacted: Redacted) -> Row:
    worker = running.get((info.queue, info.id)) if info.state is TaskState.ACTIVE else None
    word, at = _instant(info, worker)
    return Row(
        info=info,
        name=json.dumps([info.queue, info.id, info.state.value]),
        link=links.url(request, "/task", queue=info.queue, id=info.id),
        type=visible(info.type) or "no message",
        id=visible(info.id),
        queue=visible(info.queue),
        payload=payload_line(info.payload, redacted=redacted),
        error=text_line(info.last_error, redacted=redacted),
        word=word,
        at=at,
        worker=worker,
    )


def _instant(info: TaskInfo, worker: WorkerInfo | None) -> tuple[str, datetime | None]:
    match info.state:
        case TaskState.PENDING:
            return "waits since", info.pending_since
        case TaskState.ACTIVE:
            return "runs since", worker.started_at if worker is not None else None
        case TaskState.SCHEDULED:
            return "due", info.next_process_at
        case TaskState.RETRY:
            return "next try", info.next_process_at
        case TaskState.ARCHIVED:
            return "failed", info.last_failed_at
        case TaskState.COMPLETED:
            return "completed", info.completed_at
        case _:
            return "", None
