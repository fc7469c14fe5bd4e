"""Payloads as they are given on the command line, and whether they fit what an application declares."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from onebeat.errors import PayloadError, shown

if TYPE_CHECKING:
    from onebeat.app.app import Onebeat
    from onebeat.app.declared import Declared
    from onebeat.task import Task

LIKE = "--payload '{\"user\":42}', --payload @file.json, or --payload - for standard input"


def read_payload(text: str) -> bytes:
    """Return the bytes that `--payload` stands for: itself, `@file`, or `-`, standard input."""
    if text == "-":
        return sys.stdin.buffer.read()
    if not text.startswith("@"):
        return text.encode()
    try:
        return Path(text[1:]).read_bytes()
    except OSError as error:
        raise click.UsageError(
            f"Payload file {text[1:]!r} cannot be read: {error.strerror}; write {LIKE}.", click.get_current_context()
        ) from None


def find_app(given: str | None) -> Onebeat[Any] | None:
    """Import the application that is named on the command line, or by the project."""
    from onebeat.cli.load import application

    if given is not None:
        return application(given)
    project = click.get_current_context().find_root().obj
    target = project.settings.get("app") if project is not None else None
    return application(target, str(project.folder)) if project is not None and target else None


def pairs(words: Sequence[str]) -> dict[str, str]:
    """Read NAME=VALUE words."""
    found: dict[str, str] = {}
    for word in words:
        name, equals, value = word.partition("=")
        if not equals or not name:
            raise click.UsageError(
                f"{shown(word)} is no argument: write NAME=VALUE, or {LIKE}.", click.get_current_context()
            )
        if name in found:
            raise click.UsageError(f"Argument {shown(name)} is given twice.", click.get_current_context())
        found[name] = value
    return found


def raw(text: str) -> bytes:
    """Return the JSON that a value stands for: itself if it is some, digit by digit, else a text."""
    import msgspec

    from onebeat.codecs import escape_json

    if is_json(text):
        return escape_json(msgspec.json.format(text.encode(), indent=-1))
    return escape_json(msgspec.json.encode(text))


def with_field(data: bytes, path: Sequence[str], new: bytes) -> bytes:
    """
    Set a field in JSON, given as JSON; all that is not on the way to it stays byte for byte.

    Raises:
        LookupError: The path leads into what has no fields.
    """
    import msgspec

    if not path:
        return new
    step, rest = path[0], path[1:]
    begin = data.lstrip()[:1]
    if begin == b"{":
        fields = msgspec.json.decode(data, type=dict[str, msgspec.Raw])
        fields[step] = msgspec.Raw(with_field(bytes(fields.get(step, b"{}")), rest, new))
        return joined({name: bytes(value) for name, value in fields.items()})
    items = msgspec.json.decode(data, type=list[msgspec.Raw]) if begin == b"[" else []
    if not (step.isascii() and step.isdigit() and len(step) < 10 and int(step) < len(items)):
        raise LookupError(step)
    items[int(step)] = msgspec.Raw(with_field(bytes(items[int(step)]), rest, new))
    return b"[" + b",".join(map(bytes, items)) + b"]"


def joined(fields: Mapping[str, bytes]) -> bytes:
    """Make one JSON object of fields whose values are JSON."""
    import msgspec

    from onebeat.codecs import escape_json

    return (
        b"{" + b",".join(escape_json(msgspec.json.encode(name)) + b":" + value for name, value in fields.items()) + b"}"
    )


def bound(declared: Declared[..., Any, Any, Any], words: Mapping[str, str], payload: bytes | None) -> Task[Any]:
    """
    Make the task of what was given, as the declaration checks and encodes it.

    Raises:
        PayloadError: An argument is unknown, missing, or not of its parameter's type; the message names both.
    """
    if payload is not None:
        args, kwargs = declared.arguments(payload)
        return declared.bind(*args, **kwargs)
    known = declared.parameters
    if words and not known:
        raise PayloadError(f"task {declared.type} takes its whole payload, no arguments by name: write {LIKE}")
    unknown = [name for name in words if name not in known]
    if unknown:
        raise PayloadError(
            f"task {declared.type} takes no argument {shown(unknown[0])}: it takes {', '.join(known) or 'none'}"
        )
    values = {name: _value(declared.type, name, text, known[name]) for name, text in words.items()}
    try:
        return declared.bind(**values)
    except TypeError as error:
        told = ", ".join(f"{name}: {named(kind)}" for name, kind in known.items())
        raise PayloadError(f"{error}; it takes ({told})") from None


def _value(task: str, name: str, text: str, kind: Any) -> Any:
    """Read a word as its parameter's type: a number, a date, a text as it stands; what has an inside, as JSON."""
    import msgspec

    from onebeat.codecs.hooks import from_plain

    try:
        return msgspec.convert(text, kind, strict=False, dec_hook=from_plain)
    except (msgspec.ValidationError, ValueError, TypeError) as error:
        try:
            return msgspec.json.decode(text, type=kind, dec_hook=from_plain)
        except (msgspec.DecodeError, ValueError, TypeError) as second:
            told = second if is_json(text) else error
            raise PayloadError(
                f"task {task}: argument {name} is {shown(text)}, and its parameter is {name}: {named(kind)}: {told}"
            ) from None


def is_json(text: str) -> bool:
    """Whether a text is JSON."""
    try:
        json.loads(text, parse_int=str, parse_float=str, parse_constant=_refuse)
    except (ValueError, RecursionError):
        return False
    return True


def _refuse(word: str) -> None:
    raise ValueError(word)


def named(kind: Any) -> str:
    """Write a type as code does."""
    return (
        kind.__name__ if isinstance(kind, type) and not hasattr(kind, "__args__") else str(kind).replace("typing.", "")
    )
