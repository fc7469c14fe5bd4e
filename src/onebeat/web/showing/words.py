"""Numbers in words: durations with their unit, plural forms."""

from __future__ import annotations


def duration(seconds: float) -> str:
    """Say how long something takes: "0.3 s", "4 m 12 s"."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    return f"{minutes}m {rest}s" if minutes else f"{rest} s"


def counted(count: int, noun: str, plural: str = "") -> str:
    """Say how many there are: "1 task", "2,000 tasks"."""
    return f"{count:,} {noun if count == 1 else plural or noun + 's'}"
