"""How groups stand, in words: pure. When one is aggregated is known as far as servers say it."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta

from onebeat.inspector.models import GroupInfo, GroupRule, ServerInfo
from onebeat.web.showing.signs import quoted
from onebeat.web.showing.words import counted, duration, wait

OVERDUE = timedelta(seconds=30)
"""For so long a group may be past its time before it is called overdue: it rests after a failure, or waits its turn."""


@dataclass(frozen=True, slots=True)
class Due:
    """
    When a group is aggregated.

    Attributes:
        kind: "", "warn", "bad".

        word: In a word or two.

        why: What decides it: "a minute after the last joined".

        at: The instant; None: it is not known.
    """

    kind: str
    word: str
    why: str
    at: datetime | None = None


def due(info: GroupInfo, servers: Iterable[ServerInfo], now: datetime) -> Due:
    """Say when a group is aggregated, as far as the servers of its queue say it."""
    serving = [one for one in servers if info.queue in one.queues and one.status == "active"]
    if not serving:
        return Due("bad", "no workers", "its queue has no workers")
    rules = [rule for one in serving for rule in [_rule(one, info.name)] if rule is not None]
    if rules:
        return min((_when(info, rule, now) for rule in rules), key=lambda found: found.at or now)
    if any(one.sheet is None for one in serving):
        return Due("", "unknown", "Go's servers do not say whether, nor when")
    if any(one.sheet is not None and (one.sheet.is_cut or _fits(one, info.name)) for one in serving):
        return Due("", "unknown", "a server aggregates it, and does not say when")
    return Due("bad", "no aggregator", "no server of its queue has a function for groups of this name")


def _fits(server: ServerInfo, name: str) -> bool:
    return server.sheet is not None and name.startswith(server.sheet.groups)


def _rule(server: ServerInfo, name: str) -> GroupRule | None:
    """Return the rule that a server goes by: that of the longest start that fits."""
    rules = () if server.sheet is None else server.sheet.rules
    return max((rule for rule in rules if name.startswith(rule.start)), key=lambda rule: len(rule.start), default=None)


def _when(info: GroupInfo, rule: GroupRule, now: datetime) -> Due:
    if not info.size:
        return Due("", "being aggregated", "all that joined was taken out")
    if rule.max_size and info.size >= rule.max_size:
        return Due("", "now", f"it is full: {counted(rule.max_size, 'task')}", now)
    times = []
    if info.newest_at is not None:
        times.append((info.newest_at + rule.grace, f"{duration(rule.grace)} after the last joined"))
    if info.oldest_at is not None and rule.max_delay:
        times.append((info.oldest_at + rule.max_delay, f"{duration(rule.max_delay)} after the first joined, at most"))
    if not times:
        return Due("", "unknown", "nothing is known of when its tasks joined")
    at, why = min(times)
    full = f", or at {counted(rule.max_size, 'task')}" if rule.max_size else ""
    if now - at > OVERDUE:
        return Due("warn", "overdue", f"due {why}: its aggregation failed and it rests, or waits for its turn", at)
    return Due("", "due", f"{why}{full}", at)


def verdict(found: Sequence[tuple[GroupInfo, Due]], cut: Collection[str]) -> tuple[str, str]:
    """
    Return the kind and the sentence that stand first.

    Args:
        found: The groups.

        cut: Queues that have more of them than were looked at.
    """
    for kind in ("bad", "warn"):
        troubled = [(info, due) for info, due in found if due.kind == kind]
        if troubled:
            info, first = troubled[0]
            more = f" · {counted(len(troubled) - 1, 'more group')} to look at" if len(troubled) > 1 else ""
            return kind, f"Group {quoted(info.name)} of queue {quoted(info.queue)}: {first.why}{more}"
    if not found:
        return "", "No task waits in a group"
    count = sum(info.size for info, _ in found)
    waiting = wait(count)
    there = f"{counted(len(found), 'group')}{' and more' if cut else ''}"
    return (
        "good",
        f"All is well: {waiting} in {there}, in {counted(len({info.queue for info, _ in found}), 'queue')}",
    )


def filter_of(info: GroupInfo) -> str:
    """Return the filter that means the tasks of a group."""
    return f"state:aggregating queue={_quoted(info.queue)} group={_quoted(info.name)}"


def _quoted(text: str) -> str:
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
