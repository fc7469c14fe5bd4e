"""JSON as a tree."""

from __future__ import annotations

import re
from collections.abc import Sequence

from onebeat import codecs
from onebeat.web.editing.trees import Builder, Node, NodeKind, Tree, Uneditable
from onebeat.web.showing.tokens import Kind, NotJson, Token, json_tokens, meant, quoted

_SPACES = re.compile(rb"[ \t\r\n]*")
_INTEGER = re.compile(r"-?[0-9]+")


class JsonTree(Tree):
    """JSON: its numbers digit by digit, its spaces, and its escapes."""

    def text(self, node: Node) -> str:
        return self.data[node.start : node.end].decode()

    def said(self, node: Node) -> str:
        return meant(self.text(node))

    def encoded(self, text: str, like: Node | None = None) -> bytes:  # noqa: ARG002 - numbers are their digits here
        return codecs.escape_json(text.encode())

    def _member(self, name: str, value: bytes) -> bytes:
        return codecs.escape_json(quoted(name).encode()) + b":" + value

    def _joined(self, node: Node, parts: Sequence[bytes]) -> bytes:
        begin, end = (b"{", b"}") if node.kind == "object" else (b"[", b"]")
        return begin + b",".join(parts) + end


def read_json(data: bytes) -> JsonTree:
    """
    Read JSON.

    Raises:
        Uneditable: It is none; a field stands twice in it; or it nests too deep.
    """
    builder, at, begin = Builder(), 0, 0
    name: str | None = None
    try:
        for token in json_tokens(data.decode()):
            at = _after_spaces(data, at)
            end = at + len(token.text.encode())
            if token.kind is Kind.KEY:
                name = meant(token.text)
            elif token.kind is Kind.CLOSE:
                _end_item(builder, at)
                builder.close(end)
            elif token.kind is Kind.COMMA:
                _end_item(builder, at)
                begin = end
            elif token.kind is not Kind.COLON:
                builder.put(Node(_kind(token), at, end, end), name, begin)
                begin, name = (end, None) if token.kind is Kind.OPEN else (begin, None)
            at = end
    except (UnicodeDecodeError, NotJson):
        raise Uneditable("It is no JSON.") from None
    return JsonTree(data, builder.root)


def _after_spaces(data: bytes, at: int) -> int:
    found = _SPACES.match(data, at)
    return at if found is None else found.end()


def _end_item(builder: Builder, at: int) -> None:
    if builder.top is not None and builder.top.items:
        builder.top.items[-1].end = at


def _kind(token: Token) -> NodeKind:
    if token.kind is Kind.OPEN:
        return "object" if token.text == "{" else "list"
    if token.kind is Kind.STRING:
        return "string"
    if token.text in ("true", "false"):
        return "boolean"
    if token.text == "null":
        return "null"
    return "integer" if _INTEGER.fullmatch(token.text) else "number"
