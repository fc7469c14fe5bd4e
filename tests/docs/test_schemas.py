"""The JSON Schemas of the command line: those that are promised are those that are kept."""

from __future__ import annotations

import importlib.util
from copy import deepcopy
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from onebeat.cli.schema import schemas
from tests.docs.pages import ROOT


def _load() -> ModuleType:
    spec = importlib.util.spec_from_file_location("schemas", ROOT / "docs" / "site" / "schemas.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


TOOL = _load()


def test_the_committed_schemas_are_those_of_the_documents() -> None:
    """Else `make schemas` writes them, and the change is looked at."""
    expected = {TOOL.file_of(command).name: TOOL.text_of(schema) for command, schema in schemas().items()}
    assert expected == {file.name: file.read_text() for file in TOOL.FOLDER.glob("*.json")}


@pytest.mark.parametrize("command", schemas())
def test_a_schema_is_one(command: str) -> None:
    """By the dialect that it names."""
    Draft202012Validator.check_schema(schemas()[command])


def test_documents_break_nothing_that_was_promised() -> None:
    """As the committed files have it."""
    assert [] == list(TOOL.broken(TOOL.committed(), schemas()))


BEFORE: dict[str, Any] = {
    "type": "array",
    "items": {"$ref": "#/$defs/Row"},
    "$defs": {
        "Row": {
            "type": "object",
            "properties": {
                "name": {"type": "string"},
                "count": {"type": "integer"},
                "since": {"anyOf": [{"type": "string", "format": "date-time"}, {"type": "null"}]},
                "state": {"enum": ["a", "b"]},
                "inner": {"anyOf": [{"$ref": "#/$defs/Inner"}, {"type": "null"}]},
                "more": {"type": "object", "additionalProperties": {"type": "integer"}},
            },
            "required": ["name", "count", "since", "state", "more"],
        },
        "Inner": {"type": "object", "properties": {"deep": {"type": "boolean"}}, "required": ["deep"]},
    },
}


def changed(**fields: Any) -> dict[str, Any]:
    """Return `BEFORE` with some fields of a row changed; those that are None are gone."""
    after = deepcopy(BEFORE)
    row = after["$defs"]["Row"]
    for name, schema in fields.items():
        if schema is None:
            del row["properties"][name]
            row["required"] = [other for other in row["required"] if other != name]
        else:
            row["properties"][name] = schema
    return after


def problems(after: dict[str, Any]) -> list[str]:
    return list(TOOL.broken({"x ls": BEFORE}, {"x ls": after}))


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"name": None}, "x ls: $[].name is gone"),
        ({"name": None, "title": {"type": "string"}}, "x ls: $[].name is gone"),
        ({"count": {"type": "string"}}, "x ls: $[].count may be string, which it never was: integer"),
        ({"count": {"type": "number"}}, "x ls: $[].count may be number, which it never was: integer"),
        (
            {"count": {"anyOf": [{"type": "integer"}, {"type": "null"}]}},
            "x ls: $[].count may be null, which it never was: integer",
        ),
        ({"since": {"type": "string"}}, "x ls: $[].since has the format None, and had date-time"),
        ({"state": {"enum": ["a", "b", "c"]}}, "x ls: $[].state may be c, which it never was"),
        ({"state": {"type": "string"}}, "x ls: $[].state may be anything, which it never was"),
        ({"more": {"type": "object", "additionalProperties": {"type": "string"}}}, "x ls: $[].more.* may be string"),
        ({"more": {"type": "object"}}, "x ls: $[].more.* may be array/boolean"),
        ({"inner": {"type": "string"}}, "x ls: $[].inner may be string, which it never was: object, null"),
    ],
)
def test_what_breaks_scripts_is_refused(fields: dict[str, Any], problem: str) -> None:
    """A field that is gone, is called otherwise, or may be what it never was."""
    [found] = problems(changed(**fields))
    assert found.startswith(problem)


def test_what_may_be_missing_all_at_once_is_refused() -> None:
    """A field that was always there."""
    after = deepcopy(BEFORE)
    after["$defs"]["Row"]["required"].remove("count")
    assert ["x ls: $[].count may be missing, and never was"] == problems(after)


def test_what_changes_deeper_is_refused() -> None:
    """In a document within a document."""
    after = deepcopy(BEFORE)
    after["$defs"]["Inner"]["properties"] = {"other": {"type": "boolean"}}
    assert ["x ls: $[].inner.deep is gone"] == problems(after)


def test_a_command_that_is_gone_is_refused() -> None:
    """All of its fields are."""
    assert ["x ls: it is gone"] == list(TOOL.broken({"x ls": BEFORE}, {}))


def test_a_list_that_is_none_any_more_is_refused() -> None:
    """The outermost type counts, too."""
    [found] = problems({"type": "object", "properties": {}})
    assert found.startswith("x ls: $ may be object")


@pytest.mark.parametrize(
    "fields",
    [
        {},
        {"more_of_it": {"type": "string"}},
        {"since": {"type": "null"}},
        {"state": {"enum": ["a"]}},
        {"inner": {"$ref": "#/$defs/Inner"}},
    ],
)
def test_what_breaks_nothing_is_allowed(fields: dict[str, Any]) -> None:
    """A new field; less than was promised to be possible; and a type by another name."""
    assert [] == problems(changed(**fields))


def test_a_refusal_writes_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And says what is wrong."""
    monkeypatch.setattr(TOOL, "FOLDER", tmp_path)
    promised = deepcopy(schemas()["queue ls"])
    promised["$defs"]["QueueCounts"]["properties"]["gone"] = {"type": "string"}
    file = TOOL.file_of("queue ls")
    file.write_text(TOOL.text_of(promised))
    with pytest.raises(SystemExit, match=r"schemas: queue ls: \$\[\]\.gone is gone"):
        TOOL.main()
    assert ([file], TOOL.text_of(promised)) == (list(tmp_path.iterdir()), file.read_text())


def test_schemas_are_written_where_none_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """One for each command that reads."""
    monkeypatch.setattr(TOOL, "FOLDER", tmp_path / "schemas")
    TOOL.main()
    assert schemas() == TOOL.committed()
    assert f"{len(schemas())} schemas" in capsys.readouterr().out
