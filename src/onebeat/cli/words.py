"""
Groups of commands that know what else their commands are called, and guess what was meant.

asynq's own words work wherever ours differ, so that fingers carry over: `list` for `ls`, `remove` for `rm`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from difflib import get_close_matches
from importlib import import_module
from typing import Any, NamedTuple

import click

SYNONYMS = (
    {"ls", "list"},
    {"rm", "remove", "delete"},
    {"resume", "unpause"},
    {"inspect", "show"},
)
"""Verbs of which a group has one: each of the others is another word for it."""

OPTIONS = {"uri": "url"}
"""asynq's words for our options; besides, `_` in an option is `-`, as in `--process_in`."""


def option_word(word: str) -> str:
    """Return our word for an option, which every command looks its options up by."""
    return OPTIONS.get(word, word.replace("_", "-"))


class Worded(click.Group):
    """
    A group of commands.

    Args:
        aliases: Further words, each with what stands for it: `{"runall": "run --all"}`.
    """

    def __init__(self, *args: Any, aliases: Mapping[str, str] | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._aliases = dict(aliases or {})

    def names(self) -> Sequence[str]:
        """Return its commands by their proper names, as they are listed."""
        return list(self.commands)

    def list_commands(self, ctx: click.Context) -> list[str]:  # noqa: ARG002 - click's signature
        return list(self.names())

    def meant(self, word: str) -> list[str]:
        """Return the words that a word stands for, itself if it is a command's name; none if it is unknown."""
        names = self.names()
        if word in names:
            return [word]
        if word in self._aliases:
            return self._aliases[word].split()
        return [name for words in SYNONYMS if word in words for name in names if name in words]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        words = self.meant(cmd_name)
        return super().get_command(ctx, words[0]) if words else None

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        words = self.meant(args[0])
        if not words and not ctx.resilient_parsing and not args[0].startswith("-"):
            raise click.UsageError(f"No such command {args[0]!r}{self._hint(args[0])}", ctx)
        return super().resolve_command(ctx, [*words, *args[1:]] if words else args)

    def _hint(self, word: str) -> str:
        known = {*self.names(), *self._aliases, *self._synonyms()}
        close = get_close_matches(word, sorted(known), n=1)
        return f": did you mean {close[0]}?" if close else f": there are {', '.join(self.names())}."

    def _synonyms(self) -> dict[str, str]:
        names = self.names()
        return {
            other: name
            for words in SYNONYMS
            for name in names
            if name in words
            for other in sorted(words)
            if other not in names and other not in self._aliases
        }

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:  # noqa: ARG002 - click's
        width = max(map(len, self.names()), default=0)
        for section, found in self.sections().items():
            with formatter.section(section):
                formatter.write_dl([(name.ljust(width), told) for name, told in found])

    def sections(self) -> dict[str, list[tuple[str, str]]]:
        """Return its commands, each with the first sentence of its help, by the headings of their lists."""
        rows = [(name, command.get_short_help_str(200)) for name, command in self.commands.items()]
        return {"Commands": rows} if rows else {}

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        super().format_epilog(ctx, formatter)
        others = {**self._synonyms(), **self._aliases}
        if others:
            told = ", ".join(f"{word} ({name})" for word, name in others.items())
            formatter.write_paragraph()
            formatter.write_text(f"Other words for them: {told}.")


class Place(NamedTuple):
    """Where a command is, and what help says of it."""

    target: str
    """Its module and name, "onebeat.cli.run:run"."""

    help: str
    """The first sentence of its own help: the command itself is imported when it is used."""

    section: str


class Lazy(Worded):
    """
    A group whose commands are imported when they are used, so that its help costs nothing.

    Args:
        places: By name, where each command is.
    """

    def __init__(self, *args: Any, places: Mapping[str, Place] | None = None, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.places: dict[str, Place] = dict(places or {})

    def names(self) -> Sequence[str]:
        return [*self.places, *super().names()]

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        words = self.meant(cmd_name)
        if not words or words[0] not in self.places:
            return super().get_command(ctx, cmd_name)
        module, _, name = self.places[words[0]].target.partition(":")
        command: click.Command = getattr(import_module(module), name)
        return command

    def sections(self) -> dict[str, list[tuple[str, str]]]:
        found: dict[str, list[tuple[str, str]]] = {}
        for name, place in self.places.items():
            found.setdefault(place.section, []).append((name, place.help))
        return {**found, **super().sections()}
