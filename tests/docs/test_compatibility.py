"""docs/compatibility.md: one row for each of asynq's sharp edges, and every test that it names is one that runs."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

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


def test_every_test_it_names_is_collected() -> None:
    """It stands in a file of tests, at its top or in a class of tests, by a name that pytest collects."""
    named = set(TEST.findall(PAGE.read_text()))
    files = {test.partition("::")[0] for test in named}
    assert set() == named - {test for file in files for test in collected_of(file)}


def collected_of(file: str) -> Iterator[str]:
    """Yield the tests that pytest would collect from a file."""
    path = ROOT / file
    if not (path.name.startswith("test_") and path.is_file()):
        return
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.ClassDef) and node.name.startswith("Test"):
            yield from (f"{file}::{node.name}::{test}" for test in functions(node.body))
        yield from (f"{file}::{test}" for test in functions([node]))


def functions(body: list[ast.stmt]) -> list[str]:
    """Return the functions in it that are tests."""
    found = [node.name for node in body if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef))]
    return [name for name in found if name.startswith("test")]
