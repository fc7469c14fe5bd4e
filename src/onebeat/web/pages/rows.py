"""Tasks as the rows of a table, with what matters of each in its state."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

from markupsafe import Markup
from starlette.requests import Request

from onebeat import codecs
from onebeat.inspector.models import ServerInfo, WorkerInfo
from onebeat.states import TaskState
from onebeat.task import TaskInfo
from onebeat.web import links
from onebeat.web.scope import hidden
from onebeat.web.showing import payloads
from onebeat.web.showing.redaction import Redaction
from onebeat.web.showing.signs import visible


@dataclass(frozen=True, slots=True)
class Row:
    """
    A task as a table shows it.

    Attributes:
        info: It.

        key: What tells it from others on the page.

        name: What a checkbox says of it: its queue, id and state.

        link: The address of its page.

        type, id, queue, payload, error: Each in one line.

        word, at: What its instant says, and when: "due", "waiting"; None where nothing is known.

        worker: What runs it; None: nothing does, or it is not known.
    """

    info: TaskInfo
    key: str
    name: str
    link: str
    type: Markup
    id: Markup
    queue: Markup
    payload: Markup
    error: Markup
    word: str
    at: datetime | None
    worker: WorkerInfo | None


def rows(request: Request, tasks: Iterable[TaskInfo], *, servers: Iterable[ServerInfo] = ()) -> list[Row]:
    """
    Make rows of tasks.

    Args:
        servers: Those that may run them.
    """
    running = {(worker.queue, worker.task_id): worker for server in servers for worker in server.workers}
    rules = hidden(request)
    return [_row(request, info, running, rules) for info in tasks]


def _row(request: Request, info: TaskInfo, running: Mapping[tuple[str, str], WorkerInfo], rules: Redaction) -> Row:
    worker = running.get((info.queue, info.id)) if info.state is TaskState.ACTIVE else None
    word, at = _instant(info, worker)
    return Row(
        info=info,
        key=hashlib.blake2b(f"{info.queue}\0{info.id}".encode("utf-8", "replace"), digest_size=8).hexdigest(),
        name=json.dumps([info.queue, info.id, info.state.value]),
        link=links.url(request, "/task", queue=info.queue, id=info.id),
        type=visible(info.type) or Markup("no message"),
        id=visible(info.id),
        queue=visible(info.queue),
        payload=_payload(info, rules),
        error=payloads.line(info.last_error, rules=rules, most=160),
        word=word,
        at=at,
        worker=worker,
    )


def _payload(info: TaskInfo, rules: Redaction) -> Markup:
    return payloads.summary(info.payload, codec=codecs.name_of(info.headers), rules=rules, most=160)


def _instant(info: TaskInfo, worker: WorkerInfo | None) -> tuple[str, datetime | None]:
    match info.state:
        case TaskState.PENDING:
            return "waiting", info.pending_since
        case TaskState.ACTIVE:
            return "running", worker.started_at if worker is not None else None
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
