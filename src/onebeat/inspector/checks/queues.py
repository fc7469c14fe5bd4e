"""Queues: do they flow, or does something hold them up?"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator

from onebeat.broker.checkup import Sample
from onebeat.broker.spoiled import remedy, told
from onebeat.inspector.checks.facts import Check, Facts, Found, server_name
from onebeat.inspector.checks.finding import Severity
from onebeat.inspector.checks.words import instant, list_tasks, number, run_tasks, serve, some, span, typed

OLD_S, VERY_OLD_S = 300.0, 3600.0
LATE_S, EXPIRED_S = 30.0, 300.0
OVERDUE_S = 60.0
STORM, SHARE = 50, 0.8
NEARLY = 0.9
ASYNQ_ARCHIVE = 9999


def _paused(facts: Facts) -> Iterator[Found]:
    for queue in facts.queues:
        if queue.paused_at is None or not queue.pending:
            continue
        since = f" since {instant(queue.paused_at)}" if queue.paused_at else ""
        yield Found(
            Severity.WARNING,
            f"queue {queue.queue}",
            f"it is paused{since}, and {number(queue.pending, 'task')} wait{'s' if queue.pending == 1 else ''} in it",
            (typed("onebeat", "queue", "resume", queue.queue),),
            queue.queue,
        )


def _old(facts: Facts) -> Iterator[Found]:
    for queue in facts.queues:
        age = 0.0 if queue.oldest_since is None else facts.now - queue.oldest_since
        if age < OLD_S or queue.paused_at is not None or not facts.taking(queue.queue):
            continue
        slots = sum(server.concurrency for server in facts.taking(queue.queue))
        busy = sum(server.active_workers for server in facts.taking(queue.queue))
        servers = number(len(facts.taking(queue.queue)), "server")
        yield Found(
            Severity.ERROR if age >= VERY_OLD_S else Severity.WARNING,
            f"queue {queue.queue}",
            f"the next of its {number(queue.pending, 'pending task')} has waited for {span(age)}; {servers} with "
            f"{number(slots, 'slot')} serve it, of which {busy} are busy",
            (
                serve(queue.queue),
                "onebeat server ls",
            ),
            queue.queue,
        )


def _growing(facts: Facts) -> Iterator[Found]:
    for queue in facts.queues:
        if queue.queue not in facts.before or not facts.interval:
            continue
        pending, processed = facts.before[queue.queue]
        grown, done = queue.pending - pending, max(0, queue.processed - processed)
        came = grown + done
        if grown <= 0 or not queue.pending or grown * 10 < came:
            continue
        yield Found(
            Severity.WARNING,
            f"queue {queue.queue}",
            f"in {span(facts.interval)} about {number(came, 'task')} came and {done:,} were processed; "
            f"{queue.pending:,} are pending, {grown:,} more than before",
            (serve(queue.queue), "onebeat server ls"),
            queue.queue,
        )


def _overdue(facts: Facts) -> Iterator[Found]:
    for server in facts.servers:
        for worker in server.workers:
            late = facts.now - worker.deadline.timestamp()
            if late >= OVERDUE_S:
                yield Found(
                    Severity.WARNING,
                    f"task {worker.task_id}",
                    f"it ({worker.task_type}, queue {worker.queue}) runs on {server_name(server)} since "
                    f"{instant(worker.started_at.timestamp())}, and should have ended {span(late)} ago",
                    (
                        typed("onebeat", "task", "cancel", "--queue", worker.queue, worker.task_id),
                        "if it does not end, stop that server: the task is run elsewhere",
                    ),
                    worker.queue,
                )


def _lapsed(facts: Facts) -> Iterator[Found]:
    for queue in facts.queues:
        has_upkeep = facts.has_upkeep(queue.queue)
        count = queue.lapsed if has_upkeep else queue.long_lapsed
        if not count:
            continue
        for_long = f", the first for {span(facts.now - queue.oldest_lease)}" if queue.oldest_lease is not None else ""
        yield Found(
            Severity.ERROR,
            f"queue {queue.queue}",
            f"{number(count, 'task')} lost {'its' if count == 1 else 'their'} server and "
            f"{'is' if count == 1 else 'are'} not taken back{for_long}",
            (
                "onebeat server ls",
                serve(queue.queue),
            ),
            queue.queue,
        )


def _late(facts: Facts) -> Iterator[Found]:
    for queue in facts.queues:
        firsts = [first for first in (queue.first_scheduled, queue.first_retry) if first is not None]
        late = facts.now - min(firsts, default=facts.now)
        if late >= LATE_S and facts.serving(queue.queue):
            yield Found(
                Severity.ERROR,
                f"queue {queue.queue}",
                f"a task that was due {span(late)} ago has not become pending, although "
                f"{some(map(server_name, facts.serving(queue.queue)))} serve it",
                ("see the log of its servers: they say what keeps them", "onebeat server ls"),
                queue.queue,
            )
        kept = facts.now - (queue.first_completed if queue.first_completed is not None else facts.now)
        if kept >= EXPIRED_S and not facts.serving(queue.queue):
            yield Found(
                Severity.HINT,
                f"queue {queue.queue}",
                f"results of completed tasks that were to be deleted {span(kept)} ago are kept, as no server serves it",
                (
                    serve(queue.queue),
                    f"or remove it: {typed('onebeat', 'queue', 'rm', queue.queue)}",
                ),
                queue.queue,
            )


def _archive(facts: Facts) -> Iterator[Found]:
    for queue in facts.queues:
        most = ASYNQ_ARCHIVE if queue.archive_size is None else queue.archive_size
        if not most or queue.archived < NEARLY * most:
            continue
        is_full = queue.archived >= most
        does = "each that is archived now deletes the oldest" if is_full else "once it is full, the oldest are deleted"
        yield Found(
            Severity.WARNING,
            f"queue {queue.queue}",
            f"its archive holds {queue.archived:,} of the {most:,} tasks that it keeps: {does}",
            (
                list_tasks(queue.queue, "archived"),
                f"run them again, all: {run_tasks(queue.queue, 'archived')}",
            ),
            queue.queue,
        )


_NUMBERS = re.compile(r"0x[0-9a-f]+|[0-9a-f]{8}-[0-9a-f-]{27}|\d+")


def _kind(sample: Sample) -> tuple[str, str]:
    """Say what errors have in common: what differs by numbers and ids alone is one."""
    return sample.type, _NUMBERS.sub("#", sample.error)


def _storm(facts: Facts) -> Iterator[Found]:
    for queue in facts.queues:
        if queue.retry < STORM or not queue.failing:
            continue
        (kind, count), *_ = Counter(map(_kind, queue.failing)).most_common(1)
        if count < SHARE * len(queue.failing):
            continue
        one = next(sample for sample in queue.failing if _kind(sample) == kind)
        yield Found(
            Severity.WARNING,
            f"queue {queue.queue}",
            f"{number(queue.retry, 'task')} wait to be retried; of {len(queue.failing)} that were looked at {count} "
            f"are {one.type or '?'} and failed alike: {one.error[:120] or '(no error)'}",
            (
                list_tasks(queue.queue, "retry"),
                f"once the cause is mended: {run_tasks(queue.queue, 'retry')}",
                f"until then: {typed('onebeat', 'queue', 'pause', queue.queue)}",
            ),
            queue.queue,
        )


def _broken(facts: Facts) -> Iterator[Found]:
    for queue, key, kind in facts.foreign:
        yield Found(
            Severity.ERROR,
            f"queue {queue}" if queue else f"key {key}",
            f"key {told(key, kind)}",
            (remedy(key), "delete what was moved, once you know who wrote it, and what it was for"),
            queue,
        )
    named = {queue for queue, _, _ in facts.foreign}
    for name, why in facts.broken.items():
        if name in named:
            continue
        yield Found(
            Severity.ERROR,
            f"queue {name}",
            f"it cannot be read: {why}",
            (
                typed("redis-cli", "--scan", "--pattern", f"asynq:{{{name}}}:*"),
                "rename or delete the key whose type is not asynq's (TYPE says it), once you know who wrote it",
            ),
            name,
        )


def _unreadable(facts: Facts) -> Iterator[Found]:
    for queue in facts.queues:
        ids = [sample.id for sample in (*queue.waiting, *queue.failing) if not sample.type]
        if ids:
            yield Found(
                Severity.WARNING,
                f"queue {queue.queue}",
                f"the bytes of {number(len(ids), 'task')} are no message of asynq's: {some(ids)}",
                (
                    typed("onebeat", "task", "ls", "--queue", queue.queue),
                    "find who wrote them; a server of Onebeat archives them with their bytes, unread",
                ),
                queue.queue,
                heals="a server of Onebeat archives each when its turn comes" if facts.has_upkeep(queue.queue) else "",
            )


CHECKS = (
    Check(
        "paused-with-backlog",
        ("queues",),
        "Queues that are paused while tasks wait in them.",
        "A pause does not end by itself, and outlives who made it.",
        "Resume it.",
        _paused,
    ),
    Check(
        "backlog-old",
        ("servers", "queues"),
        "Queues that are served and whose next task has waited for five minutes or longer.",
        "Servers do not keep up: every further task waits at least as long.",
        "Start more servers, or give them more slots; see whether a queue of higher weight starves this one.",
        _old,
    ),
    Check(
        "backlog-growing",
        ("queues", "second look"),
        "Queues to which more comes than is processed, between two looks (`--for`).",
        "It falls behind by that much, as long as it goes on.",
        "Start more servers, or slow down who enqueues.",
        _growing,
    ),
    Check(
        "task-overdue",
        ("servers",),
        "Tasks that run although their timeout or deadline is over, for a minute or longer.",
        "Its handler does not end when it is stopped, holds a slot, and may run for ever.",
        "Cancel it; give what it waits for a timeout, or isolate it in a process.",
        _overdue,
    ),
    Check(
        "lease-lapsed",
        ("servers", "queues"),
        "Tasks whose server died and which nobody takes back: for 45 s where Onebeat serves, two minutes elsewhere.",
        "They look as if they ran, and do not.",
        "Start a server for the queue: it takes them back within seconds, those of a Go server within half a minute.",
        _lapsed,
    ),
    Check(
        "upkeep-late",
        ("servers", "queues"),
        "Tasks that are due and do not become pending, results that are to be deleted and are not.",
        "Nobody maintains the queue: its delayed and failed tasks stand still.",
        "See the log of the servers that serve it; start one if there is none.",
        _late,
    ),
    Check(
        "archive-nearly-full",
        ("queues",),
        "Archives that hold 90 % of what they keep or more.",
        "What is archived beyond that silently deletes the oldest: in a bad night the evidence goes first.",
        "Run or delete what is in it; or have servers keep more by `archive_max_size`, where no Go server serves.",
        _archive,
    ),
    Check(
        "retry-storm",
        ("queues",),
        "Queues in which 50 tasks or more wait to be retried and most samples failed alike.",
        "It is one cause, not many: each retry costs work and helps nobody until that is mended.",
        "Mend the cause, then run them all; pause the queue until then if they do harm.",
        _storm,
    ),
    Check(
        "key-damaged",
        ("types",),
        "Keys of queues, and those that all share, whose type is another than asynq's or Onebeat's.",
        "Whatever meets it fails: tasks are not taken or counted, servers or schedules are not listed.",
        "Find who wrote the key, and move it away by `RENAMENX`, which loses nothing, or delete it.",
        _broken,
    ),
    Check(
        "message-unreadable",
        ("queues",),
        "Tasks whose bytes are no message, among samples.",
        "One of them whose server died stops a Go server from recovering any task of any of its queues.",
        "Delete them, once you know who wrote them.",
        _unreadable,
    ),
)
