"""JSON as the words it is written of, exactly: no number becomes a float, no key is lost, nothing nests too deep."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from enum import Enum
from typing import NamedTuple


class Kind(Enum):
    """What a word of a document is; the value is the class of its markup."""

    OPEN = "open"
    CLOSE = "close"
    COMMA = "comma"
    COLON = "colon"
    KEY = "key"
    STRING = "string"
    NUMBER = "number"
    WORD = "word"
    BYTES = "bytes"
    HIDDEN = "hidden"
    CUT = "cut"


class Token(NamedTuple):
    """A word of a document, as it is written there."""

    kind: Kind
    text: str


class NotJson(ValueError):  # noqa: N818 - it says what the text is
    """A text that is no JSON."""


_WORDS = re.compile(
    r"""[ \t\r\n]*+(?:
    (?P<open>[\[{])|(?P<close>[\]}])|(?P<comma>,)|(?P<colon>:)
    |(?P<string>"(?:[^"\\\x00-\x1f]++|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*+")
    |(?P<number>-?(?:0|[1-9][0-9]*+)(?:\.[0-9]++)?(?:[eE][+-]?[0-9]++)?(?![\w.+-]))
    |(?P<word>(?:true|false|null|NaN|-?Infinity)(?![\w]))
    |(?P<part>"(?:[^"\\\x00-\x1f]++|\\(?:["\\/bfnrt]|u[0-9a-fA-F]{4}))*+(?:\\(?:u[0-9a-fA-F]{0,3})?)?\Z)
    |(?P<rest>[-+.\w]++\Z)
    |(?P<end>\Z)
    )""",
    re.VERBOSE,
)
_PAIRS = {"}": "{", "]": "["}
_VALUES = frozenset({"open", "string", "number", "word"})


def json_tokens(text: str, *, is_cut: bool = False) -> Iterator[Token]:
    """
    Yield the words of a JSON document, with NaN and Infinity, which Python writes into some.

    Args:
        is_cut: The text is only the beginning of the document: where it breaks off, a `CUT` is the last word.

    Raises:
        NotJson: It is no JSON; what was yielded before must not be used.
    """
    stack: list[str] = []
    wants = {"value"}
    at = 0
    while True:
        found = _WORDS.match(text, at)
        name = found.lastgroup if found is not None else None
        if found is None or name is None:
            raise NotJson(f"no JSON at character {at}")
        at = found.end()
        word = found[name]
        if name in ("end", "rest", "part"):
            yield from _ended(name, word, wants, is_cut=is_cut)
            return
        if name == "close":
            if not stack or stack[-1] != _PAIRS[word] or "close" not in wants:
                raise NotJson(f"no JSON at character {at}")
            stack.pop()
        elif name == "string" and "key" in wants:
            yield Token(Kind.KEY, word)
            wants = {"colon"}
            continue
        elif (name if name not in _VALUES else "value") not in wants:
            raise NotJson(f"no JSON at character {at}")
        yield Token(Kind(name), word)
        if name == "open":
            stack.append(word)
            wants = {"key", "close"} if word == "{" else {"value", "close"}
        elif name == "comma":
            wants = {"key"} if stack[-1] == "{" else {"value"}
        elif name == "colon":
            wants = {"value"}
        else:
            wants = {"comma", "close"} if stack else {"end"}


def _ended(name: str, word: str, wants: set[str], *, is_cut: bool) -> Iterator[Token]:
    """Judge the end of a text: the whole document was there, or it breaks off in the middle of one."""
    if wants == {"end"} and name == "end":
        return
    if not is_cut or wants == {"end"}:
        raise NotJson("it ends in the middle")
    if name == "part" and wants & {"key", "value"}:
        yield Token(Kind.KEY if "key" in wants else Kind.STRING, word)
    elif name == "rest" and "value" in wants:
        yield Token(Kind.NUMBER, word)
    elif name != "end":
        raise NotJson("it ends in the middle")
    yield Token(Kind.CUT, "")


WORDS = re.compile(r"""("(?:[^"\\]++|\\.)*+")([ \t\r\n]*+:[ \t\r\n]*+)?|(-?[0-9][0-9.eE+-]*+)""", re.DOTALL)
"""Strings of a JSON document, with the colon after those that are keys, and its numbers."""

_STRUCTURE = re.compile(r""""(?:[^"\\]++|\\.)*+"|[\[\]{}]""", re.DOTALL)
_VALUE = re.compile(r""""(?:[^"\\]++|\\.)*+"|[^\s,\]}]++""", re.DOTALL)


def end_of_value(text: str, start: int) -> int:
    """Return where a value of a JSON document ends that starts at a place."""
    if text[start] not in "[{":
        found = _VALUE.match(text, start)
        return found.end() if found is not None else len(text)
    depth = 0
    for found in _STRUCTURE.finditer(text, start):
        depth += (found[0] in "[{") - (found[0] in "]}")
        if not depth:
            return found.end()
    return len(text)


def is_json(text: str) -> bool:
    """Whether a text is one JSON document, which does not nest too deep for that to be told at once."""
    try:
        json.loads(text, parse_int=len, parse_float=len)
    except (ValueError, RecursionError):
        return False
    return True


def is_container(text: str) -> bool:
    """Whether a text looks as if it were an object or an array."""
    return text.lstrip(" \t\r\n")[:1] in ("{", "[")


def meant(word: str) -> str:
    """Return what a string of JSON says, one that breaks off too."""
    inner = word[1:-1] if len(word) > 1 and word.endswith('"') else word[1:]
    if "\\" not in inner:
        return inner
    try:
        return str(json.loads(f'"{inner}"'))
    except ValueError:  # it breaks off in the middle of an escape
        return str(json.loads(f'"{re.sub(_BROKEN, "", inner)}"'))


_BROKEN = re.compile(r"\\(?:u[0-9a-fA-F]{0,3})?\Z")


def quoted(text: str) -> str:
    """Write a string as JSON does."""
    return json.dumps(text, ensure_ascii=False)
