"""
What an operator should hear first of queues: from figures that every page may ask for, without the whole doctor.

Every page that says one of these things says it with these words.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, tzinfo
from typing import Final

from markupsafe import Markup

from onebeat.broker.browse import QueueStats
from onebeat.broker.spoiled import Spoiled, told
from onebeat.errors import BrokerError
from onebeat.inspector.models import ServerInfo
from onebeat.web.showing import instants
from onebeat.web.showing.growth import Growth
from onebeat.web.showing.signs import quoted
from onebeat.web.showing.words import counted, wait

ORDER: Final = (
    ("damaged", "nobody can enqueue into it or take from it: whoever calls fails, too"),
    ("failing", "what runs is done wrongly now, and each minute makes more of it"),
    ("no workers", "nothing is done; but nothing is spoiled, and it is made good once a server comes"),
    ("slow", "all is done, and late: every further task waits as long"),
    ("growing", "nothing is late yet; but more comes than is done, and it will be"),
    ("paused", "somebody wanted it so; it may be forgotten, and what waits adds up"),
    ("orphaned", "few tasks, which look as if they ran; all others go on"),
)
"""
What may be said of a queue, that first which hurts most now, and why it stands there.

What is broken ("bad") comes before what is amiss ("warn") all the same: half of all attempts fail before a queue has no
workers, but that before a tenth fails. Among equals the queue comes first where it is about most tasks.
"""

_RANK: Final = {badge: rank for rank, (badge, _) in enumerate(ORDER)}

SLOW_S = 60.0
"""A task that has waited so long for its turn is worth a word."""

LATELY = 10
"""Minutes whose failures are told, the one under way among them."""

FAILING_LEAST = 10
"""From so many failures within `LATELY` minutes a queue may be failing."""

WARNS, ALARMS = 0.1, 0.5
"""Which share of attempts fails where something is amiss, and where something is broken."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Concern:
    """
    Something about a queue.

    Attributes:
        queue: Which.

        kind: "bad" or "warn".

        badge: In two words, beside its name; one of `ORDER`.

        sentence: The whole, to follow its name.

        tasks: How many it is about.

        since: Since when the task waits that runs next; None: it is not to be told.
    """

    queue: str
    kind: str
    badge: str
    sentence: str
    tasks: int = 0
    since: datetime | None = None

    @property
    def order(self) -> tuple[object, ...]:
        """What sorts concerns: that which hurts most first."""
        return self.kind != "bad", _RANK[self.badge], -self.tasks, self.queue

    def told(self, place: tzinfo = UTC) -> Markup:
        """Say the whole, with how long the next task has waited, to follow the queue's name."""
        return Markup("{}{}").format(self.sentence, _waited(self.since, place))


def _waited(since: datetime | None, place: tzinfo) -> Markup:
    if since is None:
        return Markup()
    return Markup("; the oldest has waited {}").format(instants.waited(since, place))


def concerns(
    queue: str,
    stats: QueueStats | BrokerError,
    served: Mapping[str, int] | None,
    lately: tuple[int, int] = (0, 0),
    *,
    servers: int | None = None,
    growth: Growth | None = None,
) -> list[Concern]:
    """
    Say what is wrong with a queue, that first which hurts most.

    Args:
        queue: Its name.

        stats: What it holds.

        served: How many servers serve each queue; None: nobody can tell.

        lately: Its attempts of the last `LATELY` minutes, and how many of them failed, as far as servers write that.

        servers: How many live at all; None: nobody can tell.

        growth: How its backlog grew, as far as consoles noted it; None: it did not, or nobody can tell.
    """
    if isinstance(stats, BrokerError):
        sentence = f"cannot be read whole: {_spoiled(stats)}"
        return [Concern(queue=queue, kind="bad", badge="damaged", sentence=sentence)]
    serve = None if served is None else served.get(queue, 0)
    found = [*_failing(queue, lately), *_held(queue, stats, serve, servers)]
    if serve != 0 and not stats.paused:
        found += _late(queue, stats, growth if growth is not None and stats.pending > growth.before else None)
    return sorted(found, key=lambda one: one.order)


def _failing(queue: str, lately: tuple[int, int]) -> Iterator[Concern]:
    processed, failed = lately
    if failed >= FAILING_LEAST and (kind := kind_of(failed, processed)):
        of = f"{failed:,} of {counted(processed, 'attempt')} in the last {LATELY} minutes failed"
        yield Concern(queue=queue, kind=kind, badge="failing", sentence=f"is failing: {of}", tasks=failed)


def kind_of(failed: int, processed: int) -> str:
    """Judge how many attempts fail: "bad", "warn", or "" where few do."""
    part = failed / processed if processed else 0
    return "bad" if part >= ALARMS else "warn" if part >= WARNS else ""


def _held(queue: str, stats: QueueStats, served: int | None, servers: int | None) -> Iterator[Concern]:
    """Say what holds its tasks up; of whom nobody knows whether servers serve it, nobody says that none does."""
    number, later = waiting(stats, servers), stats.scheduled + stats.retry - stats.overdue
    since = stats.pending_since
    if number and served == 0:
        told = f"has no workers for {counted(number, 'task')}"
        yield Concern(queue=queue, kind="bad", badge="no workers", sentence=told, tasks=number, since=since)
    elif later and served == 0:
        told = f"has no workers for {counted(later, 'task')} still to come due"
        yield Concern(queue=queue, kind="warn", badge="no workers", sentence=told, tasks=later)
    if stats.paused:
        held = f" while {wait(number)}" if number else "; nothing waits"
        yield Concern(
            queue=queue, kind="warn", badge="paused", sentence=f"is paused{held}", tasks=number,
            since=since if number and served != 0 else None,
        )  # fmt: skip
    if stats.abandoned and served != 0:
        whose, them = ("its server", "it") if stats.abandoned == 1 else ("their servers", "them")
        told = f"has {counted(stats.abandoned, 'orphaned task')}: {whose} died, and nobody has taken {them} back"
        yield Concern(queue=queue, kind="warn", badge="orphaned", sentence=told, tasks=stats.abandoned)


def _late(queue: str, stats: QueueStats, growth: Growth | None) -> Iterator[Concern]:
    """Say that a queue which is served is late, or will be; and of one that is late whether it gets worse."""
    if stats.latency_ms >= SLOW_S * 1000:
        more = f", and it {growth.amount}" if growth is not None else ""
        told, since = f"is slow: {wait(stats.pending)}{more}", stats.pending_since
        yield Concern(queue=queue, kind="warn", badge="slow", sentence=told, tasks=stats.pending, since=since)
    elif growth is not None and growth.is_soon:
        yield Concern(queue=queue, kind="warn", badge="growing", sentence=growth.told, tasks=stats.pending)


def waiting(stats: QueueStats, servers: int | None = None) -> int:
    """
    Count the tasks of a queue that a server could work on now: what is not due yet does not wait for one.

    Args:
        servers: How many live at all; None: nobody can tell. What the last one ran when it died waits for another.
    """
    ran = stats.active if servers == 0 else stats.abandoned
    return stats.pending + stats.overdue + stats.aggregating + ran


def _spoiled(error: BrokerError) -> str:
    if not isinstance(error, Spoiled):
        return "the health page says what to do"
    key, kind = next(iter(error.found.items()))
    more = f", and {counted(len(error.found) - 1, 'more key')}" if len(error.found) > 1 else ""
    return f"{told(key, kind)}{more}; the health page says what to do"


def serving(servers: Iterable[ServerInfo]) -> dict[str, int]:
    """Count the servers that take tasks from each queue, or are about to."""
    counts: dict[str, int] = {}
    for server in servers:
        if server.status in ("active", "new"):
            for queue in server.queues:
                counts[queue] = counts.get(queue, 0) + 1
    return counts


def verdict(
    found: Iterable[Concern], *, servers: int | None, active: int, queues: int, place: tzinfo = UTC
) -> tuple[str, str | Markup]:
    """
    Return the kind and the sentence that stand first.

    Args:
        found: What is wrong with any queue.

        servers: How many live; None: nobody can tell.

        active, queues: How many tasks run, and queues there are.

        place: The viewer's zone.
    """
    ordered = sorted(found, key=lambda one: one.order)
    unserved = [one for one in ordered if one.badge == "no workers" and one.kind == "bad"]
    if unserved and not servers:
        return "bad", _lifeless(unserved, place)
    if ordered:
        worst = ordered[0]
        rest = {one.queue for one in ordered} - {worst.queue}
        more = f" · {counted(len(rest), 'more queue')} to look at" if rest else ""
        return worst.kind, Markup("Queue {} {}{}").format(quoted(worst.queue), worst.told(place), more)
    if not queues:
        return "", "Nothing was enqueued yet"
    if servers is None:
        return "warn", f"{counted(active, 'task')} running; which servers live cannot be read"
    if not servers:
        return "warn", "No server lives; nothing waits for one"
    return "good", f"All is well: {counted(servers, 'server')}, {counted(active, 'task')} running"


def _lifeless(unserved: Sequence[Concern], place: tzinfo) -> Markup:
    """Say that all is still: the cause, and not which queue happens to have most of it."""
    number = sum(one.tasks for one in unserved)
    where = f"queue {quoted(unserved[0].queue)}" if len(unserved) == 1 else counted(len(unserved), "queue")
    verb = "waits" if number == 1 else "wait"
    since = min((one.since for one in unserved if one.since is not None), default=None)
    told = f"No server lives, and {counted(number, 'task')} of {where} {verb} for one"
    return Markup("{}{}").format(told, _waited(since, place))
