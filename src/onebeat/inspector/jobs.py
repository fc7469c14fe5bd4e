"""Jobs of operators: begun, looked at, stopped; and what one would do. Procedures for both inspectors."""

from __future__ import annotations

import logging
from collections import Counter
from collections.abc import Sequence

from onebeat.broker import admin, browse, jobs
from onebeat.errors import BrokerError, InvalidTask, JobNotFound, shown
from onebeat.ids import new_id
from onebeat.inspector import acting, job_models
from onebeat.inspector.auditing import cut
from onebeat.inspector.error_groups import key_of
from onebeat.inspector.filters import Filter, Look
from onebeat.inspector.found import Chosen, Selection
from onebeat.inspector.job_models import Job, Preview
from onebeat.inspector.searching import Search, Visible, Where
from onebeat.inspector.showing import task_info
from onebeat.inspector.steps import Procedure, ask, ask_each, command
from onebeat.options import text
from onebeat.states import TaskState
from onebeat.task import TaskInfo
from onebeat.wire import keys

log: logging.Logger = logging.getLogger("onebeat.inspector")

MOST = 1_000_000
"""Tasks that one job chooses; it takes about 60 bytes of memory for each."""

PREVIEWED = 20_000
"""Tasks that a preview looks at, unless told otherwise."""

MOST_PER_MINUTE = 1_000_000_000
"""The highest limit of what all jobs together change."""

DEEDS = ("run", "archive", "delete", "cancel")
"""What a job can do."""

_COUNTED = frozenset({"queue", "state"})
"""Words that say which lists a task is in, so that counting those is enough."""

Named = tuple[str, str, str]
"""A queue, a task's id, and the state it was seen in, "" for any."""


def preview(
    action: object,
    filter: Filter,
    *,
    group: str,
    scan: int,
    where: Where | None,
    queues: Visible | None,
    look: Look | None = None,
) -> Procedure[Preview]:
    """
    Say what an action would be done to, of so many tasks.

    Raises:
        InvalidFilter, InvalidTask, QueueNotFound: As `select`.
    """
    name = acting.check_applies(filter, action)
    wanted = in_group(group, where, look)
    is_counted = wanted is None and all(word.name in _COUNTED for word in filter.words)
    search = Search(filter, states=acting.ACTIONS[name], scan=scan, where=wanted, queues=queues)
    counts: Counter[tuple[str, TaskState]] = Counter()
    first: list[TaskInfo] = []
    while (hits := (yield from search.more())) is not None:
        counts.update((hit.info.queue, hit.info.state) for hit in hits)
        first += [hit.info for hit in hits[: acting.SHOWN - len(first)]]
        if is_counted and len(first) == acting.SHOWN:
            break
    if is_counted:
        counts = Counter()
        for part in search.planned:
            counts[part.queue, part.state] += part.count - search.lost_in(part)
    counts = +counts
    return Preview(
        action=name, filter=str(filter), count=counts.total(), counts=dict(counts), first=tuple(first),
        scanned=search.scanned, total=search.total,
        is_whole=(is_counted or not search.cursor) and not search.unread, unread=search.unread, lost=search.lost,
    )  # fmt: skip


def in_group(group: object, where: Where | None = None, look: Look | None = None) -> Where | None:
    """
    Return the test of whether a task is in an error group, beside another; none if neither is asked for.

    Args:
        look: Returns a task as it was seen when the groups were made; None: as it is.
    """
    if not isinstance(group, str):
        raise InvalidTask(f"group is {shown(group)}: give the key of an error group, or ''")
    if not group:
        return where
    return lambda info: key_of(info, look) == group and (where is None or where(info))


def choose(action: object, named: Sequence[Named]) -> Procedure[Selection]:
    """
    Choose tasks by their names, those that are there in the state they were seen in.

    Raises:
        InvalidTask: There is no such action, or a name is none.
    """
    name = acting.check_action(action)
    wanted = [_named(one) for one in named]
    chosen: list[Chosen] = []
    first: list[TaskInfo] = []
    for start in range(0, len(wanted), admin.STEP):
        some = wanted[start : start + admin.STEP]
        answers = yield from ask_each([browse.info(queue, id_) for queue, id_, _ in some])
        for (queue, id_, state), raw in zip(some, answers, strict=True):
            if isinstance(raw, BrokerError):
                raise raw
            if raw is None or (state and raw.state != state) or raw.state not in acting.ACTIONS[name]:
                continue
            chosen.append(Chosen(queue, id_, raw.state, browse.stamp(raw.message)))
            if len(first) < acting.SHOWN:
                first.append(task_info(queue, id_, raw))
    return Selection(
        action=name, filter="", tasks=tuple(chosen), first=tuple(first), scanned=len(wanted), is_whole=True
    )


def _named(one: object) -> Named:
    if not isinstance(one, (tuple, list)) or len(one) != 3:
        raise InvalidTask(f"task is {shown(one)}: give (queue, id, state), with '' for any state")
    queue, id_, state = one
    if state not in ("", *TaskState):
        raise InvalidTask(f"state is {shown(state)}: give one of {', '.join(TaskState)}, or '' for any")
    return text("queue name", queue), text("task id", id_), str(state)


def begin(
    action: object,
    filter: Filter,
    *,
    user: object,
    role: str,
    address: str,
    group: str,
    limit: object,
    rate: object,
    reason: str = "",
) -> Procedure[Job]:
    """
    Write a job that is to be run.

    Raises:
        InvalidTask: There is no such action, or it cannot be done to anything that the filter finds; or the user, the
            limit or the rate is none.
    """
    text("user", user)
    if action not in DEEDS:
        raise InvalidTask(f"action is {shown(action)}: give one of {', '.join(DEEDS)}")
    name = acting.check_applies(filter, action)
    in_group(group)
    acting.check_rate(rate)
    if limit is not None and (not isinstance(limit, int) or isinstance(limit, bool) or limit < 1):
        raise InvalidTask(f"limit is {shown(limit)}: give a whole number from 1, or None for all")
    job_id = new_id()
    fields: dict[str, str | int] = {
        "user": cut("user", user), "role": cut("role", role), "address": cut("address", address),
        "action": name, "filter": str(filter), "group": group, "limit": str(limit or ""), "rate": str(rate or ""),
        "reason": cut("reason", reason),
    }  # fmt: skip
    _, now_ms = yield from ask(jobs.begin(job_id, "", fields))
    for words in jobs.listed(job_id, now_ms):
        yield from command(*words)
    return (yield from job(job_id))


def check_per_minute(number: object) -> int | None:
    """
    Return how many tasks all jobs together may change within a minute; None: any number.

    Raises:
        InvalidTask: It is none.
    """
    if number is None:
        return None
    if not isinstance(number, int) or isinstance(number, bool) or not 1 <= number <= MOST_PER_MINUTE:
        raise InvalidTask(
            f"per_minute is {shown(number)}: give a whole number from 1 to {MOST_PER_MINUTE:,}, or None for no limit"
        )
    return number


def job(job_id: object) -> Procedure[Job]:
    """
    Read a job.

    Raises:
        JobNotFound: There is none of that id, or no more.
    """
    wanted = text("job id", job_id)
    now_ms, fields = yield from ask(jobs.read(wanted))
    if fields.get("action") not in DEEDS:  # gone, or no record of ours
        raise not_found(wanted)
    return job_models.shown(wanted, now_ms, fields)


def not_found(job_id: str) -> JobNotFound:
    days = jobs.STANDS_S // 86_400
    return JobNotFound(f"job {shown(job_id)} is not known: jobs are remembered for {days} days; see the audit")


def every() -> Procedure[list[Job]]:
    """List the jobs that are remembered, the latest first."""
    found = yield from command("ZREVRANGE", keys.JOBS, 0, jobs.LISTED - 1)
    ids = [id_.decode("utf-8", "replace") for id_ in found]
    answers = (yield from ask_each([jobs.read(id_) for id_ in ids])) if ids else []
    listed: list[Job] = []
    for id_, answer in zip(ids, answers, strict=True):
        if isinstance(answer, BrokerError):
            log.warning("job %s is not shown: %s", id_, answer)
            continue
        now_ms, fields = answer
        if fields.get("action") in DEEDS:
            listed.append(job_models.shown(id_, now_ms, fields))
        else:
            yield from command("ZREM", keys.JOBS, id_)
    return listed


def stop(job_id: object, user: object) -> Procedure[Job]:
    """
    Have a job stop; returns it as it is then. One that has ended is left as it ended.

    Raises:
        JobNotFound: As `job`.
    """
    wanted = text("job id", job_id)
    if (yield from ask(jobs.stop(wanted, cut("user", text("user", user))))) == "gone":
        raise not_found(wanted)
    return (yield from job(wanted))
