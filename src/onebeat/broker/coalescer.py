"""
Batches by themselves: what is added while a batch is on its way leaves together in the next one.

No timer, no added latency: an idle lane sends at once what one turn of the event loop brought, a busy one
sends large batches. At most one batch per lane is under way, which is what makes repeats exact
(mechanism-rules 7); lanes are queues, and run beside each other.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

Item = TypeVar("Item")


class Coalescer(Generic[Item]):
    """
    Collects items per lane and hands them on in batches.

    Args:
        flush: Sends one batch. It deals with every failure itself; what it raises ends up in `idle()`.

        weigh: An item's bytes.

        max_items, max_bytes: Bounds of a batch; a heavier item goes alone.

        drop: Says of an item, as its batch is formed, whether nobody wants it any more.
    """

    def __init__(
        self,
        flush: Callable[[str, list[Item]], Awaitable[None]],
        *,
        weigh: Callable[[Item], int],
        max_items: int = 256,
        max_bytes: int = 1_000_000,
        drop: Callable[[Item], bool] | None = None,
    ) -> None:
        self._flush = flush
        self._weigh = weigh
        self._max_items = max_items
        self._max_bytes = max_bytes
        self._drop = drop
        self._waiting: dict[str, deque[Item]] = {}
        self._senders: dict[str, asyncio.Task[None]] = {}

    def add(self, lane: str, item: Item) -> None:
        """Add an item; it leaves with the lane's next batch."""
        waiting = self._waiting.get(lane)
        if waiting is None:
            waiting = self._waiting[lane] = deque()
        waiting.append(item)
        if lane not in self._senders:
            self._senders[lane] = asyncio.get_running_loop().create_task(self._send(lane, waiting))

    async def idle(self) -> None:
        """Wait until nothing waits or is under way."""
        while self._senders:
            await asyncio.gather(*self._senders.values())

    async def _send(self, lane: str, waiting: deque[Item]) -> None:
        try:
            while waiting:
                batch = self._next_batch(waiting)
                if batch:
                    await self._flush(lane, batch)
        finally:
            del self._senders[lane]
            if not waiting:
                del self._waiting[lane]

    def _next_batch(self, waiting: deque[Item]) -> list[Item]:
        batch: list[Item] = []
        weight = 0
        while waiting and len(batch) < self._max_items:
            item = waiting[0]
            if self._drop is not None and self._drop(item):
                waiting.popleft()
                continue
            weight += self._weigh(item)
            if batch and weight > self._max_bytes:
                break
            batch.append(waiting.popleft())
        return batch
