"""Which servers a command is about: named ones, those of a host, or all."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from onebeat.cli.output import counted, listed
from onebeat.errors import ServerNotFound, WrongState, shown
from onebeat.inspector.models import ServerInfo

if TYPE_CHECKING:
    from onebeat.inspector.inspector import Inspector

SHORTEST = 4
"""Letters of an id that may stand for it."""


def place(one: ServerInfo) -> str:
    """Return "host:pid"."""
    return f"{one.host}:{one.pid}"


async def one_server(inspector: Inspector, name: str) -> ServerInfo:
    """
    Return a server by its id, by the beginning of it, or by "host:pid".

    Raises:
        ServerNotFound: None is called so.
        WrongState: Several are.
    """
    try:
        return await inspector.server(name)
    except ServerNotFound:
        found = [one for one in await inspector.servers() if len(name) >= SHORTEST and one.id.startswith(name)]
        if len(found) > 1:
            raise WrongState(
                f"{shown(name)} begins the ids of {listed([one.id for one in found])}: write more"
            ) from None
        if not found:
            raise
        return found[0]


async def chosen(inspector: Inspector, names: Sequence[str], *, host: str | None, every: bool) -> list[ServerInfo]:
    """
    Return the servers of Onebeat that a command is about; of Go's that `--host` or `--all` mean, it says so.

    Raises:
        ServerNotFound: One that was named does not live, or none of the host does.
        UsageError: It is not said which, or in two ways.
    """
    if [bool(names), host is not None, every].count(True) != 1:
        told = "Name servers by their ids or HOST:PID, or take those of a --host, or --all."
        raise click.UsageError(told, click.get_current_context())
    if names:
        found = [await one_server(inspector, name) for name in names]
        return list({one.id: one for one in found}.values())
    living = await inspector.servers()
    meant = [one for one in living if every or one.host == host]
    if not meant and host is not None:
        hosts = sorted({one.host for one in living})
        there = f"servers live on {listed(hosts)}" if hosts else "none lives at all"
        raise ServerNotFound(f"no server lives on host {shown(host)}: {there}")
    deaf = [one for one in meant if one.sheet is None]
    if deaf:
        click.echo(
            f"{counted(len(deaf), 'server')} of asynq, or of Onebeat before 0.5, cannot be told: signal "
            f"{listed([place(one) for one in deaf])} there",
            err=True,
        )
    return [one for one in meant if one.sheet is not None]
