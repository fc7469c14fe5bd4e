"""What a queue needs from time to time, whoever asks for it."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, cast

from onebeat.broker.call import Argument, Call, Filed, filed, texts
from onebeat.broker.groups import Aggregating, Outgoing, Returned, outgoing
from onebeat.broker.store import Store
from onebeat.events import MissReason
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
class Lost:
    """
    A task whose lease had lapsed.

    Attributes:
        place: Where it went: "front", "retry" or "archived".

        retried: Its failures.

        error: Why it is archived, if it is: "cancelled", or how often it has crashed.
    """

    place: str
    id: str
    type: str
    retried: int
    error: str


@dataclass(frozen=True, slots=True)
class Missed:
    """Ticks of a schedule that passed without becoming tasks, and why; see `ScheduleMissed`."""

    schedule: str
    ticks: int
    reason: MissReason


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

        is_busy: Whether tasks run, schedules await their ticks, or groups somebody: then it wants looking after all the
            time.

        sets: Keys of the aggregation sets that are the caller's.

        cursor: Where its scan of all groups goes on; "" if there was none.

        has_more_groups: Whether more are due than one call stages.

        returned: Sets that were returned to their groups, as their server is gone.

        outgoing: Combined tasks that were to go to other queues, and whose server did not see to it.

        lonely: A group whose tasks have waited for a minute and that nobody aggregates, named every ten minutes; or "".

        lost: The same as `recovered`, and more of each.

        missed: Ticks that passed without becoming tasks.

        filed: Members of groups that were archived.
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
    lonely: str = ""
    lost: Sequence[Lost] = ()
    missed: Sequence[Missed] = ()
    filed: Sequence[Filed] = ()

    @property
    def was_full(self) -> bool:
        """Whether a part stopped at its limit, so that more may be due right now."""
        most = max(self.forwarded, self.expired, len(self.fired), len(self.recovered))
        return most >= 100 or self.has_more_groups


NOTHING = Aggregating()


def maintain(
    queue: str, *, max_crashes: int, archive: ArchiveLimits | None = None, aggregating: Aggregating = NOTHING
) -> Call[Maintained]:
    """
    Fire schedules, forward what is due, recover lapsed leases, delete the expired; any server, any time.

    Args:
        max_crashes: A task whose process died this often is archived.

        archive: What the archive keeps from now on; None: as it was.

        aggregating: The caller's aggregators, for which groups that are due are staged.
    """
    limits: tuple[Argument, ...] = ("", "") if archive is None else (archive.size, archive.age_s)
    return Call("maintain", queue, (max_crashes, *limits, *aggregating.arguments()), _interpret)


def _interpret(answer: Any) -> Maintained:
    now, due, forwarded, expired, fired, recovered, low, errors, mended, is_busy, *of_groups = answer
    sets, cursor, more, back, out, lonely, of_lost, missed, archived = of_groups
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
        sets=[key.decode("utf-8", "surrogateescape") for key in sets],
        cursor=cursor.decode(),
        has_more_groups=bool(more),
        returned=[_returned(key, counts) for key, counts in pairs],
        outgoing=outgoing(out),
        lonely=lonely.decode("utf-8", "replace"),
        lost=[Lost(*lost) for lost in _rows(places, texts(of_lost))],
        missed=[_missed(text) for text in texts(missed)],
        filed=filed(archived),
    )


def _rows(places: Sequence[tuple[str, str, str]], of: Sequence[str]) -> Iterator[tuple[str, str, str, int, str]]:
    for (place, _, id_), type_, retried, error in zip(places, of[::3], of[1::3], of[2::3], strict=True):
        yield place, id_, type_, int(retried), error


def _returned(key: str, counts: str) -> Returned:
    back, archived = map(int, counts.split())
    return Returned(key, back, archived)


def _missed(text: str) -> Missed:
    reason, ticks, schedule = text.split(" ", 2)
    return Missed(schedule, int(ticks), cast("MissReason", reason))


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


_WORKING = ("pending", "active", "lease", "scheduled", "retry", "completed", "groups", "aggregation_sets")
_OWN_WORKING = ("exact", "due", "stuck", "groups", "sets", "out")
"""What scripts/survey.lua looks at. A queue that has none of it is at rest."""


@lru_cache(8192)
def _any_work(queue: str) -> tuple[Argument, ...]:
    root, own = keys.root(queue), keys.own_root(queue)
    return ("EXISTS", *(root + name for name in _WORKING), *(own + name for name in _OWN_WORKING))


async def look(store: Store, queues: Sequence[str], found: Callable[[Surveyed], None]) -> None:
    """
    Look at many queues, wherever they lie, and tell of each that is not at rest.

    No script may touch two nodes' keys, and a script per queue would cost each more than to be at rest is worth. So
    where queues are spread, one round trip per node tells which have anything, and only these are surveyed, one by one.

    Raises:
        BrokerError: Some could not be looked at; those of other nodes were.
    """
    if not store.is_spread:
        for item in await store.run(survey(queues)):
            found(item)
        return
    homes: dict[str, list[str]] = {}
    for queue in queues:
        homes.setdefault(store.home(queue), []).append(queue)
    answers = await asyncio.gather(*(_look_at(store, own, found) for own in homes.values()), return_exceptions=True)
    for answer in answers:
        if answer is not None:
            raise answer


async def _look_at(store: Store, queues: Sequence[str], found: Callable[[Surveyed], None]) -> None:
    """Look at queues of one node."""
    there = await store.commands([_any_work(queue) for queue in queues])
    busy = [queue for queue, number in zip(queues, there, strict=True) if number]
    for answer in await asyncio.gather(*(store.run(survey([queue])) for queue in busy)):
        for item in answer:
            found(item)
