"""Which nodes an inspector names."""

from __future__ import annotations

import asyncio

import pytest

from onebeat.inspector.blocking import SyncInspector
from onebeat.inspector.inspector import Inspector
from tests.engines import Watched

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


async def test_of_what_sentinels_watch_it_is_the_primary(watched: Watched) -> None:
    """By its address, not by the sentinels' URL."""

    def blocking() -> list[str]:
        with SyncInspector(watched.url) as inspector:
            return inspector.nodes("q")

    async with Inspector(watched.url) as inspector:
        primary = watched.primary().address
        assert ([primary], [primary]) == (await inspector.nodes("q"), await asyncio.to_thread(blocking))
