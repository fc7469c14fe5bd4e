"""`onebeat server drain` and `resume`."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import click

from onebeat.cli.output import counted, listed, visible
from onebeat.cli.servers.choosing import chosen, place
from onebeat.cli.writing import agreed
from onebeat.errors import ServerNotFound
from onebeat.inspector.inspector import Inspector
from onebeat.inspector.models import ServerInfo

LOOK_EVERY_S = 0.5
"""Between looks at servers that drain."""


async def drain_servers(
    url: str | None,
    names: Sequence[str],
    *,
    host: str | None,
    every: bool,
    stop: bool,
    wait: bool,
    yes: bool,
    dry_run: bool,
) -> None:
    """Order servers to take no more tasks; perhaps wait until they run none."""
    async with Inspector(url) as inspector:
        found = await chosen(inspector, names, host=host, every=every)
        if not found:
            click.echo("There are no servers that can be told.")
            return
        end = ", and to end once nothing runs" if stop else ""
        if not agreed(f"order {_named(found)} to take no more tasks{end}", yes=yes, dry_run=dry_run):
            return
        told = [one for one in found if await _drain(inspector, one, stop=stop)]
        if not told:
            return
        if wait:
            await _wait(inspector, told, stop=stop)
        else:
            click.echo(_hint(told, stop=stop))


async def _drain(inspector: Inspector, one: ServerInfo, *, stop: bool) -> bool:
    try:
        await inspector.drain_server(one.id, stop=stop)
    except ServerNotFound:  # it has ended since it was listed
        click.echo(f"server {place(one)} has ended")
        return False
    click.echo(f"server {visible(place(one))} is told; it runs {counted(one.active_workers, 'task')}")
    return True


def _hint(told: Sequence[ServerInfo], *, stop: bool) -> str:
    undo = f"`onebeat server resume {' '.join(place(one) for one in told[:3])}{' …' if len(told) > 3 else ''}`"
    if stop:
        return (
            f"Whoever watches over {'its process' if len(told) == 1 else 'their processes'} (systemd, Kubernetes, "
            f"onebeat run -p) may start another; {undo} undoes it until then."
        )
    return f"`onebeat server ls` shows what still runs; {undo} undoes it."


async def _wait(inspector: Inspector, told: Sequence[ServerInfo], *, stop: bool) -> None:
    """Say how many tasks still run, until none does; the order stands, whatever ends the waiting."""
    waiting, before = {one.id: place(one) for one in told}, ""
    try:
        while waiting:
            living = {one.id: one for one in await inspector.servers()}
            for id_, name in list(waiting.items()):
                if end := _end(living.get(id_), stop=stop):
                    click.echo(f"server {visible(name)} {end}")
                    del waiting[id_]
            running = sum(living[id_].active_workers for id_ in waiting)
            now = f"waiting for {listed(list(waiting.values()))}: {counted(running, 'task')} to end"
            if waiting and now != before:
                click.echo(now, err=True)
                before = now
            await asyncio.sleep(LOOK_EVERY_S if waiting else 0)
    except asyncio.CancelledError:
        click.echo(f"onebeat: the order stands. {_hint(told, stop=stop)}", err=True)
        raise


def _end(one: ServerInfo | None, *, stop: bool) -> str:
    """Say that a server has come to the end of its order; "" if it has not."""
    if one is None:
        return "has ended"
    return "runs nothing any more" if one.status == "stopped" and not one.active_workers and not stop else ""


async def resume_servers(
    url: str | None, names: Sequence[str], *, host: str | None, every: bool, yes: bool, dry_run: bool
) -> None:
    """Let servers take tasks again."""
    async with Inspector(url) as inspector:
        found = await chosen(inspector, names, host=host, every=every)
        if not found:
            click.echo("There are no servers that can be told.")
            return
        if not agreed(f"let {_named(found)} take tasks again", yes=yes, dry_run=dry_run):
            return
        for one in found:
            await inspector.resume_server(one.id)
            click.echo(f"server {visible(place(one))} is told to take tasks again")


def _named(found: Sequence[ServerInfo]) -> str:
    if len(found) == 1:
        [one] = found
        return f"server {place(one)}, which runs {counted(one.active_workers, 'task')},"
    running = sum(one.active_workers for one in found)
    names = listed([place(one) for one in found])
    return f"{counted(len(found), 'server')} ({names}), which run {counted(running, 'task')},"
