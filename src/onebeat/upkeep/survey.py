"""
Looks at all queues, however many, in a few calls a second.

A queue at rest costs nothing else: neither a connection nor a call of its own. Up to 5,000 queues are looked at
every second; of more, each one in its turn, so that a server with 20,000 queues looks at each every 4 s and the
store spends less than 2 % of its time on it (docs/measurements.md).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Collection

from onebeat.broker.maintain import Surveyed, look
from onebeat.broker.store import Store
from onebeat.errors import BrokerError

PERIOD_S = 1.0
QUEUES_A_SECOND = 5_000
SPREAD_QUEUES_A_SECOND = 2_000
"""In a cluster, where each is asked about by a command of its own, which costs this process 30 µs."""
CHUNK = 500
"""Queues per look: about two milliseconds of the store."""


class Survey:
    """
    Looks at queues, for ever.

    Args:
        queues: Asked for anew before every round.

        found: Called with each queue that is not at rest.
    """

    name = "survey of queues"

    def __init__(self, store: Store, queues: Callable[[], Collection[str]], found: Callable[[Surveyed], None]) -> None:
        self._store = store
        self._queues = queues
        self._found = found

    async def run(self) -> None:
        """Look at every queue once a period, at the first round without a pause between its calls."""
        pause = 0.0
        while True:
            names, away = sorted(self._queues()), None
            for start in range(0, len(names), CHUNK):
                try:
                    await look(self._store, names[start : start + CHUNK], self._found)
                except BrokerError as error:
                    if not self._store.is_spread:
                        raise
                    away = error  # a node: the queues of others are looked at all the same
                await asyncio.sleep(pause)
            if away is not None:
                raise away
            if not pause or not names:
                await asyncio.sleep(PERIOD_S)
            pause = period(len(names), is_spread=self._store.is_spread) / max(1, -(-len(names) // CHUNK))


def period(queues: int, *, is_spread: bool = False) -> float:
    """Return how many seconds a round over so many queues takes."""
    return max(PERIOD_S, queues / (SPREAD_QUEUES_A_SECOND if is_spread else QUEUES_A_SECOND))
