"""
How a payload becomes bytes: bytes pass untouched, anything else is JSON as Go writes it.

Go and Python meet in these bytes, and a unique lock is taken on their digest, so the same value must
give the same bytes in both: no spaces, UTF-8 unescaped, but `<`, `>`, `&`, U+2028 and U+2029 escaped.
"""

from __future__ import annotations

import math
import re
from typing import Any

import msgspec

from onebeat.errors import PayloadError

_encoder = msgspec.json.Encoder()

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


def encode(value: Any) -> bytes:
    """
    Encode a payload or a result.

    `bytes` pass untouched and `None` is no bytes at all; dataclasses, msgspec structs, datetimes,
    UUIDs, decimals, enums and plain values become JSON.

    Raises:
        PayloadError: The value, or something in it, has no JSON form.
    """
    if value is None:
        return b""
    if isinstance(value, (bytes, bytearray, memoryview)):
        return bytes(value)
    try:
        encoded = _encoder.encode(value)
        if b"null" in encoded and _has_no_number(msgspec.to_builtins(value)):
            raise ValueError("it holds a number that is infinite or none at all")
        return escape_json(encoded)
    except (TypeError, ValueError, OverflowError, RecursionError) as error:
        raise PayloadError(
            f"payload of type {type(value).__name__} has no JSON form: {error}; pass bytes, or values that JSON knows"
        ) from error


def _has_no_number(value: Any) -> bool:
    """Whether a NaN or an infinity is in a value, which the encoder would silently turn into null."""
    if isinstance(value, float):
        return not math.isfinite(value)
    if isinstance(value, dict):
        return any(_has_no_number(item) for item in value.values())
    return isinstance(value, (list, tuple, set, frozenset)) and any(_has_no_number(item) for item in value)


def decode(data: bytes, into: Any = Any) -> Any:
    """
    Decode JSON into the given type.

    Raises:
        PayloadError: Not JSON, or JSON that does not fit; the message names the place.
    """
    try:
        return msgspec.json.decode(data, type=into)
    except msgspec.DecodeError as error:
        raise PayloadError(f"payload {data[:80]!r} does not fit: {error}") from error
