"""
Doing something to the tasks that a filter found: first they are chosen, then each is acted on if it still is what it
was. Procedures for both inspectors; between two steps anybody may stop.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from onebeat.broker import admin, browse
from onebeat.errors import DuplicateTask, InvalidTask, PayloadError, TaskIdConflict, TaskNotFound, WrongState, shown
from onebeat.inspector import changes, moving
from onebeat.inspector.changes import UpdateOptions, Wanted
from onebeat.inspector.filters import Filter
from onebeat.inspector.found import Applied, Chosen, Selection
from onebeat.inspector.searching import Search, Visible, Where
from onebeat.inspector.showing import task_info
from onebeat.inspector.steering import ARCHIVE, DELETE, RUN, Report
from onebeat.inspector.steps import Procedure, ask
from onebeat.states import TaskState
from onebeat.task import TaskInfo

SHOWN = 10
"""Tasks of a selection that are kept whole, to be looked at."""

ACTIONS: Mapping[str, tuple[TaskState, ...]] = {
    "run": RUN,
    "archive": ARCHIVE,
    "delete": DELETE,
    "cancel": (
        TaskState.PENDING, TaskState.ACTIVE, TaskState.SCHEDULED, TaskState.RETRY, TaskState.AGGREGATING,
    ),
    "update": (
        TaskState.PENDING, TaskState.SCHEDULED, TaskState.RETRY, TaskState.ARCHIVED, TaskState.AGGREGATING,
    ),
}  # fmt: skip
"""What can be done, and to tasks of which states."""

_DONE = frozenset({"pending", "archived", "deleted", "stopping", "updated"})

Changes = UpdateOptions | Callable[[TaskInfo], UpdateOptions]
"""What an update changes: the same for all tasks, or made for each of what it is."""


def check_action(action: object) -> str:
    if action not in ACTIONS:
        raise InvalidTask(f"action is {shown(action)}: give one of {', '.join(ACTIONS)}")
    return str(action)


def check_applies(filter: Filter, action: object) -> str:
    """
    Return an action that may be done to something that a filter finds.

    Raises:
        InvalidTask: There is no such action, or the filter leaves nothing that it could be done to.
    """
    name = check_action(action)
    if not set(filter.states) & set(ACTIONS[name]):
        states = ", ".join(filter.states) or "no state at all"
        raise InvalidTask(
            f"{name} cannot be done to what filter {shown(str(filter))} finds, tasks in {states}: it is for those in "
            f"{', '.join(ACTIONS[name])}"
        )
    return name


def select(
    filter: Filter,
    action: object,
    limit: int | None,
    progress: Report | None,
    where: Where | None = None,
    queues: Visible | None = None,
) -> Procedure[Selection]:
    """
    Find the tasks that an action is to be applied to.

    Raises:
        InvalidTask: There is no such action, or the filter leaves nothing that it could be done to.
        QueueNotFound: The filter names a queue that is not known.
    """
    name = check_applies(filter, action)
    search = Search(filter, states=ACTIONS[name], limit=limit, where=where, queues=queues)
    chosen: list[Chosen] = []
    first: list[TaskInfo] = []
    while (hits := (yield from search.more())) is not None:
        chosen += [Chosen(hit.info.queue, hit.info.id, hit.info.state, hit.stamp) for hit in hits]
        first += [hit.info for hit in hits[: SHOWN - len(first)]]
        if progress is not None:
            progress(search.scanned, search.total)
    return Selection(
        action=name, filter=str(filter), tasks=tuple(chosen), first=tuple(first), scanned=search.scanned,
        is_whole=not search.cursor and not search.unread, unread=search.unread, lost=search.lost,
    )  # fmt: skip


def batches(selection: Selection, rate: float | None) -> Iterator[list[Chosen]]:
    """Cut a selection into steps, each of one queue; small ones where the rate is low, so that they come evenly."""
    most = admin.STEP if rate is None else max(1, min(admin.STEP, int(rate / 4)))
    batch: list[Chosen] = []
    for one in selection.tasks:
        if batch and (one.queue != batch[0].queue or len(batch) == most):
            yield batch
            batch = []
        batch.append(one)
    if batch:
        yield batch


def check_rate(rate: object) -> None:
    if rate is None:
        return
    if isinstance(rate, bool) or not isinstance(rate, (int, float)) or not 0 < rate < float("inf"):
        raise InvalidTask(f"rate is {shown(rate)}: give tasks per second, more than 0, or None for as fast as it goes")


class Pace:
    """
    Says when the next step may begin.

    Args:
        rate: Tasks per second at most; None: as fast as it goes.

        monotonic: The clock.
    """

    def __init__(self, rate: float | None, monotonic: Callable[[], float] = time.monotonic) -> None:
        self._rate, self._monotonic = rate, monotonic
        self._next = monotonic()

    def wait(self, count: int) -> float:
        """Return for how many seconds to wait before a step of so many tasks."""
        if self._rate is None:
            return 0.0
        left = max(0.0, self._next - self._monotonic())
        self._next = max(self._next, self._monotonic()) + count / self._rate
        return left


class Deed:
    """
    What is being done to a selection, and how far it is.

    Args:
        given: Of an update: what it changes.
    """

    def __init__(self, selection: Selection, given: Changes | None) -> None:
        self._action = selection.action
        self._make = _maker(self._action, given)
        self.report: Applied = Applied(action=self._action, total=len(selection.tasks), done=0, skipped=0, failed=0)

    def step(self, batch: list[Chosen]) -> Procedure[Applied]:
        """Do it to some tasks of one queue."""
        answers = yield from self._answers(batch)
        done = sum(answer in _DONE for answer in answers)
        failed = [
            f"task {shown(one.id)} of queue {shown(one.queue)}: {answer[6:]}"
            for one, answer in zip(batch, answers, strict=True)
            if answer.startswith("error ")
        ]
        before = self.report
        self.report = Applied(
            action=before.action,
            total=before.total,
            done=before.done + done,
            skipped=before.skipped + len(batch) - done - len(failed),
            failed=before.failed + len(failed),
            why=before.why or next(iter(failed), ""),
        )
        return self.report

    def _answers(self, batch: list[Chosen]) -> Procedure[list[str]]:
        queue, ids = batch[0].queue, [one.id for one in batch]
        seen = [(one.state.value, one.stamp) for one in batch]
        if self._action == "cancel":
            return (yield from ask(browse.cancel(queue, ids, seen=seen)))
        if self._action != "update":
            return (yield from ask(admin.steer(queue, self._action, ids, seen=seen)))
        answers: dict[str, str] = {}
        for one in batch:
            answers[one.id] = yield from self._update(one)
        return [answers[one.id] for one in batch]

    def _update(self, one: Chosen) -> Procedure[str]:
        try:
            raw, message = yield from changes.read_waiting(one.queue, one.id)
            if (raw.state, browse.stamp(raw.message)) != (one.state, one.stamp):
                return "changed"
            wanted = Wanted(self._make(task_info(one.queue, one.id, raw)))
            if wanted.move_to and wanted.move_to != one.queue:
                yield from moving.move(one.queue, one.id, wanted)
                return "updated"
            answer = yield from ask(admin.update(one.queue, wanted.change(one.id, raw.message, message)))
            if answer != "updated":
                changes.refuse(one.queue, one.id, answer)
            return answer
        except (TaskNotFound, WrongState) as error:
            return f"left {error}"
        except (DuplicateTask, InvalidTask, PayloadError, TaskIdConflict) as error:
            return f"error {error}"


def _maker(action: str, given: Changes | None) -> Callable[[TaskInfo], Mapping[str, Any]]:
    if (action == "update") != (given is not None):
        remedy = "give changes=" if action == "update" else "leave changes= out"
        raise InvalidTask(f"{action} of a selection: {remedy}, which says what an update changes")
    if callable(given):
        return given
    options: Mapping[str, Any] = given or {}
    if action == "update":
        Wanted(options)  # what cannot be is refused before anything is changed
    return lambda _info: options
