"""Payloads as the API takes and shows them: numbers digit by digit, secrets left out, and never too much."""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping
from typing import Any

import msgspec

from onebeat import codecs
from onebeat.codecs import escape_json
from onebeat.documents.values import Bytes
from onebeat.errors import PayloadError

IN_LISTS = 4_000
"""Bytes of a payload, or characters of an error, that a list shows."""

ALONE = 1_000_000
"""The same where one task is shown."""

WHOLE = 16_000_000
"""Bytes that are shown where a payload alone is asked for."""


class GivenPayload(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """
    A payload, in one of three ways.

    Attributes:
        json: Any JSON: it is stored without its spaces, its numbers digit by digit as they were written.

        text: A text: it is stored as UTF-8, as it is.

        base64: Bytes.
    """

    json: msgspec.Raw | msgspec.UnsetType = msgspec.UNSET
    text: str | msgspec.UnsetType = msgspec.UNSET
    base64: str | msgspec.UnsetType = msgspec.UNSET

    def data(self) -> bytes:
        """
        Return it as the bytes that are stored.

        Raises:
            PayloadError: It is given in no way, or in several, or is no base64.
        """
        given = [name for name in ("json", "text", "base64") if getattr(self, name) is not msgspec.UNSET]
        if len(given) != 1:
            raise PayloadError(
                f"payload is given in {len(given)} ways: give one of json, text and base64, "
                'such as {"json": {"user": 42}}'
            )
        if isinstance(self.json, msgspec.Raw):
            return escape_json(msgspec.json.format(bytes(self.json), indent=-1))
        if isinstance(self.text, str):
            return self.text.encode()
        try:
            return base64.b64decode(str(self.base64), validate=True)
        except (binascii.Error, ValueError) as error:
            raise PayloadError(f"payload.base64 is no base64 ({error}): encode the bytes with RFC 4648") from None


class Seen(msgspec.Struct, frozen=True):
    """Bytes as they may be seen: whether something was cut off, or replaced, as it is a secret."""

    bytes: Bytes
    is_cut: bool = False
    is_redacted: bool = False


def seen(data: bytes, most: int) -> Seen:
    """Return bytes as they may be seen, at most so many."""
    is_cut = len(data) > most
    shown = data[:most] if is_cut else data
    if is_cut and _is_text(data):
        shown = shown.decode(errors="ignore").encode()  # no half of a letter
    return Seen(Bytes.of(shown), is_cut)


def _is_text(data: bytes) -> bool:
    try:
        data.decode()
    except UnicodeDecodeError:
        return False
    return True


def cut(text: str, most: int) -> tuple[str, bool]:
    """Return the beginning of a text, and whether that is not all."""
    return (text, False) if len(text) <= most else (text[:most], True)


def as_json(data: bytes, headers: Mapping[str, str]) -> msgspec.Raw | None:
    """Return a payload as JSON to be put into a document as it stands, if it is some."""
    if codecs.name_of(headers) != codecs.JSON.name:
        return None
    try:
        text = data.decode()
        json.loads(text, parse_int=str, parse_float=str, parse_constant=_refuse)
    except (ValueError, RecursionError):
        return None
    return msgspec.Raw(data)


def _refuse(word: str) -> Any:
    raise ValueError(word)
