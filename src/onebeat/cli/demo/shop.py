"""The application that the demo plays: what a small shop has its servers do."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from onebeat.app.app import Onebeat
from onebeat.server.context import Context

BEAT_S = 1.5
QUEUES = {"critical": 6, "default": 3, "low": 1}

Note = Callable[[Context[Any]], None]


def shop(note: Note, url: str) -> Onebeat[None]:
    """
    Declare the shop.

    Args:
        note: Told of every attempt as it begins.

        url: Its store.
    """
    app: Onebeat[None] = Onebeat("demo-shop", url=url)

    @app.task("email:welcome", queue="critical", max_retry=3)
    async def welcome(ctx: Context[Any], user_id: int) -> None:
        note(ctx)

    @app.task("email:reminder", retention=86_400)
    async def reminder(ctx: Context[Any], user_id: int) -> str:
        note(ctx)
        return f"reminded user {user_id}"

    @app.task("report:build", retention=300)
    async def report(ctx: Context[Any], month: str) -> str:
        note(ctx)
        await asyncio.sleep(0.5)  # the report's own work
        return f"report of {month}"

    @app.task("stock:sync")
    async def sync(ctx: Context[Any], warehouse: str) -> None:
        note(ctx)
        await asyncio.sleep(1.0)  # as above: the lock is held while it runs

    @app.task("payment:charge", max_retry=3, backoff=lambda failures: 0.5 * 2**failures)
    async def charge(ctx: Context[Any], order: int) -> None:
        note(ctx)
        raise ConnectionError(f"the bank did not answer for order {order}")

    @app.task("video:encode")
    async def encode(ctx: Context[Any], video: int) -> None:
        note(ctx)
        await asyncio.sleep(2.0)  # long enough that a server can be killed over it

    @app.task("image:resize")
    def resize(ctx: Context[Any], image: int) -> None:
        note(ctx)

    @app.every(BEAT_S)
    @app.task("beat:log", queue="critical", max_retry=0)
    async def beat(ctx: Context[Any]) -> None:
        note(ctx)

    declared = (welcome, reminder, report, sync, charge, encode, resize, beat)
    assert len(app.tasks) == len(declared)  # noqa: S101 - they are known to the application by their types
    return app
