"""
Writes the JSON Schemas of the command line: `python docs/site/schemas.py`, or `make schemas`.

Each command that reads has one in docs/reference/schemas. It refuses to write one that breaks those that are there:
scripts were written against them. Fields may come; none goes, changes its type, or becomes null that never was.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from onebeat.cli.schema import schemas

FOLDER = Path(__file__).parents[1] / "reference" / "schemas"

Schema = dict[str, Any]

ANY: tuple[str, ...] = ("array", "boolean", "integer", "null", "number", "object", "string")


def file_of(command: str) -> Path:
    """Return where the schema of a command is kept."""
    return FOLDER / f"{command.replace(' ', '-')}.json"


def text_of(schema: Schema) -> str:
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


def committed() -> dict[str, Schema]:
    """Return the schemas that are there, by the command's words, as their titles have them."""
    found = [json.loads(file.read_text()) for file in sorted(FOLDER.glob("*.json"))]
    return {schema["title"].removeprefix("onebeat ").removesuffix(" --json"): schema for schema in found}


def broken(before: dict[str, Schema], now: dict[str, Schema]) -> Iterator[str]:
    """Yield what scripts that were written against the schemas before would stumble over now."""
    for command, schema in before.items():
        if command not in now:
            yield f"{command}: it is gone"
        else:
            yield from (f"{command}: {problem}" for problem in compare(schema, now[command], schema, now[command]))


def compare(old: Schema, new: Schema, olds: Schema, news: Schema, where: str = "$", depth: int = 0) -> Iterator[str]:
    """
    Yield how what `new` allows differs from what `old` promised.

    Args:
        olds, news: The documents that they are of, in which references are looked up.

        where: The path to them.
    """
    if depth > 20:  # a type within itself: its fields were compared further out
        return
    were, are = list(branches(old, olds)), list(branches(new, news))
    for branch in are:
        alike = [other for other in were if kinds(branch) <= kinds(other)]
        if not alike:
            yield f"{where} may be {_told(branch)}, which it never was: {', '.join(map(_told, were))}"
            continue
        problems = [list(_within(other, branch, olds, news, where, depth)) for other in alike]
        yield from min(problems, key=len)


def branches(schema: Schema, root: Schema) -> Iterator[Schema]:
    """Yield the alternatives of a schema, references looked up."""
    if "$ref" in schema:
        yield from branches(root["$defs"][schema["$ref"].rpartition("/")[2]], root)
    elif "anyOf" in schema:
        for part in schema["anyOf"]:
            yield from branches(part, root)
    else:
        types = schema.get("type")
        for kind in types if isinstance(types, list) else [types]:
            yield {**schema, "type": kind}


def kinds(schema: Schema) -> set[str]:
    """Return the JSON types of one alternative."""
    if schema.get("type") is not None:
        return {schema["type"]}
    values = schema.get("enum")
    if values is None:
        return set(ANY)
    return {"null" if value is None else "string" if isinstance(value, str) else "integer" for value in values}


def _within(old: Schema, new: Schema, olds: Schema, news: Schema, where: str, depth: int) -> Iterator[str]:
    if old.get("format") != new.get("format"):
        yield f"{where} has the format {new.get('format')}, and had {old.get('format')}"
    if "enum" in old and (more := [value for value in new.get("enum", ["anything"]) if value not in old["enum"]]):
        yield f"{where} may be {', '.join(map(str, more))}, which it never was"
    yield from _fields(old, new, olds, news, where, depth)
    for name, at in (("items", f"{where}[]"), ("additionalProperties", f"{where}.*")):
        if isinstance(old.get(name), dict):
            inner = new.get(name)
            yield from compare(old[name], inner if isinstance(inner, dict) else {}, olds, news, at, depth + 1)


def _fields(old: Schema, new: Schema, olds: Schema, news: Schema, where: str, depth: int) -> Iterator[str]:
    fields = new.get("properties", {})
    for name, field in old.get("properties", {}).items():
        if name not in fields:
            yield f"{where}.{name} is gone"
        else:
            yield from compare(field, fields[name], olds, news, f"{where}.{name}", depth + 1)
    for name in old.get("required", []):
        if name in fields and name not in new.get("required", []):
            yield f"{where}.{name} may be missing, and never was"


def _told(schema: Schema) -> str:
    return "/".join(sorted(kinds(schema)))


def main() -> None:
    """Compare, then write."""
    now = schemas()
    if problems := list(broken(committed(), now)):
        sys.exit("\n".join(f"schemas: {problem}" for problem in problems) + "\nschemas: nothing was written")
    FOLDER.mkdir(exist_ok=True)
    for command, schema in now.items():
        file_of(command).write_text(text_of(schema))
    print(f"{len(now)} schemas: {FOLDER}")


if __name__ == "__main__":
    main()
