"""A node of a cluster that is away: the report says so, and what the others tell."""

from __future__ import annotations

import pytest

from onebeat.inspector.inspector import Inspector
from onebeat.web.showing import stores
from tests.engines import Cluster

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


async def test_a_node_that_is_away_leaves_the_others(calm_cluster: Cluster) -> None:
    """And it is what the verdict says, until another takes its place."""
    async with Inspector(calm_cluster.url) as inspector:
        lost = calm_cluster.primaries()[0]
        lost.kill()
        report = await inspector.store_report()
        away = [node.address for node in report.nodes if node.away]
        assert [lost.address] == away
        assert {True} == {node.memory is not None for node in report.nodes if not node.away}
        kind, sentence = stores.verdict(report, stores.troubles(report))
    assert "bad" == kind
    assert sentence.startswith(f"It cannot be reached ({lost.address})")
