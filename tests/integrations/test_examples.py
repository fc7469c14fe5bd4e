"""The example applications pass their own tests and type checks."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]


def run(framework: str, *words: str) -> str:
    environment = {name: value for name, value in os.environ.items() if name not in ("ONEBEAT_URL", "PYTEST_ADDOPTS")}
    environment["PYTHONDONTWRITEBYTECODE"] = ""  # what is compiled is kept, for the next run
    done = subprocess.run(
        [sys.executable, *words],
        cwd=ROOT / "examples" / framework,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert 0 == done.returncode, done.stdout
    return done.stdout


@pytest.mark.slow
@pytest.mark.parametrize("framework", ["fastapi", "flask", "litestar", "shop"])
def test_an_example_passes_its_own_tests(framework: str) -> None:
    """As its README says, in its own folder."""
    assert re.search(r"\d+ passed", run(framework, "-m", "pytest", "-q", "-p", "no:cacheprovider"))


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_examples_have_known_types() -> None:
    """As mypy --strict sees them in a user's project."""
    words = ["-m", "mypy", "--strict", "--config-file=", f"--cache-dir={ROOT / '.mypy_cache' / 'examples'}"]
    programs = {
        "fastapi": "shop.py", "flask": "shop.py", "litestar": "shop.py", "shop": "shop", "beside-asynq": "studio.py",
    }  # fmt: skip
    assert ["Success"] * 5 == [run(name, *words, program).partition(":")[0] for name, program in programs.items()]


@pytest.mark.slow
def test_the_django_example_passes_its_own_tests() -> None:
    """With Django's own test runner, after its system checks."""
    assert "Found" in run("django", "-W", "error", "manage.py", "test")
