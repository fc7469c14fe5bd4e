"""
Ends attempts that take too long, at hardly any cost for those that do not.

Most tasks end long before their deadline, so an attempt is only put into the basket of the second it would
be due in. A timer is armed for it when that second comes near; short timeouts get theirs at once.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from onebeat.clock import Clock
from onebeat.options import DEFAULT_TIMEOUT_S
from onebeat.server.running import Running
from onebeat.wire.message import TaskMessage

NEAR_S = 2.0


class Deadlines:
    """
    Calls `expired` with each attempt that is still here when it is due.

    Args:
        expired: Called on the event loop, once per `add`.
    """

    name = "deadlines"

    def __init__(self, expired: Callable[[Running], None], clock: Clock) -> None:
        self._expired = expired
        self._clock = clock
        self._baskets: dict[int, set[Running]] = {}
        self._timers: dict[Running, asyncio.TimerHandle] = {}

    def add(self, attempt: Running, left: float) -> None:
        """Watch an attempt that has `left` seconds."""
        attempt.due = self._clock.monotonic() + left
        if left <= NEAR_S:
            self._arm(attempt, left)
            return
        basket = self._baskets.get(int(attempt.due))
        if basket is None:
            basket = self._baskets[int(attempt.due)] = set()
        basket.add(attempt)

    def discard(self, attempt: Running) -> None:
        """Stop watching an attempt."""
        basket = self._baskets.get(int(attempt.due))
        if basket is not None:
            basket.discard(attempt)
        if self._timers:
            timer = self._timers.pop(attempt, None)
            if timer is not None:
                timer.cancel()

    async def run(self) -> None:
        """Arm timers as seconds come near, for ever."""
        while True:
            now = self._clock.monotonic()
            for second in [second for second in self._baskets if second < now + NEAR_S]:
                for attempt in self._baskets.pop(second):
                    self._arm(attempt, attempt.due - now)
            await asyncio.sleep(NEAR_S / 2)

    def _arm(self, attempt: Running, left: float) -> None:
        self._timers[attempt] = asyncio.get_running_loop().call_later(max(left, 0), self._fire, attempt)

    def _fire(self, attempt: Running) -> None:
        del self._timers[attempt]
        self._expired(attempt)


def time_left(message: TaskMessage, timeout_ms: int, now_us: int) -> float:
    """Seconds until the attempt must end: its timeout or its deadline, whichever is sooner (SE-37, SE-38)."""
    limit = timeout_ms / 1000 if timeout_ms else float(message.timeout)
    left = message.deadline - now_us / 1_000_000 if message.deadline else 0.0
    if limit and message.deadline:
        return min(limit, left)
    return limit or left or float(DEFAULT_TIMEOUT_S)
