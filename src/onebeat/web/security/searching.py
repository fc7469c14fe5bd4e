"""
Searching that tells nobody what redaction hides from them.

A filter decides by a task as the viewer sees it. So a word about a hidden text finds nothing, and its negation leaves
nothing out; and a word about a hidden field is refused, as its answer would be true of no task.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import msgspec

from onebeat import codecs
from onebeat.inspector.filters import Filter, Look
from onebeat.task import TaskInfo
from onebeat.web.showing.redaction import PLACEHOLDER, Redaction

_DEEPEST = 100
_TOLD = ("payload", "error", "header")


def as_seen(given: str | Filter, rules: Redaction) -> Filter:
    """
    Return a filter that looks at tasks as redaction leaves them.

    Args:
        given: A filter, or its text.

        rules: What is hidden.

    Raises:
        InvalidFilter: It cannot be read, or asks for a field that is hidden.
    """
    found = Filter(given) if isinstance(given, str) else given
    for word in found.words:
        path = word.path if word.name == "payload" else (".".join(word.path),) if word.name == "header" else ()
        if path and rules.hides_field(path):
            raise word.refuse("this field is hidden, so nobody may search for what stands in it")
    look = look_of(rules, *(word.name for word in found.words))
    return found if look is None else found.seen(look)


def look_of(rules: Redaction, *names: str) -> Look | None:
    """
    Return what shows a task as redaction leaves it, as far as the words of a filter look at it; None: as it is.

    Args:
        names: Names of words; none: all that looks at what may be hidden.
    """
    told = frozenset(names or _TOLD)
    if rules.is_off or not told & {*_TOLD}:
        return None

    def look(info: TaskInfo) -> TaskInfo:
        seen: dict[str, Any] = {}
        if "payload" in told and info.payload:
            seen["payload"] = _payload(info, rules)
        if "error" in told and info.last_error:
            seen["last_error"] = rules.text(info.last_error)
        if "header" in told and info.headers:
            seen["headers"] = {name: rules.header(name, value) for name, value in info.headers.items()}
        return replace(info, **seen)

    return look


def _payload(info: TaskInfo, rules: Redaction) -> bytes:
    """Return the bytes of a payload without what is hidden in them; of what nobody can look into, all or nothing."""
    if codecs.name_of(info.headers) == codecs.MSGPACK.name:
        try:
            return msgspec.msgpack.encode(_value(msgspec.msgpack.decode(info.payload), rules, _DEEPEST))
        except (ValueError, TypeError, OverflowError, RecursionError, msgspec.MsgspecError):
            return _bytes(info.payload, rules)
    try:
        return rules.text(info.payload.decode()).encode()
    except (UnicodeDecodeError, RecursionError):
        return _bytes(info.payload, rules)


def _bytes(data: bytes, rules: Redaction) -> bytes:
    return PLACEHOLDER.encode() if rules.tells_of(data) else data


def _value(value: Any, rules: Redaction, depth: int) -> Any:
    if isinstance(value, dict):
        return {_key(key, rules): _of_key(key, each, rules, depth) for key, each in value.items()}
    if isinstance(value, (list, tuple)):
        return [_deeper(each, rules, depth) for each in value]
    if isinstance(value, str):
        return rules.text(value)
    if isinstance(value, (bytes, bytearray)):
        return _bytes(bytes(value), rules)
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return PLACEHOLDER if rules.hides_part_of(str(value)) else value
    return value


def _key(key: Any, rules: Redaction) -> Any:
    return rules.text(key) if isinstance(key, str) else key


def _of_key(key: Any, value: Any, rules: Redaction, depth: int) -> Any:
    is_hidden = rules.hides_key(key if isinstance(key, str) else str(key))
    return PLACEHOLDER if is_hidden else _deeper(value, rules, depth)


def _deeper(value: Any, rules: Redaction, depth: int) -> Any:
    return PLACEHOLDER if depth == 0 else _value(value, rules, depth - 1)
