"""A payload as a filter looks into it: JSON and MessagePack with exact numbers, and nothing else, whatever it says."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from decimal import Decimal
from functools import cached_property
from typing import Any, Final

import msgspec

from onebeat import codecs
from onebeat.task import TaskInfo

UNREADABLE: Final = object()
"""In place of a value: the payload is neither JSON nor MessagePack, or its bytes are not what it says."""

_MISSING: Final = object()
_WRONG = (ValueError, TypeError, ArithmeticError, RecursionError, MemoryError, msgspec.MsgspecError)


def _none(word: str) -> Any:
    raise ValueError(word)


_decoder = json.JSONDecoder(parse_int=Decimal, parse_float=Decimal, parse_constant=_none)


class Payload:
    """
    The payload of a task, decoded when it is first looked into.

    A task without a payload, and one whose bytes are no message, has nothing to look into.
    """

    def __init__(self, info: TaskInfo) -> None:
        self._info = info

    @cached_property
    def _value(self) -> Any:
        info = self._info
        name = codecs.name_of(info.headers)
        if not info.type or not info.payload or name not in (codecs.JSON.name, codecs.MSGPACK.name):
            return UNREADABLE
        try:
            if name == codecs.JSON.name:
                return _decoder.decode(info.payload.decode())
            return msgspec.msgpack.decode(info.payload)
        except _WRONG:
            return UNREADABLE

    def at(self, path: Sequence[str]) -> object:
        """Return the value at a path, alone in a tuple; None where there is none; or `UNREADABLE`."""
        value = self._value
        for step in path:
            if value is UNREADABLE:
                return value
            value = _inside(value, step)
            if value is _MISSING:
                return None
        return (_plain(value),)

    @staticmethod
    def text_of(value: object) -> str | None:
        """Write a value as a pattern sees it: a string as it is, true, false, null, a number; else None."""
        if isinstance(value, str):
            return value
        if value is None or isinstance(value, bool):
            return json.dumps(value)
        return str(value) if isinstance(value, (int, Decimal)) else None

    @staticmethod
    def literal(text: str) -> object:
        """Read a number, true, false or null as JSON writes it; anything else is text."""
        try:
            found = _decoder.decode(text)
        except _WRONG:
            return text
        return found if found is None or isinstance(found, (bool, Decimal)) else text


def _inside(value: Any, step: str) -> Any:
    if isinstance(value, dict):
        return value.get(step, _MISSING)
    if isinstance(value, list) and step.isascii() and step.isdigit() and len(step) < 10:
        return value[int(step)] if int(step) < len(value) else _MISSING
    return _MISSING


def _plain(value: Any) -> Any:
    """Make a binary fraction, of which MessagePack alone has some, the number that is written for it."""
    return Decimal(repr(value)) if isinstance(value, float) and math.isfinite(value) else value
