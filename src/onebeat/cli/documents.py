"""
The JSON of the command line: each command that reads has one document, a type of `onebeat.documents`, from which its
schema is made.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from textwrap import indent
from types import TracebackType
from typing import Any, Self, TypeVar

import click
import msgspec

F = TypeVar("F", bound=Callable[..., Any])

DOCUMENTS: dict[str, Any] = {}
"""By command, such as "queue ls", the type of what it prints with `--json`."""


def json_option(command: str, document: Any, *, streams: bool = False) -> Callable[[F], F]:
    """
    Let a command take `--json`, as `as_json`, and note what it prints then.

    Args:
        command: Its words, such as "queue ls".

        document: A `msgspec.Struct`, or a list of one.

        streams: The document is a list whose items come one by one: the command also takes `--ndjson`, as `as_lines`,
            and prints by `Listing`.
    """
    DOCUMENTS[command] = document

    def add(function: F) -> F:
        if streams:
            told = "Print a line of JSON for each, as soon as it is found."
            function = click.option("--ndjson", "as_lines", is_flag=True, help=told)(function)
        told = f"Print JSON; `onebeat schema {command}` prints its schema."
        return click.option("--json", "as_json", is_flag=True, help=told)(function)

    return add


def show(document: Any) -> None:
    """Print a document: instants in UTC as RFC 3339 writes them."""
    click.echo(written(document))


def written(document: Any, *, indent: int = 2) -> str:
    """Write JSON in which what a terminal would obey, or turn around, is escaped; -1 is one line."""
    text = msgspec.json.format(msgspec.json.encode(document), indent=indent).decode()
    return text if text.isascii() else "".join(c if c.isprintable() or c == "\n" else escaped(c) for c in text)


def escaped(sign: str) -> str:
    """Write a sign as JSON may, by its number."""
    return json.dumps(sign)[1:-1]


def show_line(document: Any) -> None:
    """Print a document as one line."""
    click.echo(written(document, indent=-1))


def show_list(rows: Iterable[Any], *, as_lines: bool) -> None:
    """Print a list that is there: with `as_lines` a line for each item."""
    with Listing(as_lines=as_lines) as listing:
        for row in rows:
            listing.add(row)


class Listing:
    """
    Prints a list whose items come one by one: with `--ndjson` a line each, with `--json` one list, as it grows.

        with Listing(as_lines=as_lines) as listing:
            async for info in inspector.tasks(...):
                listing.add(document(info))

    What cannot be printed whole, since the store went away, is no document of JSON: it lacks its end.
    """

    def __init__(self, *, as_lines: bool) -> None:
        self._as_lines = as_lines
        self.count: int = 0

    def __enter__(self) -> Self:
        return self

    def add(self, item: Any) -> None:
        self.count += 1
        if self._as_lines:
            show_line(item)
            return
        text = written(item)
        click.echo(("[\n" if self.count == 1 else ",\n") + indent(text, "  "), nl=False)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if error is None and not self._as_lines:
            click.echo("\n]" if self.count else "[]")
