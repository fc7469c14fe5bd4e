"""What about a store can lose tasks, said at the start, each with its remedy (mechanism-rules 28)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from onebeat.broker.store import Store


async def dangers(store: Store) -> list[str]:
    """Look at a store's settings, as far as INFO shows them, and say what is dangerous."""
    return find_dangers(await store.command("INFO"))


def find_dangers(info: Mapping[str, Any]) -> list[str]:
    """Judge the answer of INFO; a field that is missing is not judged."""
    found = []
    policy = info.get("maxmemory_policy", "noeviction")
    if policy != "noeviction" and int(info.get("maxmemory", 0)):
        found.append(
            f"its memory once full, it evicts keys ({policy}), and tasks with them: set maxmemory-policy noeviction"
        )
    if info.get("aof_enabled") == 0 and info.get("role", "master") == "master":
        found.append("it keeps no append-only file, so a crash loses all since its last snapshot: set appendonly yes")
    if info.get("aof_last_write_status", "ok") != "ok":
        found.append("its last write to the append-only file failed: look at the disk of its machine")
    if info.get("rdb_last_bgsave_status", "ok") != "ok":
        found.append("its last snapshot failed, after which it may refuse writes: look at the disk of its machine")
    if info.get("role", "master") != "master":
        found.append("it is a replica, and refuses writes: name its primary")
    return found
