"""
Running a job: all tasks are chosen, then each is acted on if it still is what it was. A procedure; one at a time runs a
job, says once a second how far it is, and hears then whether to stop.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from functools import partial
from typing import TypeVar

import msgspec

from onebeat.broker import admin, jobs
from onebeat.errors import BrokerUnavailable, OnebeatError, WrongState, shown
from onebeat.ids import new_id
from onebeat.inspector import acting, auditing
from onebeat.inspector.acting import Deed, Pace
from onebeat.inspector.auditing import AuditOutcome, AuditRecord
from onebeat.inspector.filters import Filter, Look
from onebeat.inspector.found import Applied, Chosen, Selection
from onebeat.inspector.job_models import Job, JobState
from onebeat.inspector.jobs import MOST, check_per_minute, in_group, job, not_found
from onebeat.inspector.searching import Hit, Search, Visible, Where
from onebeat.inspector.steps import Pause, Procedure, ask
from onebeat.states import TaskState

T = TypeVar("T")

Barred = Callable[[str | None], str | None]
"""Says of a queue, or with None of all, why nothing may be done there; None: it may."""

BEAT_S = 1.0
"""How often a runner says how far it is."""

TRIES = 20
"""How often a step is tried again, a second apart, while the store cannot be reached."""


_NOT_FAR: dict[str, str | int] = {"matched": "", "scanned": 0, "total": 0, "skipped": 0, "failed": 0, "waits_for": ""}


class _Batch(msgspec.Struct, frozen=True, array_like=True):
    """Tasks of one queue and state that were chosen."""

    queue: str
    state: TaskState
    tasks: list[tuple[str, bytes]]


class _Memory:
    """What was chosen, packed: about 60 bytes for each task."""

    def __init__(self) -> None:
        self.count = 0
        self._packed: list[bytes] = []
        self._open: _Batch | None = None

    def add(self, hit: Hit) -> None:
        of = self._open
        if of is None or (of.queue, of.state) != (hit.info.queue, hit.info.state) or len(of.tasks) == admin.STEP:
            self._close()
            of = self._open = _Batch(hit.info.queue, hit.info.state, [])
        of.tasks.append((hit.info.id, bytes.fromhex(hit.stamp)))
        self.count += 1

    def _close(self) -> None:
        if self._open is not None:
            self._packed.append(msgspec.msgpack.encode(self._open))
            self._open = None

    def batches(self) -> Iterator[tuple[Chosen, ...]]:
        self._close()
        for packed in self._packed:
            one = msgspec.msgpack.decode(packed, type=_Batch)
            yield tuple(Chosen(one.queue, id_, one.state, stamp.hex()) for id_, stamp in one.tasks)


class _StoppedError(Exception):
    """The job was told to stop."""


class _BarredError(Exception):
    """Who it is done for may not any more."""


class _TakenError(Exception):
    """Somebody else runs the job by now."""


class JobRun:
    """
    One run of a job.

    Args:
        where, queues: As of `select`, beside the job's own filter and group.

        look: Returns a task as who began the job sees it; its filter decides by that. None: as it is.

        barred: Asked before each step, with the queue that it is in or None of all: why nothing may be done there.

        stopping: Asked between two steps whether to stop, beside what the store says.

        progress: Told as it begins, and after each sign of life, how far the job is.

        per_minute: Tasks that it and all other jobs which are told so may change together within a minute; None: any.

    Raises:
        InvalidTask: `per_minute` is none.
    """

    def __init__(
        self,
        job_id: str,
        *,
        where: Where | None = None,
        queues: Visible | None = None,
        look: Look | None = None,
        barred: Barred | None = None,
        stopping: Callable[[], bool] | None = None,
        progress: Callable[[Job], None] | None = None,
        per_minute: int | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        self._id, self._runner = job_id, new_id()
        self._where, self._visible, self._look = where, queues, look
        self._stopping, self._progress, self._monotonic = stopping, progress, monotonic
        self._barred = barred
        self._per_minute = check_per_minute(per_minute)
        self._at: str | None = None
        self._told = monotonic()
        self._chosen = _Memory()
        self._far: dict[str, str | int] = {}
        self._before = 0

    def run(self) -> Procedure[Job]:
        """
        Run it to its end, and return it as it ended.

        Raises:
            JobNotFound: There is none of that id.
            WrongState: It has ended well, or is run by somebody else, or was taken over by one.
            BrokerUnavailable: The store could not be reached for long; the job shows as lost, and can be gone on with.
        """
        begun = yield from self._take()
        if self._progress is not None:
            self._progress((yield from job(self._id)))
        try:
            yield from self._choose(begun)
            yield from self._act(begun)
            yield from self._end(begun, JobState.DONE)
        except _BarredError as reason:
            yield from self._end(begun, JobState.STOPPED, str(reason), AuditOutcome.FAILED)
        except _StoppedError as reason:
            yield from self._end(begun, JobState.STOPPED, str(reason))
        except _TakenError:
            raise WrongState(f"job {shown(self._id)} is run by somebody else by now: leave it to them") from None
        except BrokerUnavailable:
            raise
        except OnebeatError as error:
            yield from self._end(begun, JobState.FAILED, str(error), AuditOutcome.FAILED)
        return (yield from job(self._id))

    def _take(self) -> Procedure[Job]:
        known = yield from job(self._id)
        self._before = known.changed
        answer, _ = yield from ask(jobs.begin(self._id, self._runner, _NOT_FAR))
        if answer == "gone":
            raise not_found(self._id)
        if answer == "running":
            raise WrongState(f"job {shown(self._id)} is run by somebody else: stop it there first, or leave it to them")
        if answer == "done":
            raise WrongState(f"job {shown(self._id)} is done: begin another one for what is left")
        return known

    def _choose(self, begun: Job) -> Procedure[None]:
        most = MOST if begun.limit is None else max(0, min(MOST, begun.limit - begun.changed))
        if not most:
            self._far |= {"matched": 0, "whole": ""}
            return
        wanted = Filter(begun.filter)
        search = Search(
            wanted if self._look is None else wanted.seen(self._look), states=acting.ACTIONS[begun.action], limit=most,
            where=in_group(begun.group, self._where, self._look), queues=self._visible,
        )  # fmt: skip
        while (hits := (yield from self._lasting(search.more))) is not None:
            for hit in hits:
                self._chosen.add(hit)
            self._far |= {"scanned": search.scanned, "total": search.total}
            yield from self._tell()
        self._far |= {"matched": self._chosen.count, "whole": "" if search.cursor or search.unread else "1"}
        if told := search.unread or (() if search.cursor else search.lost):  # a limit is told before what has no record
            self._far["why"] = auditing.cut("why", told[0])
        yield from self._tell(now=True)

    def _act(self, begun: Job) -> Procedure[None]:
        empty = Selection(action=begun.action, filter=begun.filter, tasks=(), first=(), scanned=0, is_whole=True)
        deed, pace = Deed(empty, None), Pace(begun.rate, self._monotonic)
        for tasks in self._chosen.batches():
            part = Selection(action=begun.action, filter=begun.filter, tasks=tasks, first=(), scanned=0, is_whole=True)
            for batch in acting.batches(part, self._fastest(begun.rate)):
                self._at = batch[0].queue
                yield from self._wait(pace.wait(len(batch)))
                yield from self._take_turn(len(batch))
                self._check()
                self._note((yield from self._lasting(partial(deed.step, batch))))
                yield from self._tell()

    def _fastest(self, rate: float | None) -> float | None:
        """Return how many tasks a second it can come to, so that steps are small where it is slow."""
        limits = [limit for limit in (rate, self._per_minute and self._per_minute / 60) if limit is not None]
        return min(limits, default=None)

    def _take_turn(self, count: int) -> Procedure[None]:
        """Wait until a step is due among those of all jobs."""
        if self._per_minute is None:
            return
        per_minute = self._per_minute
        wait_ms = yield from self._lasting(lambda: ask(jobs.turn(count, per_minute)))
        self._far["waits_for"] = per_minute if wait_ms else ""
        yield from self._wait(wait_ms / 1000)

    def _note(self, done: Applied) -> None:
        self._far |= {
            "changed": self._before + done.done, "skipped": done.skipped, "failed": done.failed,
            "why": auditing.cut("why", done.why) or self._far.get("why", ""),
        }  # fmt: skip

    def _wait(self, seconds: float) -> Procedure[None]:
        """Wait, and say meanwhile that one is there."""
        end = self._monotonic() + seconds
        while (left := end - self._monotonic()) > 0:
            yield Pause(min(left, BEAT_S))
            yield from self._tell()

    def _check(self) -> None:
        """See to it that it may go on: rights are taken away while it runs."""
        if self._barred is not None and (why := self._barred(self._at)) is not None:
            raise _BarredError(why)

    def _tell(self, *, now: bool = False) -> Procedure[None]:
        self._check()
        if self._stopping is not None and self._stopping():
            raise _StoppedError("its console was ended: go on with it")
        if not now and self._monotonic() - self._told < BEAT_S:
            return
        answer = yield from self._lasting(lambda: ask(jobs.beat(self._id, self._runner, "running", self._far)))
        self._told = self._monotonic()
        if answer == "taken":
            raise _TakenError
        if self._progress is not None:
            self._progress((yield from job(self._id)))
        if answer == "stop":
            raise _StoppedError

    def _lasting(self, make: Callable[[], Procedure[T]]) -> Procedure[T]:
        """Take a step; while the store cannot be reached, again. A repeat leaves alone what was done."""
        for left in reversed(range(TRIES)):
            try:
                return (yield from make())
            except BrokerUnavailable:
                if not left:
                    raise
            yield Pause(BEAT_S)
        raise AssertionError

    def _end(
        self, begun: Job, state: JobState, error: str = "", outcome: AuditOutcome = AuditOutcome.DONE
    ) -> Procedure[None]:
        changed = int(self._far.get("changed", self._before)) - self._before
        record = AuditRecord(
            user=begun.user, role=begun.role, action=f"task.{begun.action}", about=begun.filter, reason=begun.reason,
            count=changed, outcome=outcome, why=error or ("stopped" if state is JobState.STOPPED else ""), via="job",
            address=begun.address, job=self._id,
        )  # fmt: skip
        yield from self._lasting(lambda: auditing.record(record))
        fields = {**self._far, "waits_for": "", "error": auditing.cut("why", error)}
        yield from self._lasting(lambda: ask(jobs.beat(self._id, self._runner, state.value, fields)))
