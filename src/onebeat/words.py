"""Quantities in words, for all that speaks to people: the command line and the console."""

from __future__ import annotations


def counted(count: int, noun: str, nouns: str = "") -> str:
    """Write a number with its noun: "1 task", "2,000 tasks", "0 queries" by `counted(0, "query", "queries")`."""
    return f"{count:,} {noun if count == 1 else nouns or f'{noun}s'}"


def size(count: float) -> str:
    """Say how many bytes, in the unit that fits: "142 B", "5.0 MB"."""
    amount = float(count)
    for unit in ("B", "kB", "MB", "GB"):
        if amount < 1000:
            return f"{amount:.0f} {unit}" if unit == "B" or amount >= 100 else f"{amount:.1f} {unit}"
        amount /= 1000
    return f"{amount:.1f} TB"


def share(part: float, whole: float) -> str:
    """Say how many of a hundred, "-" of none; some are never 0.0 %, and not all never 100.0 %."""
    if not whole:
        return "-"
    hundredths = 100 * part / whole
    if 0 < hundredths < 0.05:
        return "<0.1 %"
    return ">99.9 %" if 99.95 <= hundredths < 100 else f"{hundredths:.1f} %"
