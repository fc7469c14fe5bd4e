"""
Hears that running tasks are to be cancelled.

A word that is missed while the connection was down is not lost: our own cancellations leave a mark at the task,
which the lease keeper sees with the next extension (SE-24). asynq's tools leave none.
"""

from __future__ import annotations

import asyncio

from onebeat.broker.store import Store
from onebeat.server.executor import Executor
from onebeat.upkeep.service import TroubleLog
from onebeat.wire import keys


class CancelEars:
    """
    Listens to both channels: asynq's names an id, ours a queue and an id.

    Attributes:
        listening: Set once nothing said from now on is missed.

        trouble: Where it is noted that it cannot listen, and that it can again.
    """

    name = "cancel listener"

    def __init__(self, store: Store, executor: Executor) -> None:
        self._store = store
        self._executor = executor
        self.listening: asyncio.Event = asyncio.Event()
        self.trouble: TroubleLog = TroubleLog(self.name)

    async def run(self) -> None:
        """Listen for ever."""
        async for channel, message in self._store.listen(keys.CANCEL_CHANNEL, keys.OWN_CANCEL_CHANNEL):
            text = message.decode("utf-8", "surrogateescape")
            if not channel:
                self.listening.set()
                self.trouble.over()
            elif channel == keys.CANCEL_CHANNEL:
                self._executor.cancel(text)
            else:
                queue, _, task_id = text.partition("\0")
                self._executor.cancel(task_id, queue)
