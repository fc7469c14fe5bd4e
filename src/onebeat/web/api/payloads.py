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
from onebeat.web.showing.binaries import compressed
from onebeat.web.showing.redaction import PLACEHOLDER, Redaction

IN_LISTS = 4_000
"""Bytes of a payload, or characters of an error, that a list shows."""

ALONE = 1_000_000
"""The same where one task is shown."""

WHOLE = 4_000_000
"""Bytes that are shown where a payload alone is asked for; the console's download has the rest."""

LOOKED_AT, BEYOND = 16_000, 8_000
"""Characters that rules look into however few are shown, and beyond those that are shown."""


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


def seen(data: bytes, most: int, rules: Redaction) -> Seen:
    """Return bytes as they may be seen, at most so many; what rules cannot look into, and may concern, not at all."""
    try:
        text = data.decode()
    except UnicodeDecodeError:
        if not rules.is_off and (compressed(data) or rules.tells_of(data)):
            return Seen(Bytes(text=PLACEHOLDER), is_redacted=True)
        return Seen(Bytes.of(data[:most]), is_cut=len(data) > most)
    part, is_cut = _begin(text, most)
    kept = rules.text(part)
    shown = kept.encode()[:most].decode(errors="ignore")  # no half of a letter
    return Seen(Bytes(text=shown), is_cut or len(shown) < len(kept), kept != part)


def seen_text(text: str, most: int, rules: Redaction) -> tuple[str, bool, bool]:
    """Return a text as it may be seen, and whether it was cut, and redacted."""
    part, is_cut = _begin(text, most)
    kept = rules.text(part)
    return kept[:most], is_cut or len(kept) > most, kept != part


def _begin(text: str, most: int) -> tuple[str, bool]:
    """Cut a long text before rules look into it, though beyond what is shown, so that no secret is seen in part."""
    looked_at = max(most + BEYOND, LOOKED_AT)
    return text[:looked_at], len(text) > looked_at


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
