"""Runs the command line in this process, and holds what it prints as JSON against its schema."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import cache
from typing import Any

from click.testing import CliRunner, Result
from jsonschema import Draft202012Validator

from onebeat.cli.commands import cli
from onebeat.cli.schema import schemas

_schemas = cache(schemas)


def run(*words: str, **options: Any) -> Result:
    """Run a command as `onebeat WORDS`; see `CliRunner.invoke` for the options, such as `env` and `input`."""
    return CliRunner().invoke(cli, words, **options)


def document(command: str, *words: str, status: int = 0) -> Any:
    """Run `onebeat COMMAND WORDS --json`, and return what it prints, which must be what its schema says."""
    shown = run(*command.split(), *words, "--json")
    assert status == shown.exit_code, shown.output
    found = json.loads(shown.stdout)
    check(command, found)
    return found


def lines(command: str, *words: str) -> list[Any]:
    """Run `onebeat COMMAND WORDS --ndjson`, and return each line, a document of its schema, or an item."""
    shown = run(*command.split(), *words, "--ndjson")
    assert 0 == shown.exit_code, shown.output
    found = [json.loads(line) for line in shown.stdout.splitlines()]
    for whole in [found] if _schemas()[command].get("type") == "array" else found:
        check(command, whole)
    return found


def check(command: str, found: Any) -> None:
    """Make sure that a document is what the schema of its command says, and has nothing that the schema lacks."""
    schema = _closed(_schemas()[command])
    problems: Sequence[Any] = sorted(Draft202012Validator(schema).iter_errors(found), key=str)
    assert [] == [f"{problem.json_path}: {problem.message}" for problem in problems]


def _closed(schema: Any) -> Any:
    """Let objects have no other properties than those that are named, so that nothing is printed unpromised."""
    if isinstance(schema, list):
        return [_closed(item) for item in schema]
    if not isinstance(schema, dict):
        return schema
    closed = {name: _closed(value) for name, value in schema.items()}
    if isinstance(schema.get("properties"), dict) and "type" in schema:
        closed.setdefault("additionalProperties", False)
    return closed
