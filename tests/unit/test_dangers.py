"""What a server warns of at its start."""

from __future__ import annotations

from typing import Any

import pytest

from onebeat.broker.dangers import dangers, find_dangers
from onebeat.broker.store import Store

FINE: dict[str, Any] = {
    "maxmemory": 0, "maxmemory_policy": "noeviction", "aof_enabled": 1, "aof_last_write_status": "ok",
    "rdb_last_bgsave_status": "ok", "role": "master",
}  # fmt: skip


@pytest.mark.parametrize(
    ("found", "said"),
    [
        ({}, None),
        ({"maxmemory_policy": "allkeys-lru"}, None),  # without a limit nothing is evicted
        ({"maxmemory_policy": "allkeys-lru", "maxmemory": 1}, "set maxmemory-policy noeviction"),
        ({"aof_enabled": 0}, "set appendonly yes"),
        ({"aof_last_write_status": "err"}, "append-only file failed"),
        ({"rdb_last_bgsave_status": "err"}, "last snapshot failed"),
        ({"role": "slave"}, "name its primary"),
    ],
)
def test_each_danger_has_its_remedy(found: dict[str, Any], said: str | None) -> None:
    """One sentence for each, none for a store that is set up well."""
    sentences = find_dangers(FINE | found)
    assert (said is not None) == len(sentences)
    assert said is None or said in str(sentences[0])


def test_what_a_provider_hides_is_not_judged() -> None:
    """Managed stores leave fields out."""
    assert [] == find_dangers({})


async def test_a_store_shows_its_own(url: str) -> None:
    """The tests' store keeps no file, and says so."""
    async with await Store.open(url) as store:
        assert ["set appendonly yes"] == [text.rpartition(": ")[2] for text in await dangers(store)]
