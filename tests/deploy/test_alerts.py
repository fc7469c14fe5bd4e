"""The alert rules: each fires where it should and not where it should not, and leads to a page that says what to do."""

from __future__ import annotations

import re
import subprocess
from typing import Any

import pytest
import yaml

from tests.deploy.files import DEPLOY
from tests.deploy.test_dashboard import known
from tests.docs.pages import ROOT

FOLDER = DEPLOY / "prometheus"
RULES: list[dict[str, Any]] = [
    rule for group in yaml.safe_load((FOLDER / "alerts.yml").read_text())["groups"] for rule in group["rules"]
]
NAMES = [rule["alert"] for rule in RULES]


@pytest.mark.prometheus
def test_promtool_finds_the_rules_in_order() -> None:
    """They are PromQL."""
    done = subprocess.run(["promtool", "check", "rules", FOLDER / "alerts.yml"], capture_output=True, text=True)
    assert 0 == done.returncode, done.stderr
    assert f"SUCCESS: {len(RULES)} rules found" in done.stdout


@pytest.mark.prometheus
def test_each_alert_fires_and_does_not() -> None:
    """The cases beside the rules, by promtool."""
    words = ["promtool", "test", "rules", str(FOLDER / "alerts_test.yml")]
    done = subprocess.run(words, capture_output=True, text=True)
    assert 0 == done.returncode, done.stdout + done.stderr


def test_each_alert_has_a_case_of_both_kinds() -> None:
    """No alert is left out."""
    cases = [
        (case["alertname"], bool(case["exp_alerts"]))
        for test in yaml.safe_load((FOLDER / "alerts_test.yml").read_text())["tests"]
        for case in test["alert_rule_test"]
    ]
    assert {(name, fires) for name in NAMES for fires in (True, False)} == set(cases)


@pytest.mark.parametrize("rule", RULES, ids=NAMES)
def test_each_alert_asks_for_series_that_there_are(rule: dict[str, Any]) -> None:
    """And says how bad it is, what it is and what that means."""
    names = re.findall(r"\b(?:asynq|onebeat)_\w+", rule["expr"])
    assert set(names) <= set(known())
    assert rule["labels"]["severity"] in ("critical", "warning")
    assert rule["annotations"]["summary"]
    assert rule["annotations"]["description"].endswith(".")


def test_each_alert_leads_to_its_part_of_the_page() -> None:
    """In the order of the file; the link is to the heading."""
    page = (ROOT / "docs" / "how-to" / "alerts.md").read_text()
    assert NAMES == re.findall(r"^## (Onebeat\w+)$", page, re.MULTILINE)
    links = [rule["annotations"]["runbook_url"] for rule in RULES]
    assert [f"docs/how-to/alerts.md#{name.lower()}" for name in NAMES] == links
