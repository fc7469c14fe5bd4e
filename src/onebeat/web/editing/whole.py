"""A payload as one text, where nothing of it is hidden."""

from __future__ import annotations

import base64
import re

from onebeat import codecs
from onebeat.errors import PayloadError, shown
from onebeat.task import TaskInfo
from onebeat.web.showing.documents import indented
from onebeat.web.showing.payloads import allowed
from onebeat.web.showing.redaction import PLACEHOLDER, Redaction
from onebeat.web.showing.tokens import NotJson, json_tokens

_CONTROLS = re.compile(r"[\x00-\x08\x0b-\x1f\x7f]")


def text_of(info: TaskInfo, rules: Redaction) -> tuple[str | None, str]:
    """Return a payload as text that can be edited; or None, and why it cannot."""
    codec = codecs.name_of(info.headers)
    if allowed(info.payload, codec=codec, rules=rules).is_changed:
        return None, "Redaction rules hide values in it, so that it cannot be edited as one text."
    if codec != codecs.JSON.name:
        return None, f"It is in codec {codec}, not JSON, so that it cannot be edited as a text."
    try:
        text = info.payload.decode()
    except UnicodeDecodeError:
        return None, "It is no text."
    if _CONTROLS.search(text):
        return None, "Control characters are in it, which no form keeps."
    try:
        return indented(json_tokens(text)), ""
    except NotJson:
        return text, ""


def payload_of(text: str, was: bytes, rules: Redaction) -> bytes | None:
    """
    Return the payload that was typed; None if it is what it was.

    Raises:
        PayloadError: It is no JSON any more; or something that stands for a hidden value is in it.
    """
    before = was.decode()
    new, old = _compact(text), _compact(before)
    if (old is not None and new == old) or text == before:
        return None
    if not rules.is_off and PLACEHOLDER in text and PLACEHOLDER not in before:
        raise PayloadError(f"{PLACEHOLDER} stands for a hidden value, and is none itself: write the value")
    if new is not None:
        return codecs.escape_json(new.encode())
    if old is not None:
        raise PayloadError(f"It was JSON, and is none any more{_where(text)}")
    return text.encode()


def base64_of(info: TaskInfo, rules: Redaction) -> str | None:
    """Return the bytes of a payload in base64, lines of 76 signs; None if something of it is hidden."""
    if allowed(info.payload, codec=codecs.name_of(info.headers), rules=rules).is_changed:
        return None
    return base64.encodebytes(info.payload).decode().rstrip("\n")


def bytes_of(text: str, was: bytes, rules: Redaction) -> bytes | None:
    """
    Return the payload that was typed in base64, spaces and line ends left out; None if it is what it was.

    Raises:
        PayloadError: It is no base64, or something that stands for a hidden value is in it.
    """
    try:
        new = base64.b64decode("".join(text.split()), validate=True)
    except ValueError as error:
        begin = shown(rules.text(text.strip())[:40])
        raise PayloadError(f"It begins {begin}, and is no base64 ({error}): encode the bytes with RFC 4648") from None
    if not rules.is_off and PLACEHOLDER.encode() in new and PLACEHOLDER.encode() not in was:
        raise PayloadError(f"{PLACEHOLDER} stands for a hidden value, and is none itself: write the value")
    return None if new == was else new


def _compact(text: str) -> str | None:
    try:
        return "".join(token.text for token in json_tokens(text))
    except NotJson:
        return None


def _where(text: str) -> str:
    try:
        for _ in json_tokens(text):
            pass
    except NotJson as error:
        at = re.search(r"\d+$", str(error))
        if at is not None:
            return f": look at line {text.count(chr(10), 0, int(at[0])) + 1}"
    return ": it ends too early"
