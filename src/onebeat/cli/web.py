"""`onebeat web`: the console, from a process that does nothing else."""

from __future__ import annotations

import click

from onebeat.cli.common import url_option


@click.command()
@url_option
@click.option("--host", default="127.0.0.1", show_default=True, help="The address to answer at.")
@click.option("--port", type=click.IntRange(0, 65_535), default=8080, show_default=True, help="Where to answer.")
@click.option("--title", default="", help='A word for this installation, such as "staging".')
@click.option("--read-only", is_flag=True, help="Nothing can be changed, whoever asks.")
def web(url: str | None, host: str, port: int, title: str, *, read_only: bool) -> None:
    """
    Open the console in a browser.

    It shows queues, tasks, errors, schedules and servers of any store in asynq's format: Onebeat's, Go's, or of both.
    It goes on until Ctrl-C or SIGTERM.
    """
    from onebeat.web import Settings  # first: it says what is missing
    from onebeat.web.serving import serve

    serve(url, Settings(title=title, read_only=read_only), host=host, port=port, told=click.echo)
