"""What a query or a form says, read within bounds: what cannot be meant is refused with its name and its value."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from urllib.parse import parse_qsl

from starlette.exceptions import HTTPException
from starlette.requests import ClientDisconnect, Request

from onebeat.errors import shown
from onebeat.web.security.limits import MAX_FIELDS

MAX_TEXT = 10_000
"""Characters of a field, unless who reads it allows more."""


class Form:
    """The fields of a query or a form, in order; a field may stand more than once."""

    def __init__(self, pairs: list[tuple[str, str]]) -> None:
        self.pairs = pairs
        self._last: Mapping[str, str] = dict(pairs)

    def get(self, name: str, default: str = "") -> str:
        """Return what a field says, whatever its length; the last, if it stands more than once."""
        return self._last.get(name, default)

    def all(self, name: str) -> list[str]:
        """Return all that a field says."""
        return [value for key, value in self.pairs if key == name]

    def text(self, name: str, default: str = "", *, most: int = MAX_TEXT) -> str:
        """
        Return what a field says.

        Args:
            most: Characters that it may have.

        Raises:
            HTTPException: 400: it has more.
        """
        value = self.get(name, default)
        if len(value) > most:
            raise HTTPException(400, f"{name} has {len(value):,} characters: at most {most:,} are read.")
        return value

    def needed(self, name: str, *, most: int = MAX_TEXT) -> str:
        """
        Return what a field says that must be there.

        Raises:
            HTTPException: 400: it is missing, empty or too long.
        """
        value = self.text(name, most=most)
        if not value:
            raise HTTPException(400, f"{name} is missing in the address or form.")
        return value

    def number(self, name: str, default: int, *, least: int, most: int) -> int:
        """
        Return a whole number.

        Args:
            default: If the field is missing or empty.

        Raises:
            HTTPException: 400: it is none, or out of its range.
        """
        text = self.text(name)
        if not text:
            return default
        digits = text.removeprefix("-")
        if digits.isascii() and digits.isdigit() and len(digits) <= 18 and least <= int(text) <= most:
            return int(text)
        raise HTTPException(400, f"{name} is {shown(text)}: give a whole number from {least:,} to {most:,}.")

    def choice(self, name: str, among: Iterable[str], default: str) -> str:
        """
        Return a value that is one of some.

        Args:
            default: If the field is missing or empty.

        Raises:
            HTTPException: 400: it is none of them.
        """
        known = list(among)
        text = self.text(name) or default
        if text in known or text == default:
            return text
        raise HTTPException(400, f"{name} is {shown(text)}: give one of {', '.join(known)}.")


def query(request: Request) -> Form:
    """
    Read what stands behind the question mark.

    Raises:
        HTTPException: 400: there are too many fields.
    """
    return _parsed(request.scope.get("query_string", b""))


async def read(request: Request) -> Form:
    """
    Read the form that a request carries. Its size is bounded by the gate (`security.limits`).

    Raises:
        HTTPException: 415: it is no form; 413: it is too large; 400: it has too many fields, or never came whole.
    """
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind != "application/x-www-form-urlencoded":
        raise HTTPException(415, "Send a form: application/x-www-form-urlencoded.")
    try:
        body = await request.body()
    except ClientDisconnect:  # nobody hears the answer; but it is no failure of ours, and none for the log
        raise HTTPException(400, "The form ended before all of it was sent.") from None
    return _parsed(body)


def _parsed(text: bytes) -> Form:
    """What is no UTF-8 becomes U+FFFD, so that it is looked up and not found, and breaks nothing on its way."""
    try:
        pairs = parse_qsl(
            text.decode("ascii", "replace"), keep_blank_values=True, max_num_fields=MAX_FIELDS, errors="replace"
        )
    except ValueError:
        raise HTTPException(400, f"There are more than {MAX_FIELDS:,} fields.") from None
    return Form(pairs)
