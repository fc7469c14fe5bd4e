"""MessagePack as the words of a document, exactly: bytes stay bytes, integers whole, and each key is there."""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

from onebeat.web.showing.tokens import Kind, Token, quoted

BYTES_SHOWN = 64
"""Bytes of a binary string that are written out."""

_SIZED = {0xC4: (1, "bin"), 0xC5: (2, "bin"), 0xC6: (4, "bin"), 0xD9: (1, "str"), 0xDA: (2, "str"), 0xDB: (4, "str")}
_SIZED |= {0xC7: (1, "ext"), 0xC8: (2, "ext"), 0xC9: (4, "ext")}
_SIZED |= {0xDC: (2, "array"), 0xDD: (4, "array"), 0xDE: (2, "map"), 0xDF: (4, "map")}
_NUMBERS = {0xCA: ">f", 0xCB: ">d", 0xCC: ">B", 0xCD: ">H", 0xCE: ">I", 0xCF: ">Q", 0xD0: ">b", 0xD1: ">h"}
_NUMBERS |= {0xD2: ">i", 0xD3: ">q"}
_CONSTANTS = {0xC0: "null", 0xC2: "false", 0xC3: "true"}
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


class NotMessagePack(ValueError):  # noqa: N818 - it says what the bytes are
    """Bytes that are no MessagePack."""


class Reader:
    """
    Takes bytes one after the other.

    Attributes:
        at: How many were taken.
    """

    def __init__(self, data: bytes) -> None:
        self._data = data
        self.at: int = 0

    def take(self, size: int) -> bytes:
        """
        Take some bytes.

        Raises:
            EOFError: There are not as many.
        """
        if self.at + size > len(self._data):
            raise EOFError
        self.at += size
        return self._data[self.at - size : self.at]

    def number(self, size: int) -> int:
        """Take a whole number without a sign."""
        return int.from_bytes(self.take(size), "big")

    def byte(self, at: int) -> int:
        """Look at a byte anywhere."""
        return self._data[at]

    @property
    def is_done(self) -> bool:
        """Whether all was taken."""
        return self.at == len(self._data)


def pack_tokens(data: bytes, *, is_cut: bool = False) -> Iterator[Token]:
    """
    Yield the words of a MessagePack document, as JSON would have them; bytes and extensions by their hex digits.

    Args:
        is_cut: The bytes are only the beginning: where they break off, a `CUT` is the last word.

    Raises:
        NotMessagePack: They are none; what was yielded before must not be used.
    """
    reader = Reader(data)
    try:
        yield from _document(reader)
    except EOFError:
        if not is_cut:
            raise NotMessagePack("it ends in the middle") from None
        yield Token(Kind.CUT, "")
        return
    if not reader.is_done:
        raise NotMessagePack("bytes follow after its end")


def _document(reader: Reader) -> Iterator[Token]:
    """Yield one value, without calling itself: what is open stands on a stack, with how much of it is to come."""
    stack: list[tuple[bool, int, int]] = []  # whether it is a map, values to come, values in all
    while True:
        is_key = bool(stack) and stack[-1][0] and stack[-1][1] % 2 == 0
        if stack and stack[-1][1] < stack[-1][2]:
            yield Token(Kind.COMMA, ",") if is_key or not stack[-1][0] else Token(Kind.COLON, ":")
        kind, value = head(reader)
        if kind in ("map", "array"):
            if is_key:
                raise NotMessagePack("a key is a container")
            whole = int(value) * (2 if kind == "map" else 1)
            yield Token(Kind.OPEN, "{" if kind == "map" else "[")
            stack.append((kind == "map", whole, whole))
        else:
            yield Token(Kind.KEY if is_key else _kind(kind), str(value))
            _count(stack)
        while stack and not stack[-1][1]:
            yield Token(Kind.CLOSE, "}" if stack.pop()[0] else "]")
            _count(stack)
        if not stack:
            return


def _count(stack: list[tuple[bool, int, int]]) -> None:
    if stack:
        is_map, left, whole = stack[-1]
        stack[-1] = (is_map, left - 1, whole)


def _kind(kind: str) -> Kind:
    return {"str": Kind.STRING, "number": Kind.NUMBER, "constant": Kind.WORD}.get(kind, Kind.BYTES)


def head(reader: Reader) -> tuple[str, str | int]:
    """Read a value that holds no others, or the head of one that does: what it is, and its text or its size."""
    first = reader.number(1)
    if first < 0x80 or first >= 0xE0:
        return "number", str(first if first < 0x80 else first - 0x100)
    if first < 0xC0:
        kind, size = (
            ("map", first & 15) if first < 0x90 else ("array", first & 15) if first < 0xA0 else ("str", first & 31)
        )
        return _sized(reader, kind, size)
    if first in _CONSTANTS:
        return "constant", _CONSTANTS[first]
    if first in _NUMBERS:
        form = _NUMBERS[first]
        return "number", _number(struct.unpack(form, reader.take(struct.calcsize(form)))[0])
    if first in _SIZED:
        width, kind = _SIZED[first]
        return _sized(reader, kind, reader.number(width))
    if 0xD4 <= first <= 0xD8:
        return _sized(reader, "ext", 1 << (first - 0xD4))
    raise NotMessagePack(f"no value begins with byte {first:#04x}")


def _sized(reader: Reader, kind: str, size: int) -> tuple[str, str | int]:
    if kind in ("map", "array"):
        return kind, size
    if kind == "ext":
        code = int.from_bytes(reader.take(1), "big", signed=True)
        return kind, _extension(code, reader.take(size))
    data = reader.take(size)
    if kind == "bin":
        return kind, _hex(data)
    try:
        return kind, quoted(data.decode())
    except UnicodeDecodeError:
        return "bin", _hex(data)


def _number(value: float) -> str:
    if not math.isfinite(value):
        return "NaN" if math.isnan(value) else "Infinity" if value > 0 else "-Infinity"
    return repr(value)


def _hex(data: bytes) -> str:
    more = f"… {len(data):,} bytes" if len(data) > BYTES_SHOWN else ""
    return f"0x{data[:BYTES_SHOWN].hex()}{more}"


def _extension(code: int, data: bytes) -> str:
    if code == -1 and len(data) in (4, 8, 12):
        try:
            return _instant(data)
        except (OverflowError, ValueError):
            pass  # an instant that no calendar has: its bytes are shown
    return f"extension {code} {_hex(data)}"


def _instant(data: bytes) -> str:
    if len(data) == 12:
        ns, seconds = struct.unpack(">Iq", data)
    elif len(data) == 8:
        both = int.from_bytes(data, "big")
        ns, seconds = both >> 34, both & ((1 << 34) - 1)
    else:
        ns, seconds = 0, int.from_bytes(data, "big")
    if ns > 999_999_999:
        raise ValueError(ns)
    whole = (_EPOCH + timedelta(seconds=seconds)).isoformat().removesuffix("+00:00")
    return f"{whole}{f'.{ns:09}' if ns else ''}Z"
