"""What a declared task takes, as fields to be filled: by their names on the wire, each with what it must be."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from math import isfinite
from pathlib import PurePath
from typing import Any, Literal

import msgspec
from msgspec import inspect

from onebeat.app.declared import Declared
from onebeat.codecs.hooks import to_plain
from onebeat.web.editing.leaves import MOST

WantedKind = Literal["string", "integer", "number", "boolean", "json"]

DEEPEST = 4
"""Levels of objects whose fields stand by themselves; what is deeper is written as JSON."""

_WRITTEN: Mapping[type[inspect.Type], tuple[WantedKind, str]] = {
    inspect.StrType: ("string", ""),
    inspect.IntType: ("integer", ""),
    inspect.FloatType: ("number", ""),
    inspect.BoolType: ("boolean", ""),
    inspect.DateTimeType: ("string", "2026-01-31T08:00:00Z"),
    inspect.DateType: ("string", "2026-01-31"),
    inspect.TimeType: ("string", "08:00:00"),
    inspect.TimeDeltaType: ("string", "PT90S"),
    inspect.UUIDType: ("string", "a UUID"),
    inspect.DecimalType: ("string", "19.90"),
    inspect.BytesType: ("string", "base64"),
    inspect.ListType: ("json", "[…]"),
    inspect.SetType: ("json", "[…]"),
    inspect.FrozenSetType: ("json", "[…]"),
    inspect.VarTupleType: ("json", "[…]"),
    inspect.TupleType: ("json", "[…]"),
    inspect.DictType: ("json", "{…}"),
}
"""How what is declared is written, and an example of it, where its kind does not say enough."""


@dataclass(frozen=True, slots=True)
class Wanted:
    """
    A field that a task takes.

    Attributes:
        path: The way to it.

        kind: What it must be.

        like: An example of it; "": its kind says enough.

        choices: All that it can be; none: whatever is of its kind.

        default: What it is if it is not given, as JSON; None: it must be given, or nobody knows.

        is_needed: It must be given.

        may_be_null: It can be null.
    """

    path: tuple[str, ...]
    kind: WantedKind
    like: str = ""
    choices: Sequence[str] = ()
    default: str | None = None
    is_needed: bool = False
    may_be_null: bool = False


@dataclass(frozen=True, slots=True)
class Shape:
    """
    What a task takes.

    Attributes:
        fields: Its fields.

        empty: The object that holds them, with none of them in it, as JSON.
    """

    fields: Sequence[Wanted]
    empty: bytes


def shape(declared: Declared[..., Any, Any, Any]) -> Shape | None:
    """Return what a task takes by field; None: its payload has no fields, or more than a form has."""
    empty: dict[str, Any] = {}
    try:
        inside = _inside(inspect.type_info(declared.takes))
    except TypeError:  # what only its own codec knows
        return None
    if inside is None:
        return None
    fields = list(_fields(inside, (), empty))
    return None if len(fields) > MOST else Shape(fields, msgspec.json.encode(empty))


@dataclass(frozen=True, slots=True)
class _Field:
    name: str
    type: inspect.Type
    is_needed: bool
    default: str | None


def _fields(inside: Sequence[_Field], path: tuple[str, ...], empty: dict[str, Any]) -> Iterator[Wanted]:
    for one in inside:
        here = (*path, one.name)
        inner = _inside(one.type) if one.is_needed and len(here) < DEEPEST else None
        if inner:
            empty[one.name] = {}
            yield from _fields(inner, here, empty[one.name])
        else:
            yield _wanted(one, here)


def _wanted(one: _Field, path: tuple[str, ...]) -> Wanted:
    node, may_be_null = _bare(one.type)
    choices: Sequence[str] = ()
    if isinstance(node, inspect.LiteralType | inspect.EnumType):
        values = [each.value for each in node.cls] if isinstance(node, inspect.EnumType) else list(node.values)
        kind, choices = _among(values)
        like = ""
    else:
        kind, like = _WRITTEN.get(type(node)) or _other(node, one.default)
    return Wanted(path, kind, like, choices, one.default, one.is_needed, may_be_null)


def _among(values: Sequence[Any]) -> tuple[WantedKind, Sequence[str]]:
    if all(isinstance(value, str) for value in values):
        return "string", values
    if all(isinstance(value, int) and not isinstance(value, bool) for value in values):
        return "integer", [str(value) for value in values]
    return "json", ()


def _other(node: inspect.Type, default: str | None) -> tuple[WantedKind, str]:
    cls = getattr(node, "cls", None)
    if isinstance(node, inspect.AnyType) and default is not None and default.startswith('"'):
        return "string", ""  # nothing is declared; but it is a text if it is not given
    if isinstance(cls, type) and issubclass(cls, PurePath):
        return "string", ""
    example = "[…]" if isinstance(node, inspect.NamedTupleType) or getattr(node, "array_like", False) else "{…}"
    return "json", "" if cls is None else f"{example}, {cls.__name__}"


def _bare(node: inspect.Type) -> tuple[inspect.Type, bool]:
    """Return what a type is without its remarks and without null, and whether it can be null."""
    while isinstance(node, inspect.Metadata):
        node = node.type
    if not isinstance(node, inspect.UnionType):
        return node, isinstance(node, inspect.NoneType)
    others = [one for one in node.types if not isinstance(one, inspect.NoneType)]
    may_be_null = len(others) < len(node.types)
    return (_bare(others[0])[0] if len(others) == 1 else node), may_be_null


def _inside(node: inspect.Type) -> list[_Field] | None:
    """Return the fields of what is an object with names; None: it is none, or more than its fields."""
    node, may_be_null = _bare(node)
    if may_be_null:
        return None
    if isinstance(node, inspect.StructType):
        if node.array_like or node.tag is not None:
            return None
        return [_field(one) for one in node.fields]
    if isinstance(node, inspect.DataclassType | inspect.TypedDictType):
        return [_field(one) for one in node.fields]
    model = getattr(getattr(node, "cls", None), "model_fields", None) if isinstance(node, inspect.CustomType) else None
    return None if model is None else _of_model(model)


def _field(one: inspect.Field) -> _Field:
    return _Field(one.encode_name, one.type, one.required, _default(one.default, one.default_factory))


def _of_model(model: Mapping[str, Any]) -> list[_Field] | None:
    """Return the fields of a model of pydantic."""
    found = []
    for name, one in model.items():
        try:
            known = inspect.type_info(one.annotation)
        except TypeError:
            known = inspect.AnyType()
        default = msgspec.NODEFAULT if one.is_required() else one.default
        factory = one.default_factory or msgspec.NODEFAULT
        alias = one.validation_alias if isinstance(one.validation_alias, str) else one.alias
        found.append(_Field(alias or name, known, one.is_required(), _default(default, factory)))
    return found


def _default(value: Any, factory: Any) -> str | None:
    """Write a default as JSON; one that is made anew each time is told only where it is empty."""
    if factory is not msgspec.NODEFAULT:
        value = factory() if factory in (list, dict, set, frozenset, tuple) else msgspec.NODEFAULT
    if value is msgspec.NODEFAULT or (isinstance(value, float) and not isfinite(value)):
        return None
    try:
        return msgspec.json.encode(value.value if isinstance(value, Enum) else value, enc_hook=to_plain).decode()
    except (TypeError, ValueError):
        return None
