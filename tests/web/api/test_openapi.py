"""The OpenAPI document says what the API is: by the standard, and of every operation."""

from __future__ import annotations

from typing import Any

import pytest
from jsonschema import Draft202012Validator
from schemathesis.specs.openapi.definitions import OPENAPI_31_VALIDATOR

from onebeat.web.api import openapi
from onebeat.web.api.operation import PREFIX, Operation
from onebeat.web.api.table import OPERATIONS, RESOURCES
from onebeat.web.security.roles import ACTIONS
from tests.docs.test_schemas import TOOL
from tests.web.api.conftest import DOCUMENT, Api

DESCRIBED = [one for one in OPERATIONS if one.path != "/"]


def name(operation: Operation) -> str:
    return operation.name


async def test_it_is_answered_by_the_api(api: Api) -> None:
    """With the place where it is mounted."""
    found = await api.get("/openapi.json")
    assert [{"url": PREFIX}] == found["servers"]


@pytest.mark.slow
def test_it_is_valid() -> None:
    """By the schema of OpenAPI 3.1, and each component by that of JSON Schema."""
    OPENAPI_31_VALIDATOR.validate(DOCUMENT)
    for schema in DOCUMENT["components"]["schemas"].values():
        Draft202012Validator.check_schema(schema)


def references(value: object) -> set[str]:
    """Return all that something refers to."""
    if isinstance(value, dict):
        own = {value["$ref"]} if isinstance(value.get("$ref"), str) else set()
        return own.union(*map(references, value.values()))
    return set().union(*map(references, value)) if isinstance(value, list) else set()


def test_all_that_it_refers_to_is_in_it() -> None:
    """And nothing is in it that nobody refers to, but for all statuses."""
    for reference in references(DOCUMENT):
        found: Any = DOCUMENT
        for part in reference.removeprefix("#/").split("/"):
            found = found[part]
    used = {reference.rpartition("/")[2] for reference in references(DOCUMENT) if "/schemas/" in reference}
    assert set(DOCUMENT["components"]["schemas"]) == used


@pytest.mark.parametrize("operation", DESCRIBED, ids=name)
def test_every_operation_is_described(operation: Operation) -> None:
    """With what it does, what it needs, and each parameter and field in words."""
    found = DOCUMENT["paths"][operation.path][operation.method.lower()]
    assert (operation.name, str(operation.role)) == (found["operationId"], found["x-onebeat-role"])
    assert found["summary"]
    silent = [one["name"] for one in found.get("parameters", []) if not one.get("description")]
    if operation.body is not None:
        fields = DOCUMENT["components"]["schemas"][operation.body.__name__]["properties"]
        silent += [field for field, schema in fields.items() if not schema.get("description")]
    assert [] == silent


@pytest.mark.parametrize("operation", OPERATIONS, ids=name)
def test_every_change_is_an_action_that_roles_know(operation: Operation) -> None:
    """What is posted writes, and needs a role; what is got only reads."""
    assert operation.writes == (operation.method == "POST")
    assert operation.action == "view" or operation.action in ACTIONS


def test_names_and_places_are_told_apart() -> None:
    """No two operations have the same name, or the same method and path."""
    assert (
        len(OPERATIONS) == len({one.name for one in OPERATIONS}) == len({(one.method, one.path) for one in OPERATIONS})
    )


def test_documents_are_those_of_the_command_line() -> None:
    """Field by field: what `--json` prints can be read of the API by the same code."""
    here = DOCUMENT["components"]["schemas"]
    for command, schema in TOOL.committed().items():
        for kind, theirs in schema.get("$defs", {}).items():
            if kind in here and command != "health" and kind != "TaskRow":
                assert theirs["properties"].keys() == here[kind]["properties"].keys(), (command, kind)
    row = TOOL.committed()["task ls"]["$defs"]["TaskRow"]["properties"]
    assert row.keys() <= here["TaskItem"]["properties"].keys()


def test_a_console_that_asks_who_one_is_says_so() -> None:
    """One that asks nobody may be asked without a token."""
    closed = openapi.document(RESOURCES, "/tasks", is_open=False)
    assert [{"token": []}, {"session": []}] == closed["security"]
    assert {} in DOCUMENT["security"]
    assert "/tasks/api/v1" == closed["servers"][0]["url"]


async def test_the_page_lists_every_operation(api: Api) -> None:
    """With how to ask, and every refusal by the anchor that problems name."""
    page = (await api.http.get(f"{PREFIX}/")).text
    for operation in DESCRIBED:
        assert f'id="{operation.name}"' in page
    assert 'id="queue-not-found"' in page
    assert "style=" not in page
    assert "<script>" not in page
