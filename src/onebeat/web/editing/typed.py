"""What is typed into the field of a payload, read as what the field is."""

from __future__ import annotations

import re

from onebeat.web.editing.leaves import Leaf
from onebeat.web.editing.trees import Node, Tree
from onebeat.web.showing.redaction import PLACEHOLDER, Redaction
from onebeat.web.showing.tokens import Kind, NotJson, json_tokens, quoted

WORDS = {
    "string": "text", "integer": "integer", "number": "number", "boolean": "boolean", "null": "null",
    "json": "JSON", "remove": "remove",
}  # fmt: skip
"""What a field can be made, and how it is called."""

_INTEGER = re.compile(r"-?(?:0|[1-9][0-9]*)")
_NUMBER = re.compile(r"-?(?:0|[1-9][0-9]*)(?:\.[0-9]+)?(?:[eE][+-]?[0-9]+)?")


def choices(leaf: Leaf) -> list[str]:
    """Return what a field can be made, what it is first."""
    if leaf.kind == "bytes":
        return []
    if leaf.kind == "hidden":
        return ["string", "integer", "number", "boolean", "null", "json"]
    first = "json" if leaf.kind == "null" else leaf.kind
    found = [first, *(kind for kind in ("null", "json") if kind != first and first != "boolean")]
    found += ["null"] if first == "boolean" else []
    return [*found, "remove"] if leaf.is_removable else found


def encoded(tree: Tree, kind: str, text: str, like: Node | None, rules: Redaction) -> bytes:
    """
    Return what is typed as it stands in a payload.

    Args:
        kind: What it is to be, as `choices` has it, "remove" apart.

        like: The value that it replaces.

    Raises:
        ValueError: It is none of that; the sentence says what is.
    """
    if not rules.is_off and PLACEHOLDER in text:
        raise ValueError(f"{PLACEHOLDER} stands for a hidden value, and is none itself: write the value")
    return tree.encoded(written(kind, text), like)


def written(kind: str, text: str) -> str:
    """
    Return what is typed as JSON.

    Raises:
        ValueError: It is none of that kind; the sentence says what is.
    """
    if kind == "string":
        return quoted(text)
    word = text.strip()
    if kind == "null":
        return "null"
    if kind == "integer" and not _INTEGER.fullmatch(word):
        raise ValueError("it is a whole number: write one such as 42, or make it something else")
    if kind == "number" and not _NUMBER.fullmatch(word):
        raise ValueError("it is a number: write one such as 0.25 or 1e6, or make it something else")
    if kind == "boolean" and word not in ("true", "false"):
        raise ValueError("write true or false")
    return compact(word) if kind == "json" else word


def compact(text: str) -> str:
    """
    Return JSON without its spaces, digit by digit.

    Raises:
        ValueError: It is none.
    """
    try:
        words = list(json_tokens(text))
    except NotJson:
        raise ValueError('it is no JSON: write such as [1, 2] or {"a": 1}, and a text in quotes') from None
    if any(word.kind is Kind.WORD and word.text not in ("true", "false", "null") for word in words):
        raise ValueError("NaN and Infinity are no JSON")
    return "".join(word.text for word in words)
