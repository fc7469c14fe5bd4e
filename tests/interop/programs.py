"""
The Go programs of these tests: what they are, and how they are built.

`python -m tests.interop.programs` builds all of them before there are tests: with nothing in Go's caches that takes
minutes, and the time of a test would be over.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

from tests.interop.tool import COMMAND

HERE = Path(__file__).parent
ROOT = HERE.parents[1]
BUILT = ROOT / "build" / "interop"
PACKAGES = {"peer": ".", "mon": ".", "exporter": ".", "otel": ".", "cli": COMMAND}
"""Folder → what is built in it: the program there, or one that its module requires."""

EXAMPLE = ROOT / "examples" / "beside-asynq"
PAUSES_S = (5, 20)
"""How long to wait before what failed is fetched again."""


def build(name: str) -> Path:
    """
    Build a program.

    It stays in `build`, where Go sees that it needs no building; the processes of pytest-xdist take turns.
    """
    BUILT.mkdir(parents=True, exist_ok=True)
    with (BUILT / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        subprocess.run(["go", "build", "-o", str(BUILT / name), PACKAGES[name]], cwd=HERE / name, check=True)
    return BUILT / name


def fetch(folder: Path, package: str) -> None:
    """Fetch the modules that a package needs, and try again if the network fails: Go does not by itself."""
    words = ["go", "list", "-deps", package]
    for pause in PAUSES_S:
        if subprocess.run(words, cwd=folder, stdout=subprocess.DEVNULL, check=False).returncode == 0:
            return
        time.sleep(pause)  # a network tells nobody that it is back
    subprocess.run(words, cwd=folder, stdout=subprocess.DEVNULL, check=True)


def main() -> None:
    """Build all, and what Go keeps for the tests that call it themselves."""
    if shutil.which("go") is None:
        return  # each test says what that means
    for name, package in PACKAGES.items():
        print(f"building {name}", file=sys.stderr)
        fetch(HERE / name, package)
        build(name)
    fetch(EXAMPLE, ".")
    subprocess.run(["go", "build", "-o", os.devnull, "."], cwd=EXAMPLE, check=True)  # as `go run` of the example does
    subprocess.run(["go", "vet", "."], cwd=HERE / "peer", check=True)  # of all packages that code of the docs imports


if __name__ == "__main__":
    main()
