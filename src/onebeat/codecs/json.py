"""
How a payload becomes bytes: bytes pass untouched, anything else is JSON as Go writes it.

Go and Python meet in these bytes, and a unique lock is taken on their digest, so the same value must
give the same bytes in both: no spaces, UTF-8 unescaped, but `<`, `>`, `&`, U+2028 and U+2029 escaped.
"""

from __future__ import annotations

import math
import re
from functools import lru_cache
from typing import Any

import msgspec

from onebeat.codecs.hooks import from_plain, to_plain
from onebeat.errors import PayloadError

_encoder = msgspec.json.Encoder(enc_hook=to_plain)
_ordering = msgspec.json.Encoder(enc_hook=to_plain, order="deterministic")

_ESCAPED = re.compile(b"[<>&]|\xe2\x80[\xa8\xa9]")
_ESCAPES = {
    b"<": b"\\u003c",
    b">": b"\\u003e",
    b"&": b"\\u0026",
    b"\xe2\x80\xa8": b"\\u2028",
    b"\xe2\x80\xa9": b"\\u2029",
}


def escape_json(data: bytes) -> bytes:
    """Escape in compact JSON what Go's encoder escapes; there, these characters stand inside strings only."""
    if _ESCAPED.search(data) is None:
        return data
    return _ESCAPED.sub(lambda found: _ESCAPES[found.group()], data)


def encode(value: Any, *, what: str = "", ordered: bool = False) -> bytes:
    """
    Encode a payload or a result.

    Args:
        value: The payload.

        what: Names it in the error.

        ordered: Write sets, and with them maps, in an order of their own: Python's differs from process to process.

    `bytes` pass untouched and `None` is no bytes at all; dataclasses, msgspec structs, pydantic models, datetimes,
    UUIDs, decimals, enums, paths and plain values become JSON.

    Raises:
        PayloadError: The value, or something in it, has no JSON form; NaN and the infinities have none.
    """
    if value is None:
        return b""
    if isinstance(value, (bytes, bytearray, memoryview)):
        return bytes(value)
    try:
        data = (_ordering if ordered else _encoder).encode(value)
        if b"null" in data:  # which msgspec also writes for NaN
            _check_finite(value)
    except (TypeError, ValueError, OverflowError, RecursionError) as error:
        raise PayloadError(
            f"{what or f'payload of type {type(value).__name__}'} has no JSON form: {error}; "
            "pass bytes, or values that JSON knows"
        ) from error
    return escape_json(data)


def _check_finite(value: Any) -> None:
    """Refuse numbers that JSON cannot write, as Go's encoder does."""
    left = [msgspec.to_builtins(value, enc_hook=to_plain)]
    while left:
        item = left.pop()
        if isinstance(item, dict):
            left.extend(item.values())
        elif isinstance(item, (list, tuple, set, frozenset)):
            left.extend(item)
        elif isinstance(item, float) and not math.isfinite(item):
            raise ValueError(f"{item} is no number there")


@lru_cache(maxsize=4096)
def _decoder(into: Any) -> msgspec.json.Decoder[Any]:
    return msgspec.json.Decoder(into, dec_hook=from_plain)


def decode(data: bytes, into: Any = Any) -> Any:
    """
    Decode JSON into the given type.

    Raises:
        PayloadError: Not JSON, or JSON that does not fit; the message names the place.
    """
    try:
        return _decoder(into).decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise PayloadError(f"payload {data[:80]!r} does not fit: {error}") from error
