"""
The root of the command line: a table of where each noun is, which is imported when it is used.

Each noun has a file of its own; what the verbs do is in the rooms below.
"""

from __future__ import annotations

import click

from onebeat import __version__
from onebeat.cli.common import Failing, store_option
from onebeat.cli.words import Place, option_word

LOOK, STEER, SERVE, HELP = "Look", "Look and steer", "Serve", "This command line"

PLACES: dict[str, Place] = {
    "stats": Place(
        "onebeat.cli.stats.command:stats",
        "Count what waits, runs and fails; with --watch as it changes.",
        LOOK,
    ),
    "queue": Place(
        "onebeat.cli.queues.command:queue",
        "What queues hold and who serves them; pause, resume, remove.",
        STEER,
    ),
    "task": Place(
        "onebeat.cli.tasks.command:task",
        "Find, show, enqueue, change, run, archive, cancel, delete.",
        STEER,
    ),
    "group": Place("onebeat.cli.groups:group", "Groups of tasks that wait to be aggregated.", STEER),
    "schedule": Place(
        "onebeat.cli.schedules.command:schedule",
        "When schedules fire and fired; pause, resume, run.",
        STEER,
    ),
    "server": Place(
        "onebeat.cli.servers.command:server",
        "What servers serve and run; drain, resume.",
        STEER,
    ),
    "doctor": Place("onebeat.cli.doctor:doctor", "Say what is wrong, why it matters, and what to type.", LOOK),
    "events": Place(
        "onebeat.cli.events:events",
        "Show what has happened to tasks and schedules lately.",
        LOOK,
    ),
    "health": Place("onebeat.cli.health:health", "Say how the server on this machine fares.", LOOK),
    "run": Place(
        "onebeat.cli.run:run",
        "Run the tasks and schedules of APPLICATION (module:app).",
        SERVE,
    ),
    "dev": Place(
        "onebeat.cli.dev:dev",
        "Run APPLICATION while you write it, with reload.",
        SERVE,
    ),
    "web": Place(
        "onebeat.cli.web:web",
        "Serve the console, for a browser to look at.",
        SERVE,
    ),
    "demo": Place(
        "onebeat.cli.demo.command:demo",
        "Watch a whole system at work, on a store of its own.",
        SERVE,
    ),
    "metrics": Place("onebeat.cli.metrics:metrics", "Serve the metrics of all queues to Prometheus.", SERVE),
    "schema": Place("onebeat.cli.schema:schema", "Print the JSON Schema of what a COMMAND prints with --json.", HELP),
    "completion": Place(
        "onebeat.cli.completion:completion",
        "Print what makes a SHELL complete words.",
        HELP,
    ),
}
"""Each command's first sentence stands here too, so that help need not import it; a test compares them."""

ALIASES = {"cron": "schedule", "dash": "stats --watch", "version": "--version"}


@click.group(
    cls=Failing,
    places=PLACES,
    aliases=ALIASES,
    context_settings={
        "help_option_names": ["-h", "--help"],
        "max_content_width": 100,
        "token_normalize_func": option_word,
    },
)
@click.version_option(__version__, prog_name="onebeat")
@store_option
@click.pass_context
def cli(ctx: click.Context) -> None:
    """
    One beat, any number of servers: tasks and schedules on Redis or Valkey.

    \b
    When something is wrong:
      onebeat doctor                        what it is, and what to type
      onebeat stats --watch                 what waits, runs and fails
      onebeat queue inspect QUEUE           why a queue is slow
      onebeat task ls state:retry,archived  what fails, and of what
    """
    from onebeat.cli.project import Project

    ctx.obj = project = Project.find()
    ctx.default_map = {name: project.defaults(name) for name in ("run", "dev", "web")}
