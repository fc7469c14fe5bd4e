"""
The seam: what a codec is, the two that come with Onebeat, and the header by which a task names its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from typing import Any, Final, Literal, Protocol

import msgspec

from onebeat.codecs import json
from onebeat.codecs.hooks import from_plain, to_plain
from onebeat.errors import ConfigurationError, PayloadError, shown

HEADER: Final = "onebeat-codec"
"""The header of a task whose payload is not JSON, and whose result will not be."""


class Codec(Protocol):
    """
    Turns values into bytes and back.

    Attributes:
        name: Stands in the header of each task, so it stays what it is for as long as tasks wait; a change of format
            is another name.

    `encode` gets what a call is made of: one object with a field for each argument, which `msgspec.to_builtins`
    makes a dict of, or the whole payload of a task that takes one positional-only parameter, or a result. `decode` gets
    the type to decode into, for `msgspec.convert` if the format has none of its own. One that wraps the bytes of
    another, to compress or encrypt them, calls that one: `zlib.compress(JSON.encode(value))`.

    What `decode` raises archives the task at once, as a payload that does not fit does.
    """

    @property
    def name(self) -> str: ...
    def encode(self, value: Any, /) -> bytes: ...
    def decode(self, data: bytes, into: Any, /) -> Any: ...


class _Json:
    """JSON as Go writes it. Bytes pass untouched, both ways."""

    name = "json"

    def encode(self, value: Any, /) -> bytes:
        return json.encode(value) if value is not None else b"null"

    def decode(self, data: bytes, into: Any, /) -> Any:
        return data if into is bytes else json.decode(data or b"null", into)


class _MsgPack:
    """MessagePack: smaller, and bytes inside of values stay bytes. Bytes alone pass untouched, both ways."""

    name = "msgpack"

    def encode(self, value: Any, /, *, order: Literal["deterministic"] | None = None) -> bytes:
        if isinstance(value, (bytes, bytearray, memoryview)):
            return bytes(value)
        try:
            return msgspec.msgpack.encode(value, enc_hook=to_plain, order=order)
        except (TypeError, ValueError, OverflowError, RecursionError) as error:
            raise PayloadError(
                f"value of type {type(value).__name__} has no MessagePack form: {error}; pass plain values"
            ) from error

    def decode(self, data: bytes, into: Any, /) -> Any:
        if into is bytes:
            return data
        try:
            return _decoder(into).decode(data)
        except (msgspec.DecodeError, UnicodeDecodeError) as error:
            raise PayloadError(f"payload {data[:80]!r} does not fit: {error}") from error


@lru_cache(maxsize=4096)
def _decoder(into: Any) -> msgspec.msgpack.Decoder[Any]:
    return msgspec.msgpack.Decoder(into, dec_hook=from_plain)


JSON: Final = _Json()
MSGPACK: Final = _MsgPack()
KNOWN: Final[Mapping[str, Codec]] = {JSON.name: JSON, MSGPACK.name: MSGPACK}


def encode_as(codec: Codec, value: Any, into: Any, *, ordered: bool = False) -> bytes:
    """
    Encode a value that will be decoded into a type.

    Bytes pass untouched where that is `bytes`. Where it is more, such as `bytes | None`, ours write them as they
    would inside of another value, so that what is read is what was written; a user's own decides for itself.

    Args:
        ordered: There are sets in it, which ours are to write the same way in every process.
    """
    if ordered and codec is JSON:
        return json.encode(value, ordered=True) if value is not None else b"null"
    if ordered and codec is MSGPACK:
        return MSGPACK.encode(value, order="deterministic")
    if into is not bytes and isinstance(value, (bytes, bytearray, memoryview)):
        if codec is JSON:
            return msgspec.json.encode(value)
        if codec is MSGPACK:
            return msgspec.msgpack.encode(value)
    return codec.encode(value)


def check_codec(given: object) -> Codec:
    """
    Return a codec, given itself or its name.

    Raises:
        ConfigurationError: It is none.
    """
    if isinstance(given, str) and given in KNOWN:
        return KNOWN[given]
    name = getattr(given, "name", None)
    has_both = callable(getattr(given, "encode", None)) and callable(getattr(given, "decode", None))
    if isinstance(given, (str, type)) or not has_both or not isinstance(name, str) or not name.strip():
        raise ConfigurationError(
            f'codec is {shown(given)}: give "json", "msgpack", or an object with a name, encode(value) and '
            "decode(data, into)"
        )
    return given  # type: ignore[return-value] # looked at just now


def form_of(codec: Codec) -> str:
    """Say what a codec's bytes are, for sentences."""
    return {"json": "JSON", "msgpack": "MessagePack"}.get(codec.name, codec.name)


def name_of(headers: Mapping[str, str]) -> str:
    """Return the name of the codec that a task's payload is in."""
    return headers.get(HEADER) or JSON.name
