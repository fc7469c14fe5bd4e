"""The API's own description: the OpenAPI document, and the same as a page."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

from markupsafe import Markup
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
    """An operation as the page shows it; `link` asks for it, where nothing has to be named."""

    operation: Operation
    summary: Markup
    text: list[Markup]
    fields: list[Field]
    answer: str
    refusals: list[int]
    example: str
    link: str


async def get_openapi(asked: Asked) -> dict[str, Any]:
    """Read the OpenAPI document that describes this API."""
    root = links.root(asked.request)
    return openapi.document(asked.resources, root, is_open=asked.is_open)


async def show_api(asked: Asked) -> Response:
    """Show what this API can be asked for, as a page."""
    root = links.url(asked.request, PREFIX)
    here = asked.request.url
    site = f"{here.scheme}://{here.netloc}"
    entries = {
        tag: [entry(operation, root, site) for operation in some if operation.answer is not Response]
        for tag, some in asked.resources.items()
    }
    return render(
        asked.request,
        "api.html",
        place="",
        polls=False,
        resources=entries,
        kinds=[(code, replace(kind, remedy=coded(kind.remedy))) for code, kind in problems.KINDS.items()],
        root=root,
        introduction=[coded(part) for part in openapi.INTRODUCTION.strip().split("\n\n")],
    )


def entry(operation: Operation, root: str, site: str) -> Entry:
    """
    Say of an operation what the page shows.

    Args:
        root: Where the API is.

        site: On which site.
    """
    kind = operation.body or operation.query
    fields = openapi_fields(kind)
    is_plain = operation.method == "GET" and not any(field.is_required for field in fields)
    return Entry(
        operation=operation,
        summary=coded(operation.summary.rstrip(".")),
        text=[coded(part) for part in operation.text.split("\n\n")[1:]],
        fields=[replace(field, text=coded(field.text)) for field in fields],
        answer=type_name(openapi.schema_of(operation.answer)),
        refusals=openapi.refusals_of(operation),
        example=example(operation, f"{site}{root}"),
        link=f"{root}{operation.path}" if is_plain else "",
    )


def coded(text: str) -> Markup:
    """Return a text as markup in which what stands between backticks is code."""
    parts = text.split("`")
    return Markup("").join(Markup("<code>{}</code>").format(part) if i % 2 else part for i, part in enumerate(parts))


def openapi_fields(kind: type[Any]) -> list[Field]:
    """List the fields of a body or a query, those that must be given first, with what docstrings say of them."""
    told = openapi.attributes(kind)
    found = [
        Field(
            field.encode_name,
            type_name(openapi.plain(openapi.schema_of(field.type))),
            field.required,
            told.get(field.encode_name, ""),
        )
        for field in openapi.fields(kind)
    ]
    return sorted(found, key=lambda field: not field.is_required)


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
    return f"{kind} {low:,}…{high:,}" if low is not None and high is not None and kind == "integer" else kind


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
