"""`onebeat dev`."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any

import click

from onebeat.cli.run import metrics_options, orders, server_options
from onebeat.errors import ConfigurationError

STOP_S = 2.0
"""How long running tasks have at a reload, before they are put back to the front of their queue."""


@click.command()
@click.argument("application", required=False, envvar="ONEBEAT_APP")
@server_options
@metrics_options
@click.option(
    "-p",
    "--processes",
    type=click.IntRange(1, 256),
    default=1,
    show_default=True,
    help="Server processes.",
)
@click.option(
    "--watch",
    multiple=True,
    type=click.Path(path_type=Path),
    help="Folder whose Python files are watched too, or a file of any kind. May be repeated.",
)
@click.option(
    "--ignore", multiple=True, type=click.Path(path_type=Path), help="Folder or file not to watch. May be repeated."
)
@click.option("--console/--no-console", default=True, show_default=True, help="Show it all in a browser, too.")
@click.option(
    "--console-port",
    type=click.IntRange(0, 65_535),
    default=8080,
    show_default=True,
    help="Where the console answers; if that is taken, or 0, at any that is free.",
)
@click.pass_context
def dev(
    ctx: click.Context,
    /,
    application: str | None,
    processes: int,
    watch: tuple[Path, ...],
    ignore: tuple[Path, ...],
    *,
    console: bool,
    console_port: int,
    **given: Any,
) -> None:
    """
    Run APPLICATION while you write it, with reload.

    APPLICATION is module:app; it is started anew when a Python file changes. Without a URL it uses the embedded
    store of the project. Failed tasks show their payload and traceback, and a console shows all in a browser.
    Without APPLICATION, the only one in the files here, or in those of a package here, is taken.
    """
    import asyncio

    from onebeat.cli.develop.changes import Changes, check_watchfiles
    from onebeat.cli.develop.find import find_application
    from onebeat.cli.develop.session import Session
    from onebeat.cli.measuring import measuring_processes
    from onebeat.cli.operations import operations
    from onebeat.cli.processes.place import Pace
    from onebeat.server.config import ServerConfig

    check_watchfiles()
    folder: Path = ctx.obj.folder
    told = orders(
        ctx,
        application or find_application(Path.cwd()),
        given,
        fallback=ctx.obj.settings.get("url") or "embedded://",
        dev=True,
        shutdown_timeout=STOP_S,
        grace=1.0,
    )
    place = _place(console_port) if console else None
    pace = Pace(stop=ServerConfig(**told.settings).longest_stop + STOP_S)

    with operations(told) as watched, measuring_processes(told, watched):
        if watched.at is not None:  # the parent shows no log here
            click.echo(f"answering at {watched.at}", err=True)

        async def work() -> int:
            return await Session(told, processes, Changes(folder, watch, ignore), pace, watched, place).run()

        raise SystemExit(asyncio.run(work()))


def _place(port: int) -> socket.socket | None:
    """Open the socket of the console; without the extra there is none, and this machine's own address only."""
    try:
        from onebeat.web.serving import listening
    except ImportError:
        click.echo('no console: pip install "onebeat[web]"', err=True)
        return None
    try:
        return listening("127.0.0.1", port)
    except ConfigurationError:
        return listening("127.0.0.1", 0)
