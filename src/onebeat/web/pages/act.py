"""Doing something to tasks: to some that were ticked, or to all that fit; shown before it is done where it is final."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from onebeat.errors import InvalidTask, shown
from onebeat.inspector.filters import Filter
from onebeat.inspector.found import Applied, Selection
from onebeat.inspector.inspector import Inspector
from onebeat.inspector.job_models import Preview
from onebeat.inspector.jobs import Named, in_group
from onebeat.inspector.searching import Visible, named_queues
from onebeat.web import consoles, parts, reasons
from onebeat.web.acting import all_of, perform
from onebeat.web.forms import Form, read
from onebeat.web.links import url
from onebeat.web.page import redirect, render
from onebeat.web.pages.rows import rows
from onebeat.web.pages.tasks import FINAL, WORDS
from onebeat.web.rights import may, sees
from onebeat.web.scope import address_of, doable, hidden, name_of, right, role_of, seen, wanted
from onebeat.web.security.searching import look_of
from onebeat.web.showing.signs import visible as visible_text
from onebeat.web.showing.words import count, counted, duration

MOST_TICKED = 500
"""Tasks that one form names."""

FEW = 100
"""All that fit are acted on at once if they are no more than these; else by a job in the background."""

UNTYPED = 20
"""What is final is done to more only after its name was typed."""

DONE = {"run": "now pending", "archive": "archived", "delete": "deleted", "cancel": "cancelled"}

EFFECTS: Mapping[str, str] = {
    "run": "They become pending now, the first due first, whatever they waited for. An archived or completed task "
    "begins a new life, with all its retries; one that waits for a retry keeps the failures that it has counted.",
    "archive": "They go into the archive as they are, and run no more unless somebody runs them there. Unique locks "
    "stay. The archive of a queue keeps its latest 9,999 tasks, unless servers say otherwise.",
    "delete": "They are gone for good, with payload, error and result. Unique locks become free.",
    "cancel": "Those that wait are deleted. Those that run are told to stop, and end in the archive as cancelled.",
}


@dataclass(frozen=True, slots=True)
class Order:
    """
    What somebody wants to have done.

    Attributes:
        action: What.

        q, group: To what fits: a filter's text, and the key of a group of errors, "" if of any.

        named: Or to these.

        limit, rate: To how many at most, and how many a second; None: as many as there are.

        reason: Why, as it was said; "" if it was not.

        back: "task": to go back to the page of the one task that is named.
    """

    action: str
    q: str
    group: str
    named: tuple[Named, ...]
    limit: int | None
    rate: float | None
    reason: str = ""
    back: str = ""


def order_of(said: Form) -> Order:
    """
    Read an order.

    Raises:
        HTTPException: What it names is none.
    """
    action = said.get("do") or said.get("action")  # a form's field must not be called as what every form has
    if action not in WORDS:
        raise HTTPException(400, f"Action is {shown(action)}: choose run, archive, cancel or delete.")
    named = tuple(_named(text) for text in said.all("task"))
    if len(named) > MOST_TICKED:
        raise HTTPException(400, f"{len(named):,} tasks are named: name at most {MOST_TICKED}, or act on all that fit.")
    limit, rate = _number("limit", said.get("limit")), _number("rate", said.get("rate"))
    whole = None if limit is None else int(limit)
    if whole != limit or whole == 0:
        raise HTTPException(
            400, f"Limit is {shown(said.get('limit'))}: give a whole number from 1, or nothing for all."
        )
    back = "task" if said.get("back") == "task" and len(named) == 1 else ""
    reason = said.get("reason").strip()
    return Order(action, said.get("q").strip(), said.get("group"), named, whole, rate, reason, back)


def _named(text: str) -> Named:
    try:
        found = json.loads(text)
    except (ValueError, RecursionError):
        found = None
    match found:
        case [str(queue), str(id_), str(state)]:
            return queue, id_, state
    raise HTTPException(400, f"Task is {shown(text)}: tick it once more, on a page that is new.")


def _number(name: str, text: str) -> float | None:
    if not text.strip():
        return None
    try:
        number = float(text)
    except ValueError:
        number = -1.0
    if not 0 < number < 1e9:
        raise HTTPException(400, f"{name.title()} is {shown(text)}: give a number above 0, or nothing for none.")
    return number


async def ask(request: Request) -> Response:
    """Show what something would be done to, before it is."""
    order = order_of(Form([(key, value) for key, value in request.query_params.multi_items()]))
    return await show(request, order)


async def act(request: Request) -> Response:
    """Do it; or show first what it would be done to, where that is final and nobody has said yes."""
    form = await read(request)
    order = order_of(form)
    has_said_yes = form.get("confirmed") == "yes"
    if order.named:
        if order.action in FINAL and not has_said_yes:
            return await show(request, order)
        return await _to_named(request, order)
    if not has_said_yes:  # a page's form, on which nothing was ticked
        return redirect(
            request, "/tasks", "No task is selected: tick some, or act on all that fit.", kind="bad",
            q=order.q or None, group=order.group or None,
        )  # fmt: skip
    return await _to_all(request, order, form)


def _check(request: Request, order: Order, queues: Sequence[str]) -> None:
    """Refuse the whole of it if some of it may not be done."""
    for queue in queues:
        if not may(request, f"task.{order.action}", queue):
            raise HTTPException(403, f"You may not {order.action} tasks of queue {queue}: nothing was done.")


async def _to_named(request: Request, order: Order) -> Response:
    queues = {queue for queue, _, _ in order.named}
    is_allowed = all(may(request, f"task.{order.action}", queue) for queue in queues)  # else that is said first
    if is_allowed and (fault := _fault(request, order)):
        return await show(request, order, error=fault, status=422)
    inspector = await consoles.of(request).inspector()

    async def deed() -> Applied:
        return await _applied(inspector, await inspector.choose(order.action, order.named))

    report = await perform(
        request, f"task.{order.action}", queues=queues,
        about=", ".join(id_ for _, id_, _ in order.named), reason=order.reason, deed=deed,
        count=lambda report: report.done,
    )  # fmt: skip
    skipped = len(order.named) - report.done - report.failed
    kind, notice = _told(order.action, report.done, skipped, report.failed, report.why)
    if order.back and order.action != "delete":
        return redirect(request, "/task", notice, kind=kind, queue=order.named[0][0], id=order.named[0][1])
    return redirect(request, "/tasks", notice, kind=kind, q=order.q or None, group=order.group or None)


async def _applied(inspector: Inspector, selection: Selection) -> Applied:
    reports = [report async for report in inspector.apply(selection)]
    return reports[-1] if reports else Applied(action=selection.action, total=0, done=0, skipped=0, failed=0)


def _told(action: str, done: int, skipped: int, failed: int, why: str) -> tuple[str, str]:
    told = [f"{counted(done, 'task')} {DONE[action]}"]
    if skipped:
        told.append(f"{count(skipped)} left alone, since {'it was' if skipped == 1 else 'they were'} no more as seen")
    if failed:
        told.append(f"{count(failed)} failed: {why}")
    return ("good" if done and not failed else "bad"), f"{'; '.join(told)}."


async def _to_all(request: Request, order: Order, form: Form) -> Response:
    console = consoles.of(request)
    inspector = await console.inspector()
    chosen, queues = wanted(request, order.q), doable(request, f"task.{order.action}")
    if barred := _barred(request, chosen, queues):
        await perform(request, f"task.{order.action}", queues=barred, about=str(chosen), deed=_nothing)
    preview = await inspector.preview(order.action, chosen, group=order.group, queues=queues, look=seen(request))
    if order.action in FINAL and _is_many(preview) and form.get("typed").strip().lower() != order.action:
        said = f"Type {order.action} to confirm it: nothing was done."
        return await show(request, order, error=said, status=400)
    if not preview.count and preview.is_whole:
        return await _to_none(request, order, await _reached(inspector, chosen, queues))
    if fault := _fault(request, order):
        return await show(request, order, error=fault, status=422)
    where = {queue for queue, _ in preview.counts} if preview.is_whole else await _reached(inspector, chosen, queues)
    about = all_of(chosen, order.group)
    if preview.is_whole and preview.count <= FEW and order.rate is None:

        async def deed() -> Applied:
            selection = await inspector.select(
                order.action,
                chosen,
                limit=min(order.limit or FEW, FEW),
                where=in_group(order.group, look=seen(request)),
                queues=queues,
            )
            return await _applied(inspector, selection)

        report = await perform(
            request, f"task.{order.action}", queues=where, about=about, reason=order.reason, is_many=True, deed=deed,
            count=lambda report: report.done,
        )  # fmt: skip
        kind, notice = _told(order.action, report.done, report.skipped, report.failed, report.why)
        return redirect(request, "/tasks", notice, kind=kind, q=order.q or None, group=order.group or None)
    console.background.check()

    async def begin() -> str:
        job = await inspector.begin_job(
            order.action, chosen, user=name_of(request), role=role_of(request), address=address_of(request),
            group=order.group, limit=order.limit, rate=order.rate,
            reason=hidden(request).text(reasons.read(order.reason)),
        )  # fmt: skip
        still = right(request, f"task.{order.action}")
        await console.background.start(inspector, job.id, queues, look_of(hidden(request)), still.barred)
        return job.id

    job_id = await perform(
        request, f"task.{order.action}", queues=where, about=about, reason=order.reason, is_many=True, deed=begin,
        job=str,
    )  # fmt: skip
    return redirect(request, "/job", id=job_id)


async def _to_none(request: Request, order: Order, where: set[str]) -> Response:
    """Say that nothing fits; or refuse, where who asks could do nothing to it anyway."""

    async def deed() -> int:
        return 0

    await perform(
        request, f"task.{order.action}", queues=where, about=order.q or "all tasks", reason=order.reason or None,
        deed=deed, count=int,
    )  # fmt: skip
    return redirect(request, "/tasks", "Nothing was done: no such task fits.", kind="bad", q=order.q or None)


async def _reached(inspector: Inspector, chosen: Filter, queues: Visible) -> set[str]:
    """Return the queues in which something may be done that was not wholly looked at."""
    return {
        queue for queue in await parts.silent(inspector.queues()) if queues(queue) and chosen.may_be("queue", queue)
    }


def _barred(request: Request, chosen: Filter, queues: Visible) -> set[str]:
    """Return the queues that a filter names, and the viewer sees, but may not act in."""
    return {queue for queue in named_queues(chosen) if sees(request, queue) and not queues(queue)}


async def _nothing() -> None:
    """Do nothing: for what is refused before."""


def _fault(request: Request, order: Order) -> str:
    """Say what is wrong with the reason; "" if nothing is."""
    settings = consoles.of(request).settings
    return reasons.fault(settings, f"task.{order.action}", order.reason, is_many=not order.named)


def _needs_reason(request: Request, order: Order) -> bool:
    settings = consoles.of(request).settings
    return reasons.needs(settings, f"task.{order.action}", is_many=not order.named)


def _is_many(preview: Preview) -> bool:
    return preview.count > UNTYPED or not preview.is_whole


async def show(request: Request, order: Order, *, error: str = "", status: int = 200) -> Response:
    """Show what an order would be done to, and ask; or say what is wrong with it, with all that was said."""
    inspector = await consoles.of(request).inspector()
    queues = doable(request, f"task.{order.action}")
    if order.named:
        _check(request, order, list(dict.fromkeys(named[0] for named in order.named)))
        found = await inspector.choose(order.action, list(order.named))
        preview = Preview(
            action=order.action, filter="", count=len(found.tasks), counts=found.counts, first=found.first,
            scanned=found.scanned, total=found.scanned, is_whole=True,
        )  # fmt: skip
    else:
        chosen = wanted(request, order.q)
        _check(request, order, sorted(_barred(request, chosen, queues)))
        try:
            preview = await inspector.preview(
                order.action, chosen, group=order.group, queues=queues, look=seen(request)
            )
        except InvalidTask as error_:
            return redirect(request, "/tasks", str(error_), kind="bad", q=order.q or None)
    is_job = not order.named and not (preview.is_whole and preview.count <= FEW)
    per_minute = consoles.of(request).settings.bulk_per_minute if is_job else None
    counts = sorted(preview.counts.items(), key=lambda item: -item[1])
    return render(
        request,
        "act.html",
        status=status,
        place="tasks",
        polls=False,
        order=order,
        preview=preview,
        counts=[(visible_text(queue), state.value, number) for (queue, state), number in counts],
        found=rows(request, preview.first),
        names=[json.dumps(named) for named in order.named],
        leave=_leave(request, order),
        word=WORDS[order.action],
        effect=EFFECTS[order.action],
        is_final=order.action in FINAL,
        is_typed=order.action in FINAL and not order.named and _is_many(preview),
        is_job=is_job,
        needs_reason=_needs_reason(request, order),
        per_minute=per_minute,
        takes="" if per_minute is None else duration(preview.takes_s(per_minute)),
        left_out=len(order.named) - preview.count if order.named else 0,
        error=error,
        sentence=_sentence(preview, order),
    )


def _leave(request: Request, order: Order) -> str:
    if order.back:
        return url(request, "/task", queue=order.named[0][0], id=order.named[0][1])
    return url(request, "/tasks", q=order.q or None, group=order.group or None)


BECOMES = {"run": "run", "archive": "archived", "cancel": "cancelled", "delete": "deleted"}


def _sentence(preview: Preview, order: Order) -> str:
    if not preview.count:
        return "Nothing to do: no such task fits" + ("" if preview.is_whole else " among those looked at")
    if preview.unread:
        return f"{counted(preview.count, 'task')}, as far as could be read"
    if preview.is_whole:
        of = " of one group of errors" if order.group else ""
        return f"{counted(preview.count, 'task')}{of} would be {BECOMES[order.action]}; nothing is done yet"
    return (
        f"{counted(preview.count, 'task')} among the first {count(preview.scanned)} of {count(preview.total)}: "
        "the rest is looked at as it is done"
    )


routes: list[Route] = [Route("/act", ask), Route("/act", act, methods=["POST"])]
