"""One task: what happened to it, what it holds, and what can be done to it."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from onebeat import codecs
from onebeat.errors import TaskNotFound, shown
from onebeat.inspector import acting
from onebeat.inspector.filters import Filter
from onebeat.inspector.recording import TaskRecord
from onebeat.inspector.series_models import Attempt
from onebeat.states import TaskState
from onebeat.task import TaskInfo
from onebeat.web import consoles
from onebeat.web.forms import query
from onebeat.web.page import render
from onebeat.web.pages.raw_record import raw_fields
from onebeat.web.parts import note
from onebeat.web.rights import check_sees, may, sees
from onebeat.web.showing import payloads, signs
from onebeat.web.showing.kept import Kept
from onebeat.web.showing.life import life, place, verdict
from onebeat.web.showing.redaction import Redaction

WORDS = {"run": "Run now", "archive": "Archive", "cancel": "Cancel…", "delete": "Delete…"}
"""What can be done to a task by one button; what cannot be undone is asked first."""

_shown: Kept = Kept(payloads.show)
_TRACEPARENT = re.compile(r"[0-9a-f]{2}-([0-9a-f]{32})-[0-9a-f]{16}-[0-9a-f]{2}")


@dataclass(frozen=True, slots=True)
class Known:
    """What is read of a task: its record, and the attempts that are kept."""

    record: TaskRecord
    attempts: Sequence[Attempt]


async def known(request: Request, queue: str, id_: str) -> Known:
    """
    Read a task that the viewer may see, once for all viewers.

    Raises:
        HTTPException: The viewer may not.
        TaskNotFound: There is none.
    """
    check_sees(request, queue)
    console = consoles.of(request)
    inspector = await console.inspector()

    async def read() -> Known:
        return Known(await inspector.record(queue, id_), await inspector.attempts(queue, id_))

    return await console.reads.get(("task", queue, id_), read)


async def task(request: Request) -> Response:
    """Show a task."""
    asked = query(request)
    queue, id_ = asked.needed("queue"), asked.needed("id")
    try:
        found = await known(request, queue, id_)
    except TaskNotFound:
        return await _missing(request, queue, id_)
    rules = consoles.of(request).settings.redaction
    record, info = found.record, found.record.info
    note(request, record.unread)
    codec = codecs.name_of(info.headers)
    kind, sentence = verdict(record, rules.text, found.attempts)
    return render(
        request,
        "task.html",
        place="tasks",
        record=record,
        info=info,
        kind=kind,
        sentence=signs.plain(sentence),
        title=signs.plain(info.type) or "no message",
        visible=signs.visible,
        acts=_acts(request, info),
        may_edit=_may_edit(request, info),
        may_clone=bool(info.type) and may(request, "task.clone", queue),
        chosen=json.dumps([queue, id_, info.state.value]),
        life=life(record, found.attempts, lambda text: signs.plain(rules.text(text))),
        attempts=[_Told(attempt, rules) for attempt in reversed(found.attempts)],
        payload=await _look(info.payload, codec, rules),
        result=None if info.result is None else await _look(info.result, codec, rules),
        error=payloads.block(info.last_error, rules=rules) if _has_other_error(found) else None,
        headers=[(signs.plain(name), rules.header(name, text)) for name, text in sorted(info.headers.items())],
        locked_until=_locked_until(record),
        now=datetime.now(UTC),
        trace=_trace(info),
        progress_text=signs.visible(rules.text(info.progress.text)) if info.progress is not None else "",
        codec=codec,
        raw=raw_fields(record, rules),
        alike=_alike(info),
        sees_servers=sees(request, None),
    )


async def _look(data: bytes, codec: str, rules: Redaction) -> payloads.Shown:
    """Render a payload, a large one beside the event loop."""
    if len(data) < 50_000:
        return _shown(data, codec, rules)
    return await asyncio.to_thread(_shown, data, codec, rules)


class _Told:
    """An attempt with its error as it may be seen."""

    def __init__(self, attempt: Attempt, rules: Redaction) -> None:
        self.about = attempt
        self.where = signs.visible(place(attempt.server))
        self.kind = signs.visible(attempt.error_type)
        self.error = payloads.block(attempt.error, rules=rules) if attempt.error else None
        self.trace = payloads.block(attempt.traceback, rules=rules) if attempt.traceback else None


def _has_other_error(found: Known) -> bool:
    """Whether the last error is none of a kept attempt, so that it is shown by itself."""
    error = found.record.info.last_error
    return bool(error) and not any(attempt.error and error.startswith(attempt.error) for attempt in found.attempts)


def _acts(request: Request, info: TaskInfo) -> list[tuple[str, str]]:
    return [
        (action, word)
        for action, word in WORDS.items()
        if info.state in acting.ACTIONS[action] and may(request, f"task.{action}", info.queue)
    ]


def _may_edit(request: Request, info: TaskInfo) -> bool:
    return bool(info.type) and info.state in acting.ACTIONS["update"] and may(request, "task.update", info.queue)


def _locked_until(record: TaskRecord) -> datetime | None:
    """Return until when its lock is held, to the second."""
    until = record.lock.until if record.lock is not None else None
    return None if until is None else until.replace(microsecond=0)


def _trace(info: TaskInfo) -> str:
    found = _TRACEPARENT.fullmatch(info.headers.get("traceparent", ""))
    return found[1] if found is not None else ""


def _alike(info: TaskInfo) -> list[tuple[str, str]]:
    """Return links to what is like it: a word, and the filter."""
    links = []
    if info.type:
        of_type = Filter().narrowed("type", info.type, operator="=")
        links.append(("Tasks of this type", str(of_type)))
        if info.state in (TaskState.RETRY, TaskState.ARCHIVED):
            links.append(("Others of this type that failed", str(of_type.narrowed("state", "retry", "archived"))))
    if info.group:
        links.append(("Tasks of this group", str(Filter().narrowed("group", info.group, operator="="))))
    return links


async def _missing(request: Request, queue: str, id_: str) -> Response:
    """Say where a task may have gone."""
    inspector = await consoles.of(request).inspector()
    elsewhere = [info for info in await inspector.locate(id_) if sees(request, info.queue)]
    return render(
        request,
        "task_missing.html",
        status=404,
        place="tasks",
        polls=False,
        queue=queue,
        id=id_,
        elsewhere=elsewhere,
        visible=signs.visible,
        plain=signs.plain,
    )


async def download(request: Request) -> Response:
    """Send a payload or a result as a file, which no browser opens by itself."""
    asked = query(request)
    queue, id_ = asked.needed("queue"), asked.needed("id")
    what = asked.choice("what", ("payload", "result"), "payload")
    info = (await known(request, queue, id_)).record.info
    data = info.payload if what == "payload" else info.result
    if data is None:
        raise HTTPException(404, f"Task {shown(id_)} has no result.")
    rules, codec = consoles.of(request).settings.redaction, codecs.name_of(info.headers)
    leaves = await asyncio.to_thread(payloads.allowed, data, codec=codec, rules=rules)
    if leaves.data is None:
        raise HTTPException(403, leaves.why)
    name = re.sub(r"[^A-Za-z0-9._-]", "_", f"{what}-{id_}")[:120]
    headers = {
        "Content-Disposition": f'attachment; filename="{name}.{_ending(leaves.data)}"',
        "X-Content-Type-Options": "nosniff",
        "Cache-Control": "no-store",
    }
    return Response(leaves.data, media_type="application/octet-stream", headers=headers)


def _ending(data: bytes) -> str:
    try:
        text = data[:64].decode("utf-8", "ignore" if len(data) > 64 else "strict")
    except UnicodeDecodeError:
        return "bin"
    return "json" if text.lstrip()[:1] in ("{", "[") else "txt"


routes: list[Route] = [Route("/task", task), Route("/download", download)]
