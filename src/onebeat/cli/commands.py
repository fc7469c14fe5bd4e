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
        "Count the tasks of all queues, what was done today, and what the store says of itself.",
        LOOK,
    ),
    "queue": Place(
        "onebeat.cli.queues.command:queue",
        "Queues: what they hold, who serves them; pause, resume and remove them.",
        STEER,
    ),
    "task": Place(
        "onebeat.cli.tasks.command:task",
        "Tasks: find, show, enqueue, change, run, archive, cancel and delete them.",
        STEER,
    ),
    "group": Place("onebeat.cli.groups:group", "Groups of tasks that wait to be aggregated.", STEER),
    "schedule": Place(
        "onebeat.cli.schedules.command:schedule",
        "Schedules: when they fire and fired; pause, resume and run them.",
        STEER,
    ),
    "server": Place(
        "onebeat.cli.servers.command:server",
        "Servers: what they serve and run; have them drain, stop, or take tasks again.",
        STEER,
    ),
    "doctor": Place(
        "onebeat.cli.doctor:doctor", "Say what is wrong with the live system, why it matters, and what to type.", LOOK
    ),
    "events": Place(
        "onebeat.cli.events:events",
        "Show what has happened lately: tasks enqueued, started, retried, archived; schedules fired and missed.",
        LOOK,
    ),
    "health": Place(
        "onebeat.cli.health:health", "Say how the server on this machine fares; status 0 if it is well, else 1.", LOOK
    ),
    "run": Place(
        "onebeat.cli.run:run",
        "Run the tasks and schedules of APPLICATION (module:app) until Ctrl-C or SIGTERM.",
        SERVE,
    ),
    "dev": Place(
        "onebeat.cli.dev:dev",
        "Run APPLICATION (module:app) while you write it: started anew when a Python file changes.",
        SERVE,
    ),
    "demo": Place(
        "onebeat.cli.demo.command:demo",
        "Watch a whole system at work: real processes on a store of its own, one of which is killed half way.",
        SERVE,
    ),
    "metrics": Place(
        "onebeat.cli.metrics:metrics", "Serve the metrics of all queues to Prometheus, until Ctrl-C or SIGTERM.", SERVE
    ),
    "schema": Place("onebeat.cli.schema:schema", "Print the JSON Schema of what a COMMAND prints with --json.", HELP),
    "completion": Place(
        "onebeat.cli.completion:completion",
        "Print what makes a SHELL complete words: commands, options, queues, ids of tasks.",
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
    """One beat, any number of servers: tasks and schedules on Redis or Valkey."""
    from onebeat.cli.project import Project

    ctx.obj = project = Project.find()
    ctx.default_map = {"run": project.defaults("run"), "dev": project.defaults("dev")}
