"""How late the event loop runs what is due: the sign of handlers that block it."""

from __future__ import annotations

import asyncio

from onebeat.audience import Audience
from onebeat.events import Figure

EVERY_S = 0.5


class LoopLag:
    """Measures it twice a second, for ever; run only where somebody wants to know."""

    name = "loop lag"

    def __init__(self, audience: Audience) -> None:
        self._audience = audience

    async def run(self) -> None:
        """Measure for ever."""
        loop = asyncio.get_running_loop()
        while True:
            due = loop.time() + EVERY_S
            await asyncio.sleep(EVERY_S)
            self._audience.measured(Figure.LOOP_LAG_SECONDS, "", max(0.0, loop.time() - due))
