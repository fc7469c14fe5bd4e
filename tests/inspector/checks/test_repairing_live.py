"""Repairs while servers run: no task is lost, and none is kept from ending."""

from __future__ import annotations

import asyncio
import random
from collections import Counter
from typing import Any

import pytest

from onebeat.inspector.diagnosing import Doctor
from onebeat.inspector.steps import follow
from onebeat.server.context import Context
from onebeat.task import Task
from tests.anywhere import everywhere
from tests.server.conftest import Bench, bench, until

__all__ = ["bench"]

ROOT = "asynq:{default}:"
TASKS = 60


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3))
async def test_a_queue_that_is_hurt_while_it_is_served_ends_all_its_tasks(bench: Bench, seed: int) -> None:
    """
    Ids vanish from lists while a server takes, runs and retries; repairs go on all the time.

    Every task runs, at least once, and none is left.
    """
    dice, ran = random.Random(seed), Counter[str]()

    @bench.mux.handle("t")
    async def handler(ctx: Context[Any], task: Task[Any]) -> None:
        ran[ctx.id] += 1
        await asyncio.sleep(dice.random() / 20)
        if ran[ctx.id] == 1 and dice.random() < 0.3:
            raise ValueError("the first time")

    ids = [await bench.enqueue("t", number) for number in range(TASKS)]

    async def repair() -> None:
        await follow(bench.store, Doctor(bench.store).repair(dry_run=False))

    async with bench.serving(concurrency=8, lease=1.0, allow_short_lease=True, retry_delay=lambda _n, _error: 0.1):
        for _ in range(40):
            task_id = dice.choice(ids)
            await bench.store.command(*dice.choice([
                ("LREM", ROOT + "pending", 0, task_id), ("LREM", ROOT + "active", 0, task_id),
                ("ZREM", ROOT + "lease", task_id), ("ZREM", ROOT + "retry", task_id),
                ("LPUSH", ROOT + "pending", task_id),
            ]))  # fmt: skip
            await repair()

        async def is_over() -> bool:
            await repair()
            return not await everywhere(bench.store, "KEYS", ROOT + "t:*")

        await until(is_over, 120)
    assert set(ids) == set(ran)
