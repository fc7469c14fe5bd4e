"""What a declaration asks for, as fields: names on the wire, kinds, defaults, and what has no fields."""

from __future__ import annotations

import datetime as dt
import decimal
import enum
import pathlib
import uuid
from dataclasses import dataclass, field
from typing import Any, Literal, NamedTuple, TypedDict

import msgspec
import pytest
from pydantic import BaseModel, Field

from onebeat import Onebeat
from onebeat.app.declared import Declared
from onebeat.web.editing.declarations import DEEPEST, Wanted, shape

app = Onebeat("shop")


class Colour(enum.Enum):
    """Of walls."""

    RED = "red"
    BLUE = "blue"


@dataclass
class Address:
    """Where to."""

    city: str
    lines: list[str] = field(default_factory=list)


class Order(BaseModel):
    """What pydantic knows."""

    id: int = Field(alias="orderId")
    email: str = "a@b.c"
    note: str = Field("", validation_alias="comment")


class Point(NamedTuple):
    """What is written as a list."""

    x: int
    y: int


class Tree(msgspec.Struct):
    """What holds itself."""

    name: str
    left: Tree


class Tagged(msgspec.Struct, tag="x"):
    """What says what it is."""

    name: str


class Row(TypedDict):
    """A mapping of known names."""

    n: int


def fields(declared: Declared[..., Any, Any, Any]) -> dict[str, Wanted]:
    found = shape(declared)
    assert found is not None
    return {".".join(one.path): one for one in found.fields}


@app.task("paint")
async def paint(
    n: int, ratio: float, on: bool, at: dt.datetime, id: uuid.UUID, price: decimal.Decimal, raw: bytes, colour: Colour,
    size: Literal[1, 2], mixed: Literal[1, "a"], names: set[str], some: int | str, anything: Any,
    point: Point, path: pathlib.Path, said: Any = "x", far: float = float("inf"), maybe: dt.date | None = None,
    default: str = "x", more: dict[str, int] = {},  # noqa: B006 - as users write it
) -> None:  # fmt: skip
    """Take one of each."""


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("n", Wanted(("n",), "integer", is_needed=True)),
        ("ratio", Wanted(("ratio",), "number", is_needed=True)),
        ("on", Wanted(("on",), "boolean", is_needed=True)),
        ("at", Wanted(("at",), "string", "2026-01-31T08:00:00Z", is_needed=True)),
        ("id", Wanted(("id",), "string", "a UUID", is_needed=True)),
        ("price", Wanted(("price",), "string", "19.90", is_needed=True)),
        ("raw", Wanted(("raw",), "string", "base64", is_needed=True)),
        ("colour", Wanted(("colour",), "string", choices=["red", "blue"], is_needed=True)),
        ("size", Wanted(("size",), "integer", choices=["1", "2"], is_needed=True)),
        ("mixed", Wanted(("mixed",), "json", is_needed=True)),
        ("names", Wanted(("names",), "json", "[…]", is_needed=True)),
        ("some", Wanted(("some",), "json", is_needed=True)),
        ("anything", Wanted(("anything",), "json", is_needed=True)),
        ("point", Wanted(("point",), "json", "[…], Point", is_needed=True)),
        ("path", Wanted(("path",), "string", is_needed=True)),
        ("said", Wanted(("said",), "string", default='"x"')),
        ("far", Wanted(("far",), "number")),
        ("maybe", Wanted(("maybe",), "string", "2026-01-31", default="null", may_be_null=True)),
        ("default", Wanted(("default",), "string", default='"x"')),
        ("more", Wanted(("more",), "json", "{…}", default="{}")),
    ],
)
def test_each_parameter_is_a_field(name: str, expected: Wanted) -> None:
    """Of the kind that JSON has for it."""
    assert expected == fields(paint)[name]


def test_what_is_needed_and_has_names_is_asked_for_by_field() -> None:
    """Dataclasses, models, mappings of known names; what can be left out is one field."""

    @app.task("nested")
    async def nested(to: Address, order: Order, row: Row, other: Address | None = None) -> None: ...

    assert ["to.city", "to.lines", "order.orderId", "order.email", "order.comment", "row.n", "other"] == list(
        fields(nested)
    )
    found = shape(nested)
    assert found is not None
    assert {"to": {}, "order": {}, "row": {}} == msgspec.json.decode(found.empty)


def test_names_are_those_on_the_wire() -> None:
    """As another program reads them."""

    @app.remote("far", rename="camel")
    async def far(user_id: int) -> None: ...

    assert ["userId"] == list(fields(far))


def test_an_object_as_the_whole_payload_has_its_fields() -> None:
    """As if they were parameters."""

    @app.task("whole-order")
    async def whole(order: Order, /) -> None: ...

    assert ["orderId", "email", "comment"] == list(fields(whole))


def test_what_holds_itself_ends_somewhere() -> None:
    """The rest is written as JSON."""

    @app.task("grow")
    async def grow(tree: Tree, /) -> None: ...

    assert DEEPEST == max(len(one.path) for one in fields(grow).values())
    assert "json" == fields(grow)["left.left.left.left"].kind


def test_what_says_what_it_is_is_written_as_json() -> None:
    """Its tag would be missing among its fields."""

    @app.task("tagged")
    async def tagged(one: Tagged) -> None: ...

    assert Wanted(("one",), "json", "{…}, Tagged", is_needed=True) == fields(tagged)["one"]


def test_what_has_no_names_has_no_fields() -> None:
    """It is typed as a text."""

    @app.task("list")
    async def numbers(payload: list[int], /) -> None: ...

    @app.task("bytes")
    async def raw(payload: bytes, /) -> None: ...

    assert [None, None] == [shape(numbers), shape(raw)]


def test_what_has_too_many_fields_for_a_form_has_none() -> None:
    """It is typed as a text."""
    large = msgspec.defstruct("Large", [(f"f{n}", int) for n in range(201)])

    async def take(one: Any, /) -> None: ...

    take.__annotations__["one"] = large
    assert shape(app.task("large")(take)) is None
