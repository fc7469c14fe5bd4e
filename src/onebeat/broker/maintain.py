"""What a queue needs from time to time, whoever asks for it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from onebeat.broker.call import Argument, Call, texts
from onebeat.wire import keys

MAX_SIZE = 9_999
MAX_AGE_S = 90 * 86_400


@dataclass(frozen=True, slots=True)
class ArchiveLimits:
    """
    What the archive of a queue keeps: so many tasks, each for so many seconds; 0 is no limit. The defaults are asynq's.

    They stand in `onebeat:{q}:limits`, where every script that archives finds them, an inspector's, too.
    """

    size: int = MAX_SIZE
    age_s: int = MAX_AGE_S

    @property
    def are_default(self) -> bool:
        """Whether scripts take them when nothing is said."""
        return self == ArchiveLimits()

    def said(self, queue: str) -> tuple[Argument, ...]:
        """Return the command that says them for one queue, before a server there archives anything."""
        return "HSET", f"{keys.own_root(queue)}limits", "size", self.size, "age", self.age_s


@dataclass(frozen=True, slots=True)
class Maintained:
    """
    What one call of `maintain` did.

    Attributes:
        now_us: The store's time.

        next_due_ms: When something of this queue is due next; None when nothing waits.

        forwarded, expired: How many delayed tasks became pending, how many completed or archived ones were deleted.

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


def maintain(queue: str, *, max_crashes: int, archive: ArchiveLimits | None = None) -> Call[Maintained]:
    """
    Fire schedules, forward what is due, recover lapsed leases, delete the expired; any server, any time.

    Args:
        max_crashes: A task whose process died this often is archived.

        archive: What the archive keeps from now on; None: as it was.
    """
    limits = () if archive is None else (archive.size, archive.age_s)
    return Call("maintain", queue, (max_crashes, *limits), _interpret)


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
