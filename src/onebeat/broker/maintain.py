"""What a queue needs from time to time, whoever asks for it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from onebeat.broker.call import Argument, Call, texts
from onebeat.broker.store import Store
from onebeat.wire import keys


@dataclass(frozen=True, slots=True)
class Maintained:
    """
    What one call of `maintain` did.

    Attributes:
        now_us: The store's time.

        next_due_ms: When something of this queue is due next; None when nothing waits.

        forwarded, expired: How many delayed tasks became pending, how many completed ones were deleted.

        fired: (schedule id, tick in ms) of every tick it enqueued.

        recovered: (place, task id) of every task of a lapsed lease; the place is "front", "retry" or "archived".

        low: Calendar schedules that want more ticks.

        errors: What failed without stopping the rest.

        mended: Entries that belonged to nothing and were dropped or put right.

        is_busy: Whether tasks run, or schedules await their ticks: then it wants looking after all the time.
    """

    now_us: int
    next_due_ms: int | None
    forwarded: int
    expired: int
    fired: list[tuple[str, int]]
    recovered: list[tuple[str, str]]
    low: list[str]
    errors: list[str]
    mended: int
    is_busy: bool

    @property
    def was_full(self) -> bool:
        """Whether a part stopped at its limit, so that more may be due right now."""
        return max(self.forwarded, self.expired, len(self.fired), len(self.recovered)) >= 100


def maintain(queue: str, *, max_crashes: int) -> Call[Maintained]:
    """Fire schedules, forward what is due, recover lapsed leases, delete the expired; any server, any time."""
    return Call("maintain", queue, (max_crashes,), _interpret)


def _interpret(answer: Any) -> Maintained:
    now, due, forwarded, expired, fired, recovered, low, errors, mended, is_busy = answer
    ticks = [text.rpartition(" ") for text in texts(fired)]
    places = [text.partition(" ") for text in texts(recovered)]
    return Maintained(
        now_us=int(now),
        next_due_ms=int(due) if due else None,
        forwarded=forwarded,
        expired=expired,
        fired=[(id_, int(tick)) for id_, _, tick in ticks],
        recovered=[(place, id_) for place, _, id_ in places],
        low=texts(low),
        errors=texts(errors),
        mended=mended,
        is_busy=bool(is_busy),
    )


@dataclass(frozen=True, slots=True)
class Surveyed:
    """
    A queue that is not at rest.

    Attributes:
        has_work: Tasks are pending, and it is not paused.

        due_in_ms: Until something is due there, 0 when it wants looking after now; None when nothing is.
    """

    queue: str
    has_work: bool
    due_in_ms: int | None


def survey(queues: Sequence[str]) -> Call[list[Surveyed]]:
    """Look at many queues of one store at once; those at rest are left out."""

    def interpret(answer: Any) -> list[Surveyed]:
        rows = zip(answer[::3], answer[1::3], answer[2::3], strict=True)
        return [Surveyed(queues[int(place)], bool(work), int(due) if due != b"" else None) for place, work, due in rows]

    return Call("survey", queues[0], list(queues), interpret)


_WORKING = ("pending", "active", "lease", "scheduled", "retry", "completed")
_OWN_WORKING = ("exact", "due", "stuck")


@lru_cache(8192)
def _any_work(queue: str) -> tuple[Argument, ...]:
    root, own = keys.root(queue), keys.own_root(queue)
    return ("EXISTS", *(root + name for name in _WORKING), *(own + name for name in _OWN_WORKING))


async def look(store: Store, queues: Sequence[str]) -> list[Surveyed]:
    """
    Look at many queues, wherever they lie.

    No script may touch two nodes' keys, and a script per queue would cost each more than to be at rest is worth. So
    where queues are spread, one round trip per node tells which have anything, and only these are surveyed, one by one.
    """
    if not store.is_spread:
        return await store.run(survey(queues))
    found = await store.commands([_any_work(queue) for queue in queues])
    busy = [queue for queue, number in zip(queues, found, strict=True) if number]
    answers = await asyncio.gather(*(store.run(survey([queue])) for queue in busy))
    return [item for answer in answers for item in answer]
