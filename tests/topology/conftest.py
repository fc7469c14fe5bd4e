"""Stores of several nodes that tests may break, each test its own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.engines import Cluster, Watched

SOON_MS = 1500
"""After how long a node that does not answer counts as dead where one is killed."""


@pytest.fixture
def watched(tmp_path: Path) -> Iterator[Watched]:
    """Return a primary with two replicas and three sentinels."""
    started = Watched(tmp_path, down_ms=SOON_MS)
    yield started
    started.end()


@pytest.fixture
def cluster(tmp_path: Path) -> Iterator[Cluster]:
    """Return three primaries with a replica each."""
    started = Cluster(tmp_path, timeout_ms=SOON_MS)
    yield started
    started.end()


@pytest.fixture
def calm_cluster(tmp_path: Path) -> Iterator[Cluster]:
    """Return the same, where no replica takes over because a node, or the machine, stands still for a while."""
    started = Cluster(tmp_path)
    yield started
    started.end()
