"""What the blocking inspector tells of failures, and does and keeps for operators: error groups, jobs, the audit."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TypeVar

from onebeat.inspector import auditing, jobs, signing, views
from onebeat.inspector.auditing import AuditPage, AuditRecord
from onebeat.inspector.error_groups import SCAN, ErrorGroups, Errors
from onebeat.inspector.filters import Filter, Look
from onebeat.inspector.found import Selection
from onebeat.inspector.job_models import Job, Preview
from onebeat.inspector.job_run import Barred, JobRun
from onebeat.inspector.jobs import PREVIEWED, Named
from onebeat.inspector.searching import Visible, Where, as_filter
from onebeat.inspector.signing import ConsoleSession
from onebeat.inspector.steps import Procedure
from onebeat.inspector.views import SavedView

T = TypeVar("T")


class BlockingOverseeing:
    """The part of `SyncInspector` that is about what failed, and about who does what."""

    def _do(self, procedure: Procedure[T]) -> T:
        raise NotImplementedError

    def errors(
        self,
        filter: str | Filter = "",
        *,
        limit: int = 100,
        scan: int = SCAN,
        queues: Visible | None = None,
        look: Look | None = None,
    ) -> ErrorGroups:
        """
        Put the tasks that failed, retried and archived ones, into groups: by type, class of the error, and
        message with placeholders for numbers, ids, names and places. See `Inspector.errors`.
        """
        return self._do(Errors(as_filter(filter), limit=limit, scan=scan, queues=queues, look=look).look())

    def preview(
        self,
        action: str,
        filter: str | Filter,
        *,
        group: str = "",
        scan: int = PREVIEWED,
        where: Where | None = None,
        queues: Visible | None = None,
        look: Look | None = None,
    ) -> Preview:
        """
        Count what an action would be done to, as far as so many tasks tell, and show the first. See
        `Inspector.preview`.
        """
        return self._do(
            jobs.preview(action, as_filter(filter), group=group, scan=scan, where=where, queues=queues, look=look)
        )

    def choose(self, action: str, tasks: Sequence[Named]) -> Selection:
        """
        Choose tasks by their names, for `apply`; those that are gone, are in a state that the action is not
        for, or are no more in the state they were seen in, are left out. See `Inspector.choose`.
        """
        return self._do(jobs.choose(action, tasks))

    def begin_job(
        self,
        action: str,
        filter: str | Filter,
        *,
        user: str,
        role: str = "",
        address: str = "",
        group: str = "",
        limit: int | None = None,
        rate: float | None = None,
        reason: str = "",
    ) -> Job:
        """
        Write down what is to be done to all tasks that fit a filter. Nothing is done before `run_job`. See
        `Inspector.begin_job`.
        """
        return self._do(
            jobs.begin(
                action,
                as_filter(filter),
                user=user,
                role=role,
                address=address,
                group=group,
                limit=limit,
                rate=rate,
                reason=reason,
            )
        )

    def run_job(
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
    ) -> Job:
        """
        Run a job, or go on with one that ended early; returns it as it ended: done, stopped or failed. See
        `Inspector.run_job`.
        """
        run = JobRun(
            job_id, where=where, queues=queues, look=look, barred=barred, stopping=stopping, progress=progress,
            per_minute=per_minute,
        )  # fmt: skip
        return self._do(run.run())

    def job(self, job_id: str) -> Job:
        """Read a job. See `Inspector.job`."""
        return self._do(jobs.job(job_id))

    def jobs(self) -> list[Job]:
        """List the jobs that are remembered, the latest first: at most 200. See `Inspector.jobs`."""
        return self._do(jobs.every())

    def stop_job(self, job_id: str, *, user: str) -> Job:
        """
        Have a job stop, whichever process runs it: within a second or two. Returns it as it is then. See
        `Inspector.stop_job`.
        """
        return self._do(jobs.stop(job_id, user))

    def record_audit(self, record: AuditRecord) -> AuditRecord:
        """
        Write down that somebody did something; returns the record with its id and when it was written. See
        `Inspector.record_audit`.
        """
        return self._do(auditing.record(record))

    def audit(
        self,
        *,
        user: str = "",
        action: str = "",
        queue: str = "",
        job: str = "",
        kind: str = "",
        where: Callable[[AuditRecord], bool] | None = None,
        size: int = 50,
        cursor: str = "",
    ) -> AuditPage:
        """Read what operators did, the latest first. See `Inspector.audit`."""
        wanted = {"user": user, "action": action, "queue": queue, "job": job}
        return self._do(auditing.Reading(wanted, where, size, cursor, kind).page())

    def console_sessions(self, user: str = "") -> list[ConsoleSession]:
        """List who is signed in to consoles of this store, those seen last first. See `Inspector.console_sessions`."""
        return self._do(signing.every(user))

    def end_console_sessions(self, user: str, *, session: str = "", by: str = "") -> int:
        """
        End sessions of a user of consoles: within two seconds, none of them lets anybody in. Returns how many. See
        `Inspector.end_console_sessions`.
        """
        return self._do(signing.end(user, session, by=by))

    def views(self, user: str = "") -> list[SavedView]:
        """
        List saved views: filters that have a name. Those of a user, then those that all share. See `Inspector.views`.
        """
        return self._do(views.every(user))

    def save_view(
        self, name: str, query: str, *, by: str, user: str = "", over: str = "", was: SavedView | None = None
    ) -> SavedView:
        """Save a view, of a user or of all. See `Inspector.save_view`."""
        return self._do(views.save(name, query, by=by, user=user, over=over, was=was))

    def delete_view(self, name: str, *, user: str = "", stamp: str = "") -> bool:
        """Delete a saved view; returns whether there was one. See `Inspector.delete_view`."""
        return self._do(views.delete(name, user=user, stamp=stamp))
