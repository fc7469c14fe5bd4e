"""
Values that msgspec does not know by itself: pydantic models, and paths.

Nothing is imported for them: a model is known by its methods.
"""

from __future__ import annotations

import sys
import typing
from collections.abc import Callable, Iterator
from functools import lru_cache
from pathlib import PurePath
from typing import Any, cast

import msgspec
import msgspec.inspect

PYDANTIC = "__get_pydantic_core_schema__"
"""What marks a class that pydantic knows how to decode and encode."""


def to_plain(value: Any) -> Any:
    """Turn such a value into plain ones; msgspec's `enc_hook`."""
    if hasattr(type(value), "model_dump"):
        return value.model_dump(mode="json", by_alias=True, round_trip=True)
    if hasattr(type(value), PYDANTIC):
        return _adapter(cast("Any", type(value))).dump_python(value, mode="json")
    if isinstance(value, PurePath):
        return str(value)
    if isinstance(value, (tuple, list, dict, bytes, float, type(None))):  # known as values: it is a key
        raise TypeError(f"a key is {value!r}, and only str-like or number-like keys have one")
    raise TypeError(f"objects of type {type(value).__qualname__} have none")


def from_plain(wanted: Any, value: Any) -> Any:
    """Make such a value of plain ones; msgspec's `dec_hook`, which adds the place to a `ValueError`."""
    try:
        if isinstance(wanted, _Adapted):
            return wanted.adapter.validate_json(msgspec.json.encode(value))  # in which bytes are what they were there
        if hasattr(wanted, "model_validate"):
            return _validated(wanted.model_validate, wanted.model_validate_json, value)
    except ValueError as error:
        raise ValueError(_in_one_line(error)) from None
    if wanted is object:
        return value
    if issubclass(wanted, PurePath) and isinstance(value, str):
        return wanted(value)
    raise ValueError(f"{wanted.__qualname__} cannot be made of {type(value).__name__}")


def _validated(python: Callable[[Any], Any], json: Callable[[bytes], Any], value: Any) -> Any:
    """Have pydantic read plain values: where it is strict, as the JSON they came as, in which a date is a string."""
    try:
        return python(value)
    except ValueError as error:
        try:
            return json(msgspec.json.encode(value))
        except (ValueError, TypeError):
            raise error from None


def _in_one_line(error: ValueError) -> str:
    """Say what pydantic refused in one line, place and reason of each."""
    if not hasattr(error, "errors"):
        return str(error)
    items = getattr(error, "errors")()  # noqa: B009 - pydantic's, which is not imported here
    parts = [f"{'.'.join(str(step) for step in item['loc'])}: {item['msg']}" for item in items]
    return "; ".join(part.removeprefix(": ") for part in parts)


def fitting(hint: Any) -> Any:
    """
    Return what msgspec can decode for an annotation: itself, or a stand-in that pydantic decodes.

    Raises:
        TypeError: There is no way to decode it; the text says why.
    """
    secret = _secret_in(hint)
    if secret is not None:
        raise TypeError(
            f"{secret.__qualname__} writes stars in place of its value, which would be lost; take a str, or give its "
            "model a serializer"
        )
    try:
        msgspec.json.Decoder(hint, dec_hook=from_plain)
        unknown = [node.cls for node in _nodes(msgspec.inspect.type_info(hint)) if not _is_known(node.cls)]
    except TypeError as error:
        return _adapted(hint, error)
    if not unknown:
        return hint
    why = TypeError(
        f"{unknown[0].__qualname__} has no form on the wire; take a list, dict, dataclass, TypedDict, NamedTuple, "
        "msgspec.Struct, attrs class or pydantic model"
    )
    if all(hasattr(cls, PYDANTIC) for cls in unknown):
        return _adapted(hint, why)
    raise why


def _secret_in(hint: Any) -> type | None:
    """Find a class that hides its value when it is written, such as pydantic's SecretStr, also in models."""
    left: list[Any] = [hint]
    seen: set[type] = set()
    while left:
        item = left.pop()
        left.extend(typing.get_args(item))
        if not isinstance(item, type) or item in seen:
            continue
        seen.add(item)
        if hasattr(item, "get_secret_value"):
            return item
        decorators = getattr(item, "__pydantic_decorators__", None)
        if decorators is not None and not (decorators.field_serializers or decorators.model_serializers):
            left.extend(field.annotation for field in getattr(item, "model_fields", {}).values())
    return None


def _is_known(cls: type) -> bool:
    return cls is object or hasattr(cls, "model_validate") or issubclass(cls, PurePath)


class _Adapted(type):
    """Stands in for an annotation that pydantic decodes; whatever comes of that is an instance of it."""

    adapter: Any

    def __instancecheck__(cls, instance: object) -> bool:
        return True


def _adapted(hint: Any, why: TypeError) -> Any:
    """Leave an annotation to pydantic, where the program uses it: unions of several models, for example."""
    if "pydantic" not in sys.modules:
        remedy = "; import pydantic, or give each a tag: class A(msgspec.Struct, tag=True)"
        raise TypeError(f"{why}{remedy}") if "unions" in str(why) else why
    try:
        adapter = _adapter(hint)
    except Exception as error:
        raise TypeError(f"{why}; nor does pydantic know it: {str(error).splitlines()[0]}") from error
    return _Adapted("Adapted", (), {"adapter": adapter})


@lru_cache(maxsize=4096)
def _adapter(hint: Any) -> Any:
    pydantic = sys.modules["pydantic"]
    try:
        return pydantic.TypeAdapter(hint, config={"val_json_bytes": "base64", "ser_json_bytes": "base64"})
    except pydantic.PydanticUserError:  # a type with a configuration of its own
        return pydantic.TypeAdapter(hint)


def has_sets(hint: Any) -> bool:
    """Whether an annotation that can be decoded has a set in it."""
    sets = (msgspec.inspect.SetType, msgspec.inspect.FrozenSetType)
    return next(_nodes(msgspec.inspect.type_info(hint), sets), None) is not None


def _nodes(node: Any, kinds: Any = msgspec.inspect.CustomType) -> Iterator[Any]:
    """Find the nodes of a kind in whatever they are wrapped; usually the classes that msgspec leaves to its hooks."""
    left, seen = [node], set()
    while left:
        item = left.pop()
        if isinstance(item, kinds):
            yield item
        elif isinstance(item, (tuple, list)):
            left.extend(item)
        elif isinstance(item, msgspec.Struct):
            owner = getattr(item, "cls", None)
            if owner is None or owner not in seen:  # a class may contain itself
                seen.add(owner) if owner is not None else None
                left.extend(getattr(item, name) for name in item.__struct_fields__ if name != "cls")
