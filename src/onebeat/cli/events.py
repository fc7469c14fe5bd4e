"""`onebeat events`."""

from __future__ import annotations

from contextlib import nullcontext
from typing import TYPE_CHECKING

import click

from onebeat.cli import output
from onebeat.cli.common import url_option
from onebeat.cli.documents import Listing, json_option
from onebeat.cli.loops import run_async
from onebeat.observe.told import Told

if TYPE_CHECKING:
    from onebeat.broker.store import Store

NOTHING = (
    "No events in {where}: nothing writes them. Start servers with `onebeat run --events`, or give your application "
    "`app.observe(EventStream())`."
)


@click.command()
@url_option
@click.option("-f", "--follow", is_flag=True, help="Go on with what comes, until Ctrl-C.")
@click.option("--name", "names", multiple=True, help="Kind of event, such as retried. May be repeated. Default: all.")
@click.option("-q", "--queue", "queue_name", help="Default: all queues.")
@click.option("-n", "--limit", type=click.IntRange(0), default=100, show_default=True, help="How many of the last.")
@json_option("events", list[Told], streams=True)
def events(
    url: str | None,
    follow: bool,
    names: tuple[str, ...],
    queue_name: str | None,
    limit: int,
    as_json: bool,
    as_lines: bool,
) -> None:
    """
    Show what has happened to tasks and schedules lately.

    Tasks that were enqueued, started, retried, completed or archived; schedules that fired or missed a tick: what
    servers that run with --events have written into the store. With --follow, --json is --ndjson: it has no end.
    """
    listing = Listing(as_lines=as_lines or follow) if as_json or as_lines else None
    run_async(_events(url, follow, names, queue_name, limit, listing))


async def _events(
    url: str | None, follow: bool, names: tuple[str, ...], queue: str | None, limit: int, listing: Listing | None
) -> None:
    from onebeat.broker.store import Store
    from onebeat.observe.stream import last_events, next_events

    _check(names)
    async with await Store.open(url) as store:
        found, newest = await last_events(store, limit, names=names, queue=queue)
        with listing or nullcontext():
            for told in found:
                _show(told, listing)
            if not found and listing is None:
                _say_nothing(store, newest, follow)
            if follow:
                async for told in next_events(store, newest, names=names, queue=queue):
                    _show(told, listing)


def _check(names: tuple[str, ...]) -> None:
    known = [*_known(), "dropped"]
    for name in names:
        if name not in known:
            raise click.BadParameter(
                f"{name!r} is no kind of event: choose from {', '.join(known)}.", param_hint="--name"
            )


def _known() -> list[str]:
    from onebeat import events

    kinds = [kind for kind in vars(events).values() if isinstance(kind, type) and issubclass(kind, events.Event)]
    return [kind.name for kind in kinds if kind.name]


def _say_nothing(store: Store, newest: str, follow: bool) -> None:
    where = store.endpoint.shown
    text = NOTHING.format(where=where) if newest == "0" else f"No such events in {where}."
    click.echo(text, err=follow)


def _show(told: Told, listing: Listing | None) -> None:
    if listing is not None:
        listing.add(told)
    else:
        click.echo(line(told))


def line(told: Told) -> str:
    """Write an event for people."""
    at = told.at.astimezone().strftime("%Y-%m-%d %H:%M:%S.%f")[:-3]
    which = [told.type or told.schedule or "", told.task_id or ""]
    told_of = " ".join(filter(None, [*which, _detail(told)]))
    return output.visible(f"{at}  {told.name:10} {told.queue:12} {told_of}".rstrip())


def _detail(told: Told) -> str:
    parts = []
    if told.name == "dropped":
        return f"{output.counted(told.count or 0, 'event')} of {told.host} [{told.pid}] not written"
    if told.state is not None:
        parts.append(told.state.value)
    if told.process_at is not None:
        parts.append(f"due {told.process_at.astimezone():%Y-%m-%d %H:%M:%S}")
    if told.waited is not None:
        parts.append(f"waited {output.duration(told.waited)}")
    if told.seconds is not None:
        parts.append(f"took {told.seconds:.3f} s")
    if told.delay is not None:
        parts.append(f"again in {output.duration(told.delay)}")
    if told.tick is not None:
        parts.append(f"for {told.tick.astimezone():%H:%M:%S}, {told.late or 0:.3f} s late")
    if told.ticks is not None:
        parts.append(f"{output.counted(told.ticks, 'tick')}, {told.reason}")
    shown = ", ".join(parts)
    error = output.readable(told.error.encode(), limit=200) if told.error else ""
    return f"({shown}){': ' if error else ''}{error}" if shown else error
