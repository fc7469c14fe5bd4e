"""Bytes that are no text: what they look like, without ever opening them, and how they are shown."""

from __future__ import annotations

import pickletools
import zlib
from collections.abc import Iterator, Sequence

from onebeat.web.showing.tokens import Kind, Token, quoted

_MAGIC = (
    (b"\x1f\x8b\x08", "gzip"),
    (b"\x28\xb5\x2f\xfd", "zstd"),
    (b"\x04\x22\x4d\x18", "lz4"),
    (b"BZh", "bzip2"),
    (b"\xfd7zXZ\x00", "xz"),
)
_LOOKED_AT = 65_536
"""Bytes that are looked at to tell what they are."""

_TELLING = frozenset(
    {"GLOBAL", "STACK_GLOBAL", "REDUCE", "BUILD", "INST", "OBJ", "PUT", "DICT", "LIST", "TUPLE", "APPEND"}
)
_GREATEST_FIELD = 2_000
_DEEPEST = 6
_MOST_FIELDS = 20_000


def compressed(data: bytes) -> str:
    """Name the compression that bytes begin as; "" if it is none that is known."""
    for magic, name in _MAGIC:
        if data.startswith(magic):
            return name
    if len(data) > 2 and data[0] & 15 == 8 and data[0] >> 4 <= 7 and not int.from_bytes(data[:2], "big") % 31:
        try:
            zlib.decompressobj().decompress(data[:1024], 1)
        except zlib.error:
            return ""
        return "zlib"
    return ""


def is_pickle(data: bytes) -> bool:
    """Whether bytes are a pickle, by its opcodes alone: nothing in it is ever loaded."""
    if not data.endswith(b"."):
        return False
    if data[:1] == b"\x80":
        return data[1] <= 5 if len(data) > 2 else False
    names: set[str] = set()
    try:
        for opcode, _, _ in pickletools.genops(data[:_LOOKED_AT]):
            names.add(opcode.name)
    except (ValueError, IndexError, TypeError, OverflowError, KeyError):
        return len(data) > _LOOKED_AT and bool(names & _TELLING)
    return bool(names & _TELLING)


def hex_lines(data: bytes) -> Iterator[str]:
    """Yield bytes sixteen to a line: where, their digits, and their letters as far as they are ASCII."""
    for at in range(0, len(data), 16):
        row = data[at : at + 16]
        digits = f"{row[:8].hex(' ')}  {row[8:].hex(' ')}"
        letters = "".join(chr(byte) if 0x20 <= byte < 0x7F else "." for byte in row)
        yield f"{at:08x}  {digits:<48}  {letters}"


def proto_tokens(data: bytes) -> list[Token] | None:
    """
    Guess at protobuf: return fields by their numbers, as a document; None if the bytes are none, or may well not be.

    Whether a field holds a text, a message or bytes is not written in it: a text if it is one, else a message if it
    can be, else bytes. Whole numbers may be signed, booleans or enumerations.
    """
    if not 4 <= len(data) <= 262_144:
        return None
    found = _message(data, 0)
    return found if found is not None and len(found) < _MOST_FIELDS else None


def _message(data: bytes, depth: int) -> list[Token] | None:
    tokens = [Token(Kind.OPEN, "{")]
    at = 0
    while at < len(data):
        tag, at = _varint(data, at)
        if tag is None or not 1 <= tag >> 3 <= _GREATEST_FIELD:
            return None
        value, at = _value(data, at, tag & 7, depth)
        if value is None or len(tokens) > _MOST_FIELDS:
            return None
        if len(tokens) > 1:
            tokens.append(Token(Kind.COMMA, ","))
        tokens += [Token(Kind.KEY, str(tag >> 3)), Token(Kind.COLON, ":"), *value]
    return [*tokens, Token(Kind.CLOSE, "}")]


def _value(data: bytes, at: int, form: int, depth: int) -> tuple[Sequence[Token] | None, int]:
    if form == 0:
        number, at = _varint(data, at)
        return (None if number is None else [Token(Kind.NUMBER, str(number))]), at
    if form == 2:
        size, at = _varint(data, at)
        if size is None or at + size > len(data):
            return None, at
        return _held(data[at : at + size], depth), at + size
    width = {1: 8, 5: 4}.get(form)
    if width is None or at + width > len(data):
        return None, at
    return [Token(Kind.BYTES, f"0x{data[at : at + width][::-1].hex()}")], at + width


def _held(data: bytes, depth: int) -> Sequence[Token]:
    try:
        text = data.decode()
    except UnicodeDecodeError:
        pass
    else:
        if all(char.isprintable() or char in "\t\r\n" for char in text):
            return [Token(Kind.STRING, quoted(text))]
    inner = _message(data, depth + 1) if data and depth < _DEEPEST else None
    return inner if inner is not None else [Token(Kind.BYTES, f"0x{data.hex()}")]


def _varint(data: bytes, at: int) -> tuple[int | None, int]:
    number = 0
    for i in range(10):
        if at + i >= len(data):
            return None, at
        byte = data[at + i]
        number |= (byte & 0x7F) << (7 * i)
        if byte < 0x80:
            return (number, at + i + 1) if number < 1 << 64 else (None, at)
    return None, at
