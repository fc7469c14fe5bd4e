"""An hour and a half of history: what servers would have recorded, minute by minute."""

from __future__ import annotations

import asyncio
import math
import time
from datetime import UTC, datetime

from onebeat.broker import sizes
from onebeat.broker.series import BUCKETS, Runs, record
from onebeat.broker.sizes import Held
from onebeat.broker.store import Store
from onebeat.wire import keys

MINUTES = 90
NOW = "onebeat:test:now"
"""What time scripts take it to be, of a store that was opened so."""

SHARES = {
    "critical": {"email:welcome": (0.5, 0.0, 5)},
    "default": {"payment:charge": (0.35, 0.02, 8), "invoice:render": (0.08, 0.06, 10)},
    "low": {"image:resize": (0.07, 0.01, 6)},
}
"""By queue and type: the part of all attempts, the part of them that fails, and the bucket of how long they run."""

Part = tuple[int, int, list[int], dict[str, Runs]]


def write(url: str) -> None:
    """Write it, up to the minute that runs."""
    asyncio.run(_write(url))


async def _write(url: str) -> None:
    now = int(time.time())
    sums: dict[str, list[int]] = {queue: [0, 0] for queue in SHARES}
    async with await Store.open(url, injected_clock=True) as store:
        for back in range(MINUTES, 0, -1):
            await store.command("SET", NOW, (now - back * 60) * 1_000_000)
            parts = {queue: _part(queue, back) for queue in SHARES}
            for queue, part in parts.items():
                await store.run(record(queue, *part))
                sums[queue] = [sums[queue][0] + part[0], sums[queue][1] + part[1]]
            await store.run(record(None, *_together(list(parts.values()))))
        await store.command("DEL", NOW)
        await _hold(store, now)
        for queue, (processed, failed) in sums.items():
            for counter, number in (("processed", processed), ("failed", failed)):
                day = datetime.fromtimestamp(now, UTC).date()
                await store.command("INCRBY", keys.daily(queue, counter, day), number)
                await store.command("INCRBY", keys.root(queue) + counter, number)


async def _hold(store: Store, now: int) -> None:
    """Write how much queues held, as a console would have noted it: a backlog that came with the bad quarter."""
    for back in range(MINUTES, 0, -1):
        at = now - back * 60
        held = [_held(queue, back) for queue in SHARES]
        for root, one in (*zip(map(keys.own_root, SHARES), held, strict=True), (keys.SERIES, Held.of(held))):
            place, offset = sizes.place(at)
            key = root + place.removeprefix(keys.SERIES)
            await store.command("SETRANGE", key, offset, one.packed())
            await store.command("EXPIRE", key, 10_800)


def _held(queue: str, back: int) -> Held:
    grown = max(0, 12 - abs(back - 18)) if queue == "default" else 0
    wave = round(3 + 3 * math.sin(back / 5))
    return Held(wave + 9 * grown, 2, 2 + 4 * grown, min(6, 28 // max(back, 1)), 100 * (MINUTES - back), 0)


def _part(queue: str, back: int) -> Part:
    """Make up a minute of a queue: waves, and a bad quarter of an hour at the bank."""
    all_of_it = 150 + 40 * math.sin(back / 6) + 17 * math.sin(back * 1.7) + 11 * math.cos(back * 3.1)
    is_bad = 16 <= back <= 27
    types = {}
    for name, (share, failing, slow) in SHARES[queue].items():
        number = max(1, round(all_of_it * share))
        part = 0.45 if is_bad and name == "payment:charge" else failing
        failed = round(number * part + (0.4 if part and back % 7 == 0 else 0))
        types[name] = _runs(number, failed, slow + (3 if is_bad and name == "payment:charge" else 0))
    number = sum(runs.processed for runs in types.values())
    waits = _spread(number, 8 + (4 if is_bad else round(0.6 * math.sin(back / 4))))
    return number, sum(runs.failed for runs in types.values()), waits, types


def _runs(number: int, failed: int, slow: int) -> Runs:
    buckets = _spread(number, slow)
    spent = sum(count * 2 ** max(0, bucket - 1) for bucket, count in enumerate(buckets))
    return Runs(processed=number, failed=failed, retried=failed, spent_ms=round(spent), buckets=buckets)


def _spread(number: int, middle: int) -> list[int]:
    """Spread durations around a bucket, with a tail."""
    buckets = [0] * BUCKETS
    for bucket, part in ((middle - 1, 0.25), (middle, 0.5), (middle + 1, 0.2), (middle + 3, 0.05)):
        buckets[bucket] = round(number * part)
    return buckets


def _together(parts: list[Part]) -> Part:
    waits = [sum(part[2][bucket] for part in parts) for bucket in range(BUCKETS)]
    types = {name: runs for part in parts for name, runs in part[3].items()}
    return sum(part[0] for part in parts), sum(part[1] for part in parts), waits, types
