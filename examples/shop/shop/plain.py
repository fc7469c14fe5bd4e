"""The plain form, which users of asynq know: types and payloads instead of functions and arguments."""

from __future__ import annotations

from onebeat import Client, Context, Inspector, Mux, Scheduler, Server, Task
from shop.tasks import send_welcome

mux = Mux()


@mux.handle("image:")  # asynq's prefix patterns
async def images(ctx: Context, task: Task) -> bytes:
    """Give back what came."""
    return task.payload


async def enqueue(url: str) -> str:
    """Enqueue one of a kind in a minute."""
    async with Client(url) as client:
        await client.enqueue(Task("image:resize", {"width": 80}), queue="low", unique=60)
        return (await client.enqueue(Task("image:crop", b"\x00\x01"), queue="low", retention=60)).id


def scheduler(url: str) -> Scheduler:
    """Register a schedule in asynq's words."""
    scheduler = Scheduler(url)
    scheduler.register("@every 1.5s", send_welcome.bind(42), queue="low")
    return scheduler


async def run_archived(url: str, queue: str) -> int:
    """Run all that was archived again."""
    count = 0
    async with Inspector(url) as inspector:
        archived = [info.id async for info in inspector.tasks(queue, state="archived")]
        for task_id in archived:
            await inspector.run(queue, task_id)
            count += 1
    return count


async def serve(url: str) -> None:
    """Serve until SIGTERM or Ctrl-C."""
    await Server(url, concurrency=64, queues={"low": 6, "default": 3}).run(mux)
