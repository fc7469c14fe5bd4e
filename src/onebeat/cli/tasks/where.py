"""Which tasks a command is about: words of the filter language, and plain options for the common ones."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from onebeat.cli import completing
from onebeat.states import TaskState

if TYPE_CHECKING:
    from onebeat.inspector.filters import Filter

STATES = click.Choice([state.value for state in TaskState])
OPTIONS = ("queues", "states", "group", "types", "older", "error", "where")


@dataclass(frozen=True)
class Where:
    """What the options of a command say about which tasks."""

    queues: tuple[str, ...]
    states: tuple[str, ...]
    group: str | None
    types: tuple[str, ...]
    older: str | None
    error: str | None
    where: tuple[str, ...]

    @classmethod
    def taken(cls, given: dict[str, Any]) -> Where:
        """Take them out of what a command was given."""
        return cls(**{name: given.pop(name) for name in OPTIONS})

    @property
    def is_any(self) -> bool:
        """Whether nothing is said but queues; an empty filter, as of a variable that was not set, says nothing."""
        filters = any(text.strip() for text in self.where)
        return not (self.states or self.group or self.types or self.older or self.error or filters)

    def filter(self, words: Sequence[str] = ()) -> Filter:
        """
        Make one filter of it all.

        Raises:
            InvalidFilter: It cannot be read.
        """
        from onebeat.inspector.filters import Filter

        made = Filter(" ".join([*words, *self.where]))
        for name, texts in (("queue", self.queues), ("state", self.states), ("type", self.types)):
            if texts:
                made = made.narrowed(name, *texts, pattern=name != "state")
        if self.group is not None:
            made = made.narrowed("group", self.group)
        if self.error is not None:
            made = made.narrowed("error", self.error)
        if self.older is not None:
            made = made.narrowed("age", self.older, operator=">")
        return made


def where_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Let a verb take what says which tasks; `Where.taken` takes it out of its arguments."""
    options = [
        click.option(
            "-q", "--queue", "queues", multiple=True, shell_complete=completing.queues,
            help="Only this queue, or those that a pattern fits. May be repeated. Default: all queues.",
        ),
        click.option("-s", "--state", "states", type=STATES, multiple=True, help="Only this state. May be repeated."),
        click.option("-g", "--group", shell_complete=completing.groups, help="Only this group."),
        click.option("--type", "types", multiple=True, help="Only this type, or a pattern, mail:*. May be repeated."),
        click.option("--older", metavar="AGE", help="Only those longer in their state than that: 2h, 1d, 90s."),
        click.option("--error", metavar="TEXT", help="Only those whose last error has this text."),
        click.option(
            "--where", metavar="FILTER", multiple=True,
            help="A filter, such as 'payload.user.id=42 retried>=3'; the reference has the whole language.",
        ),
    ]  # fmt: skip
    for option in reversed(options):
        function = option(function)
    return function


def all_ids(ids: Sequence[str]) -> list[str]:
    """Return the ids that were named, each once; `-` stands for those on standard input, one a line."""
    found: dict[str, None] = {}
    for task_id in ids:
        if task_id == "-":
            found.update(dict.fromkeys(line.strip() for line in sys.stdin if line.strip()))
        else:
            found[task_id] = None
    return list(found)
