"""The life of a task: what happened to it, as far as its record tells, and what comes next."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

from onebeat.clock import EPOCH
from onebeat.inspector.recording import TaskRecord
from onebeat.inspector.series_models import Attempt
from onebeat.states import TaskState
from onebeat.task import TaskInfo
from onebeat.web.showing.words import counted, duration

_ENDS = {
    "retried": ("retry", "Failed"),
    "archived": ("archived", "Failed for good"),
    "cancelled": ("archived", "Cancelled"),
    "completed": ("completed", "Done"),
    "returned": ("pending", "Returned to its queue"),
    "recovered": ("retry", "Recovered"),
}
_WHY = {
    "returned": "the server stopped",
    "recovered": "its server died, or was silent for longer than its lease",
}
_NOT_FAILED = {"expired": "Expired", "cancelled": "Cancelled"}
"""What stands in place of the last error of a task that was archived without having failed."""


@dataclass(frozen=True, slots=True)
class Step:
    """
    Something that happened to a task, or will.

    Attributes:
        tone: The state whose colour it has.

        title: What, in a word or two.

        told: More of it.

        at: When; None: it is not known.

        is_ahead: It has not happened yet.
    """

    tone: str
    title: str
    told: str
    at: datetime | None
    is_ahead: bool = False


def life(record: TaskRecord, attempts: Sequence[Attempt], seen: Callable[[str], str]) -> list[Step]:
    """
    Tell the life of a task, the oldest first.

    Args:
        attempts: Those that are kept, the oldest first.

        seen: Replaces what is secret in an error.
    """
    return [_enqueued(record, attempts), *_past(record.info, attempts, seen), *_now(record, attempts), *_ahead(record)]


def _enqueued(record: TaskRecord, attempts: Sequence[Attempt]) -> Step:
    """Tell of the beginning: no record holds that instant, but some hold one that it cannot be after."""
    if record.tick is not None:
        by = f"by schedule {record.schedule}" if record.schedule else "by a schedule"
        return Step("scheduled", "Enqueued", f"{by}, for its tick", record.tick)
    to = f"to {record.info.queue}"
    if (made := _time_of(record.info.id)) is not None:
        return Step("pending", "Enqueued", f"{to} · by the time in its id, a UUIDv7", made)
    latest = _latest(record, attempts)
    if latest is not None:
        return Step("pending", "Enqueued", f"{to} · no later than this: the instant itself is not kept", latest)
    return Step("pending", "Enqueued", f"{to} · asynq's format does not keep when", None)


def _time_of(id_: str) -> datetime | None:
    """Return the instant in an id that begins with one; others are drawn by chance."""
    try:
        found = UUID(id_)
    except ValueError:
        return None
    if found.version != 7 or str(found) != id_.lower():
        return None
    try:
        return EPOCH + timedelta(milliseconds=found.int >> 80)
    except OverflowError:
        return None


def _latest(record: TaskRecord, attempts: Sequence[Attempt]) -> datetime | None:
    """Return the first instant at which it is known to have been there."""
    info = record.info
    if attempts:
        first = attempts[0]
        began = first.started_at or first.ended_at
        return began - first.waited if first.waited is not None and first.started_at is not None else began
    return min(
        (at for at in (info.pending_since, record.joined_at, info.last_failed_at) if at is not None), default=None
    )


def _past(info: TaskInfo, attempts: Sequence[Attempt], seen: Callable[[str], str]) -> Iterator[Step]:
    earlier = attempts[0].number - 1 if attempts else 0
    if earlier:
        yield Step("retry", counted(earlier, "earlier attempt"), "no longer kept", None)
    for attempt in attempts:
        yield _begun(attempt)
        yield _ended(attempt, seen)
    if info.last_failed_at is not None and _is_unkept(info, attempts):
        if title := _NOT_FAILED.get(info.last_error):
            yield Step("archived", title, "", info.last_failed_at)
            return
        first = seen(info.last_error).strip().partition("\n")[0]
        more = f"{counted(info.retried, 'failure')} in all; servers of Go keep no attempts" if not attempts else ""
        yield Step("retry", "Failed", " · ".join(part for part in (_short(first), more) if part), info.last_failed_at)


def _is_unkept(info: TaskInfo, attempts: Sequence[Attempt]) -> bool:
    """Whether it failed since the last attempt that is kept, on a server that keeps none: the wire has seconds only."""
    if info.last_failed_at is None:
        return False
    return not attempts or info.last_failed_at > attempts[-1].ended_at + timedelta(seconds=2)


def place(server: str) -> str:
    """Name a server of an attempt by its host and process."""
    return server.rpartition(":")[0] or server


def _begun(attempt: Attempt) -> Step:
    told = [f"on {place(attempt.server)}"] if attempt.server else []
    if attempt.waited is not None:
        told.append(f"waited {duration(attempt.waited)}")
    return Step("active", f"Attempt {attempt.number}", " · ".join(told), attempt.started_at)


def _ended(attempt: Attempt, seen: Callable[[str], str]) -> Step:
    tone, title = _ENDS.get(attempt.outcome, ("retry", attempt.outcome.capitalize()))
    told = [f"after {duration(attempt.ran)}"] if attempt.ran is not None and attempt.outcome != "recovered" else []
    why = _WHY.get(attempt.outcome) or _reason(attempt, seen)
    return Step(tone, title, " – ".join([*told, why] if why else told), attempt.ended_at)


def _reason(attempt: Attempt, seen: Callable[[str], str]) -> str:
    first = _short(seen(attempt.error).strip().partition("\n")[0])
    if attempt.error_type and not first.startswith(attempt.error_type):
        return f"{attempt.error_type}: {first}" if first else attempt.error_type
    return first


def _short(text: str) -> str:
    return text if len(text) <= 120 else f"{text[:119]}…"


def _now(record: TaskRecord, attempts: Sequence[Attempt]) -> Iterator[Step]:
    info, worker = record.info, record.worker
    match info.state:
        case TaskState.PENDING:
            yield Step("pending", "Pending", "waits for a server", info.pending_since)
        case TaskState.ACTIVE if info.is_orphaned:
            yield Step("archived", "Orphaned", "no server holds it any more; it will be recovered", record.lease_until)
        case TaskState.ACTIVE:
            where = f"on {worker.host}:{worker.pid}" if worker is not None else "no server has said that it runs it"
            yield Step("active", "Running", where, worker.started_at if worker is not None else None)
        case TaskState.SCHEDULED:
            told = f"then it joins group {info.group}" if info.group else ""
            yield Step("scheduled", "Due", told, info.next_process_at, is_ahead=True)
        case TaskState.RETRY:
            told = f"retry {info.retried} of {info.max_retry}" if info.retried else "once more"
            yield Step("retry", "Next attempt", told, info.next_process_at, is_ahead=True)
        case TaskState.ARCHIVED:
            told = f"{_cause(record, attempts)}; it runs no more by itself"
            yield Step("archived", "Archived", told, record.archived_at)
        case TaskState.COMPLETED:
            yield Step("completed", "Completed", "", info.completed_at)
            if info.completed_at is not None and info.retention:
                yield Step("completed", "Forgotten", "its retention ends", _end(info), is_ahead=True)
        case TaskState.AGGREGATING:
            told = f"waits in group {info.group}" if record.joined_at else f"with others of group {info.group}, now"
            yield Step("aggregating", "Aggregating", told, record.joined_at)
            if record.joined_at is not None:
                told = "once its group is full, or has waited long enough: it goes on in the task that is made of all"
                yield Step("completed", "Aggregated", told, None, is_ahead=True)


def _cause(record: TaskRecord, attempts: Sequence[Attempt]) -> str:
    """Say why a task was archived, as far as that is known."""
    info = record.info
    if not info.type:
        return "its bytes are no message"
    if info.last_error == "expired":
        return "it was too late to begin"
    if info.last_error == "cancelled":
        return "it was cancelled"
    if info.last_error.startswith("crashed "):
        return "its process died too often"
    if not info.last_error or _is_by_hand(record, attempts):
        return "by an operator"
    if info.retried >= info.max_retry:
        return f"no retry of {info.max_retry} is left" if info.max_retry else "no retry was allowed"
    return "its error is one after which nothing is retried"


def _ahead(record: TaskRecord) -> Iterator[Step]:
    """Tell what ends the waiting of a task that nobody begins."""
    info = record.info
    if info.expires_at is not None and info.state in (TaskState.PENDING, TaskState.SCHEDULED, TaskState.RETRY):
        yield Step("archived", "Expires", "unless it has begun by then", info.expires_at, is_ahead=True)


def _end(info: TaskInfo) -> datetime | None:
    try:
        return info.completed_at + info.retention if info.completed_at is not None else None
    except OverflowError:
        return None


def verdict(record: TaskRecord, seen: Callable[[str], str], attempts: Sequence[Attempt] = ()) -> tuple[str, str]:
    """Say in a sentence how a task stands, and how bad that is; of its attempts those that are kept are told."""
    info = record.info
    error = _short(seen(info.last_error).strip().rpartition("\n")[2])
    because = f": {error}" if error else ""
    match info.state:
        case _ if not info.type:
            return "bad", "Its bytes are no message: no server can run it"
        case TaskState.ACTIVE if info.is_orphaned:
            return "bad", "No server holds it any more; it will be recovered and run again"
        case TaskState.ACTIVE if record.worker is not None:
            return "good", f"Running on {record.worker.host}"
        case TaskState.ACTIVE:
            return "", "Taken; no server that lives has said that it runs it"
        case TaskState.PENDING:
            return "", "Waits for a server" + (f" after {counted(info.retried, 'failure')}" if info.retried else "")
        case TaskState.SCHEDULED:
            return "", "Waits until it is due"
        case TaskState.RETRY:
            return "warn", f"Failed {info.retried} of {counted(info.max_retry + 1, 'attempt')}{because}"
        case TaskState.ARCHIVED:
            failures = _failures(record, attempts)
            after = f" after {counted(failures, 'failed attempt')}" if failures else ""
            return "bad", f"Archived{after}{because}"
        case TaskState.COMPLETED:
            return "good", "Completed"
    return "", f"Waits in group {info.group} to be aggregated"


def _failures(record: TaskRecord, attempts: Sequence[Attempt]) -> int:
    """Count the failures of an archived task: the one that archived it is not among those that the wire counts."""
    info = record.info
    if info.last_error in _NOT_FAILED or info.last_error.startswith("crashed "):
        return info.retried
    return info.retried + (bool(info.last_error) and not _is_by_hand(record, attempts))


def _is_by_hand(record: TaskRecord, attempts: Sequence[Attempt]) -> bool:
    """Whether an operator archived it, while it waited to be retried."""
    if attempts and not _is_unkept(record.info, attempts):
        return attempts[-1].outcome == "retried"
    failed, archived = record.info.last_failed_at, record.archived_at
    return failed is not None and archived is not None and archived - failed > timedelta(seconds=1)
