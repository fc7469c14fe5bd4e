"""MessagePack as a tree."""

from __future__ import annotations

import json
import math
import struct
from collections.abc import Sequence
from typing import Any

import msgspec

from onebeat.web.editing.trees import Builder, Node, NodeKind, Tree, Uneditable
from onebeat.web.showing.packs import NotMessagePack, Reader, head
from onebeat.web.showing.tokens import meant, quoted

_FLOATS = (0xCA, 0xCB)
_KINDS: dict[str, NodeKind] = {"map": "object", "array": "list", "str": "string", "bin": "bytes", "ext": "bytes"}


class PackTree(Tree):
    """MessagePack: each value in the width in which it was written."""

    def text(self, node: Node) -> str:
        if not node.is_container:
            return str(head(Reader(self.data[node.start : node.end]))[1])
        parts = [
            self.text(item.node) if item.name is None else f"{quoted(item.name)}: {self.text(item.node)}"
            for item in node.items
        ]
        begin, end = ("{", "}") if node.kind == "object" else ("[", "]")
        return f"{begin}{', '.join(parts)}{end}"

    def said(self, node: Node) -> str:
        return meant(self.text(node))

    def encoded(self, text: str, like: Node | None = None) -> bytes:
        if like is not None and like.kind == "number" and text[:1] in "-0123456789":
            return self._fraction(text, like)
        try:
            return msgspec.msgpack.encode(json.loads(text, parse_int=_int, parse_float=_float))
        except OverflowError:
            raise ValueError("a whole number of MessagePack lies between -2^63 and 2^64-1") from None

    def _fraction(self, text: str, like: Node) -> bytes:
        value = _float(text)
        if self.data[like.start] == 0xCA:
            try:
                short = struct.pack(">f", value)
            except OverflowError:
                short = b""
            if short and struct.unpack(">f", short)[0] == value:
                return b"\xca" + short
        return struct.pack(">Bd", 0xCB, value)

    def _member(self, name: str, value: bytes) -> bytes:
        return msgspec.msgpack.encode(name) + value

    def _joined(self, node: Node, parts: Sequence[bytes]) -> bytes:
        is_as_long = len(parts) == len(node.items)
        begin = self.data[node.start : node.inner] if is_as_long else _header(node.kind, len(parts))
        return begin + b"".join(parts)


def _int(text: str) -> int:
    if len(text) > 20:
        raise OverflowError(text)
    return int(text)


def _float(text: str) -> float:
    value = float(text)
    if not math.isfinite(value):
        raise ValueError("it is larger than any number that MessagePack holds")
    return value


def _header(kind: str, count: int) -> bytes:
    if count < 16:
        return bytes([(0x80 if kind == "object" else 0x90) | count])
    short, long = (0xDE, 0xDF) if kind == "object" else (0xDC, 0xDD)
    return struct.pack(">BH", short, count) if count < 0x10000 else struct.pack(">BI", long, count)


def read_pack(data: bytes) -> PackTree:
    """
    Read MessagePack.

    Raises:
        Uneditable: It is none; a field stands twice in it; or it nests too deep.
    """
    try:
        return PackTree(data, _read(Reader(data)))
    except (NotMessagePack, EOFError):
        raise Uneditable("It is no MessagePack.") from None


def _read(reader: Reader) -> Node:
    builder = Builder()
    left: list[int] = []
    while True:
        begin, name = reader.at, None
        if builder.top is not None and builder.top.kind == "object":
            kind, value = head(reader)
            if kind in ("map", "array"):
                raise NotMessagePack("a key is a container")
            name = meant(str(value)) if kind == "str" else str(value)
        start = reader.at
        kind, value = head(reader)
        node = Node(_kind(kind, value, reader.byte(start)), start, reader.at, reader.at)
        builder.put(node, name, begin)
        if node.is_container:
            left.append(int(value) + 1)
        while left:
            left[-1] -= 1
            if left[-1]:
                break
            left.pop()
            builder.close(reader.at)
        if not left:
            break
    if not reader.is_done:
        raise NotMessagePack("bytes follow after its end")
    return builder.root


def _kind(kind: str, value: Any, first: int) -> NodeKind:
    if kind == "number":
        return "number" if first in _FLOATS else "integer"
    if kind == "constant":
        return "null" if value == "null" else "boolean"
    return _KINDS[kind]
