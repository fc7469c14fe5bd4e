"""What a form said, read within bounds."""

from __future__ import annotations

from collections.abc import Mapping
from urllib.parse import parse_qsl

from starlette.exceptions import HTTPException
from starlette.requests import Request

MAX_BYTES = 2_000_000
MAX_FIELDS = 2_000


class Form:
    """The fields of a form, in order; a field may stand more than once."""

    def __init__(self, pairs: list[tuple[str, str]]) -> None:
        self.pairs = pairs
        self._last: Mapping[str, str] = dict(pairs)

    def get(self, name: str, default: str = "") -> str:
        """Return what a field says; the last, if it stands more than once."""
        return self._last.get(name, default)

    def all(self, name: str) -> list[str]:
        """Return all that a field says."""
        return [value for key, value in self.pairs if key == name]


async def read(request: Request) -> Form:
    """
    Read the form that a request carries.

    Raises:
        HTTPException: It is too large, or no form.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/x-www-form-urlencoded":
        raise HTTPException(415, "Send a form: application/x-www-form-urlencoded.")
    body = bytearray()
    async for piece in request.stream():
        body += piece
        if len(body) > MAX_BYTES:
            raise HTTPException(413, f"The form is larger than {MAX_BYTES:,} bytes.")
    try:
        text = body.decode("ascii")
        return Form(parse_qsl(text, keep_blank_values=True, max_num_fields=MAX_FIELDS, errors="surrogateescape"))
    except ValueError:
        raise HTTPException(400, f"The form cannot be read: it must have at most {MAX_FIELDS:,} fields.") from None
