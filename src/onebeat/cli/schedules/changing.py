"""`onebeat schedule pause`, `resume` and `run`."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Any

import click
import msgspec

from onebeat.cli import output
from onebeat.cli.output import counted, listed, visible
from onebeat.cli.schedules.choosing import chosen
from onebeat.cli.writing import agreed
from onebeat.errors import PayloadError, WrongState
from onebeat.inspector.inspector import Inspector
from onebeat.inspector.schedule_models import ScheduleInfo, ScheduleResumed, ScheduleState
from onebeat.inspector.schedule_steering import KEEP

OUTCOMES = {
    "skip": "skip the ticks that passed",
    "once": "fire once for the ticks that passed",
    "all": "fire every tick that passed",
}


async def pause_schedules(
    url: str | None, names: Sequence[str], *, every: bool, queue: str | None, yes: bool, dry_run: bool
) -> None:
    """Pause those that are not."""
    async with Inspector(url) as inspector:
        found = await chosen(inspector, names, every=every, queue=queue)
        wanted = [one for one in found if one.paused_at is None and one.state is not ScheduleState.DONE]
        _tell_others([one for one in found if one not in wanted], "paused or done already", found)
        if not wanted or not agreed(f"pause {_named(wanted)}", yes=yes, dry_run=dry_run):
            return
        for one in wanted:
            try:
                await inspector.pause_schedule(one.id)
            except WrongState as error:  # another did meanwhile
                click.echo(str(error))
            else:
                click.echo(f"schedule {visible(one.id)} of queue {visible(one.queue)} is paused")


async def resume_schedules(
    url: str | None, names: Sequence[str], *, every: bool, queue: str | None, missed: str, yes: bool, dry_run: bool
) -> None:
    """Resume those that are paused."""
    async with Inspector(url) as inspector:
        found = await chosen(inspector, names, every=every, queue=queue)
        wanted = [one for one in found if one.paused_at is not None]
        _tell_others([one for one in found if one not in wanted], "not paused", found)
        deed = f"resume {_named(wanted)}, and {OUTCOMES[missed]}"
        if not wanted or not agreed(deed, yes=yes, dry_run=dry_run):
            return
        for one in wanted:
            try:
                done = await inspector.resume_schedule(one.id, missed)
            except WrongState as error:
                if len(wanted) == 1:
                    raise
                click.echo(str(error), err=True)
            else:
                click.echo(_told(done))


def _told(done: ScheduleResumed) -> str:
    one, now = done.schedule, datetime.now(UTC)
    name = f"schedule {visible(one.id)} of queue {visible(one.queue)}"
    if one.state is not ScheduleState.LIVE:
        return f"{name} is paused no more, but {one.state}: {one.reason}"
    told = f"{name} fires again, next {output.ago(done.next_at, now)}"
    if done.passed:
        more = "" if done.is_exact else "more than "
        firing = {0: "none of them fires", 1: "1 fires now"}.get(done.firing, f"{done.firing:,} fire now")
        told += f"; {more}{counted(done.passed, 'tick')} passed while it was paused, {firing}"
    return told


async def run_schedule(
    url: str | None, name: str, *, payload: str | None, key: str | None, yes: bool, dry_run: bool
) -> None:
    """Enqueue the task of one schedule."""
    async with Inspector(url) as inspector:
        one = await inspector.schedule(name)
        given: Any = KEEP if payload is None else _payload(one, payload)
        other = "" if payload is None else " with another payload"
        deed = f"enqueue a task of type {one.task_type} in queue {one.queue} for schedule {one.id}{other}"
        if not agreed(deed, yes=yes, dry_run=dry_run):
            return
        task_id = await inspector.run_schedule(name, given, key=key)
        click.echo(f"task {visible(task_id)} is enqueued in queue {visible(one.queue)}")


def _payload(one: ScheduleInfo, text: str) -> bytes:
    """
    Return a payload as bytes.

    Raises:
        PayloadError: It is no JSON, while that of the schedule is.
    """
    data = text.encode()
    if _is_json(one.payload) and not _is_json(data):
        raise PayloadError(
            f"payload {text!r} is no JSON, as that of schedule {one.id} is: "
            f"{output.readable(one.payload)}; mind the quotes of your shell"
        )
    return data


def _is_json(data: bytes) -> bool:
    try:
        msgspec.json.decode(data)
    except msgspec.DecodeError:
        return False
    return True


def _tell_others(others: Sequence[ScheduleInfo], word: str, found: Sequence[ScheduleInfo]) -> None:
    if others:
        click.echo(f"{_named(others)} {'is' if len(others) == 1 else 'are'} {word}")
    elif not found:
        click.echo("There are no such schedules.")


def _named(found: Sequence[ScheduleInfo]) -> str:
    names = listed([one.id for one in found])
    return f"schedule {names}" if len(found) == 1 else f"{counted(len(found), 'schedule')} ({names})"
