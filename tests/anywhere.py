"""Commands about no key, told to every node of a store, however many it has; and days that do not end meanwhile."""

from __future__ import annotations

import time
from collections import Counter
from typing import Any

from onebeat.broker.call import Argument
from onebeat.broker.store import BlockingStore, Store


async def everywhere(store: Store, *words: Argument) -> Any:
    """Run a command on every primary: lists are joined, numbers added up, of all else the first is returned."""
    answers = list((await store.everywhere(*words)).values())
    if isinstance(answers[0], list):
        return sorted(item for answer in answers for item in answer)
    return sum(answers) if isinstance(answers[0], int) else answers[0]


async def calls(store: Store) -> Counter[str]:
    """Count the calls of each command that the primaries have executed since they were started or told to forget."""
    found: Counter[str] = Counter()
    for info in (await store.everywhere("INFO", "commandstats")).values():
        found.update({name.removeprefix("cmdstat_"): stats["calls"] for name, stats in info.items()})
    return found


def everywhere_blocking(store: BlockingStore, *words: Argument) -> list[Any]:
    """Run a command on every primary, for code that blocks; returns each one's answer."""
    nodes = store._nodes
    if nodes is None:
        return store.commands([words])
    return [nodes.client(address).execute_command(*words) for address in nodes.layout().primaries]


def keys_of(store: BlockingStore, pattern: str) -> list[bytes]:
    """List the keys of all nodes, sorted."""
    return sorted(key for found in everywhere_blocking(store, "KEYS", pattern) for key in found)


def within_a_day(seconds: float) -> None:
    """Begin after midnight UTC what would begin so shortly before it: what is counted for today is 0 then."""
    left = 86_400 - time.time() % 86_400
    if left < seconds:
        time.sleep(left + 0.1)  # a day has no event that says that it begins
