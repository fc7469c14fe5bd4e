"""Each command line of asynq's own tool has its counterpart here; the words of asynq work wherever they can."""

from __future__ import annotations

import re
import shlex

import click
import pytest

from onebeat.cli.commands import cli
from tests.docs.pages import ROOT

PAGE = ROOT / "docs" / "how-to" / "command-line.md"
ROW = re.compile(r"^\| `asynq (.+?)` \| `onebeat (.+?)` \|", re.MULTILINE)
ROWS: list[tuple[str, str]] = ROW.findall(PAGE.read_text())

COMMANDS = {
    "stats", "queue list", "queue inspect", "queue history", "queue pause", "queue resume", "queue unpause",
    "queue remove", "queue rm", "queue delete", "task list", "task inspect", "task cancel", "task archive",
    "task delete", "task run", "task enqueue", "task archiveall", "task deleteall", "task runall", "cron list",
    "cron history", "group list", "server list", "dash", "version",
}  # fmt: skip
"""All that asynq's tool has (protocol §7)."""

LINES = [
    "stats", "stats --json", "stats -u 127.0.0.1:6379", "--uri 127.0.0.1:6379 queue ls", "dash", "version",
    "queue list", "queue ls", "queue inspect default low", "queue history default -x 7", "queue history --days 3 low",
    "queue pause default", "queue resume default", "queue unpause default low", "queue remove default",
    "queue rm -f default", "queue delete --force default", "group list --queue default", "group ls -q default",
    "task list --queue default --state pending", "task ls -q default -s retry --page 2 --size 10",
    "task list -q default -s aggregating -g name", "task inspect --queue default --id abc",
    "task inspect -q default -i abc", "task cancel abc", "task archive -q default -i abc",
    "task delete --queue default --id abc", "task remove -q default -i abc", "task rm -q default -i abc",
    "task run -q default -i abc", "task enqueue -t mail -l '{}'",
    "task enqueue --type_name mail --payload '{}' --queue low --retry 3 --id abc",
    "task enqueue -t mail -l '{}' --timeout 30s --deadline 2030-01-02T15:04:05Z --unique 1h --retention 1h30m",
    "task enqueue -t mail -l '{}' --process_in 5m", "task enqueue -t mail -l '{}' --process_at 2030-01-02T15:04:05Z",
    "task enqueue -t mail -l '{}' --group name", "task archiveall -q default -s pending",
    "task archiveall -q default -s aggregating -g name", "task deleteall -q default -s completed",
    "task runall -q default -s archived", "cron list", "cron ls", "cron history entry --page 2 --size 10",
    "server list", "server ls",
]  # fmt: skip
"""Command lines of asynq's, which are understood as they are."""


def parse(line: str) -> None:
    """
    Have click understand a command line, and carry nothing out.

    Raises:
        UsageError: It does not.
    """
    command: click.Command = cli
    context = click.Group.make_context(cli, "onebeat", shlex.split(line)) if line != "--version" else click.Context(cli)
    while isinstance(command, click.Group) and (words := [*context._protected_args, *context.args]):
        try:
            name, found, left = command.resolve_command(context, words)
        except click.exceptions.Exit:  # --version
            return
        assert found is not None
        command, context = found, found.make_context(name, left, parent=context)


def test_the_page_has_every_command_of_asynq() -> None:
    """None is forgotten, and none is made up."""
    assert set() == {old for old, _ in ROWS if not any(f"{old} ".startswith(f"{name} ") for name in COMMANDS)}
    assert set() == {name for name in COMMANDS if not any(f"{old} ".startswith(f"{name} ") for old, _ in ROWS)}


@pytest.mark.parametrize("new", dict.fromkeys(new for _, new in ROWS))
def test_what_the_page_gives_for_a_command_is_understood(new: str) -> None:
    """Each row of its table."""
    parse(new)


@pytest.mark.parametrize("line", LINES)
def test_asynqs_own_words_are_understood(line: str) -> None:
    """Verbs and options as asynq has them, so that fingers carry over."""
    parse(line)


def test_a_line_that_is_wrong_is_not_understood() -> None:
    """So that the others say something."""
    with pytest.raises(click.UsageError):
        parse("queue ls --nonsense")
