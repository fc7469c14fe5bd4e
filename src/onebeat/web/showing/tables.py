"""The numbers of a chart as a table, for readers of screens and for who wants them exactly."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime, timedelta, tzinfo

from markupsafe import Markup

from onebeat.web.showing.elements import element
from onebeat.web.showing.instants import absolute
from onebeat.web.showing.words import duration

MOST = 120
"""Rows of a table; of more numbers a row has the greatest of several steps, and says so."""


def table(caption: str, heads: Sequence[str], rows: Iterable[Sequence[str | None]]) -> Markup:
    """Return a folded table: the first column names its rows, the others are numbers, None where there is none."""
    head = (element("th", name, scope="col", class_="n" if i else None) for i, name in enumerate(heads))
    body = (element("tr", element("th", row[0] or "-", scope="row"), *map(_cell, row[1:])) for row in rows)
    made = element(
        "table",
        element("caption", caption, class_="unseen"),
        element("thead", element("tr", *head)),
        element("tbody", *body),
    )
    summary = element("summary", "Numbers")
    return element("details", summary, element("div", made, class_="table"), class_="chart-numbers")


def _cell(text: str | None) -> Markup:
    return element("td", "-", class_="n none") if text is None else element("td", text, class_="n")


def numbers(
    caption: str,
    times: Sequence[datetime],
    columns: Sequence[tuple[str, Sequence[float | None]]],
    write: Callable[[float], str],
    step: timedelta,
    place: tzinfo = UTC,
    *,
    is_under_way: bool = False,
) -> Markup:
    """Return the table of values over time, the newest first; of those of a time that is not over it says so."""
    at_once = max(math.ceil(len(times) / MOST), 1)
    rows = []
    for end in range(len(times), 0, -at_once):
        start = max(end - at_once, 0)
        found = [_greatest(values[start:end]) for _, values in columns]
        at = absolute(times[start], place)
        told = f"{at}, not over yet" if is_under_way and end == len(times) else at
        rows.append([told, *(None if one is None else write(one) for one in found)])
    said = f" (greatest of {duration(step * at_once)})" if at_once > 1 else ""
    return table(caption, [f"From{said}", *(name for name, _ in columns)], rows)


def _greatest(values: Sequence[float | None]) -> float | None:
    return max((value for value in values if value is not None), default=None)
