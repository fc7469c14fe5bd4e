"""The words that findings share."""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime

MOST = 20
"""Findings of one check that are told one by one; the others are only counted."""


def number(count: int, thing: str, things: str = "") -> str:
    """Say how many of a thing: "1 task", "1,204 tasks"."""
    return f"{count:,} {thing if count == 1 else things or f'{thing}s'}"


def span(seconds: float) -> str:
    """Say how long, in the unit that matters: "40 ms", "12 s", "5 min", "3 h", "2 days"."""
    seconds = abs(seconds)
    for size, unit in ((172_800, "days"), (7_200, "h"), (120, "min")):
        if seconds >= size:
            return f"{seconds / {'days': 86_400, 'h': 3_600, 'min': 60}[unit]:.0f} {unit}"
    return f"{seconds:.0f} s" if seconds >= 10 else f"{seconds:.1f} s" if seconds >= 1 else f"{seconds * 1000:.0f} ms"


def some(names: Iterable[str], most: int = 3) -> str:
    """Name the first few: "a, b, c and 4 more"."""
    known = list(names)
    more = f" and {len(known) - most:,} more" if len(known) > most else ""
    return ", ".join(known[:most]) + more


def instant(seconds: float) -> str:
    """Say when, to the second, in UTC."""
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def typed(*words: str) -> str:
    """Return a command as it is typed in a shell: bash, where a name has signs that a terminal would obey."""
    return " ".join(shlex.quote(word) if word.isprintable() else _escaped(word) for word in words)


def _escaped(word: str) -> str:
    signs = (sign if sign.isprintable() and sign not in "\\'" else _by_number(ord(sign)) for sign in word)
    return f"$'{''.join(signs)}'"


def _by_number(code: int) -> str:
    if 0xDC80 <= code <= 0xDCFF:  # a byte that is no UTF-8, as Python decodes it
        code -= 0xDC00
        return f"\\x{code:02x}"
    return f"\\x{code:02x}" if code < 0x80 else f"\\U{code:08x}"


def serve(queue: str = "") -> str:
    """Return the command that starts a server, of a queue if one is named."""
    return typed("onebeat", "run", "module:app", *(("--queue", queue) if queue else ()))


def list_tasks(queue: str, state: str) -> str:
    """Return the command that lists tasks of a state."""
    return typed("onebeat", "task", "ls", "--queue", queue, "--state", state)


def run_tasks(queue: str, state: str) -> str:
    """Return the command that runs all tasks of a state now."""
    return typed("onebeat", "task", "run", "--queue", queue, "--state", state)


def size(count: float) -> str:
    """Say how many bytes."""
    for unit in ("bytes", "kB", "MB", "GB"):
        if count < 1000 or unit == "GB":
            return f"{count:.0f} {unit}" if unit == "bytes" or count >= 10 else f"{count:.1f} {unit}"
        count /= 1000
    raise AssertionError(count)


def all_of(texts: Sequence[str]) -> str:
    """Join as one reads: "a, b and c"."""
    return texts[0] if len(texts) == 1 else f"{', '.join(texts[:-1])} and {texts[-1]}"
