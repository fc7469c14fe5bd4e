"""What is done to all tasks that fit a filter; what failed, in groups; and who did what."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Annotated

import msgspec

from onebeat.documents.jobs import AuditDocument, Deed, ErrorsDocument, JobDocument, PreviewDocument
from onebeat.errors import JobNotFound, WrongState, shown
from onebeat.inspector.auditing import AuditRecord
from onebeat.inspector.filters import Filter, Look
from onebeat.inspector.inspector import Inspector
from onebeat.inspector.job_models import Job
from onebeat.inspector.searching import named_queues
from onebeat.web import reasons
from onebeat.web.acting import all_of
from onebeat.web.api.asking import Asked
from onebeat.web.api.operation import MANY, Operation
from onebeat.web.api.paging import Cursor, Limit, MaybeName, Name, Reason
from onebeat.web.scope import right
from onebeat.web.security.searching import look_of

Text = Annotated[str, msgspec.Meta(max_length=10_000)]
Scan = Annotated[int, msgspec.Meta(ge=1, le=100_000)]


class PreviewQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """
    What would be done to which tasks.

    Attributes:
        action: What.

        q: A filter.

        group: Only to those of an error group: its key.

        scan: How many tasks are looked at, at most.
    """

    action: Deed
    q: Text = ""
    group: MaybeName = ""
    scan: Scan = 20_000


class ManyTasks(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """
    To which tasks something is to be done.

    Attributes:
        q: A filter. It has to be given: "" stands for all tasks.

        group: Only to those of an error group: its key.

        limit: To how many at most.

        rate: Tasks per second at most.

        reason: Why, in a line: it stands in the audit. A console may require it (`reason-missing`).
    """

    q: Text
    group: MaybeName = ""
    limit: Annotated[int, msgspec.Meta(ge=1, le=1_000_000)] | None = None
    rate: Annotated[float, msgspec.Meta(gt=0, le=1_000_000)] | None = None
    reason: Reason = ""


class JobPage(msgspec.Struct, frozen=True, kw_only=True):
    """The jobs that are remembered, the latest first."""

    jobs: list[JobDocument]


class JobQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """
    Which job.

    Attributes:
        id: Its id.
    """

    id: Name


class JobNamed(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """
    Which job.

    Attributes:
        id: Its id.
    """

    id: Name


class ErrorsQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """
    Which errors.

    Attributes:
        q: A filter. "": all tasks that failed.

        limit: How many groups at most, the largest first.

        scan: How many tasks are looked at, at most.
    """

    q: Text = ""
    limit: Annotated[int, msgspec.Meta(ge=1, le=500)] = 100
    scan: Scan = 20_000


class AuditQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """
    Which records.

    Attributes:
        user, action, queue, job: Only those that name these.

        kind: Only actions that begin with this and a dot: "task", "queue", "session".

        limit: How many at most.

        cursor: Where to go on: `cursor` of the answer before.
    """

    user: MaybeName = ""
    action: MaybeName = ""
    queue: MaybeName = ""
    job: MaybeName = ""
    kind: Annotated[str, msgspec.Meta(pattern="^[a-z]{0,20}$")] = ""
    limit: Limit = 50
    cursor: Cursor = ""


class AuditPage(msgspec.Struct, frozen=True, kw_only=True):
    """What was done, the latest first; where the list goes on, null at its end; and how many records are kept."""

    records: list[AuditDocument]
    cursor: str | None
    kept: int


async def preview_tasks(asked: Asked, query: PreviewQuery) -> PreviewDocument:
    """Say what something would be done to, and do nothing: how many tasks fit, by queue and state."""
    wanted = asked.filter(query.q)
    key = ("preview", query.action, str(wanted), query.group, query.scan, asked.user)
    queues = asked.doable(f"task.{query.action}")

    async def read(inspector: Inspector) -> PreviewDocument:
        found = await inspector.preview(
            query.action, wanted, group=query.group, scan=query.scan, queues=queues, look=_look(asked)
        )
        return PreviewDocument.of(found, asked.console.settings.bulk_per_minute)

    return await asked.read(*key, read=read, seconds=5.0)


async def run_tasks(asked: Asked, body: ManyTasks) -> JobDocument:
    """
    Make all tasks pending that fit a filter, by a job in the background.

    A job chooses its tasks first; each that is no more what it was then is left alone.
    """
    return await _begin(asked, "run", body)


async def archive_tasks(asked: Asked, body: ManyTasks) -> JobDocument:
    """Archive all tasks that fit a filter, by a job in the background."""
    return await _begin(asked, "archive", body)


async def cancel_tasks(asked: Asked, body: ManyTasks) -> JobDocument:
    """Cancel all tasks that fit a filter, by a job in the background."""
    return await _begin(asked, "cancel", body)


async def delete_tasks(asked: Asked, body: ManyTasks) -> JobDocument:
    """Delete all tasks that fit a filter, by a job in the background."""
    return await _begin(asked, "delete", body)


async def _begin(asked: Asked, action: Deed, body: ManyTasks) -> JobDocument:
    wanted = asked.filter(body.q)
    deed = f"task.{action}"
    about = all_of(wanted, body.group)
    if barred := [name for name in named_queues(wanted) if not asked.may(deed, name)]:
        await asked.perform(deed, _nothing, queues=barred, about=about)
    concerned = await _concerned(asked, wanted, deed)
    asked.console.background.check()

    async def begin(inspector: Inspector) -> Job:
        job = await inspector.begin_job(
            action, wanted, user=asked.who, role=asked.role, address=asked.address, group=body.group, limit=body.limit,
            rate=body.rate, reason=asked.rules.text(reasons.read(body.reason)),
        )  # fmt: skip
        still, look = right(asked.request, deed), look_of(asked.console.settings.redaction)
        await asked.console.background.start(inspector, job.id, asked.doable(deed), look, still.barred)
        return job

    begun = await asked.perform(
        deed, begin, queues=concerned or None, about=about, reason=body.reason, is_many=True, job=lambda job: job.id
    )
    return JobDocument.of(begun)


async def _nothing(_inspector: Inspector) -> None:
    """Do nothing: for what is refused before."""


async def list_jobs(asked: Asked) -> JobPage:
    """List the jobs that are remembered: at most 200, for two days; one's own, if queues are hidden from who asks."""
    found = await asked.read("jobs", read=Inspector.jobs)
    return JobPage(jobs=[JobDocument.of(job) for job in found if _sees(asked, job)])


def _sees(asked: Asked, job: Job) -> bool:
    return asked.sees_all or job.user == asked.who


async def get_job(asked: Asked, query: JobQuery) -> JobDocument:
    """Read one job: how far it is."""
    return JobDocument.of(await _find(asked, query.id))


async def _find(asked: Asked, id: str) -> Job:
    inspector = await asked.inspector()
    found = await inspector.job(id)
    if not _sees(asked, found):
        raise JobNotFound(f"job {shown(id)} is not known")
    return found


async def stop_job(asked: Asked, body: JobNamed) -> JobDocument:
    """
    Have a job stop, whichever process runs it: within a second or two; answers it as it is then.

    What was done stays done. One that has ended is left as it ended. It needs what began the job.
    """
    found = await _find(asked, body.id)
    job = await _steer(asked, found, "stop", lambda inspector: inspector.stop_job(found.id, user=asked.who))
    return JobDocument.of(job)


async def continue_job(asked: Asked, body: JobNamed) -> JobDocument:
    """
    Go on with a job that ended early, in this console; answers it as it was.

    What is left is chosen anew. It needs what began the job.
    """
    found = await _find(asked, body.id)

    async def go_on(inspector: Inspector) -> Job:
        if not found.may_go_on:
            raise WrongState(f"job {shown(found.id)} is {found.state.value}: there is nothing to go on with")
        action = f"task.{found.action}"
        still, look = right(asked.request, action), look_of(asked.console.settings.redaction)
        await asked.console.background.start(inspector, found.id, asked.doable(action), look, still.barred)
        return found

    return JobDocument.of(await _steer(asked, found, "go on with", go_on))


async def _steer(asked: Asked, job: Job, word: str, deed: Callable[[Inspector], Awaitable[Job]]) -> Job:
    """Do something about a job: whoever began it needs the role where it acts, anybody else on everything."""
    action = f"task.{job.action}"
    queues = await _concerned(asked, Filter(job.filter), action) if job.user == asked.who else []
    return await asked.perform(action, deed, queues=queues or None, about=f"{word} job {job.id}", reason=None)


async def _concerned(asked: Asked, wanted: Filter, action: str) -> list[str]:
    """List the queues that a filter may find tasks in, of those where who asks may do something."""
    names = await asked.read("queues", read=Inspector.queues)
    return [name for name in names if wanted.may_be("queue", name) and asked.may(action, name)]


def _look(asked: Asked) -> Look | None:
    """Return what shows a task as it may be seen: by that groups of errors are made, and known again."""
    return look_of(asked.console.settings.redaction, "error")


async def list_errors(asked: Asked, query: ErrorsQuery) -> ErrorsDocument:
    """Put the tasks that failed into groups: by type, class of the error, and message."""
    wanted = asked.filter(query.q)

    async def read(inspector: Inspector) -> ErrorsDocument:
        found = await inspector.errors(
            wanted, limit=query.limit, scan=query.scan, queues=asked.visible, look=_look(asked)
        )
        return ErrorsDocument.of(found)

    key = ("errors", str(wanted), query.limit, query.scan, asked.sight)
    found = await asked.read(*key, read=read, seconds=5.0)
    groups = [
        msgspec.structs.replace(
            group,
            message=asked.text(group.message)[0],
            words=asked.text(group.words)[0],
            sample=asked.text(group.sample)[0],
        )
        for group in found.groups
    ]
    return msgspec.structs.replace(found, groups=groups)


async def list_audit(asked: Asked, query: AuditQuery) -> AuditPage:
    """List what was changed through consoles, this API and jobs, and what was refused; the latest 10,000 are kept."""

    def may_see(record: AuditRecord) -> bool:
        return asked.sees_all or record.user == asked.who or (bool(record.queue) and asked.sees(record.queue))

    inspector = await asked.inspector()
    wanted = {"user": query.user, "action": query.action, "queue": query.queue, "job": query.job}
    page = await inspector.audit(**wanted, kind=query.kind, where=may_see, size=query.limit, cursor=query.cursor)
    records = [AuditDocument.of(record) for record in page.records]
    return AuditPage(records=records, cursor=page.cursor or None, kept=page.kept)


OPERATIONS = (
    Operation("GET", "/jobs", list_jobs),
    Operation("GET", "/jobs/preview", preview_tasks, refusals=(404,), cost=MANY),
    Operation("GET", "/job", get_job, refusals=(404,)),
    Operation("POST", "/tasks/run", run_tasks, "task.run", refusals=(404,), status=201),
    Operation("POST", "/tasks/archive", archive_tasks, "task.archive", refusals=(404,), status=201),
    Operation("POST", "/tasks/cancel", cancel_tasks, "task.cancel", refusals=(404,), status=201),
    Operation("POST", "/tasks/delete", delete_tasks, "task.delete", refusals=(404,), status=201),
    Operation("POST", "/job/stop", stop_job, "task.run", refusals=(404,)),
    Operation("POST", "/job/continue", continue_job, "task.run", refusals=(404,)),
)

ERROR_OPERATIONS = (Operation("GET", "/errors", list_errors, refusals=(404,), cost=MANY),)

AUDIT_OPERATIONS = (Operation("GET", "/audit", list_audit),)
