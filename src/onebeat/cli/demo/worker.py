"""One server process of the demo: `python -m onebeat.cli.demo.worker URL LEDGER NAME`."""

from __future__ import annotations

import asyncio
import sys
import time
from pathlib import Path
from typing import Any

from onebeat.app.serving import Serving
from onebeat.broker import browse
from onebeat.broker.store import Store
from onebeat.cli.demo.ledger import Ledger
from onebeat.cli.demo.shop import QUEUES, shop
from onebeat.server.context import Context
from onebeat.server.running import Running
from onebeat.server.server import ServerSettings

LEASE_S = 4.0
"""Short, so that one sees the killed server's tasks run again; production refuses less than 15 s."""


class StoreClock:
    """The store's time, read once and carried on by the monotonic clock, for the rows of the ledger."""

    def __init__(self, now_ms: float, read_at: float) -> None:
        self._ahead = now_ms - read_at * 1000

    @classmethod
    async def read(cls, store: Store) -> StoreClock:
        """Ask a few times and believe the quickest answer, which is the least blurred."""
        best = None
        for _ in range(5):
            before = time.monotonic()
            now_us = await store.run(browse.now("default"))
            after = time.monotonic()
            if best is None or after - before < best[0]:
                best = (after - before, now_us / 1000, (before + after) / 2)
        assert best is not None  # noqa: S101 - five tries were made
        return cls(best[1], best[2])

    def ms(self) -> float:
        return round(self._ahead + time.monotonic() * 1000, 1)


async def work(url: str, folder: Path, name: str) -> None:
    """Serve until SIGTERM, writing down every attempt as it begins and every outcome as it is in the store."""
    async with await Store.open(url) as store:
        clock = await StoreClock.read(store)
    ledger = Ledger(folder, name)

    def begun(ctx: Context[Any]) -> None:
        ledger.write(
            "start",
            id=ctx.id,
            type=ctx.type,
            queue=ctx.queue,
            tick=ctx.tick and round(ctx.tick.timestamp() * 1000),
            retried=ctx.retried,
            at=clock.ms(),
        )

    def settled(attempt: Running, answer: str) -> None:
        outcome = attempt.finished.outcome.value if attempt.finished is not None else "none"
        error = attempt.message.error_msg if attempt.message is not None else ""
        ledger.write(
            "outcome", id=attempt.id, queue=attempt.queue, outcome=outcome, answer=answer, error=error, at=clock.ms()
        )

    app = shop(begun, url)
    settings: ServerSettings = {
        "queues": QUEUES,
        "concurrency": 10,
        "lease": LEASE_S,
        "allow_short_lease": True,
        "shutdown_timeout": 2.0,
    }
    async with Serving(app, settings, signals=True, settled=settled) as serving:
        ledger.write("serving", at=clock.ms())
        await serving.stop_asked.wait()
    ledger.close()


if __name__ == "__main__":
    asyncio.run(work(sys.argv[1], Path(sys.argv[2]), sys.argv[3]))
