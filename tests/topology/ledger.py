"""A ledger of what was accepted and what ran, and the load that fills it."""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict
from typing import Any

from onebeat.client import Client
from onebeat.errors import BrokerUnavailable, NotReplicated
from onebeat.server.context import Context
from onebeat.server.mux import Mux
from onebeat.task import Task


class Ledger:
    """
    What was accepted and what ran.

    Attributes:
        accepted: Tasks of which a client was told so.

        unsure: Tasks of which it was told that they may exist.

        runs: How often each task ran, in each phase.
    """

    def __init__(self) -> None:
        self.accepted: set[str] = set()
        self.unsure: set[str] = set()
        self.runs: Counter[str] = Counter()
        self.phases: defaultdict[str, set[str]] = defaultdict(set)
        self.phase = "before"
        self._news = asyncio.Event()

    def handlers(self) -> Mux:
        """Return handlers that enter what runs."""
        mux = Mux()

        @mux.handle("work")
        async def work(ctx: Context[Any], task: Task[Any]) -> None:
            self.runs[ctx.id] += 1
            self.phases[ctx.id].add(self.phase)
            self._news.set()

        return mux

    async def enqueue(self, client: Client, queue: str, task_id: str) -> None:
        """Enqueue one task, and enter what was said of it."""
        try:
            await client.enqueue(Task("work"), queue=queue, task_id=task_id, max_retry=0)
        except (BrokerUnavailable, NotReplicated):
            self.unsure.add(task_id)
        else:
            self.accepted.add(task_id)
        self._news.set()

    async def until(self, is_so: Any, seconds: float = 100) -> None:
        """Wait until something is so, looking whenever a task ran or was enqueued."""
        async with asyncio.timeout(seconds):
            while not is_so():
                self._news.clear()
                await self._news.wait()

    @property
    def missing(self) -> set[str]:
        """Tasks that were accepted and have not run."""
        return self.accepted - self.runs.keys()

    def explain(self) -> None:
        """Check that each task ran, and that none ran twice but around a fail-over, whose outcome was lost with it."""
        assert set() == self.missing
        assert set() == self.runs.keys() - self.accepted - self.unsure
        doubles = {task_id for task_id, count in self.runs.items() if count > 1}
        assert set() == {task_id for task_id in doubles if self.phases[task_id] == {"after"}}


class Load:
    """Enqueues one task after another, on queues in turn, until told to stop."""

    def __init__(self, ledger: Ledger, client: Client, queues: list[str]) -> None:
        self._ledger = ledger
        self._client = client
        self._queues = queues
        self._stopping = False
        self.sent = 0

    async def run(self) -> None:
        while not self._stopping:
            await asyncio.gather(*(self._one(queue) for queue in self._queues))

    async def _one(self, queue: str) -> None:
        self.sent += 1
        await self._ledger.enqueue(self._client, queue, f"{queue}-{self.sent}")

    def stop(self) -> None:
        self._stopping = True
