"""Who × what: the cells that have to be proven, and the table of what was."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import pytest

PAIRS = ("Go → Go", "Go → Python", "Python → Go", "Python → Python")
TOOLS = ("asynq CLI", "asynqmon")

Cell = tuple[str, str, str]
"""Table, row, column."""


@dataclass(frozen=True)
class Verdict:
    """What the tests of one cell said: "passed", "failed" or "skipped", and the failure in a line."""

    outcome: str
    why: str = ""


TABLES: Mapping[str, tuple[tuple[str, ...], tuple[str, ...]]] = {
    "client → server": (
        PAIRS,
        (
            "queue", "max_retry", "timeout", "deadline", "unique", "process_in", "process_at", "retention", "task_id",
            "headers", "payload nil", "payload empty", "payload binary", "payload unicode",
            "done", "completed with result", "retried, then done", "retries exhausted", "SkipRetry", "RevokeTask",
            "panic", "timed out", "past its deadline", "cancelled by Go", "cancelled by Python",
            "living, left alone", "killed, recovered by Go", "killed, recovered by Python",
            "group by size", "group by grace", "delayed group task", "aggregate runs at either",
            "unique group task",
        ),
    ),
    "scheduler → inspector": (
        PAIRS,
        ("entry", "options", "next and previous", "history of fires", "its tasks", "after its end"),
    ),
    "scheduler → server": (PAIRS, ("what it fires runs",)),
    "inspector → tasks of": (
        PAIRS,
        (
            "queues", "counts", "days", "pages", "one task", "run", "archive", "delete", "run all", "archive all",
            "delete all", "run, and it runs", "cancel", "update payload", "pause and resume", "remove a queue",
            "groups", "aggregating tasks", "run of a group's", "archive of a group's", "delete of a group's",
            "run all of a group", "archive all of a group", "delete all of a group", "servers", "workers", "refusals",
        ),
    ),
    "semaphore: holder → seeker": (PAIRS, ("one token for both", "free again")),
    "mixed fleet": (
        ("kill -9 of both", "no kill"),
        ("all tasks ran", "counters add up", "keys well-formed", "both ran some", "no double without a kill"),
    ),
    "asynq's tools on our data": (
        TOOLS,
        (
            "queues", "queue and its days", "pending", "active", "scheduled", "retry", "archived", "completed",
            "aggregating", "one task", "groups", "servers and workers", "schedules", "history of fires", "statistics",
            "pause and resume", "remove a queue", "cancel", "run", "archive", "delete", "run all", "archive all",
            "delete all", "batches", "enqueue",
        ),
    ),
}  # fmt: skip

NOT_THERE: frozenset[Cell] = frozenset(
    {
        ("asynq's tools on our data", "batches", "asynq CLI"),
        ("asynq's tools on our data", "enqueue", "asynqmon"),
    }
)
"""What a tool cannot do."""


def cell(table: str, row: str, column: str = "") -> pytest.MarkDecorator:
    """Say which cell a test proves; its column is its parameter `who` unless given."""
    columns, rows = TABLES[table]
    assert row in rows, f"no such row in {table!r}: {row!r}"
    assert not column or column in columns, f"no such column in {table!r}: {column!r}"
    return pytest.mark.cell(table, row, column)


def gaps(found: Mapping[Cell, Verdict]) -> list[Cell]:
    """Return the cells that no test has proven or disproven."""
    return [
        (table, row, column)
        for table, (columns, rows) in TABLES.items()
        for row in rows
        for column in columns
        if (table, row, column) not in found and (table, row, column) not in NOT_THERE
    ]


def merged(verdicts: Iterable[tuple[Cell, Verdict]]) -> dict[Cell, Verdict]:
    """Let the worst test of a cell speak for it."""
    order = ["passed", "skipped", "failed"]
    found: dict[Cell, Verdict] = {}
    for key, verdict in verdicts:
        if key not in found or order.index(verdict.outcome) > order.index(found[key].outcome):
            found[key] = verdict
    return found


def drawn(found: Mapping[Cell, Verdict]) -> list[str]:
    """Draw the tables, and beneath them why cells failed or were left out."""
    lines: list[str] = []
    reasons: list[str] = []
    for table, (columns, rows) in TABLES.items():
        if not any(key[0] == table for key in found):
            continue
        width = max(len(row) for row in rows)
        lines += ["", table, "  ".join([" " * width, *columns])]
        for row in rows:
            marks = []
            for column in columns:
                verdict = found.get((table, row, column))
                absent = "·" if (table, row, column) in NOT_THERE else "gap"
                mark = absent if verdict is None else {"passed": "✓"}.get(verdict.outcome, "")
                if verdict is not None and not mark:
                    if verdict.why not in reasons:
                        reasons.append(verdict.why)
                    mark = f"{'✗' if verdict.outcome == 'failed' else '–'} {reasons.index(verdict.why) + 1}"
                marks.append(mark.ljust(len(column)))
            lines.append("  ".join([row.ljust(width), *marks]).rstrip())
    return [*lines, "", *(f"{number}: {why}" for number, why in enumerate(reasons, 1))]
