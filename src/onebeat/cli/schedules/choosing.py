"""Which schedules a command is about: ids, patterns, or all of them."""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

import click

from onebeat.cli.output import listed
from onebeat.errors import ScheduleNotFound, WrongState, shown
from onebeat.inspector.models import ScheduleEntry
from onebeat.inspector.schedule_models import ScheduleInfo

if TYPE_CHECKING:
    from onebeat.inspector.inspector import Inspector


def is_pattern(name: str) -> bool:
    return any(mark in name for mark in "*?[")


async def chosen(
    inspector: Inspector, names: Sequence[str], *, every: bool = False, queue: str | None = None
) -> list[ScheduleInfo]:
    """
    Return Onebeat's schedules that were named, each once, in that order.

    Args:
        names: Ids, or patterns with `*`, `?` and `[…]`, as a shell's.

        every: All of them, and none was named.

        queue: Only those of it.

    Raises:
        ScheduleNotFound: One is not known, or a pattern fits none.
        WrongState: One is Go's.
        UsageError: Both or neither were given.
    """
    if bool(names) == every:
        raise click.UsageError("Name schedules, or all of them with --all.", click.get_current_context())
    known = await inspector.declared_schedules(queue) if every or any(map(is_pattern, names)) else []
    if every:
        return sorted(known, key=lambda info: info.id)
    found: dict[str, ScheduleInfo] = {}
    for name in names:
        fitting = [await inspector.schedule(name)] if not is_pattern(name) else _fitting(name, known)
        found.update((info.id, info) for info in fitting if queue is None or info.queue == queue)
    return list(found.values())


def _fitting(pattern: str, known: Sequence[ScheduleInfo]) -> list[ScheduleInfo]:
    found = sorted((info for info in known if fnmatchcase(info.id, pattern)), key=lambda info: info.id)
    if not found:
        there = f"there are {listed(sorted(info.id for info in known))}" if known else "there are none"
        raise ScheduleNotFound(f"pattern {shown(pattern)} fits no schedule of Onebeat: {there}")
    return found


async def gos(inspector: Inspector) -> list[ScheduleEntry]:
    """Return the entries of Go's schedulers."""
    return [entry for entry in await inspector.schedules() if not entry.scheduler.startswith("{")]


async def one(inspector: Inspector, name: str) -> ScheduleInfo | ScheduleEntry:
    """Return a schedule, Go's or Onebeat's."""
    try:
        return await inspector.schedule(name)
    except WrongState:
        found = [entry for entry in await gos(inspector) if entry.id == name]
        if not found:
            raise
        return found[0]
