"""What a task holds, in one line of a table: bounded, with nothing in it that moves what stands around it."""

from __future__ import annotations

import re
from collections.abc import Callable

from onebeat.words import size

MOST = 160
"""Characters of a line."""

_SPACES = re.compile(r"\s+")


def plain(text: str) -> str:
    """Redact nothing: where there are no rules."""
    return text


def visible(text: str) -> str:
    """Write out what a browser would not show, or would act on: controls, and marks that turn the direction."""
    if text.isprintable():
        return text
    return "".join(sign if sign.isprintable() else _escape(sign) for sign in text)


def _escape(sign: str) -> str:
    code = ord(sign)
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def text_line(text: str, most: int = MOST, *, redacted: Callable[[str], str] = plain) -> str:
    """Write a text in one line, cut where it is too long."""
    line = visible(_SPACES.sub(" ", redacted(text[: most * 8])).strip())
    return line if len(line) <= most else f"{line[: most - 1]}…"


def payload_line(data: bytes, most: int = MOST, *, redacted: Callable[[str], str] = plain) -> str:
    """Write bytes in one line: text as it stands there, anything else as its length and its first bytes."""
    text = _text(data[: most * 8], is_cut=len(data) > most * 8)
    if text is None:
        return f"{size(len(data))}: {data[:24].hex(' ')}{' …' if len(data) > 24 else ''}"
    return text_line(text, most, redacted=redacted)


def _text(data: bytes, *, is_cut: bool) -> str | None:
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        if is_cut and error.start >= len(data) - 3:
            return data[: error.start].decode()
        return None
