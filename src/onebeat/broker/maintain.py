"""What a queue needs from time to time, whoever asks for it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from onebeat.broker.call import Call, texts
from onebeat.broker.groups import Aggregating, Outgoing, Returned, outgoing


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

        is_busy: Whether tasks run, schedules await their ticks, or groups somebody: then it wants looking after all the
            time.

        sets: Keys of the aggregation sets that are the caller's.

        cursor: Where its scan of all groups goes on; "" if there was none.

        has_more_groups: Whether more are due than one call stages.

        returned: Sets that were returned to their groups, as their server is gone.

        outgoing: Combined tasks that were to go to other queues, and whose server did not see to it.
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
    sets: Sequence[str] = ()
    cursor: str = ""
    has_more_groups: bool = False
    returned: Sequence[Returned] = ()
    outgoing: Sequence[Outgoing] = ()

    @property
    def was_full(self) -> bool:
        """Whether a part stopped at its limit, so that more may be due right now."""
        most = max(self.forwarded, self.expired, len(self.fired), len(self.recovered))
        return most >= 100 or self.has_more_groups


NOTHING = Aggregating()


def maintain(queue: str, *, max_crashes: int, aggregating: Aggregating = NOTHING) -> Call[Maintained]:
    """
    Fire schedules, forward what is due, recover lapsed leases, delete the expired; any server, any time.

    Args:
        aggregating: The caller's aggregators, for which groups that are due are staged.
    """
    return Call("maintain", queue, (max_crashes, *aggregating.arguments()), _interpret)


def _interpret(answer: Any) -> Maintained:
    now, due, forwarded, expired, fired, recovered, low, errors, mended, is_busy, sets, cursor, more, back, out = answer
    ticks = [text.rpartition(" ") for text in texts(fired)]
    places = [text.partition(" ") for text in texts(recovered)]
    pairs = zip(texts(back[::2]), texts(back[1::2]), strict=True)
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
        sets=[key.decode() for key in sets],
        cursor=cursor.decode(),
        has_more_groups=bool(more),
        returned=[Returned(key, *map(int, counts.split())) for key, counts in pairs],
        outgoing=outgoing(out),
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
