"""docs/reliability.md and `make proof-rules`: every rule has a test, and every way to break it still applies."""

from __future__ import annotations

from pathlib import Path

import pytest
from bench.rules.table import RULES, Rule

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: f"{rule.number}: {rule.taken_out}")
def test_a_rule_can_be_taken_out(rule: Rule) -> None:
    """Its text stands in the source exactly once, so that the change is the one that is meant."""
    assert 1 == (ROOT / "src" / "onebeat" / rule.file).read_text().count(rule.old)


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: f"{rule.number}: {rule.taken_out}")
def test_the_test_of_a_rule_exists_and_is_named_in_the_docs(rule: Rule) -> None:
    """By its own name, in the table of docs/reliability.md."""
    file, *_, name = rule.test.split("::")
    assert f"def {name}(" in (ROOT / file).read_text()
    assert f"`{name}`" in (ROOT / "docs" / "reliability.md").read_text()


def test_no_rule_is_left_out() -> None:
    """1 to 28, and 35."""
    assert {*range(1, 29), 35} == {rule.number for rule in RULES}
