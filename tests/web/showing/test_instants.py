"""Instants in a viewer's zone."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, tzinfo

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onebeat.web.showing import instants

AT = datetime(2026, 11, 26, 8, 34, 49, 204_000, UTC)
BERLIN = instants.zone("Europe/Berlin")


@pytest.mark.parametrize(
    ("told", "place"),
    [
        ("2026-11-26 08:34:49 UTC", UTC),
        ("2026-11-26 09:34:49 CET", BERLIN),
        ("2026-11-26 14:19:49 UTC+0545", instants.zone("Asia/Kathmandu")),
    ],
)
def test_an_instant_is_written_in_a_zone(told: str, place: tzinfo) -> None:
    """With the zone's letters, or its offset where it has none."""
    assert told == instants.absolute(AT, place)


def test_an_instant_is_markup() -> None:
    """Exact for machines, absolute for who reads it, and a script may find it."""
    assert (
        '<time datetime="2026-11-26T08:34:49.204Z" title="2026-11-26 09:34:49 CET" data-words>'
        "2026-11-26 09:34:49 CET</time>" == instants.time(AT, BERLIN)
    )


def test_milliseconds_are_written_where_they_matter() -> None:
    """As a time of day, and with its title."""
    assert (
        '<time datetime="2026-11-26T08:34:49.204Z" title="2026-11-26 08:34:49.204 UTC">08:34:49.204</time>'
        == instants.clock_time(AT)
    )


def test_an_instant_of_another_day_has_its_day() -> None:
    """In the viewer's zone, where it may be one already."""
    late = datetime(2026, 11, 26, 23, 30, tzinfo=UTC)
    told = [instants.clock_time(AT, place, ms=False, today=late) for place in (UTC, BERLIN)]
    assert ["08:34:49</time>", "Nov 26 09:34:49</time>"] == [text.rpartition('">')[2] for text in told]


def test_no_instant_is_a_dash() -> None:
    """Either way."""
    assert [instants.NONE] * 2 == [instants.time(None), instants.clock_time(None)]


@pytest.mark.slow
@given(st.text())
def test_a_zone_that_is_none_is_utc(name: str) -> None:
    """Whatever a cookie says; names are not looked up as files."""
    found = instants.zone(f"../{name}")
    assert UTC is found


@given(st.datetimes(timezones=st.just(UTC)) | st.datetimes(), st.sampled_from(["Pacific/Apia", "Etc/GMT+12", "UTC"]))
def test_every_instant_has_words(at: datetime, name: str) -> None:
    """Those at both edges of time too."""
    place = instants.zone(name)
    assert "<time datetime=" in instants.time(at, place) + instants.clock_time(at, place)


def test_how_far_away_is_told() -> None:
    """From the instant that is now."""
    assert "4m 12s ago" == instants.ago(AT, AT + timedelta(seconds=252))
