"""Go and Python, each as a client, a server, a scheduler and an inspector, told in the same words."""

from __future__ import annotations

import asyncio
import itertools
from base64 import b64decode, b64encode
from collections.abc import AsyncIterator, Mapping
from contextlib import AbstractAsyncContextManager, asynccontextmanager, suppress
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any, Protocol

from onebeat.broker.store import Store
from onebeat.client import Client
from onebeat.errors import DuplicateTask, TaskIdConflict
from onebeat.inspector.inspector import Inspector
from onebeat.scheduler.scheduler import Scheduler
from onebeat.server.server import Server
from onebeat.server.serving import Serving
from onebeat.task import Task
from tests.interop.go_inspector import GoInspects
from tests.interop.handlers import Aggregated, Ran, mux
from tests.interop.inspectors import Inspects, RefusedError
from tests.interop.peer import GoError, PeerProcess
from tests.interop.python_inspector import PythonInspects

HEARD_S = 100


@dataclass
class Run:
    """A server that runs: what its handlers see, and ours itself where it is ours."""

    heard: asyncio.Queue[Ran | Aggregated]
    serving: Serving | None = None

    async def ran(self) -> Ran:
        """Return the next task that it began."""
        found = await self.next()
        assert isinstance(found, Ran)
        return found

    async def aggregated(self) -> Aggregated:
        """Return the next group that it aggregated."""
        found = await self.next()
        assert isinstance(found, Aggregated)
        return found

    async def next(self) -> Ran | Aggregated:
        """Return the next thing that it did."""
        async with asyncio.timeout(HEARD_S):
            return await self.heard.get()


@dataclass(frozen=True)
class Wanted:
    """How a server is to be."""

    queues: Mapping[str, int] = field(default_factory=lambda: {"default": 1})
    concurrency: int = 4
    strict: bool = False
    ledger: str = ""
    """The key of a list: each handler puts its task's id there and ends. A Go server's only."""
    group_size: int = 0
    """If not 0, it aggregates groups: after a second of quiet, or when they have so many members."""
    stops: bool = True
    """Whether it is to be stopped in the end: one that is about to be killed is not."""


class Side(Protocol):
    """What both are."""

    name: str

    @property
    def inspector(self) -> Inspects: ...

    async def enqueue(self, type: str, payload: bytes | None = None, /, **options: Any) -> str: ...

    def serving(self, **wanted: Any) -> AbstractAsyncContextManager[Run]: ...

    def scheduling(
        self, spec: str, type: str, payload: bytes, /, **options: Any
    ) -> AbstractAsyncContextManager[str]: ...


GO_WORDS = {"task_id": "ID", "max_retry": "MaxRetry", "process_in": "In", "process_at": "At"}


def bare(value: Any) -> Any:
    """Put an option into the peer's units: instants are seconds since 1970."""
    return value.timestamp() if isinstance(value, datetime) else value


def go_task(type: str, payload: bytes | None, options: Mapping[str, Any]) -> dict[str, Any]:
    """Say a task and its options in the peer's words."""
    named = {GO_WORDS.get(name, name): bare(value) for name, value in options.items()}
    if "deadline" in named:
        named["deadline"] = int(named["deadline"])
    return {"Type": type, "Payload": None if payload is None else b64encode(payload).decode(), **named}


class Go:
    """Real asynq."""

    name = "Go"

    def __init__(self, peer: PeerProcess, socket: str) -> None:
        self._peer = peer
        self._socket = socket
        self._numbers = itertools.count(1)
        self.inspector = GoInspects(self.ask)

    async def ask(self, do: str, **order: Any) -> Any:
        return await self._peer.ask(do, Socket=self._socket, **order)

    async def enqueue(self, type: str, payload: bytes | None = None, /, **options: Any) -> str:
        try:
            [task_id] = await self.ask("enqueue", Tasks=[go_task(type, payload, options)])
        except GoError as error:
            if str(error) in ("duplicate", "conflict"):
                raise RefusedError(str(error)) from error
            raise
        return str(task_id)

    @asynccontextmanager
    async def serving(self, **wanted: Any) -> AsyncIterator[Run]:
        name, settings = f"server {next(self._numbers)}", Wanted(**wanted)
        run = Run(asyncio.Queue())
        self._peer.listen(name, lambda said: run.heard.put_nowait(_said(said)))
        order = {name: getattr(settings, name) for name in ("queues", "concurrency", "strict", "ledger")}
        order |= {"Aggregate": settings.group_size > 0, "GroupSize": settings.group_size}
        await self.ask("serve", Name=name, Server=order)
        try:
            yield run
        finally:
            if settings.stops:
                await self.ask("stop", Name=name)
            self._peer.deafen(name)

    @asynccontextmanager
    async def scheduling(
        self, spec: str, type: str, payload: bytes, /, *, beat: int = 1, **options: Any
    ) -> AsyncIterator[str]:
        """Run a scheduler that says every `beat` seconds that it is there, and is forgotten if it misses two."""
        name = f"scheduler {next(self._numbers)}"
        tasks = [go_task(type, payload, options)]
        entry_id = await self.ask("schedule", Name=name, Spec=spec, BeatS=beat, Tasks=tasks)
        try:
            yield str(entry_id)
        finally:
            await self.ask("stop", Name=name)


def _said(said: Mapping[str, Any]) -> Ran | Aggregated:
    if "aggregated" in said:
        return Aggregated(said["aggregated"], [b64decode(payload or "") for payload in said["payloads"]])
    return Ran(
        id=said["ran"],
        type=said["type"],
        payload=b64decode(said["payload"] or ""),
        headers=said["headers"] or {},
        retried=said["retried"],
        max_retry=said["max_retry"],
        queue=said["queue"],
        at=said["at"],
    )


class Python:
    """Ourselves."""

    name = "Python"

    def __init__(self, store: Store, client: Client) -> None:
        self._store = store
        self._client = client
        self.inspector = PythonInspects(Inspector(store))

    async def enqueue(self, type: str, payload: bytes | None = None, /, **options: Any) -> str:
        try:
            return (await self._client.enqueue(Task(type, payload), **options)).id
        except DuplicateTask as error:
            raise RefusedError("duplicate") from error
        except TaskIdConflict as error:
            raise RefusedError("conflict") from error

    @asynccontextmanager
    async def serving(self, **wanted: Any) -> AsyncIterator[Run]:
        settings = Wanted(**wanted)
        run = Run(asyncio.Queue())
        server = Server(
            self._store,
            queues=settings.queues,
            concurrency=settings.concurrency,
            strict=settings.strict,
            shutdown_timeout=0.5,
            group_grace=1.0,
            group_max_size=settings.group_size,
        )
        handlers = mux(run.heard.put_nowait, self._store, aggregates=settings.group_size > 0)
        async with server.serving(handlers) as run.serving:
            yield run

    @asynccontextmanager
    async def scheduling(self, spec: str, type: str, payload: bytes, /, **options: Any) -> AsyncIterator[str]:
        scheduler = Scheduler(self._store, app="interop")
        scheduler.register(spec, Task(type, payload), id="entry", **options)
        keeping = asyncio.create_task(scheduler.run())
        try:
            yield f"{{{options.get('queue', 'default')}}}:entry"
        finally:
            keeping.cancel()
            with suppress(asyncio.CancelledError):
                await keeping


def at(seconds: float) -> datetime:
    """Return the aware datetime of an instant."""
    return datetime.fromtimestamp(seconds, UTC)


__all__ = ["Aggregated", "Go", "Python", "Ran", "RefusedError", "Run", "Side", "at"]
