"""The API's own description: the OpenAPI document, and the same as a page."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from starlette.responses import Response

from onebeat.web import links
from onebeat.web.api import openapi, problems
from onebeat.web.api.asking import Asked
from onebeat.web.api.operation import PREFIX, Operation
from onebeat.web.page import render


@dataclass(frozen=True, slots=True)
class Field:
    """A parameter, or a field of a body, as the page shows it."""

    name: str
    kind: str
    is_required: bool
    text: str


@dataclass(frozen=True, slots=True)
class Entry:
    """An operation as the page shows it."""

    operation: Operation
    text: str
    fields: list[Field]
    answer: str
    refusals: list[int]
    example: str


async def get_openapi(asked: Asked) -> dict[str, Any]:
    """Read the OpenAPI document that describes this API."""
    root = links.root(asked.request)
    return openapi.document(asked.resources, root, is_open=asked.is_open)


async def show_api(asked: Asked) -> Response:
    """Show what this API can be asked for, as a page."""
    root = links.url(asked.request, PREFIX)
    entries = {
        tag: [entry(operation, root) for operation in some if operation.answer is not Response]
        for tag, some in asked.resources.items()
    }
    return render(
        asked.request, "api.html", place="", polls=False, resources=entries, kinds=problems.KINDS, root=root,
        introduction=openapi.INTRODUCTION.strip().split("\n\n"),
    )  # fmt: skip


def entry(operation: Operation, root: str) -> Entry:
    """
    Say of an operation what the page shows.

    Args:
        root: Where the API is.
    """
    kind = operation.body or operation.query
    return Entry(
        operation=operation,
        text=operation.text,
        fields=openapi_fields(kind),
        answer=type_name(openapi.schema_of(operation.answer)),
        refusals=openapi.refusals_of(operation),
        example=example(operation, root),
    )


def openapi_fields(kind: type[Any]) -> list[Field]:
    """List the fields of a body or a query, with what its docstring says of them."""
    told = openapi.attributes(kind)
    return [
        Field(
            field.encode_name,
            type_name(openapi.plain(openapi.schema_of(field.type))),
            field.required,
            told.get(field.encode_name, ""),
        )
        for field in openapi.fields(kind)
    ]


def type_name(schema: dict[str, Any]) -> str:
    """Name the type of a schema in a few words."""
    if "$ref" in schema:
        return str(schema["$ref"]).rpartition("/")[2]
    if "anyOf" in schema:
        return " or ".join(type_name(one) for one in schema["anyOf"])
    if "enum" in schema:
        return " | ".join(map(str, schema["enum"]))
    kind = str(schema.get("format", schema.get("type", "any JSON")))
    if kind == "array":
        return f"list of {type_name(schema.get('items', {}))}"
    low, high = schema.get("minimum"), schema.get("maximum")
    return f"{kind} {low}…{high}" if low is not None and high is not None and kind == "integer" else kind


def example(operation: Operation, root: str) -> str:
    """Write how an operation is asked for with curl."""
    required = [field for field in openapi.fields(operation.body or operation.query) if field.required]
    if operation.body is None:
        words = "&".join(f"{field.encode_name}=…" for field in required)
        return f"curl -H \"Authorization: Bearer $TOKEN\" '{root}{operation.path}{'?' + words if words else ''}'"
    fields = ", ".join(f'"{field.encode_name}": "…"' for field in required)
    return f"curl --json '{{{fields}}}' -H \"Authorization: Bearer $TOKEN\" '{root}{operation.path}'"


OPERATIONS = (
    Operation("GET", "/openapi.json", get_openapi),
    Operation("GET", "/", show_api),
)
