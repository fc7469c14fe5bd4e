"""`onebeat server`: its verbs."""

from __future__ import annotations

import click

from onebeat.cli import completing
from onebeat.cli.common import Decorator, Noun, url_option
from onebeat.cli.documents import json_option
from onebeat.cli.loops import run_async
from onebeat.cli.writing import write_options
from onebeat.documents.servers import Server, ServerDetails

some_servers: Decorator = click.argument(
    "names", metavar="[ID | HOST:PID]...", nargs=-1, shell_complete=completing.servers
)
one_host: Decorator = click.option(
    "--host", help="All servers on this host: with `onebeat run -p` each process is one."
)
all_servers: Decorator = click.option("--all", "every", is_flag=True, help="All servers of Onebeat.")


@click.group(cls=Noun)
def server() -> None:
    """What servers serve and run; drain, resume."""


@server.command("ls")
@url_option
@json_option("server ls", list[Server], streams=True)
def server_ls(url: str | None, as_json: bool, as_lines: bool) -> None:
    """List the servers that live, Onebeat's and Go's, with their slots and the weights of their queues."""
    from onebeat.cli.servers.showing import list_servers

    run_async(list_servers(url, as_json=as_json, as_lines=as_lines))


@server.command("show")
@url_option
@click.argument("name", metavar="ID | HOST:PID", shell_complete=completing.servers)
@json_option("server show", ServerDetails)
def server_show(url: str | None, name: str, as_json: bool) -> None:
    """Show a server with the tasks that it runs, the longest running first."""
    from onebeat.cli.servers.showing import show_server

    run_async(show_server(url, name, as_json=as_json))


@server.command("drain")
@url_option
@some_servers
@one_host
@all_servers
@click.option("--stop", is_flag=True, help="End them, too, once they run nothing.")
@click.option("--undo", is_flag=True, help="Let them take tasks again: `onebeat server resume`.")
@click.option("-w", "--wait", is_flag=True, help="Wait until they run nothing; Ctrl-C leaves the order standing.")
@write_options
def server_drain(
    url: str | None,
    names: tuple[str, ...],
    host: str | None,
    every: bool,
    stop: bool,
    undo: bool,
    wait: bool,
    yes: bool,
    dry_run: bool,
) -> None:
    """Order servers to take no more tasks; what they run goes on. Servers of Go cannot be told."""
    from onebeat.cli.servers.draining import drain_servers, resume_servers

    if undo and (stop or wait):
        raise click.UsageError("--undo goes with neither --stop nor --wait.", click.get_current_context())
    if undo:
        run_async(resume_servers(url, names, host=host, every=every, yes=yes, dry_run=dry_run))
        return
    run_async(drain_servers(url, names, host=host, every=every, stop=stop, wait=wait, yes=yes, dry_run=dry_run))


@server.command("resume")
@url_option
@some_servers
@one_host
@all_servers
@write_options
def server_resume(
    url: str | None, names: tuple[str, ...], host: str | None, every: bool, yes: bool, dry_run: bool
) -> None:
    """Let servers take tasks again that were told not to, by an order or by SIGTSTP."""
    from onebeat.cli.servers.draining import resume_servers

    run_async(resume_servers(url, names, host=host, every=every, yes=yes, dry_run=dry_run))
