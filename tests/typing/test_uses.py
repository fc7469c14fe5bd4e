"""Right uses of the public types pass, wrong ones are refused, by both checkers."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

USES = Path(__file__).with_name("uses.py")
ROOT = Path(__file__).parents[2]


def wrong_lines() -> set[int]:
    return {number for number, line in enumerate(USES.read_text().splitlines(), 1) if line.endswith("# wrong")}


def refused_by_mypy() -> set[int]:
    words = [sys.executable, "-m", "mypy", "--strict", "--output", "json", "--cache-dir", ".mypy_cache", str(USES)]
    lines = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False).stdout.splitlines()
    found = [json.loads(line) for line in lines if line.startswith("{")]
    return {item["line"] for item in found if item["severity"] == "error" and item["file"].endswith("uses.py")}


def refused_by_pyright() -> set[int]:
    words = [sys.executable, "-m", "pyright", "--outputjson", "--pythonpath", sys.executable, str(USES)]
    done = subprocess.run(words, cwd=ROOT, capture_output=True, text=True, check=False)
    found = json.loads(done.stdout)["generalDiagnostics"]
    return {item["range"]["start"]["line"] + 1 for item in found if item["severity"] == "error"}


@pytest.mark.slow
@pytest.mark.parametrize("checker", [refused_by_mypy, refused_by_pyright])
def test_the_checkers_refuse_exactly_what_is_wrong(checker: Callable[[], set[int]]) -> None:
    """Not a line more and not a line less."""
    assert wrong_lines() == checker()
