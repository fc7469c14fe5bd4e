"""What operators do to tasks and queues: each a procedure for both inspectors."""

from __future__ import annotations

from collections.abc import Callable

from onebeat.broker import admin, browse
from onebeat.errors import BrokerError, WrongState, shown
from onebeat.inspector.reading import check_group, check_queue, check_state, not_found
from onebeat.inspector.steps import Procedure, ask
from onebeat.options import text
from onebeat.states import Cancellation, TaskState
from onebeat.wire.gotext import quote

Report = Callable[[int, int], None]
"""Told after each step of a bulk how many of how many tasks were looked at."""

RUN: tuple[TaskState, ...] = (
    TaskState.SCHEDULED,
    TaskState.RETRY,
    TaskState.ARCHIVED,
    TaskState.COMPLETED,
    TaskState.AGGREGATING,
)
ARCHIVE: tuple[TaskState, ...] = (TaskState.PENDING, TaskState.SCHEDULED, TaskState.RETRY, TaskState.AGGREGATING)
DELETE: tuple[TaskState, ...] = (
    TaskState.PENDING, TaskState.SCHEDULED, TaskState.RETRY, TaskState.ARCHIVED, TaskState.COMPLETED,
    TaskState.AGGREGATING,
)  # fmt: skip
STATES: dict[str, tuple[TaskState, ...]] = {"run": RUN, "archive": ARCHIVE, "delete": DELETE}

_REFUSALS = {
    ("run", "pending"): "task is already in pending state; it runs as soon as a server takes it",
    ("run", "active"): "task is already running; wait for its end, or cancel it first",
    ("archive", "archived"): "task is already archived; run or delete it from there",
    ("archive", "active"): "cannot archive task in active state; cancel it, and it ends in the archive",
    ("delete", "active"): "cannot delete task in active state; cancel it first, then delete it from the archive",
}


def steer(queue: str, task_id: str, action: str) -> Procedure[None]:
    [answer] = yield from ask(admin.steer(text("queue name", queue), action, [text("task id", task_id)]))
    if answer == "gone":
        raise not_found(queue, task_id)
    if answer.startswith("error "):
        raise BrokerError(f"task {shown(task_id)} of queue {shown(queue)} was left alone: {answer[6:]}")
    refusal = _REFUSALS.get((action, answer.removeprefix("already ")))
    if answer.startswith("already ") and refusal:
        raise WrongState(f"task {shown(task_id)} of queue {shown(queue)} was left alone: {refusal}")


def cancel(queue: str, task_id: str) -> Procedure[Cancellation]:
    [answer] = yield from ask(browse.cancel(text("queue name", queue), [text("task id", task_id)]))
    return browse.cancellation(queue, task_id, answer)


def bulk(queue: str, state: object, group: object, action: str, progress: Report | None) -> Procedure[int]:
    """
    Do something to all tasks of a state, as many as there were at the start, in short steps.

    Raises:
        BrokerError: Some could not be moved; the others were.
    """
    text("queue name", queue)
    wanted = check_state(state, STATES[action])
    name = check_group(wanted, group)
    looked, moved, left, why = 0, 0, 0, ""
    total = admin.STEP
    while looked < total:
        step = yield from ask(admin.bulk(queue, action, wanted, name, skip=left, limit=total - looked))
        if not looked:
            total = step.there
        looked, moved, left, why = looked + step.looked, moved + step.moved, left + step.left, why or step.why
        if progress is not None and step.looked:
            progress(looked, total)
        if not step.looked:
            break
    if not looked:
        yield from check_queue(queue)
    if left:
        raise BrokerError(f"{left} of {total} tasks of queue {shown(queue)} were left alone, {moved} were not: {why}")
    return moved


def pause(queue: str) -> Procedure[None]:
    if not (yield from ask(admin.pause(text("queue name", queue), "pause"))):
        raise WrongState(f"queue {quote(queue)} is already paused: resume it, or leave it so")


def resume(queue: str) -> Procedure[None]:
    if not (yield from ask(admin.pause(text("queue name", queue), "resume"))):
        raise WrongState(f"queue {quote(queue)} is not paused: there is nothing to resume")
