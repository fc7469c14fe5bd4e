"""`onebeat schedule show`, `next` and `history`."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, tzinfo

import click

from onebeat.cli import output
from onebeat.cli.documents import show, show_list
from onebeat.cli.output import DIM, WARN, Cell
from onebeat.cli.schedules.choosing import one
from onebeat.cli.schedules.listing import late_cell, next_cell, state_cell
from onebeat.documents.schedules import Coming, Fire, Form, History, Schedule, ScheduleDetails, words
from onebeat.documents.values import Bytes
from onebeat.inspector.inspector import Inspector
from onebeat.inspector.schedule_models import ScheduleInfo
from onebeat.scheduler import zones

AWAKE_S = 60
"""Who has declared a form within so long is taken for alive."""


async def show_schedule(url: str | None, name: str, *, as_json: bool) -> None:
    async with Inspector(url) as inspector:
        found = await one(inspector, name)
    details = ScheduleDetails.of(found) if isinstance(found, ScheduleInfo) else ScheduleDetails.of_go(found)
    if as_json:
        show(details)
        return
    output.show_facts(_facts(details, datetime.now(UTC)))


def _facts(found: ScheduleDetails, now: datetime) -> list[tuple[str, object]]:
    row = found.schedule
    facts: list[tuple[str, object]] = [
        ("schedule", Cell(row.id, "bold")),
        ("fires", f"{row.words} ({row.spec})" if row.words != row.spec else row.spec),
        ("is", _condition(row, now)),
        ("next", next_cell(row, now)),
        ("last", f"{output.ago(row.last, now)}{_of_tick(found)}"),
        ("enqueues", f"{row.type or 'a task that cannot be read'} in queue {row.queue or 'default'}"),
        ("payload", _payload(found.payload)),
        ("options", ", ".join(found.options) or "-"),
    ]
    if row.kept_by == "asynq":
        return [*facts, ("kept by", f"scheduler {row.scheduler} of asynq, in its memory: it can only be looked at")]
    return [
        *facts,
        ("ticks", _counts(row)),
        ("run by hand", output.counted(row.ran or 0, "time")),
        ("declared by", _declarer(found, now)),
        *(("form " + form.rev, _form(form, now)) for form in found.forms),
    ]  # fmt: skip


def _condition(row: Schedule, now: datetime) -> Cell:
    told = state_cell(row)
    since = f" for {output.duration((now - row.paused_since).total_seconds())}" if row.paused_since else ""
    if row.state == "paused":
        return Cell(f"paused{since}: `onebeat schedule resume {row.id}` lets it fire", told.style)
    marked = f"; and paused{since}" if since else ""
    return Cell(f"{told}: {row.reason}{marked}" if row.reason else str(told), told.style)


def _of_tick(found: ScheduleDetails) -> str:
    late = found.schedule.late_ms
    if found.last_tick is None or late is None:
        return ""
    return f", {late_cell(late)} after its tick at {found.last_tick:%Y-%m-%d %H:%M:%S} UTC"


def _payload(payload: Bytes) -> str:
    if payload.text is None:
        return "bytes that are no text" if payload.base64 else "-"
    return output.readable(payload.text.encode(), limit=1000) or "-"


def _counts(row: Schedule) -> Cell:
    told = f"{row.fired:,} fired, {row.missed:,} missed, {row.skipped:,} skipped"
    return Cell(told, WARN if row.missed else "")


def _declarer(found: ScheduleDetails, now: datetime) -> str:
    way = "by a source" if found.provided else "in code"
    return f"application {found.schedule.application}, {way}, last {output.ago(found.declared, now)}"


def _form(form: Form, now: datetime) -> Cell:
    told = f"declared from {output.ago(form.first_seen, now)} to {output.ago(form.last_seen, now)}"
    if form.in_force:
        return Cell(f"in force, {told}")
    is_live = (now - form.last_seen).total_seconds() < AWAKE_S
    return Cell(f"{'outvoted, though live' if is_live else 'gone'}, {told}", "" if is_live else DIM)


async def show_coming(url: str | None, name: str, *, count: int, as_json: bool) -> None:
    async with Inspector(url) as inspector:
        info = await inspector.schedule(name)
        ticks = await inspector.next_ticks(name, count)
    if as_json:
        show(Coming.of(info, ticks))
        return
    if info.reason:
        output.note(f"{info.id} does not fire: {info.reason}. Else it would be:", matters=True)
    if not ticks:
        click.echo("No more ticks.")
        return
    now, shown = datetime.now(UTC), _zones(info.zone)
    columns = ["in", *shown]
    rows = [[output.ago(tick, now), *(_clock(tick.astimezone(zone)) for zone in shown.values())] for tick in ticks]
    output.show_table(columns, rows, whole=columns)
    output.note(f"{info.id} fires {words(info.spec)}.")


def _zones(name: str | None) -> dict[str, tzinfo]:
    """Return UTC, and the zone of a calendar that has another, by their names."""
    return {"UTC": UTC, **({} if name is None else {name: zones.zone(name)})}


def _clock(moment: datetime) -> str:
    return f"{moment:%a %Y-%m-%d %H:%M:%S}" + (f".{moment.microsecond // 1000:03}" if moment.microsecond else "")


async def show_history(
    url: str | None, names: Sequence[str], *, page: int, size: int, as_json: bool, as_lines: bool
) -> None:
    async with Inspector(url) as inspector:
        found = [await _history(inspector, name, page, size) for name in names]
    if as_json or as_lines:
        show_list(found, as_lines=as_lines)
        return
    for i, history in enumerate(found):
        if i:
            click.echo()
        if len(found) > 1:
            click.echo(f"schedule {output.visible(history.id)}")
        _show_history(history)


async def _history(inspector: Inspector, name: str, page: int, size: int) -> History:
    found = await one(inspector, name)
    if isinstance(found, ScheduleInfo):
        return History.of(found, await inspector.fires(name, page=page, size=size))
    return History.of_go(found, await inspector.events(name, page=page, size=size))


def _show_history(history: History) -> None:
    if not history.fires:
        click.echo("No fires on this page." if history.fired else "It has not fired yet.")
    else:
        now = datetime.now(UTC)
        columns = ["task", "fired", "tick (UTC)", "late", "task is"]
        rows = [
            [
                Cell(fire.task_id), Cell(output.ago(fire.fired_at, now)), _tick(fire), late_cell(fire.late_ms),
                output.state_cell(fire.state) if fire.state else Cell("-" if fire.by_hand is None else "gone", DIM),
            ]
            for fire in history.fires
        ]  # fmt: skip
        output.show_table(columns, rows, numbers=["late"], whole=["task", "fired", "tick (UTC)"])
    if history.fired is not None and history.missed is not None:
        fired, ran = output.counted(history.fired, "tick"), output.counted(history.ran or 0, "time")
        told = f"{fired} fired, {history.missed:,} missed, {history.skipped or 0:,} skipped"
        output.note(f"{told}; run by hand {ran}.")


def _tick(fire: Fire) -> Cell:
    if fire.tick is None:
        return Cell("by hand" if fire.by_hand else "-", DIM)
    return Cell(_clock(fire.tick))
