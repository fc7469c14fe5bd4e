"""The OpenAPI document of the API, made of the table of its operations."""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterable, Mapping
from functools import cache
from typing import Any

import msgspec
from starlette.responses import Response

from onebeat import __version__
from onebeat.web.api import problems
from onebeat.web.api.operation import PREFIX, Operation
from onebeat.web.api.problems import Problem

Schema = dict[str, Any]

OF_ALL = (400, 401, 403, 409, 422, 429, 503)
"""What any operation may be refused with."""

OF_BODIES = (408, 413, 415)
"""What operations with a body may be refused with besides."""

TEMPLATE = "#/components/schemas/{name}"

_ATTRIBUTE = re.compile(r"^    (\w+(?:, \w+)*): (.*?)(?=^    \w+(?:, \w+)*: |\Z)", re.MULTILINE | re.DOTALL)

INTRODUCTION = """\
What queues, tasks, schedules and servers do, and the steering of them, for scripts: the same models as the pages of
the console and the JSON of the command line, with the same rights.

Names and ids stand in the query or in the body, never in the path. Lists come in parts: `cursor` of an answer is given
to the next request. Instants are RFC 3339 in UTC; `_s` and `_ms` are seconds and milliseconds. Whoever reads may send
`If-None-Match` with the `ETag` of an answer, and is answered 304 while nothing has changed. An answer may be one that
somebody else was given some seconds ago; with `Cache-Control: no-cache` it is a second old at most.

Payloads are exact: `text` is the text as it stands in the store, `base64` stands for what is no text, and `json` of
`GET /task/payload` has every digit of every number. A payload that is sent as `json` is stored without its spaces, its
numbers digit by digit; what your own JSON library makes of large numbers is up to that.

Refusals are problem documents (RFC 9457): `detail` is a sentence, `code` is for programs and stays the same.
"""


def document(resources: Mapping[str, Iterable[Operation]], root: str, *, is_open: bool) -> Schema:
    """
    Make the document.

    Args:
        resources: The operations, by what they are about.

        root: Where the console is mounted.

        is_open: Whether it asks nobody who they are.
    """
    paths: Schema = {}
    for tag, operations in resources.items():
        for operation in operations:
            if operation.answer is Response:
                continue
            paths.setdefault(operation.path, {})[operation.method.lower()] = _operation(operation, tag)
    security: list[Schema] = [{"token": []}, {"session": []}]
    return {
        "openapi": "3.1.0",
        "jsonSchemaDialect": "https://json-schema.org/draft/2020-12/schema",
        "info": {
            "title": "Onebeat",
            "summary": "Queues, tasks, schedules and servers",
            "description": INTRODUCTION,
            "version": __version__,
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "servers": [{"url": f"{root}{PREFIX}"}],
        "security": [{}, *security] if is_open else security,
        "tags": [{"name": tag} for tag in resources],
        "paths": paths,
        "components": {
            "schemas": _schemas(tuple(one for some in resources.values() for one in some)),
            "responses": {str(status): _refusal(status) for status in _statuses()},
            "headers": {
                "ETag": {"description": "Names this answer, for `If-None-Match`.", "schema": {"type": "string"}},
                "Retry-After": {"description": "Seconds to wait.", "schema": {"type": "integer"}},
            },
            "securitySchemes": {
                "token": {"type": "http", "scheme": "bearer"},
                "session": {"type": "apiKey", "in": "cookie", "name": "onebeat_session"},
            },
        },
    }


def _statuses() -> list[int]:
    return sorted({kind.status for kind in problems.KINDS.values()} | {408})


def _operation(operation: Operation, tag: str) -> Schema:
    found: Schema = {
        "operationId": operation.name,
        "tags": [tag],
        "summary": operation.summary.rstrip("."),
        "description": f"{operation.text}\n\nNeeds the role {operation.role}.",
        "x-onebeat-action": operation.action,
        "x-onebeat-role": str(operation.role),
    }
    if parameters := list(_parameters(operation.query)):
        found["parameters"] = parameters
    if operation.body is not None:
        found["requestBody"] = {
            "required": True,
            "content": {"application/json": {"schema": schema_of(operation.body)}},
        }
    found["responses"] = _responses(operation)
    return found


def _responses(operation: Operation) -> Schema:
    success: Schema = {
        "description": "Created" if operation.status == 201 else "As asked",
        "content": {"application/json": {"schema": schema_of(operation.answer)}},
    }
    found: Schema = {str(operation.status): success}
    if operation.method == "GET":
        success["headers"] = {"ETag": {"$ref": "#/components/headers/ETag"}}
        found["304"] = {"description": "Nothing has changed since `If-None-Match`"}
    for status in refusals_of(operation):
        found[str(status)] = {"$ref": f"#/components/responses/{status}"}
    return found


def refusals_of(operation: Operation) -> list[int]:
    """Return the statuses that an operation may be refused with."""
    more = OF_BODIES if operation.body is not None else ()
    return sorted({*OF_ALL, *more, *operation.refusals})


def _refusal(status: int) -> Schema:
    found: Schema = {
        "description": problems.title_of(status),
        "content": {problems.CONTENT_TYPE: {"schema": {"$ref": TEMPLATE.format(name="Problem")}}},
    }
    if status in (429, 503):
        found["headers"] = {"Retry-After": {"$ref": "#/components/headers/Retry-After"}}
    return found


def _parameters(query: type[msgspec.Struct]) -> Iterable[Schema]:
    told = attributes(query)
    for field in fields(query):
        schema = plain(schema_of(field.type))
        found: Schema = {"name": field.encode_name, "in": "query", "required": field.required}
        if field.encode_name in told:
            found["description"] = told[field.encode_name]
        if not field.required and (default := _default(field)) not in (None, "", []):
            schema["default"] = default
        yield {**found, "schema": schema}


def fields(kind: type[msgspec.Struct]) -> tuple[msgspec.structs.FieldInfo, ...]:
    """Return the fields of a query or a body."""
    return msgspec.structs.fields(kind)


def _default(field: msgspec.structs.FieldInfo) -> Any:
    return None if field.default is msgspec.NODEFAULT else field.default


def plain(schema: Schema) -> Schema:
    """Leave null out: a parameter is there or not."""
    kinds = [kind for kind in schema.get("anyOf", []) if kind != {"type": "null"}]
    return dict(kinds[0]) if len(kinds) == 1 else dict(schema)


def schema_of(kind: Any) -> Schema:
    """Return the schema of a type, which may refer to components."""
    (schema,), _ = msgspec.json.schema_components([kind], ref_template=TEMPLATE)
    return dict(schema)


@cache
def _schemas(operations: tuple[Operation, ...]) -> Schema:
    kinds: list[Any] = [Problem]
    for operation in operations:
        kinds += [kind for kind in (operation.body, operation.answer) if kind not in (None, Response)]
    _, found = msgspec.json.schema_components(kinds, ref_template=TEMPLATE)
    told: dict[str, dict[str, str]] = {}
    for info in msgspec.inspect.multi_type_info(kinds):
        _note(info, told)
    return {name: _described(schema, told.get(name, {})) for name, schema in sorted(found.items())}


def _note(info: Any, told: dict[str, dict[str, str]]) -> None:
    """Note what docstrings say of fields, of a type and of all that is in it."""
    if isinstance(info, msgspec.inspect.StructType):
        if info.cls.__name__ in told:
            return
        told[info.cls.__name__] = attributes(info.cls)
    inner = [*getattr(info, "types", ()), *(field.type for field in getattr(info, "fields", ()))]
    for one in [*inner, getattr(info, "item_type", None), getattr(info, "value_type", None)]:
        if one is not None:
            _note(one, told)


def _described(schema: Schema, told: Mapping[str, str]) -> Schema:
    """Put what docstrings say of fields beside the fields."""
    text = schema.get("description", "")
    found = {**schema, "description": text.partition("\n\nAttributes:\n")[0]} if text else dict(schema)
    properties = {
        name: {**inner, "description": told[name]} if name in told else inner
        for name, inner in schema.get("properties", {}).items()
    }
    return {**found, "properties": properties} if properties else found


def attributes(kind: type) -> dict[str, str]:
    """Return what the docstrings of a type, and of those that it extends, say of its fields, by name."""
    found: dict[str, str] = {}
    for one in reversed(kind.__mro__):
        rest = inspect.cleandoc(one.__dict__.get("__doc__") or "").partition("\n\nAttributes:\n")[2]
        for said in _ATTRIBUTE.finditer(rest):
            found.update(dict.fromkeys(said[1].split(", "), " ".join(said[2].split())))
    return found
