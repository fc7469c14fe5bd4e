"""Numbers in words: durations, counts, rates. Pure, and the same on every page."""

from __future__ import annotations

import math
from datetime import timedelta

from onebeat.words import counted, share, size

__all__ = ["brief", "count", "counted", "duration", "rate", "relative", "share", "size", "wait"]

_UNITS = ((86_400, "d"), (3_600, "h"), (60, "m"), (1, "s"))
_SHORT = ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k"))

NONE = "-"
"""In place of a number that is not known."""


def duration(length: float | timedelta | None) -> str:
    """
    Say how long, in the two units that matter: "15 ms", "0.3 s", "12 s", "4m 12s", "3h", "2d 4h".

    Args:
        length: In seconds if it is a number; None, and what is no finite number: "-".
    """
    seconds = length.total_seconds() if isinstance(length, timedelta) else length
    if seconds is None or not math.isfinite(seconds):
        return NONE
    sign, seconds = ("-" if seconds < 0 else ""), abs(seconds)
    return sign + (_moment(seconds) if seconds < 59.5 else _span(round(seconds)))


def _moment(seconds: float) -> str:
    if seconds == 0:
        return "0 s"
    if seconds < 0.0995:
        ms = seconds * 1000
        return f"{ms:.0f} ms" if ms >= 9.95 else f"{ms:.1f} ms" if ms >= 0.05 else "<0.1 ms"
    return f"{seconds:.1f} s" if seconds < 9.95 else f"{seconds:.0f} s"


def _span(seconds: int) -> str:
    at = next(i for i, (length, _) in enumerate(_UNITS) if seconds >= length)
    length, unit = _UNITS[at]
    whole, rest = divmod(seconds, length)
    less, smaller = _UNITS[at + 1]
    part = rest // less
    return f"{whole:,}{unit} {part}{smaller}" if part else f"{whole:,}{unit}"


def relative(seconds: float) -> str:
    """Say how far an instant is from now: "4m 12s ago", "in 3h"; positive seconds lie behind."""
    if abs(seconds) < 0.05:
        return "now"
    return f"{duration(seconds)} ago" if seconds > 0 else f"in {duration(-seconds)}"


def count(number: float | None) -> str:
    """Write a count, thousands apart: "10,612"; what is no whole number with one place: "0.4"."""
    if number is None or not math.isfinite(number):
        return NONE
    return f"{number:,.0f}" if number == round(number) or abs(number) >= 100 else f"{number:,.1f}"


def brief(number: float | None) -> str:
    """Write a count in few letters, for axes and narrow places: "840", "1.2k", "35.7k", "2M"."""
    if number is None or not math.isfinite(number):
        return NONE
    for length, unit in _SHORT:
        if abs(number) >= length * 0.99995:
            scaled = number / length
            return f"{scaled:.0f}{unit}" if abs(scaled) >= 100 else f"{scaled:.1f}".removesuffix(".0") + unit
    return f"{number:.2f}".rstrip("0").rstrip(".") if number != round(number) else f"{number:.0f}"


def wait(number: int) -> str:
    """Say that so many tasks wait: "1 task waits", "3 tasks wait"."""
    return f"{counted(number, 'task')} wait{'s' if number == 1 else ''}"


def rate(number: float, seconds: float) -> str:
    """Say how often something happened in a time, in the unit that reads best: "12/s", "3.4/min", "2/h"."""
    if seconds <= 0 or not math.isfinite(number):
        return NONE
    for length, unit in ((1, "s"), (60, "min"), (3_600, "h")):
        often = number / seconds * length
        if often >= 1 or unit == "h":
            return f"{_often(often)}/{unit}"
    raise AssertionError(number)


def _often(often: float) -> str:
    return f"{often:,.0f}" if often >= 9.95 or often == round(often) else f"{often:.1f}"
