"""The keys that belong to no queue: which queues, schedules and schedulers there are."""

from __future__ import annotations

from typing import Any

from onebeat.broker.store import Store
from onebeat.wire import keys


def published(queue: str) -> tuple[str, ...]:
    """Say how a queue is made known to every tool (asynq: client.go; here repeated, as a removal undoes it: SE-07)."""
    return "SADD", keys.QUEUES, queue


async def publish_queue(store: Store, queue: str) -> None:
    """Make a queue known to every tool."""
    await store.command(*published(queue))


async def queues(store: Store) -> list[str]:
    """List the known queues, sorted."""
    return sorted(name.decode("utf-8", "replace") for name in await store.command("SMEMBERS", keys.QUEUES))


async def schedule_queue(store: Store, schedule_id: str) -> str | None:
    """Say which queue a schedule lives on."""
    queue = await store.command("HGET", keys.SCHEDULES, schedule_id)
    return None if queue is None else str(queue.decode())


async def place_schedule(store: Store, schedule_id: str, queue: str) -> None:
    """Record which queue a schedule lives on, once it does."""
    await store.command("HSET", keys.SCHEDULES, schedule_id, queue)


async def forget_schedule(store: Store, schedule_id: str, queue: str) -> None:
    """Forget where a schedule lived; who declares it again records it again."""
    if await schedule_queue(store, schedule_id) == queue:
        await store.command("HDEL", keys.SCHEDULES, schedule_id)


async def announce_schedule_queue(store: Store, queue: str) -> None:
    """Tell every instance to fire the schedules of a queue, before the first is written there."""
    await store.command("SADD", keys.SCHEDULE_QUEUES, queue)
    await publish_queue(store, queue)


async def schedule_queues(store: Store) -> set[str]:
    """List the queues whose schedules every instance must fire."""
    names: Any = await store.command("SMEMBERS", keys.SCHEDULE_QUEUES)
    return {name.decode() for name in names}


async def list_scheduler(store: Store, queue: str, expires_s: int) -> None:
    """List a queue's virtual scheduler in asynq's index until a second (asynq: rdb.go WriteSchedulerEntries)."""
    await store.command("ZADD", keys.SCHEDULERS, expires_s, keys.schedulers(f"{{{queue}}}"))
