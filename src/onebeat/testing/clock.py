"""The kit's time: it stands still until it is moved."""

from __future__ import annotations

import random
from collections.abc import Callable, Collection, Iterable
from datetime import UTC, datetime

from onebeat.broker import private
from onebeat.broker.private import Ahead
from onebeat.broker.store import Store
from onebeat.server.outcome import RetryDelay, default_retry_delay

HELD_BACK_S = 5
"""After that long without upkeep, recovery holds back as long (scripts/lib/recover.lua): so that it does not, the kit
looks this often before a lease lapses."""


class SimulatedClock:
    """
    A clock that is moved.

    Attributes:
        now_us: Microseconds since 1970.
    """

    def __init__(self, start: datetime) -> None:
        self.now_us: int = to_us(start) // 1000 * 1000

    def now(self) -> datetime:
        return from_us(self.now_us)

    def monotonic(self) -> float:
        return self.now_us / 1_000_000

    async def move(self, store: Store, now_us: int) -> None:
        """Make it that instant, here and in the store."""
        await private.set_time(store, now_us)
        self.now_us = now_us


def to_us(instant: datetime) -> int:
    return round(instant.timestamp() * 1_000_000)


def from_us(now_us: int) -> datetime:
    return datetime.fromtimestamp(now_us // 1_000_000, UTC).replace(microsecond=now_us % 1_000_000)


def next_instant(found: Iterable[Ahead], lost: Collection[str], now_us: int) -> int | None:
    """
    Return when something is due next, later than now, in microseconds; None when nothing is.

    Args:
        lost: The queues with tasks whose server died.
    """
    instants = [ahead.next_ms * 1000 for ahead in found if ahead.next_ms is not None]
    for ahead in found:
        if ahead.queue in lost and ahead.lapse_s is not None:
            lapse, now_s = ahead.lapse_s, now_us // 1_000_000
            looks = [lapse - 2 * HELD_BACK_S, lapse - HELD_BACK_S, lapse, max(now_s, lapse) + HELD_BACK_S]
            instants += [look * 1_000_000 for look in looks]
    return min((at for at in instants if at > now_us), default=None)


def seeded_delay(seed: int) -> RetryDelay:
    """Return asynq's back-off, with the same dice for the n-th failure of every task in every run."""

    def delay(retried: int, error: BaseException) -> float:
        return default_retry_delay(retried, error, randint=random.Random(f"{seed} {retried}").randint)  # noqa: S311

    return delay


def seeded_jitter(seed: int) -> Callable[[], float]:
    return random.Random(seed).random  # noqa: S311 - no secret
