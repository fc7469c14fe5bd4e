"""How the command line speaks: tables for people, JSON for scripts, one sentence for what went wrong."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Literal, NoReturn

import click

from onebeat.cli.terminal import console, is_terminal
from onebeat.words import counted, share, size

__all__ = ["counted", "share", "size"]

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

MAX_SHOWN = 60

GOOD, WARN, BAD, DIM = "green", "yellow", "red", "dim"
"""What colours mean; there are no others."""

STATE_STYLES = {"active": GOOD, "retry": WARN, "archived": BAD, "completed": DIM}
"""How states stand out in a table; those that are not here do not."""


class Cell(str):
    """A cell of a table with a style, which only a terminal shows: `Cell("archived", BAD)`."""

    __slots__ = ("style",)

    def __new__(cls, value: object, style: str = "") -> Cell:
        cell = super().__new__(cls, value)
        cell.style = style
        return cell

    style: str


def state_cell(state: str) -> Cell:
    """Return a cell that shows a task's state."""
    return Cell(state, STATE_STYLES.get(state, ""))


def count_cell(count: int, style: str = "") -> Cell:
    """Return a cell with a number, thousands apart; zero is quiet, and has none of the style."""
    return Cell(f"{count:,}", style if count else DIM)


def fail(message: str, *, status: int = 1) -> NoReturn:
    """Say what is wrong on standard error, as nothing that a terminal obeys, and end with a status that is not 0."""
    told = "\n".join(visible(line) for line in message.split("\n"))
    click.echo(f"onebeat: {told}", err=True)
    raise SystemExit(status)


def note(message: str, *, matters: bool = False) -> None:
    """
    Say something about what is shown, on a terminal; into a pipe goes what was asked for, and nothing else.

    Args:
        matters: Who reads only the pipe must know it: it is said on standard error then.
    """
    if is_terminal():
        from rich.text import Text

        console().print(Text(message, style=DIM))
    elif matters:
        click.echo(f"onebeat: {message}", err=True)


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
    least: int = 8,
) -> None:
    """
    Print a table; columns in `numbers` are aligned to the right, they and those in `whole` never folded.

    On a terminal long texts are folded to fit, though not to less than `least` letters; where even that is too wide,
    each row is shown as a few lines of its own. Into a file or a pipe every row is one whole line. A cell may be a
    `Cell`, which has a style.
    """
    shown = [[cell if isinstance(cell, Cell) else Cell(cell) for cell in row] for row in rows]
    if not is_terminal():
        _show_plain([[Cell(column) for column in columns], *shown], {columns.index(name) for name in numbers})
        return
    place = console()
    if least_width(columns, shown, {*numbers, *whole}, least) > place.width:
        _show_lines(place, columns, shown)
    else:
        place.print(table(columns, shown, numbers=numbers, whole=whole))


def _show_plain(rows: Sequence[Sequence[Cell]], right: set[int]) -> None:
    """Print whole lines, without anything but text."""
    texts = [[visible(cell) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*texts, strict=True)]
    for row in texts:
        cells = (
            cell.rjust(width) if i in right else cell.ljust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        )
        print("  ".join(cells).rstrip())  # not by click, which takes a terminal of ASCII for a mistake
    sys.stdout.flush()


def table(
    columns: Sequence[str], rows: Iterable[Sequence[Cell]], *, numbers: Sequence[str] = (), whole: Sequence[str] = ()
) -> Table:
    """Return what `show_table` prints, for those who print it elsewhere."""
    from rich.table import Table
    from rich.text import Text

    made = Table(box=None, pad_edge=False, header_style="bold", padding=(0, 2, 0, 0))
    for column in columns:
        side: Literal["left", "right"] = "right" if column in numbers else "left"
        made.add_column(column, justify=side, overflow="fold", no_wrap=column in numbers or column in whole)
    for row in rows:
        made.add_row(*(Text(visible(cell), style=cell.style) for cell in row))
    return made


def least_width(columns: Sequence[str], rows: Sequence[Sequence[Cell]], kept: set[str], least: int = 8) -> int:
    """How wide a table is at least: columns that are kept whole, and a few letters of each of the others."""
    from rich.cells import cell_len

    widths = [max(len(name), *(cell_len(visible(row[i])) for row in rows), 0) for i, name in enumerate(columns)]
    folded = (width if name in kept else min(width, least) for name, width in zip(columns, widths, strict=True))
    return sum(folded) + 2 * (len(columns) - 1)


def _show_lines(place: Console, columns: Sequence[str], rows: Sequence[Sequence[Cell]]) -> None:
    from rich.text import Text

    for row in rows:
        lines: list[Text] = []
        for column, cell in zip(columns, row, strict=True):
            told = Text.assemble((f"{column}: ", "bold" if not lines else DIM), (visible(cell), cell.style))
            if lines and lines[-1].cell_len + 2 + told.cell_len <= place.width:
                lines[-1].append("  ").append_text(told)
            else:
                lines.append(Text("  " if lines else "").append_text(told))
        for line in lines:
            place.print(line, overflow="fold")


def show_facts(facts: Sequence[tuple[str, object]]) -> None:
    """Print names with what is said of each, one below the other; a long saying is folded beside its name."""
    from rich.table import Table
    from rich.text import Text

    if not is_terminal():
        _show_plain([[Cell(name), Cell(fact)] for name, fact in facts], set())
        return
    place = console()
    cells = [(name, fact if isinstance(fact, Cell) else Cell(fact)) for name, fact in facts]
    if place.width < 40:
        for name, cell in cells:
            place.print(Text.assemble((f"{name}: ", "bold"), (visible(cell), cell.style)), overflow="fold")
        return
    grid = Table.grid(padding=(0, 2, 0, 0))
    grid.add_column(no_wrap=True, style="dim")
    grid.add_column(overflow="fold")
    for name, cell in cells:
        grid.add_row(name, Text(visible(cell), style=cell.style))
    place.print(grid)


def visible(text: str) -> str:
    """Return a text in which what a terminal would obey is written out: names and errors come from anywhere."""
    return str(text) if text.isprintable() else "".join(c if c.isprintable() else repr(c)[1:-1] for c in text)


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
    for length, unit, smaller in ((86_400, "d", 3600), (3600, "h", 60), (60, "min", 1)):
        if seconds >= length:
            rest = int(seconds % length // smaller)
            part = {"d": "h", "h": "min", "min": "s"}[unit]
            whole = int(seconds // length)
            return f"{whole} {unit} {rest} {part}" if rest else f"{whole} {unit}"
    return f"{seconds:.0f} s"


def listed(names: Sequence[str], *, most: int = 8) -> str:
    """Write names down for a sentence, the first few of many."""
    shown = [visible(name) for name in names[:most]]
    if len(names) > most:
        return f"{', '.join(shown)} and {len(names) - most:,} more"
    return " and ".join([", ".join(shown[:-1]), shown[-1]] if len(shown) > 1 else shown)
