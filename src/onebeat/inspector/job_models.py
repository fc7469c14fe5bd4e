"""Jobs and what they would do, as they are shown."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum

from onebeat.broker import jobs
from onebeat.inspector.showing import at
from onebeat.states import TaskState
from onebeat.task import TaskInfo


class JobState(StrEnum):
    """What a job is doing."""

    RUNNING = "running"
    STOPPING = "stopping"
    """It was told to stop, and does so within a second or two."""

    STOPPED = "stopped"
    DONE = "done"
    FAILED = "failed"
    LOST = "lost"
    """Its runner has been silent for 15 seconds: its process ended, or is cut off. It can be gone on with."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """
    Something that is done to all tasks that fit a filter, in the background.

    First all of them are chosen, then it is done to each that still is what it was.

    Attributes:
        id: Which.

        user, role, address: Who began it, as what, from where.

        action: "run", "archive", "delete" or "cancel".

        filter, group: To which tasks: a filter's text; and the key of an error group, "" if of any.

        limit: To how many at most; None: to all.

        rate: Tasks per second at most; None: as fast as it goes.

        reason: Why, in the words of who began it; "" if they gave none.

        state: What it is doing.

        created_at, begun_at, ended_at: When it was begun first, and last; when it ended, None while it has not.

        seen_at: When its runner last said how far it is.

        scanned, total: How many tasks it looked at, of how many.

        matched: How many it chose; None while it is choosing.

        changed: To how many it was done, in all its runs.

        skipped: How many were left alone, since they were no more what they were when they were chosen.

        failed: To how many it could not be done, and `why` not to the first of them; or what could not be looked at.

        is_whole: Whether all were looked at, so that what fitted was chosen; else a limit was reached.

        waits_for: The limit of all jobs together that it waits for now, tasks per minute; None: for none.

        error: The sentence that it ended with, if it failed or was stopped by other than an order.

        stopped_by: Who stopped it; "" if nobody did.
    """

    id: str
    user: str
    role: str
    address: str
    action: str
    filter: str
    group: str
    limit: int | None
    rate: float | None
    reason: str
    state: JobState
    created_at: datetime
    begun_at: datetime
    ended_at: datetime | None
    seen_at: datetime
    scanned: int
    total: int
    matched: int | None
    changed: int
    skipped: int
    failed: int
    why: str
    is_whole: bool
    waits_for: int | None
    error: str
    stopped_by: str

    @property
    def is_under_way(self) -> bool:
        """Whether somebody runs it."""
        return self.state in (JobState.RUNNING, JobState.STOPPING)

    @property
    def may_go_on(self) -> bool:
        """Whether it can be gone on with: it ended early."""
        return self.state in (JobState.STOPPED, JobState.FAILED, JobState.LOST)


@dataclass(frozen=True, slots=True, kw_only=True)
class Preview:
    """
    What an action would be done to.

    Attributes:
        action, filter: What was asked.

        count: Tasks that it would be done to, as far as was looked; entries that were found without a record are none.

        counts: How many by queue and state.

        first: The first ten, whole, to be looked at.

        scanned, total: How many were looked at, of how many.

        is_whole: Whether `count` is all of them: all were looked at, or the lists need only be counted.

        unread: What could not be looked at, since what stands in the store is damaged: a sentence each.

        lost: Which entries have no record, a sentence for each list: nothing can be done to them.
    """

    action: str
    filter: str
    count: int
    counts: Mapping[tuple[str, TaskState], int]
    first: tuple[TaskInfo, ...]
    scanned: int
    total: int
    is_whole: bool
    unread: tuple[str, ...] = ()
    lost: tuple[str, ...] = ()

    def takes_s(self, per_minute: int) -> int:
        """Return how many seconds a job takes for so many tasks at least, if all jobs together change so many."""
        return -(-60 * self.count // per_minute)


def shown(job_id: str, now_ms: int, fields: Mapping[str, str]) -> Job:
    """Put a job's record into a value."""

    def whole(name: str) -> int:
        text = fields.get(name, "")
        return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else 0

    seen = whole("seen")
    state = JobState(fields["state"]) if fields.get("state") in list(JobState) else JobState.FAILED
    if state is JobState.RUNNING:
        silent = now_ms - seen > jobs.LOST_MS
        state = JobState.LOST if silent else JobState.STOPPING if "stop" in fields else state
    return Job(
        id=job_id,
        **{
            name: fields.get(name, "")
            for name in ("user", "role", "address", "action", "filter", "group", "reason", "why")
        },
        limit=whole("limit") or None,
        rate=_number(fields.get("rate", "")),
        state=state,
        created_at=at(whole("created") / 1000),
        begun_at=at(whole("begun") / 1000),
        ended_at=at(whole("ended") / 1000) if fields.get("ended") else None,
        seen_at=at(seen / 1000),
        scanned=whole("scanned"),
        total=whole("total"),
        matched=whole("matched") if fields.get("matched") else None,
        changed=whole("changed"),
        skipped=whole("skipped"),
        failed=whole("failed"),
        is_whole=fields.get("whole") == "1",
        waits_for=whole("waits_for") or None if state in (JobState.RUNNING, JobState.STOPPING) else None,
        error=fields.get("error", ""),
        stopped_by=fields.get("stop", ""),
    )


def _number(text: str) -> float | None:
    try:
        found = float(text)
    except ValueError:
        return None
    return found if 0 < found < float("inf") else None
