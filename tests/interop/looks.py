"""What several tests look at."""

from __future__ import annotations

from typing import Any

from onebeat.server.serving import Serving
from onebeat.wire import keys
from tests.interop.conftest import Pair
from tests.server.conftest import Bench


async def shown(pair: Pair, *names: str, task_id: str = "a", queue: str = "default") -> tuple[Any, ...]:
    """Return these facts of a task, which both inspectors must tell alike."""
    seen = [await side.inspector.task(task_id, queue) for side in pair.both]
    facts = [tuple(getattr(info, name) for name in names) for info in seen]
    assert facts[0] == facts[1]
    return facts[0]


async def is_heard(bench: Bench, servers: int = 1) -> bool:
    """Whether so many servers listen for cancellations."""
    [_, listeners] = await bench.store.command("PUBSUB", "NUMSUB", keys.CANCEL_CHANNEL)
    return bool(listeners == servers)


async def leaves_alone(serving: Serving | None) -> bool:
    """Whether our server has seen that a queue is paused."""
    assert serving is not None
    return bool(serving.watcher._left_alone)
