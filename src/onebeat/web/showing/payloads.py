"""
Payloads and results as markup, built of what they were parsed into and never by replacing text.

All of it belongs inside of `hx-ignore`. What is shown is what is there: numbers by the digits they are written with,
each key, signs that nobody sees by their names. A pickle is never loaded, and nothing is decompressed.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace

from markupsafe import Markup

from onebeat import codecs
from onebeat.web.showing.binaries import compressed, hex_lines, is_pickle, proto_tokens
from onebeat.web.showing.documents import Rendered, in_one_line, rendered
from onebeat.web.showing.elements import element
from onebeat.web.showing.packs import NotMessagePack, pack_tokens
from onebeat.web.showing.redaction import OFF, PLACEHOLDER, Redaction
from onebeat.web.showing.signs import visible, weight
from onebeat.web.showing.tokens import Kind, NotJson, Token, json_tokens
from onebeat.words import size

MOST = 262_144
"""Characters of a payload that are shown."""

MOST_BYTES = 16_384
"""Bytes that are shown by their digits."""

_BEYOND = 8_192
"""What is looked at beyond what is shown, so that a secret is not seen in part."""

_JSON_START = re.compile(r'[ \t\r\n]*+(?:[\[{"]|-?[0-9]|true|false|null|NaN|-?Infinity)')
_CONTROLS = re.compile(r"[\x00-\x08\x0b\x0c\x0e-\x1f\x7f]")


@dataclass(frozen=True, slots=True)
class Shown:
    """
    A payload as it is shown.

    Attributes:
        kind: What it is: "JSON", "text", "MessagePack", "binary"; a guess says so.

        size: Its bytes.

        markup: What is shown of it, for inside of `hx-ignore`.

        notes: Sentences on what is not shown, and why.

        hidden: Values that redaction rules hide.

        is_cut: Not all of it is shown.
    """

    kind: str
    size: int
    markup: Markup
    notes: tuple[str, ...] = ()
    hidden: int = 0
    is_cut: bool = False


@dataclass(frozen=True, slots=True)
class _Read:
    """What bytes are: a document of words, or a text; or neither."""

    kind: str
    tokens: Iterator[Token] | None = None
    text: str | None = None
    is_cut: bool = False
    is_guess: bool = False
    is_nameless: bool = False


def show(data: bytes, *, codec: str = codecs.JSON.name, rules: Redaction = OFF, most: int = MOST) -> Shown:
    """
    Return a payload as it is shown.

    Args:
        codec: The name of the codec that its task says it is in.

        rules: What is hidden.

        most: Characters that are shown.
    """
    if not data:
        return Shown("empty", 0, element("p", "no bytes", class_="p-none"))
    found = _guarded(_read(data, codec, most + _BEYOND), data, rules)
    if found.tokens is not None:
        try:
            made = rendered(rules.tokens(found.tokens), most)
        except NotJson:
            found = replace(found, kind=found.kind.replace("JSON", "text"))
        else:
            return _document(found, made, data, rules)
    if found.text is not None:
        return _text(found, len(data), rules, most)
    return _bytes(found, data, rules)


def _document(found: _Read, made: Rendered, data: bytes, rules: Redaction) -> Shown:
    notes = _notes(made.is_cut, len(data), made.hidden)
    markup = _pre(made.markup)
    if found.is_guess:
        notes.append("Its bytes fit this form, which is a guess: nothing in them says so.")
        if not made.hidden and not rules.tells_of(data[: MOST_BYTES + _BEYOND]):
            folded = element("details", element("summary", "Bytes"), _hex(data[:MOST_BYTES]))
            markup = Markup("").join([markup, folded])
    return Shown(found.kind, len(data), markup, tuple(notes), made.hidden, made.is_cut)


def _text(found: _Read, length: int, rules: Redaction, most: int) -> Shown:
    kept = rules.text(found.text or "")
    hidden = int(kept != found.text)
    part = _cut(kept, most)
    is_cut = found.is_cut or len(part) < len(kept)
    tail = [element("span", "…", class_="p-cut")] if is_cut else []
    return Shown(found.kind, length, _pre(visible(part), *tail), tuple(_notes(is_cut, length, hidden)), hidden, is_cut)


def _bytes(found: _Read, data: bytes, rules: Redaction) -> Shown:
    why = _unseen(data[: MOST_BYTES + _BEYOND], found.kind, rules)
    if why:
        return Shown(found.kind, len(data), nothing(), (why,), 1, True)
    is_cut = len(data) > MOST_BYTES
    return Shown(found.kind, len(data), _hex(data[:MOST_BYTES]), tuple(_notes(is_cut, len(data), 0)), 0, is_cut)


def nothing() -> Markup:
    """Return what stands in place of bytes that are not shown."""
    return element("p", "not shown", class_="p-none")


def _unseen(data: bytes, kind: str, rules: Redaction) -> str:
    """Say why bytes which nothing can look into are not shown; "" if they are."""
    if rules.is_off:
        return ""
    if compressed(data):
        return f"Redaction rules cannot look into {kind}, so that it is not shown."
    word = rules.tells_of(data)
    return (
        f"Redaction rules cannot look into these bytes, and the word of a rule stands in them: {word}." if word else ""
    )


def _notes(is_cut: bool, length: int, hidden: int) -> list[str]:
    notes = [f"Only its beginning is shown: download it to see all {size(length)}."] if is_cut else []
    if hidden:
        notes.append(f"Redaction rules hide {'a value' if hidden == 1 else f'{hidden:,} values'} in it.")
    return notes


def _pre(*inside: Markup) -> Markup:
    return element("pre", element("code", *inside), class_="payload", dir="ltr")


def _hex(data: bytes) -> Markup:
    return element("pre", element("code", "\n".join(hex_lines(data))), class_="payload p-hex", dir="ltr")


def _cut(text: str, most: int) -> str:
    """Return as much of a text as becomes a bounded amount of markup."""
    part = text[:most]
    while part and weight(part) > 2 * most:
        part = part[: len(part) // 2]
    return part


def summary(data: bytes, *, codec: str = codecs.JSON.name, rules: Redaction = OFF, most: int = 120) -> Markup:
    """Return a payload in one line, cut at so many characters with "…"."""
    if not data:
        return element("span", "no bytes", class_="p-none")
    found = _guarded(_read(data, codec, 4 * most + _BEYOND), data, rules)
    if found.tokens is not None:
        try:
            return _line(in_one_line(rules.tokens(found.tokens), most), most)
        except NotJson:
            pass  # a text that begins like it
    if found.text is not None:
        line = rules.text(found.text)
    else:
        why = _unseen(data[: MOST_BYTES + _BEYOND], found.kind, rules)
        line = f"{found.kind}, {size(len(data))}" + ("" if why else f": {data[:24].hex(' ')}")
    return _line(line, most)


def line(text: str, *, rules: Redaction = OFF, most: int = 200) -> Markup:
    """Return a text from anywhere, such as an error, in one line, cut at so many characters with "…"."""
    return _line(rules.text(text[: 4 * most + _BEYOND]), most)


def _line(text: str, most: int) -> Markup:
    short = text if len(text) <= most else f"{text[: most - 1]}…"
    return visible(re.sub(r"[ \t\r\n]+", " ", short).strip())


def block(text: str, *, rules: Redaction = OFF, most: int = 65_536) -> Markup:
    """Return a text from anywhere, such as a traceback, whole and exact, for inside of `hx-ignore`."""
    kept = rules.text(text[: most + _BEYOND])
    part = _cut(kept, most)
    return _pre(
        visible(part), *([element("span", "…", class_="p-cut")] if len(part) < len(text) and part != kept else [])
    )


@dataclass(frozen=True, slots=True)
class Allowed:
    """
    What of a payload may leave: as a file, into a form, in an answer.

    Attributes:
        data: Its bytes, with what rules hide replaced; None: they may not leave.

        is_changed: They are not those of the task, so that they must never be written back into one.

        why: Why they may not leave; "" if they may.
    """

    data: bytes | None
    is_changed: bool
    why: str = ""


def allowed(data: bytes, *, codec: str = codecs.JSON.name, rules: Redaction = OFF) -> Allowed:
    """Return what of a payload may leave. Takes as long as the payload is large: about a second for 5 MB."""
    if rules.is_off or not data:
        return Allowed(data, is_changed=False)
    found = _guarded(_read(data, codec, len(data)), data, rules)
    if found.tokens is not None and found.text is None:
        hides = any(token.kind is Kind.HIDDEN or PLACEHOLDER in token.text for token in rules.tokens(found.tokens))
        if hides or (found.is_guess and rules.tells_of(data)):
            why = f"Redaction rules hide values in this {found.kind}, which cannot be written again without them."
            return Allowed(None, is_changed=True, why=why)
        return Allowed(data, is_changed=False)
    if found.text is not None:
        kept = rules.text(found.text)
        return Allowed(kept.encode(), is_changed=True) if kept != found.text else Allowed(data, is_changed=False)
    why = _unseen(data, found.kind, rules)
    return Allowed(None, is_changed=True, why=why) if why else Allowed(data, is_changed=False)


def _guarded(found: _Read, data: bytes, rules: Redaction) -> _Read:
    """Leave a document without names, in which rules by name find nothing, to be judged as bytes."""
    return replace(found, tokens=None) if found.is_nameless and rules.tells_of(data) else found


def _read(data: bytes, codec: str, most: int) -> _Read:
    """Find out what bytes are, looking at so many of them."""
    if codec == codecs.MSGPACK.name and (tokens := _packed(data, most)) is not None:
        return _Read("MessagePack", iter(tokens))
    named = "" if codec in _KNOWN else f", in codec {codec}"
    text = _decoded(data)
    if text is not None:
        is_cut = len(text) > most
        text = text[:most]
        if _JSON_START.match(text):  # whether it goes on like it is seen when it is read
            return _Read(f"JSON{named}", json_tokens(text, is_cut=is_cut), text, is_cut)
        if not is_pickle(data):
            return _Read(f"text{named}", None, text, is_cut)
    return _opaque(data, most, named)


def _opaque(data: bytes, most: int, named: str) -> _Read:
    kind = compressed(data)
    if kind:
        return _Read(f"{kind}, not opened{named}")
    if is_pickle(data):
        return _Read(f"looks like pickle: not opened{named}")
    if data[0] in _CONTAINERS and (tokens := _packed(data, most)) is not None and len(tokens) > 2:
        return _Read(f"MessagePack, a guess{named}", iter(tokens), is_guess=True)
    if (guess := proto_tokens(data)) is not None:
        return _Read(f"protobuf, a guess{named}", iter(guess), is_guess=True, is_nameless=True)
    return _Read(f"binary{named}")


_KNOWN = (codecs.JSON.name, codecs.MSGPACK.name)
_CONTAINERS = frozenset([*range(0x80, 0xA0), *range(0xDC, 0xE0)])
"""Bytes that objects and arrays of MessagePack begin with."""


def _packed(data: bytes, most: int) -> Sequence[Token] | None:
    try:
        return list(pack_tokens(data[:most], is_cut=len(data) > most))
    except NotMessagePack:
        return None


def _decoded(data: bytes) -> str | None:
    """Return bytes as text, if they are some: UTF-8, and not mostly control characters."""
    try:
        text = data.decode()
    except UnicodeDecodeError:
        return None
    beginning = text[:4096]
    controls = sum(1 for _ in _CONTROLS.finditer(beginning))
    return text if controls * 10 <= len(beginning) or _begins_json(text) else None


def _begins_json(text: str) -> bool:
    return text.lstrip(" \t\r\n")[:1] in ("{", "[", '"')
