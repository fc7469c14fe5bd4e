"""The root of the command line. Each noun has a file of its own; what the verbs do is in the rooms below."""

from __future__ import annotations

from typing import Any

import click

from onebeat import __version__
from onebeat.cli.common import URL_HELP, Failing
from onebeat.cli.demo.command import demo
from onebeat.cli.dev import dev
from onebeat.cli.project import Project
from onebeat.cli.queues import queue, stats
from onebeat.cli.run import run
from onebeat.cli.tasks import task


class Later(click.Command):
    """A command whose module is imported when it is called, not to list it."""

    def make_context(
        self, info_name: str | None, args: list[str], parent: click.Context | None = None, **extra: Any
    ) -> click.Context:
        from onebeat.cli.doctor import doctor

        return doctor.make_context(info_name, args, parent, **extra)

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        from onebeat.cli.doctor import doctor

        return doctor.get_params(ctx)


doctor = Later("doctor", help="Say what is wrong with the live system, why it matters, and what to type.")


@click.group(cls=Failing, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="onebeat")
@click.option("--url", help=URL_HELP)
@click.pass_context
def cli(ctx: click.Context, url: str | None) -> None:  # noqa: ARG001 - `url_option` looks at it
    """One beat, any number of servers: tasks and schedules on Redis or Valkey."""
    ctx.obj = project = Project.find()
    ctx.default_map = {"run": project.defaults("run"), "dev": project.defaults("dev")}


for _command in (run, dev, stats, queue, task, doctor, demo):
    cli.add_command(_command)
