"""`onebeat task run`, `archive`, `rm` and `cancel`: of some tasks by their ids, or of all that a filter finds."""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import AsyncIterator, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

from onebeat.cli import output
from onebeat.cli.common import INTERRUPTED, sentence, status_of
from onebeat.cli.output import counted, listed, visible
from onebeat.cli.progress import Progress
from onebeat.cli.tasks.listing import MANY, show_tasks
from onebeat.cli.tasks.showing import queue_of
from onebeat.cli.tasks.where import Where, all_ids
from onebeat.cli.writing import agreed
from onebeat.errors import OnebeatError

if TYPE_CHECKING:
    from onebeat.inspector.acting import Changes
    from onebeat.inspector.found import Applied, Selection
    from onebeat.inspector.inspector import Inspector

DONE = {
    "run": "now pending", "archive": "archived", "delete": "deleted", "cancel": "cancelled", "update": "changed",
}  # fmt: skip
ARCHIVE_KEEPS = 9_999
"""Tasks, unless servers say otherwise."""

FINAL = frozenset({"delete", "cancel"})
"""What cannot be undone."""


@dataclass(frozen=True)
class How:
    """What the options of a command say about how."""

    yes: bool
    dry_run: bool
    limit: int | None = None
    rate: float | None = None


async def act(url: str | None, action: str, ids: Sequence[str], where: Where, *, every: bool, how: How) -> None:
    """Do something to tasks: the named ones, or those that a filter finds."""
    from onebeat.inspector.inspector import Inspector

    check_chosen(action, ids, where, every=every)
    async with Inspector(url) as inspector:
        if ids:
            await _each(inspector, action, all_ids(ids)[: how.limit], where, how)
            return
        if is_whole_state(action, where, how):
            await _whole_state(inspector, action, where, how)
        elif (selection := await select(inspector, action, where, how)) is not None:
            await apply(inspector, selection, how)


def check_chosen(action: str, ids: Sequence[str], where: Where, *, every: bool) -> None:
    """Refuse to guess which tasks are meant."""
    context = click.get_current_context()
    if ids and (every or not where.is_any):
        raise click.UsageError("Name tasks by ids, or say which by --where, --state and so on: not both.", context)
    if ids and len(where.queues) > 1:
        raise click.UsageError("Name one --queue with ids.", context)
    if not ids and where.is_any and not every:
        raise click.UsageError(
            f"Say which tasks to {action}: ids, - for ids on standard input, --state, --where FILTER, or --all.",
            context,
        )
    where.filter()  # what cannot be read is refused before the store is asked


def is_whole_state(action: str, where: Where, how: How) -> bool:
    """Whether it is about all tasks of one state of one queue, which need not be chosen one by one."""
    is_one = len(where.queues) == len(where.states) == 1 and "*" not in where.queues[0]
    is_all = not (where.types or where.older or where.error or where.where or how.limit or how.rate)
    has_group = (where.states == ("aggregating",)) == (where.group is not None)
    if not (action in ("run", "archive", "delete") and is_one and is_all and has_group):
        return False
    from onebeat.inspector.acting import ACTIONS

    return where.states[0] in ACTIONS[action]  # else `select` says what it is for


async def _whole_state(inspector: Inspector, action: str, where: Where, how: How) -> None:
    [queue], [state] = where.queues, where.states
    await inspector.check_queue(queue)
    if where.group is not None:
        count = {group.name: group.size for group in await inspector.groups(queue)}.get(where.group, 0)
    else:
        count = getattr(await inspector.stats(queue), state)
    if not count:
        click.echo(f"No {state} tasks in queue {visible(queue)} to {action}.")
        return
    if how.dry_run:
        show_tasks(await inspector.page(queue, state=state, group=where.group or "", size=10), nothing="")
        if count > 10:
            click.echo(f"… and {count - 10:,} more.")
    of = f" of group {visible(where.group)}" if where.group is not None else ""
    named = f"{count:,} {state} task{'' if count == 1 else 's'}{of} of queue {visible(queue)}"
    if not agreed(f"{action} {named}{kept(action, count)}", yes=how.yes, dry_run=how.dry_run, is_final=action in FINAL):
        return
    with Progress(DONE[action]) as progress:
        every = getattr(inspector, f"{action}_all")
        done = await every(queue, state, group=where.group or "", progress=progress)
    click.echo(f"{counted(done, 'task')} of queue {visible(queue)} {DONE[action]}")


async def select(inspector: Inspector, action: str, where: Where, how: How) -> Selection | None:
    """Find the tasks, say how many of which, and ask; None: nothing is to be done."""
    chosen = where.filter()
    with Progress("chosen", again="nothing was done") as progress:

        def tell(looked: int, total: int) -> None:
            if total >= MANY:
                progress(looked, total)

        selection = await inspector.select(action, chosen, limit=how.limit, progress=tell)
    if not selection.tasks:
        click.echo(
            f"No tasks to {action} that fit {visible(str(chosen)) or 'nothing'}: looked at {selection.scanned:,}."
            if chosen.words
            else f"No tasks to {action}."
        )
        return None
    if how.dry_run:
        show_tasks(selection.first, nothing="")
        if len(selection.tasks) > len(selection.first):
            click.echo(f"… and {len(selection.tasks) - len(selection.first):,} more.")
    deed = f"{action} {described(selection)}{kept(action, len(selection.tasks))}"
    return selection if agreed(deed, yes=how.yes, dry_run=how.dry_run, is_final=action in FINAL) else None


def kept(action: str, count: int) -> str:
    """Say what the archive does not keep, if that matters."""
    return (
        f", of which the archive keeps the latest {ARCHIVE_KEEPS:,}"
        if action == "archive" and count > ARCHIVE_KEEPS
        else ""
    )


def described(selection: Selection) -> str:
    """Say how many tasks of which states and queues: "12 archived tasks of queue low"."""
    parts = [
        f"{count:,} {state.value} task{'' if count == 1 else 's'} of queue {visible(queue)}"
        for (queue, state), count in sorted(selection.counts.items(), key=lambda item: -item[1])
    ]
    if len(parts) == 1:
        return parts[0]
    return f"{counted(len(selection.tasks), 'task')}: {listed(parts, most=12)}"


async def apply(inspector: Inspector, selection: Selection, how: How, *, changes: Changes | None = None) -> None:
    """Do it in steps, and say in the end what was done, also when Ctrl-C or the store ended it."""
    last: Applied | None = None
    total = len(selection.tasks)
    steps = inspector.apply(selection, changes=changes, rate=how.rate)
    failure: OnebeatError | None = None
    with stopping() as stop, Progress(DONE[selection.action]) as progress:
        try:
            async for last in steps:
                progress(total - last.left, total)
                if stop.is_set():
                    break
        except OnebeatError as error:
            if last is None:
                raise
            failure = error
    _summarize(selection.action, last, total)
    if failure is not None:
        output.fail(sentence(failure), status=status_of(failure))
    if last is not None and stop.is_set() and last.left:
        raise SystemExit(INTERRUPTED)
    if last is not None and last.failed:
        raise SystemExit(1)


def _summarize(action: str, last: Applied | None, total: int) -> None:
    done, skipped, failed, left = (last.done, last.skipped, last.failed, last.left) if last else (0, 0, 0, total)
    told = [f"{counted(done, 'task')} {DONE[action]}"]
    if skipped:
        told.append(f"{skipped:,} skipped, since they moved or changed meanwhile")
    if failed:
        told.append(f"{failed:,} failed")
    if left:
        told.append(f"{left:,} left as they were: stopped, and the same command goes on")
    click.echo(f"{'; '.join(told)}.")
    if last is not None and last.why:
        click.echo(f"onebeat: {visible(' '.join(last.why.split()))}", err=True)


@contextlib.contextmanager
def stopping() -> Iterator[asyncio.Event]:
    """Let Ctrl-C end what goes in steps behind the one that is under way; once more, and it ends at once."""
    stop = asyncio.Event()
    loop = asyncio.get_running_loop()

    def stop_it() -> None:
        stop.set()
        loop.remove_signal_handler(signal.SIGINT)
        click.echo("onebeat: stopping behind this step; Ctrl-C once more ends it at once", err=True)

    try:
        loop.add_signal_handler(signal.SIGINT, stop_it)
    except (NotImplementedError, RuntimeError, ValueError):  # Windows, or no main thread: it ends at once
        yield stop
        return
    try:
        yield stop
    finally:
        loop.remove_signal_handler(signal.SIGINT)


async def _each(inspector: Inspector, action: str, ids: Sequence[str], where: Where, how: How) -> None:
    """Do it to tasks by their ids, one after another; what cannot be done is said, and the others go on."""
    named = where.queues[0] if where.queues else None
    if not ids:
        click.echo(f"No ids: nothing to {action}.")
        return
    queues = {id_: await queue_of(inspector, id_, named) for id_ in ids}
    if how.dry_run:
        show_tasks([await inspector.task(queues[id_], id_) for id_ in ids], nothing="")
    if not agreed(f"{action} {_named(queues)}", yes=how.yes, dry_run=how.dry_run, is_final=action in FINAL):
        return
    status = 0
    with stopping() as stop:
        async for id_ in _paced(ids, how.rate):
            if stop.is_set():
                click.echo(f"{len(ids) - list(ids).index(id_):,} tasks left as they were: stopped.")
                raise SystemExit(INTERRUPTED)
            try:
                click.echo(await _one(inspector, action, queues[id_], id_))
            except OnebeatError as error:
                click.echo(f"onebeat: {visible(sentence(error))}", err=True)
                status = status or status_of(error)
    if status:
        raise SystemExit(status)


async def _paced(ids: Sequence[str], rate: float | None) -> AsyncIterator[str]:
    for number, id_ in enumerate(ids):
        if rate is not None and number:
            await asyncio.sleep(1 / rate)
        yield id_


async def _one(inspector: Inspector, action: str, queue: str, task_id: str) -> str:
    name = f"task {visible(task_id)} of queue {visible(queue)}"
    if action == "cancel":
        done = await inspector.cancel(queue, task_id)
        return f"{name}: {done.value}"
    await getattr(inspector, action)(queue, task_id)
    return f"{name} is {DONE[action]}"


def _named(queues: dict[str, str]) -> str:
    ids = list(queues)
    of = sorted(set(queues.values()))
    tasks = f"task {visible(ids[0])}" if len(ids) == 1 else f"{counted(len(ids), 'task')} ({listed(ids)})"
    return f"{tasks} of queue{'' if len(of) == 1 else 's'} {listed(of)}"
