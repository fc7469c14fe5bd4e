"""A document's words as markup: indented, coloured by class, and bounded."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator
from dataclasses import dataclass

from markupsafe import Markup

from onebeat.web.showing.elements import element
from onebeat.web.showing.signs import visible, weight
from onebeat.web.showing.tokens import Kind, Token

DEEPEST = 40
"""Levels that are indented; what lies deeper stands in the line of what it is in."""

IN_LINE = 72
"""Characters of an array of plain values that stands in one line."""

MOST_WORDS = 20_000
"""Words that are shown at most, as each takes room in a browser."""

_PLAIN = frozenset({Kind.OPEN, Kind.CLOSE, Kind.COMMA, Kind.COLON})


@dataclass(frozen=True, slots=True)
class Rendered:
    """Markup of a document, how many of its values are hidden, and whether there is more of it."""

    markup: Markup
    hidden: int
    is_cut: bool


class _Writer:
    """Collects markup, up to a bound."""

    def __init__(self, most: int) -> None:
        self._parts: list[Markup] = []
        self._left = most
        self._words = MOST_WORDS
        self.hidden = 0
        self.is_cut = False

    def put(self, token: Token) -> None:
        """Write a word, or what there is room for of it."""
        self._words -= 1
        if token.kind is Kind.CUT or self._left <= 0 or self._words < 0:
            self._end()
        elif token.kind is Kind.HIDDEN:
            self.hidden += 1
            self._parts.append(element("span", "hidden", class_="p-hidden", title="A redaction rule hides this value."))
        else:
            self._text(token)

    def _text(self, token: Token) -> None:
        text = token.text[: self._left]
        while weight(text) > 2 * self._left and len(text) > 16:
            text = text[: len(text) // 2]
        self._left -= weight(text)
        self._parts.append(
            visible(text) if token.kind in _PLAIN else element("span", visible(text), class_=f"p-{token.kind.value}")
        )
        if len(text) < len(token.text):
            self._end()

    def _end(self) -> None:
        self._parts.append(element("span", "…", class_="p-cut"))
        self.is_cut = True

    def space(self, text: str) -> None:
        self._parts.append(Markup(text))  # noqa: S704 - spaces and new lines of ours

    def markup(self) -> Markup:
        return Markup("").join(self._parts)


def rendered(tokens: Iterator[Token], most: int) -> Rendered:
    """
    Return a document, indented.

    Args:
        most: Characters that are shown, indents apart.
    """
    writer = _Writer(most)
    for part in _laid_out(tokens):
        if isinstance(part, str):
            writer.space(part)
            continue
        writer.put(part)
        if writer.is_cut:
            break
    return Rendered(writer.markup(), writer.hidden, writer.is_cut)


def indented(tokens: Iterator[Token]) -> str:
    """Return a document as text, indented as it is shown."""
    return "".join(part if isinstance(part, str) else part.text for part in _laid_out(tokens))


def _laid_out(tokens: Iterator[Token]) -> Iterator[Token | str]:
    """Yield words with the spaces and new lines between them; a short array of plain values stays in its line."""
    depth = 0
    is_open = is_short = False
    ahead: deque[Token] = deque()
    while (token := ahead.popleft() if ahead else next(tokens, None)) is not None:
        is_flat = is_short or depth > DEEPEST
        if token.kind is Kind.CLOSE:
            depth -= 1
            if not is_open and not is_short and depth < DEEPEST:
                yield "\n" + "  " * depth
            is_short = False
        elif is_open and not is_flat:
            yield "\n" + "  " * depth
        yield token
        is_open = token.kind is Kind.OPEN
        if is_open:
            depth += 1
            is_short = token.text == "[" and not ahead and _is_short(tokens, ahead)
        elif token.kind is Kind.COMMA:
            yield " " if is_flat else "\n" + "  " * depth
        elif token.kind is Kind.COLON:
            yield " "


def _is_short(tokens: Iterator[Token], ahead: deque[Token]) -> bool:
    """Look ahead whether an array that has begun ends in the same line."""
    length = 0
    while length <= IN_LINE and (token := next(tokens, None)) is not None:
        ahead.append(token)
        length += len(token.text) + 1
        if token.kind in (Kind.OPEN, Kind.CLOSE, Kind.CUT):
            return token.kind is Kind.CLOSE and length <= IN_LINE
    return False


def in_one_line(tokens: Iterator[Token], most: int) -> str:
    """Return a document as one line, as far as so many characters reach, and one more if there is more."""
    parts: list[str] = []
    length = 0
    for token in tokens:
        text = "…" if token.kind is Kind.CUT else token.text
        if token.kind in (Kind.COMMA, Kind.COLON):
            text += " "
        parts.append(text)
        length += len(text)
        if length > most:
            break
    return "".join(parts)
