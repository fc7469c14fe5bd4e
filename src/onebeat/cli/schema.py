"""`onebeat schema`, and the schemas of all documents."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import click

from onebeat.cli import output

DIALECT = "https://json-schema.org/draft/2020-12/schema"


@click.command()
@click.argument("command", nargs=-1)
def schema(command: tuple[str, ...]) -> None:
    """Print the JSON Schema of what a COMMAND prints with --json. Without one, list the commands that have one."""
    known = schemas()
    name = " ".join(command)
    if not name:
        click.echo("\n".join(known))
    elif name in known:
        output.show_json(known[name])
    else:
        output.fail(f"command {name!r} has no schema: there are {', '.join(known)}", status=2)


def schemas() -> dict[str, dict[str, Any]]:
    """Return the schema of each command's document, by the command's words."""
    import msgspec

    from onebeat.cli.commands import cli
    from onebeat.cli.documents import DOCUMENTS

    _ = list(each_command(cli))  # a command notes its document when it is imported
    return {
        command: {"$schema": DIALECT, "title": f"onebeat {command} --json", **msgspec.json.schema(document)}
        for command, document in sorted(DOCUMENTS.items())
    }


def each_command(group: click.Group, *words: str) -> Iterator[tuple[str, click.Command]]:
    """Yield every command with its words, importing all."""
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        if isinstance(command, click.Group):
            yield from each_command(command, *words, name)
        elif command is not None:
            yield " ".join([*words, name]), command
