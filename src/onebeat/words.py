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
    """Say how many of a hundred; "-" of none."""
    return f"{100 * part / whole:.1f} %" if whole else "-"
