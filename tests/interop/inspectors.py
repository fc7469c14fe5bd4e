"""What either side's inspector does and answers, in words that are neither's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol


class RefusedError(Exception):
    """
    Stands for what either side says to what it will not do.

    The text is its own, but for a client's: that is "duplicate" or "conflict".
    """


@dataclass(frozen=True)
class Seen:
    """A task; instants are seconds since 1970, 0 for none, and whole as on the wire, but for `next` in ours."""

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


@dataclass(frozen=True)
class SeenWorker:
    """A task that a server runs, and the seconds it is given."""

    id: str
    type: str
    payload: bytes
    queue: str
    time: float


@dataclass(frozen=True)
class SeenServer:
    """A server."""

    id: str
    pid: int
    concurrency: int
    queues: Mapping[str, int]
    strict: bool
    status: str
    started: float
    workers: Sequence[SeenWorker]


@dataclass(frozen=True)
class SeenEntry:
    """A schedule."""

    id: str
    spec: str
    type: str
    payload: bytes
    options: frozenset[str]
    next: float
    prev: float


Counts = Mapping[str, int]
"""The seven states, and "processed", "failed", "paused"."""

Days = Sequence[tuple[str, int, int]]
"""Date, processed, failed; the newest first."""


class Inspects(Protocol):
    """What both do. Each may raise `RefusedError`."""

    async def queues(self) -> set[str]: ...

    async def counts(self, queue: str = "default") -> Counts: ...

    async def history(self, queue: str = "default") -> Days: ...

    async def task(self, task_id: str, queue: str = "default") -> Seen: ...

    async def page(self, state: str, *, group: str = "", page: int = 1, size: int = 30) -> list[Seen]: ...

    async def do(self, what: str, task_id: str, queue: str = "default") -> None:
        """Run, archive, delete or cancel a task."""
        ...

    async def do_all(self, what: str, state: str, group: str = "") -> int:
        """Run, archive or delete all tasks of a state."""
        ...

    async def update(self, task_id: str, payload: bytes) -> None: ...

    async def pause(self, queue: str = "default") -> None: ...

    async def resume(self, queue: str = "default") -> None: ...

    async def remove(self, queue: str = "default", *, force: bool = False) -> None: ...

    async def groups(self) -> Mapping[str, int]: ...

    async def servers(self) -> list[SeenServer]: ...

    async def entries(self) -> list[SeenEntry]: ...

    async def events(self, entry_id: str, *, page: int = 1, size: int = 30) -> list[tuple[str, float]]:
        """Return which task each fire of a schedule enqueued, and when."""
        ...
