"""Enqueueing: from code that awaits, and from code that blocks."""

from __future__ import annotations

import asyncio

from shop.tasks import app, send_welcome


async def signup(user_id: int) -> str:
    """Greet a user now, and once more in two seconds; returns the id of the second."""
    handle = await send_welcome.enqueue(user_id, locale="uk")  # the connection opens on first use
    print(f"enqueued {handle.id}")
    later = await send_welcome.options(process_in=2, retention=86_400, task_id=f"hi:{user_id}").enqueue(user_id)
    return later.id


async def greet_all(users: int) -> int:
    """Greet any number of users, in batches."""
    done = await app.enqueue_many(send_welcome.bind(user) for user in range(1, users + 1))
    return done.enqueued


def view(user_id: int) -> str:
    """Greet a user and wait for the receipt, as a view of Django or Flask would."""
    return send_welcome.enqueue_sync(user_id).result(timeout=5)


async def main() -> None:
    """Greet user 42, and wait."""
    async with app:
        handle = send_welcome.handle(await signup(42), queue="critical")
        print(await handle.result(timeout=10))
        print((await handle.info()).state)


if __name__ == "__main__":
    asyncio.run(main())
