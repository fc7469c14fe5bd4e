"""What a well-formed database obeys (protocol §1.6)."""

from __future__ import annotations

from collections import Counter

from onebeat.broker.store import Store

LISTS = ("pending", "active")
SETS = ("scheduled", "retry", "archived", "completed", "lease")


async def flaws(store: Store, queue: str = "default") -> list[str]:
    """List every task without its place, and every place without its task."""
    root = f"asynq:{{{queue}}}:"
    keys = [key.decode() for key in await store.command("KEYS", f"{root.replace('{', '[{]')}*")]
    places: Counter[tuple[str, str]] = Counter()
    for name in LISTS:
        places.update((name, found.decode()) for found in await store.command("LRANGE", root + name, 0, -1))
    for name in SETS:
        places.update((name, found.decode()) for found in await store.command("ZRANGE", root + name, 0, -1))
    for key in keys:
        if key.startswith(f"{root}g:"):
            places.update(("aggregating", found.decode()) for found in await store.command("ZRANGE", key, 0, -1))
    found: list[str] = []
    for key in keys:
        if key.startswith(f"{root}t:"):
            task_id = key.removeprefix(f"{root}t:")
            message, state = await store.command("HMGET", key, "msg", "state")
            wanted = {state.decode(): 1, **({"lease": 1} if state == b"active" else {})}
            there = {place: times for (place, name), times in places.items() if name == task_id}
            if there != wanted or not message:
                found.append(f"{task_id} is {state.decode()}, and in {there}")
    ids = {key.removeprefix(f"{root}t:") for key in keys if key.startswith(f"{root}t:")}
    return [*found, *(f"{place} names {name}, which is not there" for place, name in places if name not in ids)]
