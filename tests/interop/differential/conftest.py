"""One driver and two databases for every test of this folder."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.interop.differential.building import build
from tests.interop.differential.pair import Pair


@pytest.fixture(scope="session")
def driver(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the driver; where there is no Go, CI fails and a contributor's run says why it skips."""
    if shutil.which("go") is None:
        if os.environ.get("CI"):
            pytest.fail("the comparison with asynq needs Go, and CI must have it: install golang-go")
        pytest.skip("the comparison with asynq needs Go: install it, or leave these tests to CI")
    return build(tmp_path_factory.mktemp("differential"))


@pytest.fixture(scope="module")
def databases(driver: Path, engine: str) -> Iterator[Pair]:
    """Connect both sides, once for all sequences."""
    with Pair(driver, engine.removeprefix("unix://")) as both:
        yield both


@pytest.fixture
def pair(databases: Pair) -> Pair:
    """Return both sides, empty, at noon."""
    databases.begin()
    return databases
