"""What `onebeat dev` shows when it is ready."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from onebeat.cli.develop.banner import banner
from onebeat.cli.processes.orders import Facts

NOON = datetime(2030, 3, 17, 12, tzinfo=UTC)


@pytest.mark.parametrize(
    ("more", "rows"),
    [
        ({}, ["schedules  none"]),
        ({"sources": ["of_shops"], "groups": ["sales:"]}, ["schedules  what of_shops gives", "groups     sales:…"]),
    ],
)
def test_the_banner_says_where_schedules_come_from_and_what_is_aggregated(
    more: dict[str, Any], rows: list[str]
) -> None:
    """A source's schedules are not known yet; of groups nothing is said where there are none."""
    facts = Facts(store="redis://db", tasks=["sale"], schedules=[], queues={"default": 1}, concurrency=64, **more)
    shown = [line.strip() for line in banner(facts, "shop:app", 1, [], NOON).splitlines()]
    assert rows == [line for line in shown if line.startswith(("schedules", "groups"))]
