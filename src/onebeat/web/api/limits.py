"""How often somebody may ask."""

from __future__ import annotations

import math
import time
from collections.abc import Callable

from onebeat.web.api.problems import Refused

RATE, BURST = 50.0, 200.0
"""Requests a second that one user may make, and how many at once after a pause."""

MOST = 10_000
"""Users that are remembered; the one that was quiet longest is forgotten first, and begins anew."""


class Rate:
    """
    Counts the requests of each user, by a bucket that fills as time passes.

    Args:
        rate, burst: Default: `RATE` and `BURST`.

        monotonic: The clock, in seconds.
    """

    def __init__(
        self,
        rate: float | None = None,
        burst: float | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._rate = RATE if rate is None else rate
        self._burst = BURST if burst is None else burst
        self._monotonic = monotonic
        self._left: dict[str, tuple[float, float]] = {}

    def take(self, who: str, cost: int = 1) -> None:
        """
        Count a request.

        Args:
            cost: As how many.

        Raises:
            Refused: There were too many.
        """
        now = self._monotonic()
        left, at = self._left.pop(who, (self._burst, now))
        left = min(self._burst, left + (now - at) * self._rate)
        if len(self._left) >= MOST:
            del self._left[next(iter(self._left))]
        self._left[who] = (left - cost if left >= cost else left, now)
        if left < cost:
            wait = math.ceil((cost - left) / self._rate)
            raise Refused(
                "too-many-requests",
                f"user {who!r} asked more than {self._rate:g} times a second: wait {wait} s, then go on more slowly",
                {"Retry-After": str(wait)},
            )
