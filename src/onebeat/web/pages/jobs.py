"""Jobs in the background: how far each is, who began it, and stopping it, whichever console runs it."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from onebeat.errors import JobNotFound, shown
from onebeat.inspector.filters import Filter
from onebeat.inspector.inspector import Inspector
from onebeat.inspector.job_models import Job, JobState
from onebeat.web import consoles, parts
from onebeat.web.acting import perform
from onebeat.web.forms import read
from onebeat.web.page import redirect, render
from onebeat.web.pages.act import DONE
from onebeat.web.pages.tasks import WORDS
from onebeat.web.rights import may
from onebeat.web.scope import doable, hidden, name_of, right, visible
from onebeat.web.security.searching import look_of
from onebeat.web.showing import signs
from onebeat.web.showing.words import count, counted

KINDS = {
    JobState.RUNNING: "", JobState.STOPPING: "warn", JobState.STOPPED: "warn", JobState.DONE: "good",
    JobState.FAILED: "bad", JobState.LOST: "bad",
}  # fmt: skip


def sees(request: Request, job: Job) -> bool:
    """Whether a viewer may look at a job: one's own, and all jobs if no queue is hidden from one."""
    return visible(request) is None or job.user == name_of(request)


async def _job(request: Request, job_id: str) -> Job:
    inspector = await consoles.of(request).inspector()
    nothing = JobNotFound(f"job {shown(job_id)} is not known here, or not for you to see")
    try:
        found = await inspector.job(job_id)
    except JobNotFound:
        if visible(request) is None:
            raise
        raise nothing from None
    if not sees(request, found):  # of somebody else's it is not even said that there is one
        raise nothing
    return found


async def job(request: Request) -> Response:
    """Show one job."""
    job_id = request.query_params.get("id", "")
    found = await _job(request, job_id)
    return render(
        request,
        "job.html",
        place="tasks",
        polls=found.is_under_way or found.state is JobState.LOST,
        job=found,
        kind=KINDS[found.state],
        sentence=verdict(found),
        title=f"{WORDS.get(found.action, found.action)} tasks",
        can=_can(request, found),
        part=part(found),
        written=signs.visible,
    )


def verdict(job: Job) -> str:
    """Say how a job stands."""
    changed = f"{counted(job.changed, 'task')} {DONE.get(job.action, 'changed')}"
    match job.state:
        case JobState.RUNNING if job.matched is None:
            return f"Choosing: looked at {count(job.scanned)} of {count(job.total)}"
        case JobState.RUNNING:
            return f"{changed} of {count(job.matched)}"
        case JobState.STOPPING:
            return f"Stopping, by {job.stopped_by}: {changed}"
        case JobState.STOPPED:
            return f"Stopped{f' by {job.stopped_by}' if job.stopped_by else ''}: {changed}"
        case JobState.DONE:
            more = "" if job.is_whole else f"; {_rest(job)}"
            return f"Done: {changed}{more}"
        case JobState.LOST:
            return f"Lost: who ran it was last heard of when {changed}; nothing is half done"
        case _:
            return f"Failed: {changed}"


def _rest(job: Job) -> str:
    """Say why there may be more of what a job was for."""
    return "its limit is reached, and there may be more" if not job.why else f"not all could be looked at: {job.why}"


def part(job: Job) -> tuple[int, int]:
    """Say how much of how much is done, of what the job is at."""
    if job.matched is None:
        return job.scanned, max(job.total, 1)
    if not job.matched:
        return 1, 1
    tried = job.changed + job.skipped + job.failed
    return min(tried, job.matched), job.matched


def _can(request: Request, job: Job) -> bool:
    """Whether a viewer may stop a job or go on with it: whoever may do what it does, and its own beginner."""
    if request.app.state.console.settings.read_only:
        return False
    return job.user == name_of(request) or may(request, f"task.{job.action}")


async def _concerned(request: Request, inspector: Inspector, job: Job) -> list[str] | None:
    """Return the queues that a job may act in: what began it is needed on each to stop it, or to go on with it."""
    chosen, doing = Filter(job.filter), doable(request, f"task.{job.action}")
    queues = [queue for queue in await inspector.queues() if chosen.may_be("queue", queue)]
    if job.user == name_of(request):
        queues = [queue for queue in queues if doing(queue)]
    return queues or None


async def every(request: Request) -> Response:
    """Show the jobs that are remembered."""
    inspector = await consoles.of(request).inspector()
    remembered: list[Job] = await parts.part(request, "jobs", inspector.jobs) or []
    found = [one for one in remembered if sees(request, one)]
    running = sum(one.is_under_way for one in found)
    lost = sum(one.state is JobState.LOST for one in found)
    sentence = f"{counted(running, 'job')} running" if running else "No job is running"
    if lost:
        sentence = f"{counted(lost, 'job')} lost: go on with {'it' if lost == 1 else 'them'}, or leave it so"
    return render(
        request, "jobs.html", place="tasks", jobs=found, kinds=KINDS, kind="bad" if lost else "", sentence=sentence,
        verdict=verdict, part=part, deeds=WORDS,
        line=signs.short,
    )  # fmt: skip


async def stop(request: Request) -> Response:
    """Have a job stop."""
    form = await read(request)
    found = await _job(request, form.get("id"))
    inspector = await consoles.of(request).inspector()

    async def deed() -> Job:
        return await inspector.stop_job(found.id, user=name_of(request))

    stopped = await perform(
        request, f"task.{found.action}", about=f"stop job: {found.filter}", reason=None, deed=deed,
        job=lambda stopped: stopped.id,
        queues=await _concerned(request, inspector, found),
    )  # fmt: skip
    told = {
        JobState.STOPPING: "It is told to stop, and does between two steps.",
        JobState.STOPPED: "It is stopped.",
    }.get(stopped.state, f"It had ended: {stopped.state.value}.")
    return redirect(request, "/job", told, id=found.id)


async def go_on(request: Request) -> Response:
    """Go on with a job that ended early, in this console."""
    form = await read(request)
    found = await _job(request, form.get("id"))
    console = consoles.of(request)
    inspector = await console.inspector()
    if not found.may_go_on:
        return redirect(
            request, "/job", f"It is {found.state.value}: there is nothing to go on with.", kind="bad", id=found.id
        )
    action = f"task.{found.action}"
    queues, still = doable(request, action), right(request, action)

    async def deed() -> None:
        await console.background.start(inspector, found.id, queues, look_of(hidden(request)), still.barred)

    await perform(
        request, f"task.{found.action}", about=f"go on with job: {found.filter}", reason=None, deed=deed,
        job=lambda _done: found.id,
        queues=await _concerned(request, inspector, found),
    )  # fmt: skip
    return redirect(request, "/job", "It goes on: what is left is chosen anew.", id=found.id)


routes: list[Route] = [
    Route("/job", job),
    Route("/jobs", every),
    Route("/job/stop", stop, methods=["POST"]),
    Route("/job/continue", go_on, methods=["POST"]),
]
