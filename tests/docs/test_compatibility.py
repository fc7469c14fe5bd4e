"""docs/compatibility.md: one row for each of asynq's sharp edges, and every test that it names is one that runs."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest

from tests.docs.pages import ROOT

PAGE = ROOT / "docs" / "compatibility.md"
ROW = re.compile(r"^\| (SE-\d\d) \| (.+?) \| (.+?) \| (.+?) \|$", re.MULTILINE)
TEST = re.compile(r"`(tests/[\w/]+\.py::[\w:]+)`")
VERDICTS = ("**fixed**", "**kept**", "**not copied**", "**not applicable**")


def rows() -> dict[str, tuple[str, str]]:
    """Return what is said of each, and the tests that show it."""
    return {number: (said, tests) for number, _, said, tests in ROW.findall(PAGE.read_text())}


def test_each_has_one_row() -> None:
    """From 1 to 65, in order."""
    assert [f"SE-{number:02}" for number in range(1, 66)] == [row[0] for row in ROW.findall(PAGE.read_text())]


@pytest.mark.parametrize(("number", "row"), rows().items(), ids=str)
def test_each_has_a_verdict_and_a_test(number: str, row: tuple[str, str]) -> None:
    """Only what does not apply goes without."""
    said, tests = row
    assert said.startswith(VERDICTS), f"{number} has no verdict"
    assert bool(TEST.findall(tests)) != said.startswith("**not applicable**"), f"{number} is shown by no test"


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_every_test_it_names_is_collected() -> None:
    """By pytest itself, from the files that the page names."""
    named = set(TEST.findall(PAGE.read_text()))
    files = sorted({test.partition("::")[0] for test in named})
    listing = subprocess.run(
        [sys.executable, "-m", "pytest", "--collect-only", "-q", "-p", "no:cacheprovider", "-o", "addopts=", *files],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
    )
    collected = {line.partition("[")[0] for line in listing.stdout.splitlines()}
    assert set() == named - collected
