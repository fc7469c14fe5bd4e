"""How the command line speaks: tables for people, JSON for scripts, one sentence for what went wrong."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any, Literal, NoReturn

import click

MAX_SHOWN = 60
UNBOUNDED = 10_000


def fail(message: str, *, status: int = 1) -> NoReturn:
    """Say what is wrong on standard error and end with a status that is not 0."""
    click.echo(f"onebeat: {message}", err=True)
    raise SystemExit(status)


def show_json(value: Any) -> None:
    """Print one JSON document."""
    click.echo(json.dumps(value, ensure_ascii=False, indent=2, default=_plain))


def _plain(value: object) -> object:
    if isinstance(value, datetime):
        return value.astimezone(UTC).isoformat().replace("+00:00", "Z")
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, bytes):
        return readable(value, limit=None)
    raise TypeError(type(value).__name__)


def show_table(
    columns: Sequence[str],
    rows: Iterable[Sequence[object]],
    *,
    numbers: Sequence[str] = (),
    whole: Sequence[str] = (),
) -> None:
    """
    Print a table; columns in `numbers` are aligned to the right, they and those in `whole` never folded.

    On a terminal long texts are folded to fit; into a file or a pipe every row is one whole line.
    """
    from rich.console import Console
    from rich.markup import escape
    from rich.table import Table

    table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    for column in columns:
        side: Literal["left", "right"] = "right" if column in numbers else "left"
        kept = column in numbers or column in whole
        table.add_column(column, justify=side, overflow="fold", no_wrap=kept)
    for row in rows:
        table.add_row(*(escape(str(cell)) for cell in row))
    console = Console()
    if not console.is_terminal:
        console.width = UNBOUNDED
    console.print(table)


def readable(data: bytes, *, limit: int | None = MAX_SHOWN) -> str:
    """Show bytes as text if they are text."""
    try:
        text = data.decode()
    except UnicodeDecodeError:
        return f"{len(data)} bytes, not text"
    if not text.isprintable():
        text = repr(text)[1:-1]
    return text if limit is None or len(text) <= limit else text[: limit - 1] + "…"


def ago(moment: datetime | None, now: datetime) -> str:
    """Say how far away an instant is, in words."""
    if moment is None:
        return "-"
    seconds = (now - moment).total_seconds()
    return f"{duration(seconds)} ago" if seconds >= 0 else f"in {duration(-seconds)}"


def duration(seconds: float) -> str:
    """Say how long, in the two units that matter."""
    if seconds < 10:
        return f"{seconds:.1f} s"
    for size, unit, smaller in ((86_400, "d", 3600), (3600, "h", 60), (60, "min", 1)):
        if seconds >= size:
            rest = int(seconds % size // smaller)
            part = {"d": "h", "h": "min", "min": "s"}[unit]
            return f"{int(seconds // size)} {unit} {rest} {part}" if rest else f"{int(seconds // size)} {unit}"
    return f"{seconds:.0f} s"
