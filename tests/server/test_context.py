"""What a handler may ask of its context."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from onebeat import Context


@pytest.mark.parametrize(
    ("header", "tick"),
    [
        ("1700000000123", datetime(2023, 11, 14, 22, 13, 20, 123_000, tzinfo=UTC)),
        ("", None),
        ("²", None),
        ("٣", None),
        ("-1", None),
        ("9" * 15, None),
        ("9" * 30, None),
        ("9" * 5000, None),
    ],
)
def test_a_tick_that_is_no_instant_is_none(header: str, tick: datetime | None) -> None:
    """A header by that name may be anybody's: the handler is not ended by what stands in it."""
    context = Context(
        id="a", queue="q", type="t", retried=0, max_retry=1, headers={"tick": header} if header else {}, state=None
    )
    assert tick == context.tick
