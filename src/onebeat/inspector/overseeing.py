"""What the asyncio inspector tells of failures, and does and keeps for operators: error groups, jobs, the audit."""

from __future__ import annotations

from collections.abc import Callable, Sequence

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
from onebeat.inspector.steps import Following
from onebeat.inspector.views import SavedView


class Overseeing(Following):
    """The part of `Inspector` that is about what failed, and about who does what."""

    async def errors(
        self,
        filter: str | Filter = "",
        *,
        limit: int = 100,
        scan: int = SCAN,
        queues: Visible | None = None,
        look: Look | None = None,
    ) -> ErrorGroups:
        """
        Put the tasks that failed, retried and archived ones, into groups: by type, class of the error, and message
        with placeholders for numbers, ids, names and places.

        Of each queue and state some are looked at in turn, those archived or due last first, so that of many each
        queue is seen in part. Payloads are not read.

        Args:
            filter: Which tasks.

            limit: Groups that are returned, the largest first.

            scan: Tasks that are looked at, at most a million.

            queues: As of `search`.

            look: Returns a task as somebody sees it, such as without what is secret: it is grouped by that. None: as
                it is.

        Raises:
            InvalidFilter: The filter cannot be read.
            InvalidTask: A number is none.
            QueueNotFound: The filter names a queue that is not known.
        """
        return await self._do(Errors(as_filter(filter), limit=limit, scan=scan, queues=queues, look=look).look())

    async def preview(
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
        Count what an action would be done to, as far as so many tasks tell, and show the first.

        A filter of queues and states alone has its lists counted, however long they are.

        Args:
            action: "run", "archive", "delete", "cancel" or "update".

            filter: To which tasks.

            group: Only to those of an error group: its key.

            scan: Tasks that are looked at.

            where: As of `search`.

            queues: As of `search`.

            look: As of `errors`: by which the group was made.

        Raises:
            InvalidFilter, InvalidTask, QueueNotFound: As `select`.
        """
        return await self._do(
            jobs.preview(action, as_filter(filter), group=group, scan=scan, where=where, queues=queues, look=look)
        )

    async def choose(self, action: str, tasks: Sequence[Named]) -> Selection:
        """
        Choose tasks by their names, for `apply`; those that are gone, are in a state that the action is not for, or
        are no more in the state they were seen in, are left out.

        Args:
            action: "run", "archive", "delete", "cancel" or "update".

            tasks: (queue, id, state) of each; "" for any state.

        Raises:
            InvalidTask: There is no such action, or a name is none.
        """
        return await self._do(jobs.choose(action, tasks))

    async def begin_job(
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
        Write down what is to be done to all tasks that fit a filter. Nothing is done before `run_job`.

        It is remembered for two days after its last sign of life.

        Args:
            action: "run", "archive", "delete" or "cancel".

            filter: To which tasks.

            user: Who wants it.

            role: As what.

            address: From where.

            group: Only to those of an error group: its key.

            limit: To how many at most; at most a million are chosen at once.

            rate: Tasks per second at most.

            reason: Why, for who reads it later: at most 200 characters are kept, of the job and in the audit.

        Raises:
            InvalidFilter, InvalidTask: As `select`; or a number or the user is none.
        """
        return await self._do(
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

    async def run_job(
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
        Run a job, or go on with one that ended early; returns it as it ended: done, stopped or failed.

        One runner at a time has a job. It says once a second how far it is, and stops where `stop_job` was called,
        in whichever process. One that dies leaves the job as lost; who goes on chooses anew among what is left.

        Args:
            where: As of `search`.

            queues: As of `search`.

            look: Returns a task as who began the job sees it, and its filter decides by that; None: as it is.

            barred: Asked before each step, with the queue that it is in or None of all, why nothing may be done there;
                then the job stops, and says so. None: it may.

            stopping: Asked between two steps whether to stop; None: nobody is.

            progress: Told as it begins, and once a second, how far it is.

            per_minute: Tasks that this job and all others of the store which are run with such a limit may change
                together within a minute: each waits for its turn. None: it neither waits nor is counted.

        Raises:
            JobNotFound: There is none of that id, or no more.
            WrongState: It is done, or somebody else runs it.
            InvalidTask: `per_minute` is none.
            BrokerUnavailable: The store could not be reached for some 20 seconds.
        """
        run = JobRun(
            job_id, where=where, queues=queues, look=look, barred=barred, stopping=stopping, progress=progress,
            per_minute=per_minute,
        )  # fmt: skip
        return await self._do(run.run())

    async def job(self, job_id: str) -> Job:
        """
        Read a job.

        Raises:
            JobNotFound: There is none of that id, or no more.
        """
        return await self._do(jobs.job(job_id))

    async def jobs(self) -> list[Job]:
        """List the jobs that are remembered, the latest first: at most 200."""
        return await self._do(jobs.every())

    async def stop_job(self, job_id: str, *, user: str) -> Job:
        """
        Have a job stop, whichever process runs it: within a second or two. Returns it as it is then.

        What was done stays done. One that has ended is left as it ended.

        Raises:
            JobNotFound: There is none of that id, or no more.
        """
        return await self._do(jobs.stop(job_id, user))

    async def record_audit(self, record: AuditRecord) -> AuditRecord:
        """
        Write down that somebody did something; returns the record with its id and when it was written.

        A record that has an id says what became of the one of that id: so write it as begun, do it, and write it
        again with its outcome. The latest 10,000 are kept.

        Raises:
            InvalidTask: It names no user or no action.
        """
        return await self._do(auditing.record(record))

    async def audit(
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
        """
        Read what operators did, the latest first.

        Args:
            user: Only records that name it; "": any. Likewise the three that follow.

            action: Such as "task.run".

            queue: On which queue.

            job: The id of a job.

            kind: Only actions that begin with this and a dot: "task", "queue", "schedule", "server", "session", …

            where: A function of a record: whether it is wanted. None: it is.

            size: Records at most, up to 500.

            cursor: That of the page which this one follows.

        Raises:
            InvalidTask: The size or the cursor is none.
        """
        wanted = {"user": user, "action": action, "queue": queue, "job": job}
        return await self._do(auditing.Reading(wanted, where, size, cursor, kind).page())

    async def console_sessions(self, user: str = "") -> list[ConsoleSession]:
        """
        List who is signed in to consoles of this store, those seen last first.

        Args:
            user: Whose sessions; "": everybody's.
        """
        return await self._do(signing.every(user))

    async def end_console_sessions(self, user: str, *, session: str = "", by: str = "") -> int:
        """
        End sessions of a user of consoles: within two seconds, none of them lets anybody in. Returns how many.

        All are ended whether they are in the list or not, and jobs that the user began stop. Who knows the password
        can sign in again.

        Args:
            session: The id of one; "": all.

            by: Who ends them, as the jobs say who stopped them; "": the user.

        Raises:
            InvalidTask: No user is named, or the session is none.
        """
        return await self._do(signing.end(user, session, by=by))

    async def views(self, user: str = "") -> list[SavedView]:
        """
        List saved views: filters that have a name. Those of a user, then those that all share, each by name.

        One round trip. A view whose filter is not understood is listed with its problem.

        Args:
            user: Whose; "": only those that all share.
        """
        return await self._do(views.every(user))

    async def save_view(
        self, name: str, query: str, *, by: str, user: str = "", over: str = "", was: SavedView | None = None
    ) -> SavedView:
        """
        Save a view. A user has at most 50, and all share at most 50; a user's are kept for 400 days after they were
        last looked at.

        Args:
            name: 1 to 60 characters.

            query: A filter of 1 to 2,000 characters. It is kept as it is written: `age<1d` is of the day of the look.

            by: Who saves it.

            user: Whose it is; "": all share it.

            over: The stamp of the view of that name which it replaces; "": there must be none; "*": whatever it is.

            was: What it was before, to be renamed, moved or changed; its own name is replaced. None: it is new.

        Raises:
            InvalidFilter: The query is no filter.
            InvalidTask: The name is none, or the query is empty or too long.
            WrongState: The name is taken; `over` or `was` is no more what is there; or there are too many.
        """
        return await self._do(views.save(name, query, by=by, user=user, over=over, was=was))

    async def delete_view(self, name: str, *, user: str = "", stamp: str = "") -> bool:
        """
        Delete a saved view; returns whether there was one.

        Args:
            user: Whose; "": of those that all share.

            stamp: That of what is to be deleted; "": whatever it is.

        Raises:
            InvalidTask: The name is none.
            WrongState: It was changed meanwhile.
        """
        return await self._do(views.delete(name, user=user, stamp=stamp))
