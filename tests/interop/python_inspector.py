"""Our inspector, in the words of `inspectors`."""

from __future__ import annotations

from collections.abc import Awaitable, Mapping
from datetime import datetime
from typing import TypeVar

from onebeat.errors import OnebeatError
from onebeat.inspector.inspector import Inspector
from onebeat.inspector.models import ServerInfo
from onebeat.task import TaskInfo
from tests.interop.go_inspector import COUNTED
from tests.interop.inspectors import Counts, Days, RefusedError, Seen, SeenEntry, SeenServer, SeenWorker

T = TypeVar("T")


async def _try(what: Awaitable[T]) -> T:
    try:
        return await what
    except OnebeatError as error:
        raise RefusedError(str(error)) from error


def since_1970(moment: datetime | None) -> float:
    return moment.timestamp() if moment is not None else 0.0


class PythonInspects:
    """Ours."""

    def __init__(self, inspector: Inspector) -> None:
        self._inspector = inspector

    async def queues(self) -> set[str]:
        return set(await self._inspector.queues())

    async def counts(self, queue: str = "default") -> Counts:
        found = await _try(self._inspector.stats(queue))
        return {name: int(getattr(found, name)) for name in COUNTED}

    async def history(self, queue: str = "default") -> Days:
        found = await _try(self._inspector.history(queue))
        return [(day.day.isoformat(), day.processed, day.failed) for day in found]

    async def task(self, task_id: str, queue: str = "default") -> Seen:
        return _task(await _try(self._inspector.task(queue, task_id)))

    async def page(self, state: str, *, group: str = "", page: int = 1, size: int = 30) -> list[Seen]:
        found = await _try(self._inspector.page("default", state=state, group=group, page=page, size=size))
        return [_task(info) for info in found]

    async def do(self, what: str, task_id: str, queue: str = "default") -> None:
        await _try(getattr(self._inspector, what)(queue, task_id))

    async def do_all(self, what: str, state: str, group: str = "") -> int:
        return int(await _try(getattr(self._inspector, f"{what}_all")("default", state, group=group)))

    async def update(self, task_id: str, payload: bytes) -> None:
        await _try(self._inspector.update("default", task_id, payload=payload))

    async def pause(self, queue: str = "default") -> None:
        await _try(self._inspector.pause(queue))

    async def resume(self, queue: str = "default") -> None:
        await _try(self._inspector.resume(queue))

    async def remove(self, queue: str = "default", *, force: bool = False) -> None:
        await _try(self._inspector.remove_queue(queue, force=force))

    async def groups(self) -> Mapping[str, int]:
        return {group.name: group.size for group in await _try(self._inspector.groups("default"))}

    async def servers(self) -> list[SeenServer]:
        return [_server(info) for info in await self._inspector.servers()]

    async def entries(self) -> list[SeenEntry]:
        return [
            SeenEntry(
                id=entry.id,
                spec=entry.spec,
                type=entry.task_type,
                payload=entry.payload,
                options=frozenset(entry.options),
                next=since_1970(entry.next_at),
                prev=since_1970(entry.last_at),
            )
            for entry in await self._inspector.schedules()
        ]

    async def events(self, entry_id: str, *, page: int = 1, size: int = 30) -> list[tuple[str, float]]:
        found = await self._inspector.events(entry_id, page=page, size=size)
        return [(event.task_id, since_1970(event.enqueued_at)) for event in found]


def _task(info: TaskInfo) -> Seen:
    return Seen(
        id=info.id,
        queue=info.queue,
        type=info.type,
        payload=info.payload,
        state=info.state.value,
        headers=dict(info.headers),
        max_retry=info.max_retry,
        retried=info.retried,
        error=info.last_error,
        failed_at=int(since_1970(info.last_failed_at)),
        timeout=info.timeout.total_seconds(),
        deadline=int(since_1970(info.deadline)),
        group=info.group,
        next=since_1970(info.next_process_at),
        retention=info.retention.total_seconds(),
        completed_at=int(since_1970(info.completed_at)),
        result=info.result or b"",
    )


def _server(info: ServerInfo) -> SeenServer:
    workers = [
        SeenWorker(
            id=worker.task_id,
            type=worker.task_type,
            payload=worker.payload,
            queue=worker.queue,
            time=(worker.deadline - worker.started_at).total_seconds(),
        )
        for worker in info.workers
    ]
    return SeenServer(
        id=info.id,
        pid=info.pid,
        concurrency=info.concurrency,
        queues=info.queues,
        strict=info.strict_priority,
        status=info.status,
        started=since_1970(info.started_at),
        workers=workers,
    )
