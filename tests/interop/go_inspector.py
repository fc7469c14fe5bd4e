"""asynq's inspector, in the words of `inspectors`."""

from __future__ import annotations

from base64 import b64decode, b64encode
from collections.abc import Awaitable, Callable, Mapping
from typing import Any

from tests.interop.inspectors import Counts, Days, RefusedError, Seen, SeenEntry, SeenServer, SeenWorker
from tests.interop.peer import GoError

Ask = Callable[..., Awaitable[Any]]
COUNTED = {
    "pending": "Pending", "active": "Active", "scheduled": "Scheduled", "retry": "Retry", "archived": "Archived",
    "completed": "Completed", "aggregating": "Aggregating", "processed": "ProcessedTotal", "failed": "FailedTotal",
    "paused": "Paused",
}  # fmt: skip


def bare(shown: str | None) -> bytes:
    return b64decode(shown or "")


class GoInspects:
    """asynq's inspector."""

    def __init__(self, ask: Ask) -> None:
        self._raw = ask

    async def _ask(self, do: str, **order: Any) -> Any:
        try:
            return await self._raw(do, **order)
        except GoError as error:
            raise RefusedError(str(error)) from error

    async def queues(self) -> set[str]:
        return set(await self._ask("queues"))

    async def counts(self, queue: str = "default") -> Counts:
        found = await self._ask("stats", Queue=queue)
        return {name: int(found[theirs]) for name, theirs in COUNTED.items()}

    async def history(self, queue: str = "default") -> Days:
        found = await self._ask("history", Queue=queue)
        return [(day["Date"][:10], day["Processed"], day["Failed"]) for day in found]

    async def task(self, task_id: str, queue: str = "default") -> Seen:
        return _task(await self._ask("info", Queue=queue, ID=task_id))

    async def page(self, state: str, *, group: str = "", page: int = 1, size: int = 30) -> list[Seen]:
        found = await self._ask("list", Queue="default", State=state, Group=group, Page=page, Size=size)
        return [_task(shown) for shown in found]

    async def do(self, what: str, task_id: str, queue: str = "default") -> None:
        await self._ask(what, Queue=queue, ID=task_id)

    async def do_all(self, what: str, state: str, group: str = "") -> int:
        return int(await self._ask(f"{what}_all", Queue="default", State=state, Group=group))

    async def update(self, task_id: str, payload: bytes) -> None:
        await self._ask("update", Queue="default", ID=task_id, Payload=b64encode(payload).decode())

    async def pause(self, queue: str = "default") -> None:
        await self._ask("pause", Queue=queue)

    async def resume(self, queue: str = "default") -> None:
        await self._ask("unpause", Queue=queue)

    async def remove(self, queue: str = "default", *, force: bool = False) -> None:
        await self._ask("remove", Queue=queue, Force=force)

    async def groups(self) -> Mapping[str, int]:
        return {group["Group"]: group["Size"] for group in await self._ask("groups", Queue="default") or []}

    async def servers(self) -> list[SeenServer]:
        return [_server(shown) for shown in await self._ask("servers")]

    async def entries(self) -> list[SeenEntry]:
        return [
            SeenEntry(**{**shown, "payload": bare(shown["payload"]), "options": frozenset(shown["options"])})
            for shown in await self._ask("entries")
        ]

    async def events(self, entry_id: str, *, page: int = 1, size: int = 30) -> list[tuple[str, float]]:
        return [(event["task"], event["at"]) for event in await self._ask("events", ID=entry_id, Page=page, Size=size)]


def _task(shown: dict[str, Any]) -> Seen:
    whole = {name: int(shown[name]) for name in ("failed_at", "deadline", "completed_at")}
    loud = {name: bare(shown[name]) for name in ("payload", "result")}
    return Seen(**{**shown, **whole, **loud, "headers": shown["headers"] or {}})


def _server(shown: dict[str, Any]) -> SeenServer:
    workers = [SeenWorker(**{**worker, "payload": bare(worker["payload"])}) for worker in shown["workers"]]
    return SeenServer(
        **{name: value for name, value in shown.items() if name not in ("host", "workers")}, workers=workers
    )
