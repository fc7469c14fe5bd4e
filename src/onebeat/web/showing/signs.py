"""Texts from anywhere, shown so that what is seen is what is there: signs that hide or reorder others are named."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator

from markupsafe import Markup, escape

from onebeat.web.showing.elements import element

HIDDEN_SIGNS = re.compile(
    "["
    "\\x00-\\x08\\x0b-\\x1f\\x7f-\\xa0\\xad\u034f\u0600-\u0605\u061c\u06dd\u070f\u0890-\u0891\u08e2\u115f\u1160\u1680"
    "\u17b4\u17b5\u180b-\u180f\u2000-\u200f\u2028-\u202f\u205f-\u206f\u2800\u3000\u3164\ud800-\udfff\ufdd0-\ufdef"
    "\ufe00-\ufe0f\ufeff\uffa0\ufff0-\ufffb\ufffe\uffff\U000110bd\U000110cd\U00013430-\U0001343f\U0001bca0-\U0001bca3"
    "\U0001d173-\U0001d17a\U000e0000-\U000e0fff"
    "]"
)
"""Signs that cannot be seen, look like a space, or reorder what is around them; tab and new line are not among them."""

_CONTROLS = {0: "null", 7: "bell", 8: "backspace", 13: "carriage return", 27: "escape", 127: "delete"}


def visible(text: str) -> Markup:
    """
    Return a text as markup in which each hidden sign is an element that names it, "U+202E".

    The text of the markup, with each such element put back, is the text.
    """
    if not HIDDEN_SIGNS.search(text):
        return escape(text)
    return Markup("").join(_parts(text))


def _parts(text: str) -> Iterator[Markup]:
    at = 0
    for found in HIDDEN_SIGNS.finditer(text):
        yield escape(text[at : found.start()])
        yield sign(found[0])
        at = found.end()
    yield escape(text[at:])


def sign(char: str) -> Markup:
    """Return the element that stands for a hidden sign."""
    code = ord(char)
    name = _CONTROLS.get(code) or unicodedata.name(char, "control" if code < 0xA0 else "no character").lower()
    return element("span", f"U+{code:04X}", class_="p-sign", title=name)


def weight(text: str) -> int:
    """Return how much markup a text becomes, counted in letters: a hidden sign takes as much as fifty."""
    return len(text) + 50 * sum(1 for _ in HIDDEN_SIGNS.finditer(text))


def quoted(name: str) -> str:
    """Write a name within a sentence, where one such as "default" could be read as a word of it."""
    return f"“{plain(short(name, 80))}”"


def plain(text: str) -> str:
    """Return a text in which hidden signs are named, for places that take no elements: titles, labels."""
    return HIDDEN_SIGNS.sub(lambda found: f"[U+{ord(found[0]):04X}]", text)


def short(text: str, most: int) -> str:
    """Return a text in one line, cut at so many letters with "…", in which hidden signs are named."""
    line = plain(" ".join(text[: 2 * most].split()))
    return line if len(line) <= most and len(text) <= 2 * most else f"{line[: most - 1]}…"
