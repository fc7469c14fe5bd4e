"""
Writes docs/reference/console-api.md of the table of the API's operations: `python docs/site/console_api.py`, or
`make console-api`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from starlette.responses import Response

from onebeat.web.api import openapi
from onebeat.web.api.description import openapi_fields, type_name
from onebeat.web.api.operation import PREFIX, Operation
from onebeat.web.api.problems import KINDS
from onebeat.web.api.table import RESOURCES

PAGE = Path(__file__).parents[1] / "reference" / "console-api.md"

ABOUT = f"""\
Below `{PREFIX}` of [`onebeat web`](command-line.md), or of wherever the console is mounted. The same as a page of the
console is at `{PREFIX}/`, and for programs, by OpenAPI 3.1, at `{PREFIX}/openapi.json`. How to use it is in [Script the
console](../how-to/script-the-console.md)."""

GENERAL = {
    "Who asks": "`Authorization: Bearer TOKEN`, or the session of a browser. A console without any `auth` asks nobody, "
    "but takes changes only with a token, whatever it is, or from its own pages: no browser adds one by itself.",
    "Rights": "Those of the pages: reading needs the role view, a change the role that stands beside it, on the queue "
    "that it is about. Queues that one may not look at are in no list, no sum and no search.",
    "Body": "A JSON object, as `application/json`; fields that are unknown are refused.",
    "Sizes": "64,000 bytes of a body; 16,000,000 of one that carries a payload.",
    "Rate": "50 requests a second of one user, 200 at once after a pause; then 429 with `Retry-After`. "
    "One that looks at many tasks counts as ten: `/tasks`, `/errors`, `/health` and previews.",
    "Time": "20 seconds; then 503. A search gives its cursor after three.",
    "Secrets": "Hidden as on the pages: `redacted` names fields in which something is.",
    "Long payloads": "Lists show 4,000 bytes of each, one task 1,000,000; `cut` names fields of which there is more. "
    "`GET /task/payload` has 4,000,000; a download from the task's page, all.",
    "Methods": "`HEAD` and `OPTIONS` besides; others are refused with 405 and `Allow`.",
    "Documents": "What the command line prints as well has the same fields, as `onebeat schema` describes them.",
}


def text() -> str:
    """Return the page."""
    parts = [
        "# API of the console\n",
        f"{_flat(ABOUT)}\n",
        f"{_flat(openapi.INTRODUCTION.strip())}\n",
        "## In general\n",
    ]
    parts += ["| | |\n|---|---|", *(f"| {name} | {_cell(told)} |" for name, told in GENERAL.items()), ""]
    for tag, operations in RESOURCES.items():
        parts += [f"## {tag}\n", *_entries(operations)]
    return "\n".join([*parts, *_problems(), *_documents()])


def _entries(operations: Iterable[Operation]) -> Iterator[str]:
    for operation in operations:
        if operation.answer is Response:
            continue
        yield f"### `{operation.method} {operation.path}`\n"
        yield f"{_flat(operation.text)}\n"
        role = f"Role {operation.role}." if operation.writes else ""
        answer = type_name(openapi.schema_of(operation.answer))
        more = [status for status in openapi.refusals_of(operation) if status not in openapi.OF_ALL]
        beside = f" Refuses with {', '.join(map(str, more))}, beside what all do." if more else ""
        yield f"{role} Answers {operation.status} with `{answer}`.{beside}\n".lstrip()
        fields = openapi_fields(operation.body or operation.query)
        if fields:
            yield f"| {'field' if operation.body else 'parameter'} | type | |\n|---|---|---|"
            for field in fields:
                must = ", required" if field.is_required else ""
                yield f"| `{field.name}` | {_cell(field.kind)}{must} | {_cell(field.text)} |"
            yield ""


def _flat(text: str) -> str:
    return "\n\n".join(" ".join(part.split()) for part in text.split("\n\n"))


def _cell(text: str) -> str:
    return text.replace("|", "\\|")


def _problems() -> Iterator[str]:
    statuses = ", ".join(map(str, openapi.OF_ALL))
    yield "## Refusals\n"
    yield f"All operations may refuse with {statuses}. `code` is one of these:\n"
    yield "| code | status | what to do |\n|---|---|---|"
    for code, kind in KINDS.items():
        yield f"| `{code}` | {kind.status} | {_cell(kind.remedy)} |"
    yield ""


def _documents() -> Iterator[str]:
    """Explain the documents that are answered, and what is in them."""
    found = openapi.document(RESOURCES, "", is_open=True)["components"]["schemas"]
    bodies = {one.body.__name__ for some in RESOURCES.values() for one in some if one.body is not None}
    yield "## Documents\n"
    for name, schema in found.items():
        if name in bodies or "properties" not in schema:
            continue
        yield f"### `{name}`\n"
        if "description" in schema:
            yield f"{_flat(schema['description'])}\n"
        yield "| field | type | |\n|---|---|---|"
        for field, inner in schema["properties"].items():
            kind = type_name({key: value for key, value in inner.items() if key != "description"})
            yield f"| `{field}` | {_cell(kind)} | {_cell(inner.get('description', ''))} |"
        yield ""


def main() -> None:
    """Write the page."""
    PAGE.write_text(text())
    print(PAGE)


if __name__ == "__main__":
    main()
