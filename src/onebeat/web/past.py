"""What was done lately, as pages read it: once for all viewers, and only of queues that the viewer may see."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from datetime import date

from starlette.requests import Request

from onebeat.errors import BrokerError
from onebeat.inspector.models import DayStats
from onebeat.inspector.series_models import Series, SizePoint, Spark, TypeSeries
from onebeat.web import consoles
from onebeat.web.rights import sees_all
from onebeat.web.sampling import EVERY_S
from onebeat.web.showing.growth import Growth, of_backlog

KEPT_S = 5.0
"""Seconds for which what was read is good: servers write no more often."""

NOTED_S = 15.0
"""Seconds for which what consoles noted is good where it is read of many queues: they note it once a minute."""

MOST_QUEUES = 100
"""Queues whose series are added up for a viewer who may not see all."""

DAYS, DAILY_QUEUES = 10, 20
"""Of asynq's counters: how many days, of how many queues at most."""


@dataclass(frozen=True, slots=True)
class Past:
    """
    What queues did lately.

    Attributes:
        series: None where it could not be read, and `failure` says why.
    """

    series: Series | None
    failure: str = ""


def names_of(request: Request, queues: Sequence[str]) -> tuple[str, ...] | None:
    """Return whose series are to be read: None for those of all queues together, of a viewer who may see all."""
    return None if sees_all(request) else tuple(queues[:MOST_QUEUES])


async def past(request: Request, names: Sequence[str] | None, minutes: int = 60) -> Past:
    """Read what was done in all queues together, or in some."""
    console = consoles.of(request)
    inspector = await console.inspector()
    try:
        found = await console.reads.get(
            ("series", names, minutes), lambda: inspector.series(names, minutes=minutes), seconds=KEPT_S
        )
    except BrokerError as error:
        return Past(None, str(error))
    return Past(found)


async def sizes(request: Request, names: Sequence[str] | None) -> list[SizePoint]:
    """
    Read how many tasks queues held in the last hour; nothing if the store refuses.

    Where no lifespan notes it, as of a console that is mounted, a look does, once a minute.
    """
    console = consoles.of(request)
    inspector = await console.inspector()
    with suppress(BrokerError):
        if not console.settings.read_only:
            await console.reads.get("sampled", inspector.sample_sizes, seconds=EVERY_S)
    try:
        found = await console.reads.get(("sizes", names), lambda: inspector.sizes(names), seconds=KEPT_S)
    except BrokerError:
        return []
    return found if found and found[-1].pending is not None else found[:-1]  # this minute was not noted yet


async def types(
    request: Request, names: Sequence[str] | None, minutes: int, *, seconds: float = KEPT_S
) -> list[TypeSeries]:
    """Read how attempts went by type, or did some seconds ago; of none if the store refuses."""
    console = consoles.of(request)
    inspector = await console.inspector()
    try:
        return await console.reads.get(
            ("types", names, minutes), lambda: inspector.types(names, minutes=minutes), seconds=seconds
        )
    except BrokerError:
        return []


async def sparks(request: Request, queues: Sequence[str]) -> Mapping[str, Spark | None]:
    """Read the last hour of the queues of a table; of none if the store refuses."""
    console = consoles.of(request)
    inspector = await console.inspector()
    names = tuple(queues)
    try:
        return await console.reads.get(("sparks", names), lambda: inspector.sparks(names), seconds=KEPT_S)
    except BrokerError:
        return {}


async def growths(request: Request, queues: Sequence[str]) -> Mapping[str, Growth | None]:
    """Read which backlogs grow, and judge them, once for all viewers; of none if the store refuses."""
    console = consoles.of(request)
    inspector = await console.inspector()
    names = tuple(queues)

    async def read() -> dict[str, Growth | None]:
        return {name: of_backlog(found) for name, found in (await inspector.backlogs(names)).items()}

    try:
        return await console.reads.get(("growths", names), read, seconds=NOTED_S) if names else {}
    except BrokerError:
        return {}


@dataclass(frozen=True, slots=True)
class Day:
    """What asynq's counters have of one UTC day."""

    day: date
    processed: int
    failed: int


async def days(request: Request, queues: Sequence[str]) -> list[Day]:
    """Add up the daily counters of some queues, the latest day first; none if the store refuses."""
    console = consoles.of(request)
    inspector = await console.inspector()

    async def read() -> list[DayStats]:
        return [one for queue in queues[:DAILY_QUEUES] for one in await inspector.history(queue, DAYS)]

    try:
        found = await console.reads.get(("days", tuple(queues)), read, seconds=30.0)
    except BrokerError:
        return []
    added: dict[date, Day] = {}
    for one in found:
        known = added.get(one.day, Day(one.day, 0, 0))
        added[one.day] = Day(one.day, known.processed + one.processed, known.failed + one.failed)
    return sorted(added.values(), key=lambda one: one.day, reverse=True)
