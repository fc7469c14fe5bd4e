"""What is done to many tasks, what failed, and who did what."""

from __future__ import annotations

from typing import Literal, Self

import msgspec

from onebeat.documents.values import Instant
from onebeat.inspector.auditing import AuditRecord
from onebeat.inspector.error_groups import ErrorGroup, ErrorGroups
from onebeat.inspector.job_models import Job, Preview

Deed = Literal["run", "archive", "delete", "cancel"]
JobStateName = Literal["running", "stopping", "stopped", "done", "failed", "lost"]
OutcomeName = Literal["begun", "done", "refused", "failed"]


class JobDocument(msgspec.Struct, frozen=True, kw_only=True):
    """
    Something that is done to all tasks that fit a filter, in the background.

    Attributes:
        id: Which.

        user, role, address: Who began it, as what, from where.

        action: What is done.

        filter, group: To which tasks: a filter; and the key of an error group, "" if of any.

        limit: To how many at most; null: to all.

        rate: Tasks per second at most; null: as fast as it goes.

        reason: Why, in the words of who began it; "" if they gave none.

        state: "running"; "stopping": it was told to; "stopped", "done", "failed"; or "lost": its runner is silent, and
            it can be gone on with.

        created, begun, ended: When it was begun first, and last; when it ended, null while it has not.

        seen: When its runner last said how far it is.

        scanned, total: How many tasks it looked at, of how many.

        matched: How many it chose; null while it is choosing.

        changed, skipped, failed: To how many it was done; how many were left alone, since they were no more what they
            were; to how many it could not be done, and `why` not to the first of them, or what could not be looked at.

        is_whole: Whether all were looked at; else a limit was reached.

        waits_for: The limit of all jobs together that it waits for now, tasks per minute; null: for none.

        error: The sentence that it ended with, if it failed; "" if it did not.

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
    state: JobStateName
    created: Instant
    begun: Instant
    ended: Instant | None
    seen: Instant
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

    @classmethod
    def of(cls, job: Job) -> Self:
        same = {name: getattr(job, name) for name in cls.__struct_fields__ if name in Job.__dataclass_fields__}
        return cls(
            **{**same, "state": job.state.value},
            created=job.created_at,
            begun=job.begun_at,
            ended=job.ended_at,
            seen=job.seen_at,
        )


class QueueStateCount(msgspec.Struct, frozen=True, kw_only=True):
    """How many tasks there are in a state of a queue."""

    queue: str
    state: str
    count: int


class PreviewDocument(msgspec.Struct, frozen=True, kw_only=True):
    """
    What something would be done to.

    Attributes:
        action, filter: What was asked.

        count: Tasks that it would be done to, as far as was looked; entries that were found without a record are none.

        counts: How many by queue and state.

        scanned, total: How many were looked at, of how many.

        is_whole: Whether `count` is all of them.

        unread: What could not be looked at, since what stands in the store is damaged: a sentence each.

        lost: Which entries have no record, a sentence for each list: nothing can be done to them.

        per_minute: Tasks that all jobs of the store together change within a minute; null: there is no limit.

        takes_s: Seconds that a job takes for `count` tasks at least, by that limit; null: there is none.
    """

    action: str
    filter: str
    count: int
    counts: list[QueueStateCount]
    scanned: int
    total: int
    is_whole: bool
    unread: list[str]
    lost: list[str]
    per_minute: int | None
    takes_s: int | None

    @classmethod
    def of(cls, found: Preview, per_minute: int | None) -> Self:
        return cls(
            action=found.action,
            filter=found.filter,
            count=found.count,
            counts=[
                QueueStateCount(queue=queue, state=state.value, count=count)
                for (queue, state), count in found.counts.items()
            ],
            scanned=found.scanned,
            total=found.total,
            is_whole=found.is_whole,
            unread=list(found.unread),
            lost=list(found.lost),
            per_minute=per_minute,
            takes_s=None if per_minute is None else found.takes_s(per_minute),
        )


class TaskName(msgspec.Struct, frozen=True, kw_only=True):
    """A task: its queue and its id."""

    queue: str
    id: str


class ErrorGroupDocument(msgspec.Struct, frozen=True, kw_only=True):
    """
    Tasks that failed last in the same way.

    Attributes:
        key: By which `group` of a job knows it.

        type: Of the tasks.

        error_class: Of the error, such as "ValueError"; "" where it names none.

        message: What it says behind that, with placeholders for what differs.

        words: What it says behind that as it is, if all that were found say the very same; "" if they do not.

        count: Tasks that were found.

        first, last: The earliest and latest of their last failures; null where none is known.

        hours: How many failed last in each of the 24 hours up to this one, that one last.

        queues, states: How many there are in each.

        samples: A few of them.

        sample: An error's text as it is, at most 2,000 characters.

        filter: The narrowest filter that finds them all; it may find others, so a job must be given the key as well.
    """

    key: str
    type: str
    error_class: str
    message: str
    words: str
    count: int
    first: Instant | None
    last: Instant | None
    hours: list[int]
    queues: dict[str, int]
    states: dict[str, int]
    samples: list[TaskName]
    sample: str
    filter: str

    @classmethod
    def of(cls, group: ErrorGroup) -> Self:
        same = {name: getattr(group, name) for name in cls.__struct_fields__}
        return cls(
            **{
                **same,
                "hours": list(group.hours),
                "queues": dict(group.queues),
                "states": {state.value: count for state, count in group.states.items()},
                "samples": [TaskName(queue=queue, id=id_) for queue, id_ in group.samples],
            }
        )


class ErrorsDocument(msgspec.Struct, frozen=True, kw_only=True):
    """
    The groups that failed tasks are in.

    Attributes:
        groups: The largest first.

        tasks: Failed tasks that were found, in all groups.

        left_out: Groups beside these.

        without_error: Archived tasks that never failed.

        scanned, total: How many tasks were looked at, of about how many.

        is_whole: Whether all were looked at.

        refused: Queues that could not be read, and why.

        at: When this was, by the store's clock.
    """

    groups: list[ErrorGroupDocument]
    tasks: int
    left_out: int
    without_error: int
    scanned: int
    total: int
    is_whole: bool
    refused: dict[str, str]
    at: Instant

    @classmethod
    def of(cls, found: ErrorGroups) -> Self:
        same = {name: getattr(found, name) for name in cls.__struct_fields__}
        groups = [ErrorGroupDocument.of(group) for group in found.groups]
        return cls(**{**same, "groups": groups, "refused": dict(found.refused)})


class AuditDocument(msgspec.Struct, frozen=True, kw_only=True):
    """
    That somebody did something, or was refused it.

    Attributes:
        id, at: Of the record: its id, and when it was written.

        user, role, address: Who, as what, from where.

        via: By which way: "page", "api", "cli", "job".

        action, queue, about: What was done, in which queue, to what; "" where that does not apply.

        changes: Of a task that was changed or cloned, the names of what is otherwise, without values.

        reason: Why, in the words of who did it; "" if they gave none.

        count: To how many tasks; null where tasks are not counted.

        outcome: "begun": that it ended was not written; "done"; "refused": nothing was changed; or "failed".

        why: Of what was refused or failed, the sentence that said so; else "".

        job: The id of the job that did it, or that was begun; "" if none was.
    """

    id: str
    at: Instant | None
    user: str
    role: str
    address: str
    via: str
    action: str
    queue: str
    about: str
    changes: str
    reason: str
    count: int | None
    outcome: OutcomeName
    why: str
    job: str

    @classmethod
    def of(cls, record: AuditRecord) -> Self:
        same = {name: getattr(record, name) for name in cls.__struct_fields__}
        return cls(**{**same, "outcome": record.outcome.value})
