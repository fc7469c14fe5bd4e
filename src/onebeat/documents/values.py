"""What documents are made of."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated

import msgspec

Instant = Annotated[datetime, msgspec.Meta(tz=True)]
"""An instant in UTC, as RFC 3339 writes it."""


class Bytes(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """
    Bytes that are text as a rule.

    Attributes:
        text: The bytes as text; left out if they are none.

        base64: The bytes, if they are no text.
    """

    text: str | None = None
    base64: str | None = None

    @classmethod
    def of(cls, data: bytes) -> Bytes:
        try:
            return cls(text=data.decode())
        except UnicodeDecodeError:
            import base64

            return cls(base64=base64.b64encode(data).decode())
