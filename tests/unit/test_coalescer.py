"""Batches by themselves: what comes while one is on its way leaves together."""

from __future__ import annotations

import asyncio

from onebeat.broker.coalescer import Coalescer


class Wire:
    """A slow line that notes what was sent."""

    def __init__(self) -> None:
        self.sent: list[tuple[str, list[str]]] = []
        self.open = asyncio.Event()
        self.under_way = 0
        self.most = 0

    async def flush(self, lane: str, batch: list[str]) -> None:
        self.under_way += 1
        self.most = max(self.most, self.under_way)
        self.sent.append((lane, batch))
        await self.open.wait()
        self.under_way -= 1


async def turn() -> None:
    """Let everything that is ready run."""
    for _ in range(5):
        await asyncio.sleep(0)


async def test_what_one_turn_brings_leaves_together_at_once() -> None:
    """An idle lane sends without delay, everything added in the same turn in one batch."""
    wire = Wire()
    lanes: Coalescer[str] = Coalescer(wire.flush, weigh=len)
    for item in "abc":
        lanes.add("q", item)
    await turn()
    assert [("q", ["a", "b", "c"])] == wire.sent
    wire.open.set()
    await lanes.idle()


async def test_one_batch_per_lane_is_under_way() -> None:
    """What comes meanwhile waits and leaves as the next batch, in order; other lanes do not wait."""
    wire = Wire()
    lanes: Coalescer[str] = Coalescer(wire.flush, weigh=len)
    lanes.add("q", "a")
    await turn()
    for item in "bc":
        lanes.add("q", item)
    lanes.add("other", "x")
    await turn()
    assert [("q", ["a"]), ("other", ["x"])] == wire.sent
    assert 2 == wire.most
    wire.open.set()
    await lanes.idle()
    assert ("q", ["b", "c"]) == wire.sent[2]


async def test_batches_are_bounded() -> None:
    """By number and by weight; an item heavier than the bound goes alone."""
    wire = Wire()
    wire.open.set()
    lanes: Coalescer[str] = Coalescer(wire.flush, weigh=len, max_items=3, max_bytes=5)
    for item in ["a", "b", "c", "d", "eeee", "ff", "ggggggggg", "h"]:
        lanes.add("q", item)
    await lanes.idle()
    assert [["a", "b", "c"], ["d", "eeee"], ["ff"], ["ggggggggg"], ["h"]] == [batch for _, batch in wire.sent]


async def test_what_nobody_wants_any_more_is_not_sent() -> None:
    """Items are looked at once more as their batch is formed."""
    wire = Wire()
    wire.open.set()
    lanes: Coalescer[str] = Coalescer(wire.flush, weigh=len, drop=str.isupper)
    for item in ["A", "b", "C"]:
        lanes.add("q", item)
    await lanes.idle()
    assert [("q", ["b"])] == wire.sent
