"""`onebeat queue pause`, `resume` and `rm`."""

from __future__ import annotations

from collections.abc import Sequence

import click

from onebeat.broker.browse import QueueStats
from onebeat.cli.choosing import chosen
from onebeat.cli.output import counted, listed, visible
from onebeat.cli.progress import Progress
from onebeat.cli.writing import agreed
from onebeat.errors import OnebeatError, QueueNotEmpty, WrongState
from onebeat.inspector.inspector import Inspector


async def set_paused(
    url: str | None, names: Sequence[str], *, paused: bool, every: bool, yes: bool, dry_run: bool
) -> None:
    """Pause those of the queues that are not, or resume those that are."""
    verb, state = ("pause", "paused") if paused else ("resume", "running")
    async with Inspector(url) as inspector:
        queues = await _in_state(inspector, names, every=every, paused=not paused, word=state)
        if not queues or not agreed(f"{verb} {_named(queues)}", yes=yes, dry_run=dry_run):
            return
        change = inspector.pause if paused else inspector.resume
        for name in queues:
            try:
                await change(name)
            except WrongState:  # another did it meanwhile
                click.echo(f"queue {visible(name)} is {state} already")
            else:
                click.echo(f"queue {visible(name)} is {state}")


async def _in_state(inspector: Inspector, names: Sequence[str], *, every: bool, paused: bool, word: str) -> list[str]:
    """Return those of the chosen queues that are paused, or are not, and say which are left alone."""
    queues = await chosen(inspector, names, every=every)
    found = await inspector.stats_each(queues)
    wanted = [name for name, stats in found.items() if not isinstance(stats, QueueStats) or stats.paused == paused]
    others = [name for name in queues if name not in set(wanted)]
    if others:
        click.echo(f"{_named(others)} {'is' if len(others) == 1 else 'are'} {word} already")
    elif not queues:
        click.echo("There are no queues.")
    return wanted


async def remove_queues(
    url: str | None, names: Sequence[str], *, every: bool, force: bool, yes: bool, dry_run: bool
) -> None:
    """Remove queues one after another, and stop at the first that is refused."""
    async with Inspector(url) as inspector:
        queues = await chosen(inspector, names, every=every)
        if not queues:
            click.echo("There are no queues.")
            return
        sizes = await _sizes(inspector, queues)
        if not force and (full := [name for name in queues if sizes[name]]):
            raise QueueNotEmpty(
                f"{_named(full)} {'holds' if len(full) == 1 else 'hold'} "
                f"{counted(sum(sizes[name] for name in full), 'task')}: nothing was removed; "
                "--force removes a queue with what it holds, --dry-run looks first"
            )
        total = sum(sizes.values())
        deed = f"remove {_named(queues)}" + (f" with {counted(total, 'task')}" if total else "")
        if not agreed(deed, yes=yes, dry_run=dry_run, is_final=True):
            return
        for name in queues:
            with Progress("deleted", again=f"queue {name} stays paused, and the same command goes on") as progress:
                count = await inspector.remove_queue(name, force=force, progress=progress)
            click.echo(f"queue {visible(name)} is removed" + (f", with {counted(count, 'task')}" if count else ""))


async def _sizes(inspector: Inspector, queues: Sequence[str]) -> dict[str, int]:
    found = await inspector.stats_each(queues)
    sizes: dict[str, int] = {}
    for name, stats in found.items():
        if isinstance(stats, OnebeatError):
            raise stats
        sizes[name] = stats.size
    return sizes


def _named(queues: Sequence[str]) -> str:
    return f"queue {listed(queues)}" if len(queues) == 1 else f"{len(queues):,} queues ({listed(queues)})"
