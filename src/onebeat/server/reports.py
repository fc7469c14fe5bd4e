"""What the user's hooks are told beside the outcomes of handlers: of crashes, and how the store fares."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Iterable
from contextlib import suppress
from typing import Any

from onebeat.broker import browse
from onebeat.broker.store import Store
from onebeat.errors import BrokerError, TaskCrashed
from onebeat.server.context import Context, running
from onebeat.server.hooks import Hooks
from onebeat.task import Task
from onebeat.wire.message import UndecodableMessage, decode

log: logging.Logger = logging.getLogger("onebeat.hooks")

MAX_WAITING = 10_000

_WHAT_NOW = {"front": "it runs next", "retry": "it is retried after a while", "archived": "it is archived"}


class Crashes:
    """
    Tells of tasks that this server recovered, one after another; asynq tells nobody (SE-25).

    What another server recovers is told there.

    Args:
        state: What the handlers' `Context.state` is.
    """

    name = "crash reports"

    def __init__(self, store: Store, hooks: Hooks, state: object) -> None:
        self._store = store
        self._hooks = hooks
        self._state = state
        self._waiting: asyncio.Queue[tuple[str, str, str]] = asyncio.Queue(MAX_WAITING)

    def note(self, queue: str, recovered: Iterable[tuple[str, str]]) -> None:
        """Note tasks that were recovered, (place, id) of each."""
        with suppress(asyncio.QueueFull):  # more crashes than anybody reads about
            for place, task_id in recovered:
                self._waiting.put_nowait((queue, place, task_id))

    async def run(self) -> None:
        """Tell for ever."""
        while True:
            await self._tell(*await self._waiting.get())

    async def tell_waiting(self) -> None:
        """Tell of what was noted so far."""
        while not self._waiting.empty():
            await self._tell(*self._waiting.get_nowait())

    async def _tell(self, queue: str, place: str, task_id: str) -> None:
        try:
            raw = await self._store.run(browse.info(queue, task_id))
            message = decode(raw.message) if raw is not None else None
        except (BrokerError, UndecodableMessage) as error:
            log.error("on_error is not told of the crash of task %s of queue %s: %s", task_id, queue, error)
            return
        if message is None:
            return
        context: Context[Any] = Context(
            id=task_id,
            queue=queue,
            type=message.type,
            retried=message.retried,
            max_retry=message.retry,
            headers=dict(message.headers),
            state=self._state,
        )
        running.set(context)
        task = Task.received(message.type, message.payload, context.headers)
        crash = TaskCrashed(f"task {task_id} of queue {queue} lost its server or its lease; {_WHAT_NOW[place]}")
        await self._hooks.tell(context, task, crash)


class StoreHealth:
    """
    Asks the store whether it is well and passes that on, for ever. asynq: healthcheck.go.

    Args:
        every: Seconds between two looks; the first is after as long.

        sleep: Waits.
    """

    name = "health check"

    def __init__(
        self, store: Store, hooks: Hooks, every: float, *, sleep: Callable[[float], Any] = asyncio.sleep
    ) -> None:
        self._store = store
        self._hooks = hooks
        self._every = every
        self._sleep = sleep

    async def run(self) -> None:
        """Look for ever."""
        while True:
            await self._sleep(self._every)
            found: BrokerError | None = None
            try:
                await self._store.command("PING")
            except BrokerError as error:
                found = error
            await self._hooks.tell_health(found)
