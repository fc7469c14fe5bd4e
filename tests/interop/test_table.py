"""The table of who × what itself."""

from __future__ import annotations

import pytest

from tests.interop.table import NOT_THERE, TABLES, Verdict, cell, drawn, gaps, merged

PASSED, FAILED = Verdict("passed"), Verdict("failed", "test_x: it is 1")
KEY = ("mixed fleet", "all tasks ran", "no kill")


def test_what_no_test_proves_is_a_gap() -> None:
    """But for what a tool cannot do, every cell is wanted, and shown as missing."""
    wanted = sum(len(columns) * len(rows) for columns, rows in TABLES.values()) - len(NOT_THERE)
    assert wanted == len(gaps({}))
    assert wanted - 1 == len(gaps({KEY: PASSED}))
    [row] = [line for line in drawn({KEY: PASSED}) if line.startswith("all tasks ran")]
    assert ["gap", "✓"] == row.split()[-2:]


def test_the_worst_test_of_a_cell_counts() -> None:
    """One that failed, before one that was left out, before one that passed; and why is said beneath."""
    skipped = Verdict("skipped", "no Go")
    assert {KEY: FAILED} == merged([(KEY, PASSED), (KEY, FAILED), (KEY, skipped)])
    assert {KEY: skipped} == merged([(KEY, skipped), (KEY, PASSED)])
    lines = drawn({KEY: FAILED})
    assert "1: test_x: it is 1" == lines[-1]
    assert any(line.endswith("✗ 1") for line in lines)


def test_a_cell_that_is_not_in_the_table_is_refused() -> None:
    """So that a misspelt one does not stay a gap."""
    with pytest.raises(AssertionError, match="no such row"):
        cell("mixed fleet", "nothing")
    with pytest.raises(AssertionError, match="no such column"):
        cell("mixed fleet", "all tasks ran", "nobody")
