"""
Hears that running tasks are to be cancelled, and what operators order.

A word that is missed while the connection was down is not lost: our own cancellations leave a mark at the task,
which the lease keeper sees with the next extension (SE-24), and an order stands in a key, which it reads with the next
sign of life (broker/orders.py). asynq's tools leave nothing.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from onebeat.broker.store import Store
from onebeat.server.executor import Executor
from onebeat.upkeep.service import TroubleLog
from onebeat.wire import keys


class CancelEars:
    """
    Listens to all channels: of cancellations asynq's names an id, ours a queue and an id.

    Args:
        server: Its id, by which orders name it.

        ordered: Called with each order to it.

    Attributes:
        listening: Set once nothing said from now on is missed.

        trouble: Where it is noted that it cannot listen, and that it can again.
    """

    name = "cancel listener"

    def __init__(
        self,
        store: Store,
        executor: Executor,
        *,
        server: str = "",
        ordered: Callable[[str], None] = lambda _order: None,
    ) -> None:
        self._store = store
        self._executor = executor
        self._server = server
        self._ordered = ordered
        self.listening: asyncio.Event = asyncio.Event()
        self.trouble: TroubleLog = TroubleLog(self.name)

    async def run(self) -> None:
        """Listen for ever."""
        async for channel, message in self._store.listen(
            keys.CANCEL_CHANNEL, keys.OWN_CANCEL_CHANNEL, keys.ORDERS_CHANNEL
        ):
            text = message.decode("utf-8", "surrogateescape")
            if not channel:
                self.listening.set()
                self.trouble.over()
            elif channel == keys.CANCEL_CHANNEL:
                self._executor.cancel(text)
            elif channel == keys.ORDERS_CHANNEL:
                server, _, order = text.partition(" ")
                if server == self._server:
                    self._ordered(order)
            else:
                queue, _, task_id = text.partition("\0")
                self._executor.cancel(task_id, queue)
