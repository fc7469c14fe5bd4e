"""
What happened, as each process of the demo wrote it down, and what that adds up to.

Every process appends rows to a file of its own, one write per row, so that a killed one leaves whole rows.
The summary is arithmetic over these rows and nothing else: no counter of the store, no memory of the player.
"""

from __future__ import annotations

import json
import os
from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

Row = dict[str, Any]


class Ledger:
    """
    One process's file.

    Args:
        folder: Where all processes keep theirs.

        name: This one's.
    """

    def __init__(self, folder: Path, name: str) -> None:
        self._pid = os.getpid()
        self._file = os.open(folder / f"{name}.jsonl", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)

    def write(self, row: str, **fields: object) -> None:
        """Append a row; it is the kernel's once this returns, so even SIGKILL does not lose it."""
        os.write(self._file, json.dumps({"row": row, "pid": self._pid, **fields}).encode() + b"\n")

    def close(self) -> None:
        os.close(self._file)


def read(folder: Path) -> list[Row]:
    """Read the rows of all processes, in the order of their times."""
    rows = [json.loads(line) for file in folder.glob("*.jsonl") for line in file.read_text().splitlines()]
    return sorted(rows, key=lambda row: row["at"])


def percentile(values: Sequence[float], share: float) -> float:
    """Return the value below which a share of all lies (nearest rank); 0 of none."""
    ordered = sorted(values)
    return ordered[max(0, -(-round(len(ordered) * share * 1000) // 1000) - 1)] if ordered else 0.0


def summarise(rows: Sequence[Row], *, interval_ms: int) -> dict[str, Any]:
    """Count what the rows say. `ok` speaks of counts alone, never of times."""
    tasks, beat = _tasks(rows), _beat(rows, interval_ms)
    accounted = tasks["enqueued"] == tasks["completed"] + tasks["archived"]
    ok = accounted and beat["expected"] == beat["fired"] and beat["expected"] > 0
    ok = ok and not beat["duplicates"] and not beat["missed"] and not _early(rows)
    ok = ok and beat["killed"] == 1 and tasks["retried"] == 3 and tasks["archived"] == 2
    ok = ok and tasks["refused_duplicate"] == 1 and tasks["refused_conflict"] == 1
    return {"tasks": tasks, "beat": beat, "ok": ok}


def _of(rows: Iterable[Row], kind: str) -> list[Row]:
    return [row for row in rows if row["row"] == kind]


def _tasks(rows: Sequence[Row]) -> dict[str, int]:
    """Count what became of the tasks that the player enqueued; ticks of schedules are counted apart."""
    mine = {row["id"] for row in _of(rows, "enqueued")}
    outcomes = Counter(row["outcome"] for row in _of(rows, "outcome") if row["id"] in mine and row["answer"] != "lost")
    refused = Counter(row["why"] for row in _of(rows, "refused"))
    return {
        "enqueued": len(mine),
        "completed": outcomes["done"] + outcomes["completed"],
        "retried": outcomes["retry"],
        "archived": outcomes["archived"],
        "refused_duplicate": refused["duplicate"],
        "refused_conflict": refused["conflict"],
    }


def _early(rows: Sequence[Row]) -> list[str]:
    """Tasks that began before they were due."""
    due = {row["id"]: row["due"] for row in _of(rows, "enqueued") if row.get("due")}
    return [row["id"] for row in _of(rows, "start") if row["at"] < due.get(row["id"], 0)]


def _beat(rows: Sequence[Row], interval_ms: int) -> dict[str, Any]:
    """Compare the ticks that there were with the ticks that ran, between the first server's start and the end."""
    begin = min((row["at"] for row in _of(rows, "serving")), default=0)
    end = min((row["at"] for row in _of(rows, "end")), default=0)
    expected = {
        tick for tick in range(int(begin // interval_ms) * interval_ms, int(end) + 1, interval_ms) if begin < tick < end
    }
    starts = defaultdict(list)
    for row in _of(rows, "start"):
        if row.get("tick") is not None:
            starts[row["tick"]].append(row)
    lost = cut_short(rows)
    runs = {tick: [row for row in tries if (row["pid"], row["id"]) not in lost] for tick, tries in starts.items()}
    late = [min(row["at"] for row in tries) - tick for tick, tries in starts.items() if tick in expected]
    killed = {row["killed"] for row in _of(rows, "killed")}
    return {
        "interval_ms": interval_ms,
        "expected": len(expected),
        "fired": len(expected & starts.keys()),
        "duplicates": sum(max(0, len(tries) - 1) for tries in runs.values()),
        "missed": len(expected - starts.keys()),
        "deviation_ms": {
            "p50": round(percentile(late, 0.5), 1),
            "p99": round(percentile(late, 0.99), 1),
            "max": round(max(late, default=0.0), 1),
        },
        "schedulers": len({row["pid"] for row in _of(rows, "serving")}),
        "killed": len(killed),
    }


def cut_short(rows: Sequence[Row]) -> set[tuple[int, str]]:
    """Attempts that a killed process began and never ended: these, and only these, may run again."""
    killed = {row["killed"] for row in _of(rows, "killed")}
    ended = {(row["pid"], row["id"]) for row in _of(rows, "outcome")}
    return {(row["pid"], row["id"]) for row in _of(rows, "start") if row["pid"] in killed} - ended
