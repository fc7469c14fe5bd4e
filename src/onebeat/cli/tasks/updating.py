"""`onebeat task update`: changes, each task by what it is, with what becomes of its payload shown before."""

from __future__ import annotations

import difflib
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from onebeat import codecs
from onebeat.broker.browse import stamp
from onebeat.cli import output
from onebeat.cli.output import BAD, GOOD, visible
from onebeat.cli.tasks.acting import FINAL, How, apply, check_chosen, described, select
from onebeat.cli.tasks.payloads import find_app, is_json, pairs, raw, read_payload, with_field
from onebeat.cli.tasks.showing import indented, queue_of
from onebeat.cli.tasks.where import Where, all_ids
from onebeat.cli.writing import agreed
from onebeat.errors import OnebeatError, PayloadError, shown

if TYPE_CHECKING:
    from onebeat.app.app import Onebeat
    from onebeat.inspector.changes import UpdateOptions
    from onebeat.inspector.found import Selection
    from onebeat.inspector.inspector import Inspector
    from onebeat.task import TaskInfo

Make = Callable[["TaskInfo"], "UpdateOptions"]

SHOWN = 3
"""Of how many tasks the changes are shown."""


@dataclass(frozen=True)
class Edits:
    """What is to be changed, as it was given."""

    payload: str | None
    sets: Sequence[str]
    headers: Sequence[str]
    edit: bool
    app: str | None
    raw: bool
    options: Mapping[str, Any]


async def update(url: str | None, ids: Sequence[str], where: Where, edits: Edits, *, every: bool, how: How) -> None:
    """Change tasks: the named ones, or those that a filter finds."""
    from onebeat.inspector.inspector import Inspector

    check_chosen("update", ids, where, every=every)
    _check(edits, ids)
    make = maker(edits)
    async with Inspector(url) as inspector:
        if not ids:
            selection = await select(inspector, "update", where, How(yes=True, dry_run=False, limit=how.limit))
        else:
            selection = await _named(inspector, all_ids(ids)[: how.limit], where.queues[0] if where.queues else None)
        if selection is None or not selection.tasks:
            return
        if edits.edit:
            changed = edited(selection.first[0], edits)
            make = lambda _info: changed  # noqa: E731 - what was edited is of one task
        for info in selection.first[:SHOWN]:
            _show_changes(info, make(info))
        if len(selection.tasks) > SHOWN:
            click.echo(f"… and {len(selection.tasks) - SHOWN:,} more.")
        if agreed(f"change {described(selection)}", yes=how.yes, dry_run=how.dry_run, is_final="update" in FINAL):
            await apply(inspector, selection, how, changes=make)


def _check(edits: Edits, ids: Sequence[str]) -> None:
    context = click.get_current_context()
    given = [bool(edits.payload is not None), bool(edits.sets), edits.edit]
    if sum(given) > 1:
        raise click.UsageError("Give one of --payload, --set and --edit.", context)
    if not any(given) and not edits.options and not edits.headers:
        raise click.UsageError(
            "Say what to change: --payload, --set NAME=VALUE, --edit, --max-retry, --process-in, --move-to …", context
        )
    if edits.edit and len(ids) != 1:
        raise click.UsageError("--edit is for one task, named by its id.", context)


async def _named(inspector: Inspector, ids: Sequence[str], queue: str | None) -> Selection:
    from onebeat.inspector.found import Chosen, Selection

    records = [await inspector.record(await queue_of(inspector, id_, queue), id_) for id_ in ids]
    tasks = tuple(
        Chosen(one.info.queue, one.info.id, one.info.state, stamp(one.fields.get("msg", b""))) for one in records
    )
    infos = tuple(one.info for one in records)
    return Selection(action="update", filter="", tasks=tasks, first=infos, scanned=len(tasks), is_whole=True)


def maker(edits: Edits) -> Make:
    """Return what makes the changes of a task."""
    app = None if edits.raw or (edits.payload is None and not edits.sets) else find_app(edits.app)
    payload = None if edits.payload is None else read_payload(edits.payload)
    sets = {name: raw(text) for name, text in pairs(edits.sets).items()}
    headers = pairs(edits.headers)

    def make(info: TaskInfo) -> UpdateOptions:
        options: dict[str, Any] = dict(edits.options)
        if headers:
            options["headers"] = {**info.headers, **headers}
        if payload is not None:
            options["payload"] = payload
        elif sets:
            options["payload"] = with_fields(info, sets)
        if "payload" in options:
            check_fits(app, info, options["payload"])
        return options  # type: ignore[return-value] # `update` looks at them

    return make


def check_fits(app: Onebeat[Any] | None, info: TaskInfo, payload: bytes) -> None:
    """Make sure that a payload fits its task's declaration, if there is one."""
    declared = app.tasks.get(info.type) if app is not None else None
    if declared is not None:
        declared.arguments(payload, info.headers)


def with_fields(info: TaskInfo, sets: Mapping[str, bytes]) -> bytes:
    """
    Return a payload with fields set, all others as they were.

    Raises:
        PayloadError: It is no JSON, or a path leads into what has no fields.
    """
    payload = info.payload or b"{}"
    if codecs.name_of(info.headers) != codecs.JSON.name or not _is_text(payload) or not is_json(payload.decode()):
        raise PayloadError(f"payload of task {shown(info.id)} is no JSON: give all of it with --payload")
    for path, new in sets.items():
        try:
            payload = with_field(payload, path.split("."), new)
        except LookupError:
            raise PayloadError(f"payload of task {shown(info.id)} has nothing to set at {shown(path)}") from None
    return payload


def edited(info: TaskInfo, edits: Edits) -> UpdateOptions:
    """Have the user edit a payload until it can be read and fits, or is left as it is."""
    if codecs.name_of(info.headers) != codecs.JSON.name or not _is_text(info.payload):
        raise PayloadError(f"payload of task {shown(info.id)} is no text to edit: give all of it with --payload @file")
    was_json = _compact(info.payload.decode()) is not None
    app = None if edits.raw else find_app(edits.app)
    before = text = indented(info.payload.decode()) + "\n"
    while True:
        new = click.edit(text, extension=".json" if was_json else ".txt")
        if new is None or new == before:
            output.fail("the payload was left as it is: nothing was done", status=1)
        text = new
        try:
            return {**edits.options, "payload": _read(info, app, new, was_json=was_json)}  # type: ignore[typeddict-item]
        except OnebeatError as error:
            click.echo(f"onebeat: {visible(str(error))}", err=True)
            if not click.confirm("Edit again?", default=True, err=True):
                raise


def _read(info: TaskInfo, app: Onebeat[Any] | None, text: str, *, was_json: bool) -> bytes:
    compact = _compact(text) if was_json else text.rstrip("\n")
    if compact is None:
        raise PayloadError(f"payload of task {shown(info.id)} is no JSON any more: mend it, or use --payload")
    payload = codecs.escape_json(compact.encode()) if was_json else compact.encode()
    check_fits(app, info, payload)
    return payload


def _compact(text: str) -> str | None:
    """Return JSON without its spaces, and its numbers as they were written; None if it is none."""
    import msgspec

    return msgspec.json.format(text.encode(), indent=-1).decode() if is_json(text) else None


def _is_text(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


def _show_changes(info: TaskInfo, options: Mapping[str, Any]) -> None:
    click.echo(f"task {visible(info.id)} of queue {visible(info.queue)} ({visible(info.type)}, {info.state.value})")
    if "payload" in options:
        was, new = (_lines(data) for data in (info.payload, options["payload"]))
        for line in list(difflib.unified_diff(was, new, lineterm="", n=2))[2:]:
            if not line.startswith("@@"):
                told, colour = f"  {visible(line)}", {"+": GOOD, "-": BAD}.get(line[0])
                click.echo(told if colour is None or os.environ.get("NO_COLOR") else click.style(told, fg=colour))
    for name, value in options.items():
        if name == "headers":
            value = {key: text for key, text in value.items() if info.headers.get(key) != text}
        if name != "payload":
            click.echo(f"  {name.replace('_', ' ')}: {visible(str(value))}")


def _lines(data: bytes) -> list[str]:
    return indented(data.decode()).splitlines() if _is_text(data) else [f"{len(data)} bytes, not text"]
