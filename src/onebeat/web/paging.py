"""Lists that do not fit a page."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from starlette.requests import Request

T = TypeVar("T")

ROWS = 50
"""Rows on a page."""


@dataclass(frozen=True, slots=True)
class Paged(Generic[T]):
    """
    One page of a list.

    Attributes:
        rows: What is on it.

        number, pages: Which, of how many, from 1.

        found: How many there are on all pages.
    """

    rows: Sequence[T]
    number: int
    pages: int
    found: int


def paged(request: Request, wanted: Sequence[T], *, rows: int = ROWS, name: str = "page") -> Paged[T]:
    """
    Return the page of a list that a request asks for, or the nearest that there is.

    Args:
        rows: How many are on a page.

        name: Of the number in the query.
    """
    said = request.query_params.get(name, "")
    asked = int(said) if said.isascii() and said.isdigit() and len(said) < 7 else 1
    pages = max(1, -(-len(wanted) // rows))
    number = min(max(asked, 1), pages)
    return Paged(wanted[(number - 1) * rows : number * rows], number, pages, len(wanted))
