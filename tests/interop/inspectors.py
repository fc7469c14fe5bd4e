"""Either side's inspector, asked and answering in the same words."""

from __future__ import annotations

from base64 import b64decode
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from onebeat.errors import OnebeatError
from onebeat.inspector.inspector import Inspector
from onebeat.task import TaskInfo
from tests.interop.peer import GoError

Ask = Callable[..., Awaitable[Any]]


class RefusedError(Exception):
    """
    Stands for what either side says to what it will not do.

    The text is its own, but for a client's: that is "duplicate" or "conflict".
    """


@dataclass(frozen=True)
class Seen:
    """A task as an inspector shows it; instants are seconds since 1970, 0 for none, and whole as on the wire."""

    id: str
    queue: str
    type: str
    payload: bytes
    state: str
    headers: Mapping[str, str]
    max_retry: int
    retried: int
    error: str
    failed_at: int
    timeout: float
    deadline: int
    group: str
    next: float
    retention: float
    completed_at: int
    result: bytes


class Inspects(Protocol):
    """What both do. Each may raise `RefusedError`."""

    async def task(self, task_id: str, queue: str = "default") -> Seen: ...

    async def do(self, what: str, task_id: str, queue: str = "default") -> None: ...


class GoInspects:
    """asynq's inspector."""

    def __init__(self, ask: Ask) -> None:
        self._ask = ask

    async def _try(self, do: str, **order: Any) -> Any:
        try:
            return await self._ask(do, **order)
        except GoError as error:
            raise RefusedError(str(error)) from error

    async def task(self, task_id: str, queue: str = "default") -> Seen:
        return _seen_by_go(await self._try("info", Queue=queue, ID=task_id))

    async def do(self, what: str, task_id: str, queue: str = "default") -> None:
        """Run, archive, delete or cancel a task."""
        await self._try(what, Queue=queue, ID=task_id)


def _seen_by_go(shown: dict[str, Any]) -> Seen:
    whole = {name: int(shown[name]) for name in ("failed_at", "deadline", "completed_at")}
    loud = {name: b64decode(shown[name] or "") for name in ("payload", "result")}
    return Seen(**{**shown, **whole, **loud, "headers": shown["headers"] or {}})


class PythonInspects:
    """Ours."""

    def __init__(self, inspector: Inspector) -> None:
        self._inspector = inspector

    async def task(self, task_id: str, queue: str = "default") -> Seen:
        try:
            return _seen_by_us(await self._inspector.task(queue, task_id))
        except OnebeatError as error:
            raise RefusedError(str(error)) from error

    async def do(self, what: str, task_id: str, queue: str = "default") -> None:
        """Run, archive, delete or cancel a task."""
        try:
            await getattr(self._inspector, what)(queue, task_id)
        except OnebeatError as error:
            raise RefusedError(str(error)) from error


def _seen_by_us(info: TaskInfo) -> Seen:
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


def since_1970(moment: datetime | None) -> float:
    return moment.timestamp() if moment is not None else 0.0
