"""
The JSON of the command line: each command that reads has one document, a type from which its schema is made.

A field, once there, stays: it is not renamed, and its type does not change (docs/reference/schemas).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import click
import msgspec

F = TypeVar("F", bound=Callable[..., Any])

DOCUMENTS: dict[str, Any] = {}
"""By command, such as "queue ls", the type of what it prints with `--json`."""


def json_option(command: str, document: Any) -> Callable[[F], F]:
    """
    Let a command take `--json`, as `as_json`, and note what it prints then.

    Args:
        command: Its words, such as "queue ls".

        document: A `msgspec.Struct`, or a list of one.
    """
    DOCUMENTS[command] = document
    return click.option("--json", "as_json", is_flag=True, help="Print JSON; its schema is in the reference.")


def show(document: Any) -> None:
    """Print a document: instants in UTC as RFC 3339 writes them."""
    click.echo(msgspec.json.format(msgspec.json.encode(document), indent=2).decode())


class Bytes(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """
    Bytes that are text as a rule.

    Attributes:
        text: The bytes as text; left out if they are none.

        base64: The bytes, if they are no text.
    """

    text: str | None = None
    base64: str | None = None

    @classmethod
    def of(cls, data: bytes) -> Bytes:
        try:
            return cls(text=data.decode())
        except UnicodeDecodeError:
            import base64

            return cls(base64=base64.b64encode(data).decode())
