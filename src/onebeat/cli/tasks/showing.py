"""`onebeat task show`: all that is known of a task."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING

import click

from onebeat import codecs
from onebeat.cli import output
from onebeat.cli.documents import show
from onebeat.cli.output import BAD, WARN, Cell, state_cell
from onebeat.cli.tasks.attempts import show_attempts
from onebeat.cli.tasks.payloads import is_json
from onebeat.documents.tasks import task_details
from onebeat.errors import TaskNotFound, shown
from onebeat.states import TaskState

if TYPE_CHECKING:
    from onebeat.inspector.inspector import Inspector
    from onebeat.inspector.recording import TaskRecord

MAX_SHOWN = 20_000
"""Characters of a payload or result that are shown without `--full`."""


async def queue_of(inspector: Inspector, task_id: str, queue: str | None) -> str:
    """
    Return the queue of a task, looked for in all if none is named.

    Raises:
        TaskNotFound: No queue has it.
        UsageError: Several have one of that id.
    """
    if queue is not None:
        await inspector.check_queue(queue)
        return queue
    found = await inspector.locate(task_id)
    if not found:
        count = output.counted(len(await inspector.queues()), "queue")
        raise TaskNotFound(f"task {shown(task_id)} is in none of {count}: it ended and was not retained, or never was")
    if len(found) > 1:
        queues = output.listed([info.queue for info in found])
        raise click.UsageError(
            f"Task {shown(task_id)} is in queues {queues}: name one with --queue.", click.get_current_context()
        )
    return found[0].queue


async def show_tasks(
    url: str | None, ids: Sequence[str], queue: str | None, *, full: bool, raw: bool, as_json: bool
) -> None:
    """Show each of them."""
    from onebeat.inspector.inspector import Inspector

    async with Inspector(url) as inspector:
        records = [await inspector.record(await queue_of(inspector, id_, queue), id_) for id_ in ids]
    if as_json:
        show([task_details(record, raw=raw) for record in records])
        return
    for number, record in enumerate(records):
        if number:
            click.echo()
        _show(record, full=full, raw=raw)


def _show(record: TaskRecord, *, full: bool, raw: bool) -> None:
    now = datetime.now(UTC)
    output.show_facts([*_who(record), *_times(record, now), *_ends(record, now), *_around(record, now)])
    _show_bytes("payload", record.info.payload, codecs.name_of(record.info.headers), full=full)
    if record.info.result is not None:
        _show_bytes("result", record.info.result, codecs.name_of(record.info.headers), full=full)
    show_attempts(record, now, full=full)
    if raw:
        click.echo("\nrecord")
        output.show_facts([(name, _plain(value)) for name, value in record.fields.items()])


def _who(record: TaskRecord) -> list[tuple[str, object]]:
    info = record.info
    state = "active, orphaned: no server has it any more" if info.is_orphaned else info.state.value
    facts: list[tuple[str, object]] = [
        ("id", info.id),
        ("queue", info.queue),
        ("type", info.type or "(its bytes are no message)"),
        ("state", Cell(state, BAD if info.is_orphaned else state_cell(info.state.value).style)),
        ("retried", f"{info.retried} of {info.max_retry}"),
    ]
    counts = (("crashes", info.crashes), ("soft failures", info.soft_failures))
    facts += [(name, Cell(count, WARN)) for name, count in counts if count]
    if info.group:
        facts.append(("group", info.group))
    return facts


def _times(record: TaskRecord, now: datetime) -> list[tuple[str, object]]:
    info = record.info
    due = info.next_process_at if info.state in (TaskState.SCHEDULED, TaskState.RETRY) else None
    moments = (
        ("pending since", info.pending_since),
        ("due", due),
        ("expires", info.expires_at),
        ("deadline", info.deadline),
        ("completed", info.completed_at),
        ("archived", record.archived_at),
    )
    facts: list[tuple[str, object]] = [(name, _moment(at, now)) for name, at in moments if at is not None]
    lengths = (("timeout", record.timeout), ("retention", info.retention))
    return facts + [(name, _exact(span)) for name, span in lengths if span]


def _ends(record: TaskRecord, now: datetime) -> list[tuple[str, object]]:
    info = record.info
    facts: list[tuple[str, object]] = []
    if info.last_failed_at is not None or info.last_error:
        when = f"{_moment(info.last_failed_at, now)}: " if info.last_failed_at is not None else ""
        facts.append(("last error", Cell(f"{when}{info.last_error}", BAD)))
    if info.progress is not None:
        said = f", {info.progress.text}" if info.progress.text else ""
        facts.append(("progress", f"{info.progress.fraction:.0%}{said} ({output.ago(info.progress.at, now)})"))
    return facts


def _around(record: TaskRecord, now: datetime) -> list[tuple[str, object]]:
    facts: list[tuple[str, object]] = []
    worker = record.worker
    if worker is not None:
        since = _length(now - worker.started_at)
        facts.append(("runs on", f"{worker.host}, process {worker.pid}, for {since} (server {worker.server_id})"))
    elif record.info.state is TaskState.ACTIVE:
        facts.append(("runs on", Cell("no server says that it runs it", WARN)))
    if record.info.state is TaskState.ACTIVE:
        facts.append(("lease", _moment(record.lease_until, now) if record.lease_until is not None else "none"))
    if record.lock is not None:
        facts.append(("unique lock", _lock(record)))
    if record.tick is not None:
        of = f" of schedule {record.schedule}" if record.schedule else ""
        facts.append(("tick", f"{_moment(record.tick, now)}{of}"))
    return facts + [(f"header {name}", value) for name, value in sorted(record.info.headers.items())]


def _lock(record: TaskRecord) -> str:
    lock = record.lock
    if lock is None or not lock.holder:
        return f"lapsed: nobody holds {lock.key if lock is not None else ''}"
    who = "held by this task" if lock.holder == record.info.id else f"held by task {lock.holder}"
    left = f" for {_length(lock.left)} more" if lock.left is not None else ", without end"
    return f"{who}{left}: {lock.key}"


def _moment(at: datetime | None, now: datetime) -> str:
    if at is None:
        return "-"
    return f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC ({output.ago(at, now)})"


def _exact(span: timedelta) -> str:
    seconds = span.total_seconds()
    return f"{seconds:g} s" if seconds < 60 else _length(span)


def _length(span: timedelta) -> str:
    return output.duration(span.total_seconds())


def _show_bytes(name: str, data: bytes, codec: str, *, full: bool) -> None:
    kind, text = pretty(data, codec)
    click.echo(f"\n{name} ({len(data):,} bytes{', ' if kind else ''}{kind})")
    if len(text) > MAX_SHOWN and not full:
        text = f"{text[:MAX_SHOWN]}\n… {len(text) - MAX_SHOWN:,} characters more: --full shows them"
    for line in text.splitlines():
        click.echo(f"  {output.visible(line)}")


def pretty(data: bytes, codec: str) -> tuple[str, str]:
    """Return of what kind bytes are and a text that shows them: JSON indented, numbers as they were written."""
    if not data:
        return "", ""
    try:
        if codec == codecs.MSGPACK.name:
            import msgspec

            return "MessagePack", msgspec.json.format(msgspec.json.encode(msgspec.msgpack.decode(data))).decode()
        text = data.decode()
    except (ValueError, TypeError, RecursionError, OverflowError):
        return "base64" if codec == codecs.JSON.name else f"{output.visible(codec)}, as base64", _base64(data)
    return ("JSON" if is_json(text) else "text"), indented(text)


def indented(text: str) -> str:
    """Indent JSON without touching what is in it; another text stays as it is."""
    if not is_json(text):
        return text
    import msgspec

    return msgspec.json.format(text.encode(), indent=2).decode()


def _base64(data: bytes) -> str:
    whole = base64.b64encode(data).decode()
    return "\n".join(whole[i : i + 76] for i in range(0, len(whole), 76))


def _plain(data: bytes) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError:
        return f"base64 {base64.b64encode(data).decode()}"
