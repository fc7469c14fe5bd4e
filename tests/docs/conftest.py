"""Plays pages of the documentation, each in a process, a folder and a store of its own."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.docs.pages import ROOT

Play = Callable[..., None]


@pytest.fixture
def play(tmp_path: Path, url: str) -> Play:
    """Return what plays a page and fails if anything on it is not so; `before` are pages whose files it needs."""

    def run(page: Path, *, before: list[Path] | None = None, timeout: float = 150) -> None:
        there = {name: value for name, value in os.environ.items() if not name.startswith(("ONEBEAT_", "COV_"))}
        there |= {
            "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
            "PYTHONPATH": str(ROOT),
            "COLUMNS": "110",
            "NO_COLOR": "1",
        }
        if "--embedded" not in page.read_text():
            there["ONEBEAT_URL"] = url
        words = [sys.executable, "-m", "tests.docs.play", *map(str, [*(before or []), page])]
        done = subprocess.run(
            words, cwd=tmp_path, env=there, capture_output=True, text=True, check=False, timeout=timeout
        )
        assert 0 == done.returncode, done.stderr + done.stdout

    return run
