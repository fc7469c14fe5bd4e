"""What an operator should hear first of queues: from figures that every page may ask for, without the whole doctor."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from onebeat.broker.browse import QueueStats
from onebeat.broker.spoiled import Spoiled, told
from onebeat.errors import BrokerError
from onebeat.inspector.models import ServerInfo
from onebeat.web.showing.words import counted, duration

SLOW_S = 60.0
"""A task that has waited so long for its turn is worth a word."""

LATELY = 10
"""Minutes whose failures are told, the one under way among them."""

FAILING_LEAST, FAILING_SHARE = 10, 0.1
"""From so many failures, which are that share of the attempts, a queue that works is failing."""


@dataclass(frozen=True, slots=True)
class Concern:
    """
    Something about a queue.

    Attributes:
        queue: Which.

        kind: "bad" or "warn".

        badge: In two words, beside its name.

        sentence: The whole, to follow its name.
    """

    queue: str
    kind: str
    badge: str
    sentence: str


def concern(
    queue: str, stats: QueueStats | BrokerError, served: Mapping[str, int] | None, lately: tuple[int, int] = (0, 0)
) -> Concern | None:
    """
    Say what is wrong with a queue, if anything is.

    Args:
        queue: Its name.

        stats: What it holds.

        served: How many servers serve each queue; None: nobody can tell.

        lately: Its attempts of the last `LATELY` minutes, and how many of them failed, as far as servers write that.
    """
    if isinstance(stats, BrokerError):
        return Concern(queue, "bad", "damaged", f"cannot be read whole: {_spoiled(stats)}")
    waits = f"; the oldest waits {duration(stats.latency_ms / 1000)}" if stats.latency_ms >= 1000 else ""
    due = stats.pending + stats.scheduled + stats.retry + stats.aggregating
    if due and served is not None and not served.get(queue):
        return Concern(queue, "bad", "no workers", f"has no workers for {counted(due, 'task')}{waits}")
    if stats.paused:
        kind, held = ("warn", f" while {counted(due, 'task')} wait{'s' if due == 1 else ''}") if due else ("", "")
        return Concern(queue, kind or "warn", "paused", f"is paused{held}{waits}")
    if stats.latency_ms >= SLOW_S * 1000:
        return Concern(queue, "warn", "slow", f"lets tasks wait {duration(stats.latency_ms / 1000)}")
    processed, failed = lately
    if failed >= FAILING_LEAST and failed >= FAILING_SHARE * processed:
        of = f"{failed:,} of {counted(processed, 'attempt')} in the last {LATELY} minutes failed"
        return Concern(queue, "warn", "failing", f"is failing: {of}")
    return None


def _spoiled(error: BrokerError) -> str:
    if not isinstance(error, Spoiled):
        return "the health page says what to do"
    key, kind = next(iter(error.found.items()))
    more = f", and {counted(len(error.found) - 1, 'more key')}" if len(error.found) > 1 else ""
    return f"{told(key, kind)}{more}; the health page says what to do"


def serving(servers: Iterable[ServerInfo]) -> dict[str, int]:
    """Count the servers that take tasks from each queue."""
    counts: dict[str, int] = {}
    for server in servers:
        if server.status == "active":
            for queue in server.queues:
                counts[queue] = counts.get(queue, 0) + 1
    return counts


def verdict(concerns: Iterable[Concern], servers: int | None, active: int, queues: int) -> tuple[str, str]:
    """Return the kind and the sentence that stand first; servers are None if nobody can tell how many live."""
    found = sorted(concerns, key=lambda concern: concern.kind != "bad")
    if found:
        worst = found[0]
        more = f" · {counted(len(found) - 1, 'more queue')} to look at" if len(found) > 1 else ""
        return worst.kind, f"{worst.queue} {worst.sentence}{more}"
    if not queues:
        return "", "Nothing was enqueued yet"
    if servers is None:
        return "warn", f"{counted(active, 'task')} running; which servers live cannot be read"
    if not servers and active:
        ran = f"{counted(active, 'task')} that one ran wait{'s' if active == 1 else ''} for another"
        return "bad", f"No server lives, and {ran}"
    if not servers:
        return "warn", "No server lives; nothing waits for one"
    return "good", f"All is well: {counted(servers, 'server')}, {counted(active, 'task')} running"
