"""The trail of what operators did: a stream of its own, of bounded length."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from typing import Any

from onebeat.broker.call import Argument, Call
from onebeat.wire import keys

KEPT = 10_000
"""Records that are kept; the oldest go first."""

ID = re.compile(r"[0-9]{1,19}-[0-9]{1,19}")
"""How a record is numbered: the store's milliseconds since 1970, and a number among those of one."""

Entry = tuple[str, dict[str, str]]


def append(fields: Mapping[str, str]) -> Call[str]:
    """Append one record; returns its id."""
    pairs: list[Argument] = [word for pair in fields.items() for word in pair]
    return Call("audit", "", [KEPT, *pairs], bytes.decode, keys=(keys.AUDIT,))


def before(record_id: str, count: int) -> tuple[Argument, ...]:
    """Return the command that reads records, the latest first, from before one on; "" from the last on."""
    return "XREVRANGE", keys.AUDIT, f"({record_id}" if record_id else "+", "-", "COUNT", count


def after(record_id: str, count: int) -> tuple[Argument, ...]:
    """Return the command that reads the records that follow one."""
    return "XRANGE", keys.AUDIT, f"({record_id}", "+", "COUNT", count


def entries(answer: Any) -> list[Entry]:
    """Interpret what these answer."""
    return [(_text(entry[0]), _fields(entry[1])) for entry in answer if entry and entry[1]]


def _fields(given: Any) -> dict[str, str]:
    pairs: Iterable[Any] = given.items() if isinstance(given, dict) else zip(given[::2], given[1::2], strict=True)
    return {_text(name): _text(value) for name, value in pairs}


def _text(data: bytes | str) -> str:
    return data if isinstance(data, str) else data.decode("utf-8", "replace")
