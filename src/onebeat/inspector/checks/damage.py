"""Damage: records and lists that disagree, locks of nobody, groups that nobody sees. Most of it can be repaired."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from functools import partial

from onebeat.broker.checkup import Wound
from onebeat.inspector.checks.facts import Check, Facts, Found
from onebeat.inspector.checks.finding import Severity
from onebeat.inspector.checks.words import number, some, span, typed

_DEEDS = {
    "dropped": "the entry is dropped, with what is left of a record",
    "pending": "it is pending",
    "active": "it is active again: its server goes on with it, or it is recovered",
    "leased": "it gets a lease: its server goes on with it, or it is recovered",
    "scheduled": "it is scheduled for its time",
    "retry": "it is in retry, due now",
    "archived": "it is in the archive",
    "completed": "it is completed, until its retention is over",
    "aggregating": "it is in its group",
    "deleted": "it is deleted, as the archive or its retention would not keep it any more",
    "listed": "the group is listed",
    "unlisted": "the group is struck off",
    "returned": "its tasks go back to their group",
    "freed": "the lock is freed",
    "rounded": "the score is a whole number",
}


def _deeds(wounds: list[Wound]) -> str:
    counts = Counter(wound.deed.partition(" ")[0] for wound in wounds)
    return "; ".join(f"{count:,}: {_DEEDS.get(deed, deed)}" for deed, count in counts.most_common())


def _wounds(
    check: str,
    problems: tuple[str, ...],
    severity: Severity,
    thing: tuple[str, str],
    what: tuple[str, str],
    heals: str,
    facts: Facts,
) -> Iterator[Found]:
    by_queue: dict[str, list[Wound]] = {}
    for wound in facts.wounds:
        if wound.problem in problems:
            by_queue.setdefault(wound.queue, []).append(wound)
    for queue, wounds in by_queue.items():
        is_one = len(wounds) == 1
        command = typed("onebeat", "doctor", "--repair", check, "--queue", queue)
        yield Found(
            severity,
            f"queue {queue}",
            f"{number(len(wounds), *thing)} {what[0] if is_one else what[1]}: {some(wound.shown for wound in wounds)}",
            (f"{command} --dry-run", command),
            queue,
            _deeds(wounds),
            heals if facts.has_upkeep(queue) else "",
        )


def _locks(facts: Facts) -> Iterator[Found]:
    for problem, severity in (("endless-lock", Severity.ERROR), ("stale-lock", Severity.HINT)):
        by_queue: dict[str, list[Wound]] = {}
        for wound in facts.wounds:
            if wound.problem == problem:
                by_queue.setdefault(wound.queue, []).append(wound)
        for queue, wounds in by_queue.items():
            _, left, holder = wounds[0].deed.split(" ", 2)
            until = "has no end" if problem == "endless-lock" else f"ends in {span(int(left))}"
            command = typed("onebeat", "doctor", "--repair", problem, "--queue", queue)
            yield Found(
                severity,
                f"queue {queue}",
                f"{number(len(wounds), 'unique lock')} {'names a task' if len(wounds) == 1 else 'name tasks'} that "
                f"{'is' if len(wounds) == 1 else 'are'} gone: {some(wound.shown for wound in wounds)}; the first, of "
                f"{holder}, {until}",
                (f"{command} --dry-run", command),
                queue,
                f"{number(len(wounds), 'lock')} freed",
            )


def _endless(facts: Facts) -> Iterator[Found]:
    return (found for found in _locks(facts) if found.severity is Severity.ERROR)


def _stale(facts: Facts) -> Iterator[Found]:
    return (found for found in _locks(facts) if found.severity is Severity.HINT)


def _unlisted(facts: Facts) -> Iterator[Found]:
    for queue in facts.unlisted:
        yield Found(
            Severity.WARNING,
            f"queue {queue}",
            "it holds keys and is not in asynq:queues, so that no tool shows it",
            (typed("onebeat", "doctor", "--repair", "queue-unlisted", "--queue", queue),),
            queue,
            "the queue is listed",
        )


def _names(facts: Facts) -> Iterator[Found]:
    for name in facts.names:
        if name.startswith("}") or not name.strip():
            yield Found(
                Severity.ERROR,
                f"queue {name!r}",
                "its name gives its keys no common slot: in a cluster every script of it fails, and asynq's tools then "
                "list no queue at all",
                (typed("redis-cli", "SREM", "asynq:queues", name),),
                name,
            )
        elif "\ufffd" in name:
            yield Found(
                Severity.ERROR,
                f"queue {name!r}",
                "its name is no UTF-8, so that no tool can open it; the console and the inspector leave it out",
                ("find who wrote it, and take it out of asynq:queues by SREM, byte for byte",),
            )
        elif "/" in name or "{" in name or "}" in name:
            yield Found(
                Severity.HINT,
                f"queue {name!r}",
                "its name has a slash or a brace, and asynqmon cannot open its page",
                ("give it another name",),
                name,
            )


NEEDS: dict[str, tuple[str, ...]] = {
    "lost-record": ("keys",),
    "group-unlisted": ("keys",),
    "group-set-stale": ("entries of queues", "keys"),
}
"""What is found by walking over keys; all else stands in a list."""


def _check(
    name: str,
    problems: tuple[str, ...],
    severity: Severity,
    thing: tuple[str, str],
    what: tuple[str, str],
    looks: str,
    why: str,
    mend: str,
    heals: str = "",
) -> Check:
    judge = partial(_wounds, name, problems, severity, thing, what, heals)
    return Check(name, NEEDS.get(name, ("entries of queues",)), looks, why, mend, judge, problems)


CHECKS = (
    _check(
        "dangling-id",
        ("dangling",),
        Severity.WARNING,
        ("id", "ids"),
        ("stands in a list without a task", "stand in lists without a task"),
        "Ids in lists, sets and groups whose record has no message.",
        "asynqmon shows no queue at all while one is near an end of a list; a Go server that takes one keeps it active "
        "for ever and takes nothing else at that moment.",
        "Repair drops the entries, and what is left of a record.",
        "a server of Onebeat drops each when its turn comes",
    ),
    _check(
        "lost-record",
        ("lost", "rest"),
        Severity.ERROR,
        ("task", "tasks"),
        ("has a record and is in no list", "have a record and are in no list"),
        "Records of tasks, and rests of such, that are in no list, by walking over the store's keys.",
        "Nobody will ever run them, no count has them, and their ids stay taken: to enqueue one again is a conflict. "
        "asynq leaves them behind when it trims its archive.",
        "Repair puts each where its record says: what was pending is pending, what was active is recovered. What the "
        "archive has trimmed is deleted, as is a rest without a message. A scheduled one whose time is lost is "
        "archived, since it must not run early.",
    ),
    _check(
        "misfiled-task",
        ("misfiled",),
        Severity.WARNING,
        ("task", "tasks"),
        ("stands elsewhere than its record says, or twice", "stand elsewhere than their records say, or twice"),
        "Tasks whose list and whose record disagree, and tasks that stand in two lists, or twice in one.",
        "Tools refuse to run or delete them, and a Go server runs one twice that stands twice in `pending`.",
        "Repair believes the record where a list bears it out, else the list; of two entries one stays.",
    ),
    _check(
        "active-without-lease",
        ("unleased",),
        Severity.WARNING,
        ("active task", "active tasks"),
        ("has no lease", "have no lease"),
        "Tasks in `active` without a lease.",
        "asynq recovers by leases alone: such a task stays active for ever.",
        "Repair gives each the lease that its server believes in, or one that has lapsed, so that it is recovered.",
        "a server of Onebeat does the same by itself, within half a minute",
    ),
    _check(
        "lease-without-active",
        ("unlisted",),
        Severity.WARNING,
        ("task", "tasks"),
        ("has a lease and is not in `active`", "have a lease and are not in `active`"),
        "Leases of tasks that are not in `active`.",
        "asynq cannot end such a task: each attempt to do so fails half-way.",
        "Repair puts each into `active` under its lease: it ends, or is recovered, as any other.",
        "a server of Onebeat recovers it once the lease lapses",
    ),
    _check(
        "group-unlisted",
        ("unlisted-group",),
        Severity.ERROR,
        ("group", "groups"),
        ("has tasks and is not listed", "have tasks and are not listed"),
        "Groups that have members and are not in the list of groups.",
        "Nobody aggregates them, and no tool counts them. asynq forgets to list a group when it returns tasks to it.",
        "Repair lists them.",
    ),
    _check(
        "group-empty",
        ("empty-group",),
        Severity.HINT,
        ("group", "groups"),
        ("is listed and has no tasks", "are listed and have no tasks"),
        "Groups that are listed and have no members.",
        "asynqmon then shows a negative number for the queue's memory. Delayed tasks of a group list it beforehand; a "
        "server of Onebeat that has an aggregator strikes empty ones off by itself.",
        "Repair strikes them off.",
    ),
    _check(
        "group-set-stale",
        ("stale-set",),
        Severity.ERROR,
        ("aggregation set", "aggregation sets"),
        ("was left by its server and not returned", "were left by their servers and not returned"),
        "Aggregation sets whose deadline is long past, and such that are in no index.",
        "Their tasks are neither run nor counted.",
        "Repair returns their tasks to their groups.",
        "a server of Onebeat returns those that are in the index",
    ),
    _check(
        "score-fractional",
        ("fractional-score",),
        Severity.WARNING,
        ("entry", "entries"),
        ("has a score that is no whole number", "have scores that are no whole numbers"),
        "Entries whose score is no whole second.",
        "asynqmon cannot read them: listing the state, or opening the task, fails as a whole.",
        "Repair rounds them up, so that nothing runs early.",
    ),
    Check(
        "endless-lock",
        ("keys",),
        "Unique locks of tasks that are gone, without a time to live, by walking over the store's keys.",
        "No task of that type and payload can ever be enqueued again: it is refused as a duplicate of nothing.",
        "Repair frees each, if its task is still gone at that moment.",
        _endless,
        ("endless-lock",),
    ),
    Check(
        "stale-lock",
        ("keys",),
        "Unique locks of tasks that are gone, which end by themselves.",
        'Until then no task of that type and payload can be enqueued. It may be meant so: `Unique(until="ttl")` holds '
        "beyond the task. It is a leftover if asynq deleted or aggregated the task, which frees no locks.",
        "If it is a leftover, repair frees it; it has to be named for that: `--repair stale-lock`.",
        _stale,
        ("stale-lock",),
        is_safe=False,
    ),
    Check(
        "queue-unlisted",
        ("keys",),
        "Queues that have keys and are not in the list of queues.",
        "Tasks flow, and no tool, metric or dashboard shows them. asynq's clients list a queue once in their life, and "
        "not again after it was removed or the store was emptied.",
        "Repair lists it.",
        _unlisted,
        ("queue-unlisted",),
    ),
    Check(
        "queue-name",
        ("queues",),
        "Names of queues that break asynq's tools.",
        "One that begins with a closing brace breaks the list of all queues; one with a slash has no page.",
        "Use letters, digits, `-`, `_`, `.` and `:`.",
        _names,
    ),
)
