"""Which queues a command is about: names, patterns, or all of them."""

from __future__ import annotations

from collections.abc import Sequence
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

import click

from onebeat.cli.output import listed
from onebeat.errors import QueueNotFound, shown

if TYPE_CHECKING:
    from onebeat.inspector.inspector import Inspector


async def chosen(inspector: Inspector, names: Sequence[str], *, every: bool = False) -> list[str]:
    """
    Return the queues that were named, each once, in that order; those that a pattern fits are sorted.

    Args:
        names: Names, or patterns with `*`, `?` and `[…]`, as a shell's; a queue of just that name comes first.

        every: All queues, and none was named.

    Raises:
        QueueNotFound: One is not known, or a pattern fits none.
        UsageError: Both or neither were given.
    """
    if bool(names) == every:
        raise click.UsageError("Name queues, or all of them with --all.", click.get_current_context())
    known = await inspector.queues()
    if every:
        return known
    found: dict[str, None] = {}
    for name in names:
        found.update(dict.fromkeys(_fitting(name, known)))
    return list(found)


def _fitting(name: str, known: Sequence[str]) -> list[str]:
    if name in known:
        return [name]
    there = f"there are {listed(known)}" if known else "there are none yet, since nothing was enqueued"
    if not any(mark in name for mark in "*?["):
        raise QueueNotFound(f"queue {shown(name)} is not known here: {there}")
    if not (fitting := [queue for queue in known if fnmatchcase(queue, name)]):
        raise QueueNotFound(f"pattern {shown(name)} fits no queue: {there}")
    return fitting
