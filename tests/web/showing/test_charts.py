"""Charts: what they draw and say, whatever the numbers are."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onebeat.web.showing import instants, scales
from onebeat.web.showing.charts import (
    BYTES,
    COUNT,
    PER_SECOND,
    SECONDS,
    SHARE,
    Series,
    Unit,
    area_chart,
    bars,
    composition,
    day_axis,
    day_strip,
    histogram,
)

NOW = datetime(2026, 11, 26, 8, 40, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
HOSTILE = '"><script>alert(1)</script>&{{ 7 }}'

numbers = st.lists(st.none() | st.integers(0, 10**12) | st.floats(), max_size=70)
units = st.sampled_from([COUNT, SECONDS, BYTES, SHARE, PER_SECOND])


def read(markup: str) -> ET.Element:
    """Parse markup, which must be well-formed, and draw by classes alone."""
    assert "style=" not in markup
    assert "<script" not in markup
    return ET.fromstring(f"<div>{markup}</div>")  # noqa: S314 - our own


def paths(markup: str, name: str) -> list[str]:
    return [found.attrib["d"] for found in read(markup).iter("path") if found.attrib["class"] == name]


def texts(markup: str) -> list[str]:
    return [found.text or "" for found in read(markup).iter("text")]


def drawn(values: Sequence[float | None], unit: Unit = COUNT, step: timedelta = MINUTE) -> str:
    return area_chart([Series("processed", values)], label="Attempts", until=NOW, step=step, unit=unit)


@pytest.mark.slow
@given(numbers, numbers, units, st.sampled_from([MINUTE, timedelta(hours=1), timedelta(days=1)]))
def test_any_numbers_can_be_drawn(
    first: list[float | None], second: list[float | None], unit: Unit, step: timedelta
) -> None:
    """Of any unit; what is no number is a gap."""
    series = [Series("a", first), Series(HOSTILE, second, "archived")]
    markup = area_chart(series, label=HOSTILE, until=NOW, step=step, unit=unit, place=instants.zone("Europe/Berlin"))
    root = read(markup)
    assert "nan" not in "".join(found.attrib["d"] for found in root.iter("path"))


def test_a_chart_says_in_a_sentence_what_it_shows() -> None:
    """Of each line the last value, the least and the greatest."""
    series = [Series("processed", [120, 190, 142]), Series("failed", [None, None, None], "archived")]
    plot = read(area_chart(series, label="Attempts a minute", until=NOW, step=MINUTE)).find("./figure/div")
    assert plot is not None
    assert "img" == plot.attrib["role"]
    assert (
        "Attempts a minute. processed: 142 last, between 120 and 190; failed: nothing written."
        == plot.attrib["aria-label"]
    )


def test_a_line_is_straight_from_value_to_value() -> None:
    """Over the whole width, the area under it down to zero."""
    assert ["M0.0 8.0L500.0 143.0L1000.0 53.0"] == paths(drawn([3, 0, 2]), "chart-line")
    assert ["M0.0 143.0L0.0 8.0L500.0 143.0L1000.0 53.0L1000.0 143.0Z"] == paths(drawn([3, 0, 2]), "chart-area")


def test_a_count_that_is_not_over_is_no_slump() -> None:
    """The line ends before it; what there is so far stands beside it as a pale column, and is said to be so far."""
    series = [Series("attempts", [60, 60, 6])]
    markup = area_chart(series, label="Attempts a minute", until=NOW, step=MINUTE, is_under_way=True)
    assert ["M0.0 8.0L500.0 8.0"] == paths(markup, "chart-line")
    assert ["M583.3 143.0V129.5H1000.0V143.0Z"] == paths(markup, "chart-part")
    assert "60 last, between 60 and 60. Since then, so far: 6 attempts." in markup
    assert "2026-11-26 08:40:00 UTC, not over yet" in markup
    assert "08:40:00 · 6 attempts · not over yet" in markup
    assert "60 attempts" in texts(markup)


def test_nothing_so_far_is_not_drawn() -> None:
    """A minute that has just begun."""
    series = [Series("attempts", [60, 60, 0])]
    markup = area_chart(series, label="Attempts a minute", until=NOW, step=MINUTE, is_under_way=True)
    assert [] == paths(markup, "chart-part")


def test_what_is_no_count_is_joined_by_dashes() -> None:
    """How long tasks waited so far does not grow with the minute; it stands alone where the line has a gap."""

    def part(*values: float | None) -> list[str]:
        markup = area_chart([Series("p95", values)], label="x", until=NOW, step=MINUTE, unit=SECONDS, is_under_way=True)
        return [d for name in ("chart-line chart-part", "chart-line chart-dot chart-part") for d in paths(markup, name)]

    assert ["M500.0 8.0L1000.0 53.0"] == part(3, 3, 2)
    assert ["M1000.0 53.0h0"] == part(3, None, 2)
    assert [] == part(3, 3, None)


def test_a_bar_that_is_not_over_is_pale() -> None:
    """And said to be; all others are as ever."""
    markup = bars([60, 60, 6], label="Attempts", part=[0, 1, 1], is_under_way=True)
    names = [found.attrib["class"] for found in read(markup).iter("path")]
    assert ["s-completed", "s-archived", "s-completed chart-part", "s-archived chart-part"] == names
    assert "126 in all, at most 60 at once, 2 failed, 6 of them in the last, which is not over" in markup


def test_a_line_has_a_gap_where_nothing_was_written() -> None:
    """And a value that stands alone is a dot."""
    markup = drawn([3, 3, None, 3, None])
    assert ["M0.0 8.0L250.0 8.0"] == paths(markup, "chart-line")
    assert ["M750.0 8.0h0"] == paths(markup, "chart-line chart-dot")


def test_lines_are_labelled_at_their_ends() -> None:
    """With the last value and the name, far enough from one another to be read."""
    series = [Series("processed", [5, 5]), Series("failed", [4, 5], "archived")]
    found = [
        (text.text, float(text.attrib["y"]))
        for text in read(area_chart(series, label="x", until=NOW, step=MINUTE, height=144)).iter("text")
        if "s-" in text.attrib.get("class", "")
    ]
    (_, first), (_, second) = found
    assert {"5 processed", "5 failed"} == {text for text, _ in found}
    assert 14 <= abs(first - second)


def test_zero_is_grey() -> None:
    """A line of nothing but zeros, and its label."""
    names = [found.attrib.get("class", "") for found in read(drawn([0, 0])).iter()]
    assert 2 == names.count("s-zero")
    assert "s-completed" not in names


def test_a_chart_of_nothing_says_so() -> None:
    """In the middle of it."""
    assert "Nothing written in this time." in drawn([None, None])


@pytest.mark.parametrize(
    ("told", "greatest", "unit"),
    [
        (["0", "80", "160", "240"], 190, COUNT),
        (["0", "1", "2", "3"], 0, COUNT),
        (["0", "1", "2", "3"], 1, COUNT),
        (["0", "4k", "8k", "12k"], 9_001, COUNT),
        (["0", "1 s", "2 s", "3 s"], 2.9, SECONDS),
        (["0", "20 ms", "40 ms", "60 ms"], 0.055, SECONDS),
        (["0", "2m", "4m", "6m"], 252, SECONDS),
        (["0", "1d", "2d", "3d"], 200_000, SECONDS),
        (["0", "2 MB", "4 MB", "6 MB"], 5_000_000, BYTES),
        (["0", "2 %", "4 %", "6 %"], 0.05, SHARE),
        (["0", "33.33 %", "66.67 %", "100 %"], 1, SHARE),
    ],
)
def test_lines_of_a_grid_are_at_round_numbers(told: list[str], greatest: float, unit: Unit) -> None:
    """Four of them, from zero on."""
    assert told == [unit.brief(value) for value in scales.lines(greatest, unit)]


@given(st.floats(min_value=0, max_value=1e15), units)
def test_the_highest_line_is_not_below_the_greatest_value(greatest: float, unit: Unit) -> None:
    """Nor is it far above a value that is not tiny."""
    found = scales.lines(greatest, unit)
    assert found[-1] >= greatest * (1 - 1e-6)
    assert greatest < 10 or found[-1] <= 2.6 * greatest


def test_a_short_time_is_labelled_by_how_far_it_lies_behind() -> None:
    """Up to now."""
    assert ["−30m", "−20m", "−10m", "now"] == [mark.text for mark in scales.relative_marks(timedelta(minutes=30))]


def test_a_long_time_is_labelled_by_the_viewers_clock() -> None:
    """At round hours there, the day's name at midnight."""
    marks = scales.clock_marks(NOW - timedelta(days=1), NOW, instants.zone("Europe/Berlin"))
    assert ["12:00", "16:00", "20:00", "Nov 26", "04:00", "08:00"] == [mark.text for mark in marks]


def test_hours_of_a_day_on_which_clocks_change_are_right() -> None:
    """No 02:00 in Berlin on the last Sunday of March."""
    berlin = instants.zone("Europe/Berlin")
    spring = datetime(2026, 3, 28, 23, tzinfo=UTC)
    found = scales.round_times(spring, spring + timedelta(hours=5), timedelta(hours=1), berlin)
    assert ["00", "01", "03", "04", "05", "06"] == [f"{at.astimezone(berlin):%H}" for at in found]


def test_the_table_has_every_number() -> None:
    """Newest first, a dash where nothing was written."""
    rows = [[cell.text for cell in row] for row in read(drawn([7, None, 1_204])).findall(".//tbody/tr")]
    assert [
        ["2026-11-26 08:40:00 UTC", "1,204"],
        ["2026-11-26 08:39:00 UTC", "-"],
        ["2026-11-26 08:38:00 UTC", "7"],
    ] == rows


def test_a_long_table_has_the_greatest_of_several_steps() -> None:
    """And says so in its head."""
    root = read(drawn(list(range(1_440))))
    assert 120 == len(root.findall(".//tbody/tr"))
    assert "From (greatest of 12m)" == root.findall(".//th")[0].text
    assert "1,439" == root.findall(".//tbody/tr/td")[0].text


@pytest.mark.slow
@given(numbers, numbers)
def test_any_numbers_are_bars(values: list[float | None], part: list[float | None]) -> None:
    """In a cell of a table."""
    root = read(bars(values, label=HOSTILE, part=part))
    assert root[0].attrib["aria-label"].startswith(f"{HOSTILE}: ")


def test_bars_of_nothing_are_grey() -> None:
    """And where nothing was written there is none."""
    assert ["M0.0 20v-1.0h39.0v1.0z"] == paths(bars([0, None, None], label="x"), "chart-zero")


def test_bars_show_what_failed_of_each() -> None:
    """In its own colour, never higher than the whole."""
    markup = bars([10, 10], label="Attempts", part=[5, 99], width=20, height=20)
    assert ["M0.0 20v-10.0h9.0v10.0zM10.0 20v-20.0h9.0v20.0z"] == paths(markup, "s-archived")


def widths(markup: str) -> dict[str, float]:
    return {
        found.attrib["class"].removeprefix("s-"): float(found.attrib["width"].rstrip("%"))
        for found in read(markup).iter("rect")
    }


def test_a_composition_leaves_completed_tasks_out() -> None:
    """They would drown the rest."""
    assert {"active": 25.0, "pending": 75.0} == widths(composition({"pending": 3, "completed": 9_000, "active": 1}))


def test_one_task_among_a_million_can_be_seen() -> None:
    """Of another state than the others."""
    found = widths(composition({"pending": 1_000_000, "archived": 1}))
    assert 1 <= found["archived"] <= 2
    assert 100 == pytest.approx(sum(found.values()), abs=0.1)


def test_a_composition_says_its_numbers() -> None:
    """Of an empty queue too."""
    root = read(composition({"retry": 1_204, "active": 2}, label="default") + composition({}))
    assert ["default: 2 active, 1,204 retry", "no tasks"] == [found.attrib["aria-label"] for found in root]


def test_a_composition_says_what_it_leaves_out() -> None:
    """To who hovers and to who listens: beside a size that counts them an empty bar would seem to be wrong."""
    root = read(composition({"completed": 5_137}, label="mail") + composition({"retry": 2, "completed": 1}))
    assert ["mail: 5,137 completed, not drawn", "2 retry; 1 completed, not drawn"] == [
        found.attrib["aria-label"] for found in root
    ]
    assert ["5,137 completed, not drawn", "1 completed, not drawn"] == [found[0].text for found in root]


BUCKETS = [(0.1, 5), (1.0, 15), (float("inf"), 2)]


def test_a_distribution_names_its_buckets() -> None:
    """In the table and for who points at one."""
    root = read(histogram(BUCKETS, label="Durations", marks={"p50": 0.55, "p95": None}))
    assert [("0 s to 0.1 s", "5"), ("0.1 s to 1.0 s", "15"), ("over 1.0 s", "2")] == [
        (row[0].text, row[1].text) for row in root.findall(".//tbody/tr")
    ]
    assert "Durations. 22 in all, p50 0.6 s." == root[0][0].attrib["aria-label"]


def test_a_mark_lies_in_its_bucket() -> None:
    """As far as its value is between the bounds."""
    lines = [found.attrib for found in read(histogram(BUCKETS, label="x", marks={"p50": 0.55})).iter("line")]
    assert ["50.00%"] == [line["x1"] for line in lines if line["class"] == "chart-mark"]


@pytest.mark.slow
@given(
    st.lists(st.tuples(st.floats(allow_nan=False), st.integers(0, 10**9)), max_size=30),
    st.dictionaries(st.text("p59<", max_size=4), st.none() | st.floats(allow_nan=False), max_size=4),
)
def test_any_distribution_can_be_drawn(buckets: list[tuple[float, float]], marks: dict[str, float | None]) -> None:
    """Whatever its bounds are."""
    read(histogram(buckets, label=HOSTILE, marks=marks))


def test_a_day_shows_what_lies_close_together_as_a_band() -> None:
    """And what stands alone as a mark."""
    end = NOW + timedelta(days=1)
    often = [NOW + timedelta(minutes=5 * i) for i in range(12)]
    alone = NOW + timedelta(hours=12)
    root = read(day_strip([*often, alone], start=NOW, end=end, label="nightly"))
    assert ["12 times from 08:40:00 to 09:35:00", "20:40:00"] == [found.text for found in root.iter("title")]
    assert "nightly: 13 times, first at 08:40:00, last at 20:40:00" == root[0].attrib["aria-label"]


@pytest.mark.slow
@given(st.lists(st.integers(-10, 100_000), max_size=50).map(sorted), st.booleans())
def test_any_day_can_be_drawn(seconds: list[int], more: bool) -> None:
    """What lies outside is left out."""
    at = [NOW + timedelta(seconds=second) for second in seconds]
    root = read(day_strip(at, start=NOW, end=NOW + timedelta(days=1), label=HOSTILE, more=more))
    assert f"{sum(0 <= second < 86_400 for second in seconds)} time" in root[0].attrib["aria-label"].replace(",", "")


def test_the_axis_of_a_day_has_the_viewers_hours() -> None:
    """Every third."""
    markup = day_axis(NOW, NOW + timedelta(days=1), instants.zone("Europe/Berlin"))
    assert ["12:00", "15:00", "18:00", "21:00", "00:00", "03:00", "06:00", "09:00"] == texts(markup)[::-1]
