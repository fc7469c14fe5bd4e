"""Markup as a browser reads it: its text, its elements, and hidden signs put back."""

from __future__ import annotations

from html.parser import HTMLParser

ELEMENTS = frozenset({"pre", "code", "span", "p", "details", "summary"})
"""That payloads may consist of."""

ATTRIBUTES = frozenset({"class", "title", "dir"})


class Reader(HTMLParser):
    """Collects text, and refuses elements and attributes that no payload has."""

    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.parts: list[str] = []
        self.classes: list[str] = []
        self._open: list[tuple[str, str]] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        known = dict(attrs)
        assert tag in ELEMENTS, tag
        assert known.keys() <= ATTRIBUTES, attrs
        self.classes.append(known.get("class") or "")
        self._open.append((tag, known.get("class") or ""))

    def handle_endtag(self, tag: str) -> None:
        assert tag == self._open.pop()[0]

    def handle_data(self, data: str) -> None:
        name = self._open[-1][1] if self._open else ""
        self.parts.append(chr(int(data.removeprefix("U+"), 16)) if name == "p-sign" else data)

    def handle_comment(self, data: str) -> None:
        raise AssertionError(data)

    def handle_decl(self, decl: str) -> None:
        raise AssertionError(decl)

    def handle_pi(self, data: str) -> None:
        raise AssertionError(data)


def read(markup: str) -> Reader:
    """Parse markup."""
    reader = Reader()
    reader.feed(markup)
    reader.close()
    assert not reader._open
    return reader


def text_of(markup: str) -> str:
    """Return the text that markup shows, with each hidden sign put back."""
    return "".join(read(markup).parts)
