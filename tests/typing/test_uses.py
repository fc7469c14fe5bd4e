"""Right uses of the public types pass, wrong ones are refused, by both checkers."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

FILES = sorted(Path(__file__).parent.glob("uses_*.py"))
PATHS = [str(file) for file in FILES]
ROOT = Path(__file__).parents[2]

Place = tuple[str, int]


def lines(marked: Callable[[str], bool]) -> set[Place]:
    """Return which lines of the uses are marked so."""
    return {
        (file.name, number)
        for file in FILES
        for number, line in enumerate(file.read_text().splitlines(), 1)
        if marked(line)
    }


def is_wrong(line: str) -> bool:
    return line.endswith("# wrong")


def is_right(line: str) -> bool:
    return line.lstrip().startswith("assert_type(")


def refused_by_mypy() -> set[Place]:
    words = [sys.executable, "-m", "mypy", "--strict", "--output", "json", "--cache-dir", ".mypy_cache", *PATHS]
    printed = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False).stdout.splitlines()
    found = [json.loads(line) for line in printed if line.startswith("{")]
    ours = {file.name for file in FILES}
    return {
        (Path(item["file"]).name, item["line"])
        for item in found
        if item["severity"] == "error" and Path(item["file"]).name in ours
    }


def refused_by_pyright() -> set[Place]:
    words = [sys.executable, "-m", "pyright", "--outputjson", "--pythonpath", sys.executable, *PATHS]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False)
    found = json.loads(done.stdout)["generalDiagnostics"]
    return {
        (Path(item["file"]).name, item["range"]["start"]["line"] + 1) for item in found if item["severity"] == "error"
    }


@pytest.mark.slow
@pytest.mark.parametrize("checker", [refused_by_mypy, refused_by_pyright])
def test_the_checkers_refuse_exactly_what_is_wrong(checker: Callable[[], set[Place]]) -> None:
    """Not a line more and not a line less."""
    assert lines(is_wrong) == checker()


def test_there_are_enough_uses_to_mean_something() -> None:
    """Sixty of each at least."""
    assert 60 <= len(lines(is_wrong))
    assert 60 <= len(lines(is_right))


@pytest.mark.slow
def test_every_public_symbol_has_a_known_type() -> None:
    """`pyright --verifytypes` says 100 %."""
    words = [sys.executable, "-m", "pyright", "--verifytypes", "onebeat", "--ignoreexternal", "--outputjson"]
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"  # it takes the first Python there
    done = subprocess.run(
        words, cwd=ROOT, env={**os.environ, "PATH": path}, capture_output=True, text=True, check=False
    )
    found = json.loads(done.stdout)["typeCompleteness"]
    assert 100 == 100 * found["completenessScore"], [
        item["name"] for item in found["symbols"] if not item["isTypeKnown"]
    ]
    assert found["exportedSymbolCounts"]["withKnownType"] > 500
