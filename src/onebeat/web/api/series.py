"""The past: attempts at a task, and what queues and types did."""

from __future__ import annotations

from typing import Annotated

import msgspec

from onebeat.documents.series import AttemptDocument, SeriesDocument, SizeDocument, TypeSeriesDocument
from onebeat.inspector.inspector import Inspector
from onebeat.web.api.asking import Asked
from onebeat.web.api.operation import Operation
from onebeat.web.api.paging import Name
from onebeat.web.api.task_documents import attempt_shown
from onebeat.web.api.tasks import ContentQuery

Queues = Annotated[list[Name], msgspec.Meta(max_length=100)]


class SeriesQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """
    What of when.

    Attributes:
        queue: Of this queue; may be given several times, and is added up then. Default: of all.

        minutes: How far back, this minute included: at most a day.
    """

    queue: Queues = []
    minutes: Annotated[int, msgspec.Meta(ge=1, le=1440)] = 60


class SizesQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """
    What of when.

    Attributes:
        queue: Of this queue; may be given several times, and is added up then. Default: of all.

        minutes: How far back, this minute included: at most two hours.
    """

    queue: Queues = []
    minutes: Annotated[int, msgspec.Meta(ge=1, le=120)] = 60


class Sizes(msgspec.Struct, frozen=True, kw_only=True):
    """How much work queues held, minute by minute, the oldest first."""

    sizes: list[SizeDocument]


class Attempts(msgspec.Struct, frozen=True, kw_only=True):
    """What is kept of past attempts at a task, the oldest first; servers of Go keep none."""

    attempts: list[AttemptDocument]


class TypeSeriesList(msgspec.Struct, frozen=True, kw_only=True):
    """Series of task types, that of most attempts first."""

    types: list[TypeSeriesDocument]


async def list_task_attempts(asked: Asked, query: ContentQuery) -> Attempts:
    """List past attempts at a task, at most the last 20: when, where, how long, and what each failed with."""
    inspector = await asked.inspector()
    return Attempts(
        attempts=[
            attempt_shown(asked, AttemptDocument.of(one)) for one in await inspector.attempts(query.queue, query.id)
        ]
    )


async def get_series(asked: Asked, query: SeriesQuery) -> SeriesDocument:
    """Say what queues did, slot by slot: a minute each up to two hours back, else ten minutes."""
    queues = await _queues(asked, query)

    async def read(inspector: Inspector) -> SeriesDocument:
        return SeriesDocument.of(await inspector.series(queues, minutes=query.minutes))

    return await asked.read("series", _key(queues), query.minutes, read=read, seconds=5.0)


async def list_type_series(asked: Asked, query: SeriesQuery) -> TypeSeriesList:
    """Say how attempts at tasks of each type went, slot by slot: rate, failures, and how long they ran."""
    queues = await _queues(asked, query)

    async def read(inspector: Inspector) -> TypeSeriesList:
        found = await inspector.types(queues, minutes=query.minutes)
        return TypeSeriesList(types=[TypeSeriesDocument.of(one) for one in found])

    return await asked.read("types", _key(queues), query.minutes, read=read, seconds=5.0)


async def list_sizes(asked: Asked, query: SizesQuery) -> Sizes:
    """Say how many tasks waited, ran and failed in each minute, as a console noted it: whoever served them."""
    queues = await _queues(asked, query)

    async def read(inspector: Inspector) -> Sizes:
        return Sizes(sizes=[SizeDocument.of(one) for one in await inspector.sizes(queues, minutes=query.minutes)])

    return await asked.read("sizes of", _key(queues), query.minutes, read=read, seconds=5.0)


async def _queues(asked: Asked, query: SeriesQuery | SizesQuery) -> list[str] | None:
    """Return whose series are added up; None: all together."""
    for queue in query.queue:
        asked.check_sees(queue)
    if query.queue or asked.sees_all:
        return query.queue or None
    return [name for name in await asked.read("queues", read=Inspector.queues) if asked.sees(name)]


def _key(queues: list[str] | None) -> object:
    return None if queues is None else tuple(sorted(set(queues)))


TASK_OPERATIONS = (Operation("GET", "/task/attempts", list_task_attempts, refusals=(404,), queue="queue"),)

OPERATIONS = (
    Operation("GET", "/series", get_series),
    Operation("GET", "/series/types", list_type_series),
    Operation("GET", "/series/sizes", list_sizes),
)
