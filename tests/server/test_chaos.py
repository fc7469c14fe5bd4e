"""The short form of `make proof-chaos`."""

from __future__ import annotations

from pathlib import Path

import pytest
from bench.chaos import Plan, play


@pytest.mark.slow
@pytest.mark.timeout(300)
async def test_kills_stops_and_cuts_lose_nothing(tmp_path_factory: pytest.TempPathFactory) -> None:
    """Two servers are killed, stopped and cut off while 600 tasks run: none is lost, each double run has a reason."""
    folder: Path = tmp_path_factory.mktemp("c")
    verdict = await play(Plan(seconds=12, tasks=600, servers=2, lease=1.5, seed=7, pause=(0.3, 1.5)), folder)
    assert (600, [], []) == (verdict.accepted, verdict.lost, verdict.unexplained)
    assert {"kill", "stop", "cut"} == set(verdict.faults)
