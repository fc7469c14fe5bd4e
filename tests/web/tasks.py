"""Tasks as a test wants them: written by Onebeat, or as Go writes them, in whatever state."""

from __future__ import annotations

from onebeat.broker.store import Store
from onebeat.wire import keys
from onebeat.wire.message import TaskMessage, encode

NOW_S = 1_790_000_000
"""About when; far enough from now that nothing becomes due."""

FAR_S = 4_000_000_000


async def write(
    store: Store, task_id: str, state: str, *, queue: str = "q", type: str = "email:welcome", payload: bytes = b"{}",
    result: bytes | None = None, **message: object,
) -> None:  # fmt: skip
    """Write a task field by field, as asynq for Go does."""
    root = keys.root(queue)
    body = TaskMessage(type=type, id=task_id, queue=queue, payload=payload, retry=25, timeout=1800)
    for name, value in message.items():
        if name == "headers":
            body.headers.update(value)  # type: ignore[call-overload]
        else:
            setattr(body, name, value)
    await store.command("SADD", "asynq:queues", queue)
    fields: list[str | bytes | int] = ["msg", encode(body), "state", state]
    if result is not None:
        fields += ["result", result]
    if state == "pending":
        fields += ["pending_since", NOW_S * 10**9]
    await store.command("HSET", f"{root}t:{task_id}", *fields)
    if state in ("pending", "active"):
        await store.command("LPUSH", f"{root}{state}", task_id)
        if state == "active":
            await store.command("ZADD", f"{root}lease", FAR_S, task_id)
    else:
        await store.command("ZADD", f"{root}{state}", FAR_S, task_id)
