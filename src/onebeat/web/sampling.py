"""Notes once a minute how many tasks queues hold, so that charts can show whether that grows, whoever serves them."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from onebeat.errors import OnebeatError
from onebeat.inspector.inspector import Inspector
from onebeat.upkeep.service import TroubleLog

log: logging.Logger = logging.getLogger("onebeat.web")

EVERY_S = 20.0
"""Between two attempts: the first of a minute notes it, of whichever console that is."""


async def keep_sampling(inspector: Callable[[], Awaitable[Inspector]]) -> None:
    """
    Note it for ever; a store that is away, or may not be written to, is no reason to end.

    Args:
        inspector: Returns what looks into the store.
    """
    trouble = TroubleLog("noting how much queues hold", log)
    while True:
        try:
            await (await inspector()).sample_sizes()
        except OnebeatError as error:
            trouble.trouble(error)
        else:
            trouble.over()
        await asyncio.sleep(EVERY_S)
