"""The two sides: asynq behind its driver, and Onebeat by its own operations. Both answer in the same words."""

from __future__ import annotations

import asyncio
import base64
import json
import subprocess
from collections.abc import Coroutine
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TypeVar

from onebeat.broker import browse, consume, maintain
from onebeat.broker.connection import endpoint
from onebeat.broker.consume import Finished
from onebeat.broker.store import BlockingStore, Store
from onebeat.client import Client
from onebeat.errors import (
    DuplicateTask,
    InvalidTask,
    OnebeatError,
    QueueNotFound,
    Retry,
    RevokeTask,
    SkipRetry,
    TaskIdConflict,
    TaskNotFound,
)
from onebeat.inspector.inspector import Inspector
from onebeat.server import outcome
from onebeat.server.running import Running
from onebeat.task import Task
from onebeat.wire.message import decode

T = TypeVar("T")
LEASE_S = 30
DELAY_S = 20
"""How long a task waits for its retry; asynq's recoverer is told the same."""

REFUSALS = {
    DuplicateTask: "duplicate",
    TaskIdConflict: "conflict",
    TaskNotFound: "task not found",
    QueueNotFound: "queue not found",
}


class GoSide:
    """asynq, one process for all."""

    def __init__(self, program: Path, socket: str) -> None:
        words = [str(program), socket]
        self._process = subprocess.Popen(words, stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._in, self._out = self._process.stdin, self._process.stdout

    def ask(self, do: str, **order: Any) -> Any:
        """Give one order; what is asynq's own answer comes back."""
        coded = {
            key: base64.b64encode(value).decode() if isinstance(value, bytes) else value for key, value in order.items()
        }
        self._in.write(json.dumps({"Do": do, **coded}).encode() + b"\n")
        self._in.flush()
        line = self._out.readline()
        assert line, f"the driver ended at {do} {order}"
        return json.loads(line)

    def close(self) -> None:
        self._in.close()
        self._process.wait()
        self._out.close()


@dataclass
class Held:
    """A task that a server of ours runs."""

    token: str
    message: bytes


@dataclass
class OurClock:
    """The client's clock is the test's."""

    seconds: float = 0.0

    def now(self) -> datetime:
        return datetime.fromtimestamp(self.seconds, UTC)

    def monotonic(self) -> float:
        return self.seconds


@dataclass
class OurSide:
    """Onebeat on one database; its scripts take the time from there."""

    url: str
    held: dict[tuple[str, str], Held] = field(default_factory=dict)

    def __enter__(self) -> Self:
        self._runner = asyncio.Runner()
        self.store = BlockingStore(endpoint(self.url), injected_clock=True)
        self._async_store = self.wait(Store.open(self.url, injected_clock=True))
        self.inspector = Inspector(self._async_store)
        self.begin()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.wait(self._async_store.aclose())
        self.store.close()
        self._runner.close()

    def begin(self) -> None:
        """Forget everything: a new client, and no server holds a task."""
        self.clock = OurClock()
        self.client = Client(self._async_store, clock=self.clock)
        self.held.clear()
        self._sequence = 0

    def wait(self, work: Coroutine[Any, Any, T]) -> T:
        return self._runner.run(work)

    def refusal(self, error: OnebeatError) -> str:
        return "refused: " + next((word for kind, word in REFUSALS.items() if isinstance(error, kind)), str(error))

    def set_time(self, now_us: int) -> None:
        self.clock.seconds = now_us / 1_000_000
        self.store.commands([("SET", "onebeat:test:now", str(now_us))])

    def enqueue(self, type: str, payload: bytes, options: dict[str, Any]) -> str:
        try:
            return str(self.wait(self.client.enqueue(Task(type, payload or None, **options))).state)
        except (DuplicateTask, TaskIdConflict, InvalidTask) as error:
            return self.refusal(error)

    def dequeue(self, queue: str) -> str | None:
        self._sequence += 1
        call = consume.take(queue, server="s", sequence=self._sequence, limit=1, lease_ms=LEASE_S * 1000)
        taken = self.store.run(call)
        for task in taken.tasks:
            self.held[queue, task.id] = Held(taken.token, task.message)
            return task.id
        return None

    def finish(self, queue: str, task_id: str, do: str, *, kind: str, error: str, result: bytes) -> str:
        held = self.held.pop((queue, task_id), None)
        if held is None:
            return "lost"
        attempt = Running(queue, task_id, held.token, 0.0)
        attempt.message = decode(held.message)
        [answer] = self.store.run(consume.finish(queue, [finished(attempt, do, kind, error, result)]))
        return answer

    def extend(self, queue: str, task_id: str) -> str:
        held = self.held.get((queue, task_id))
        if held is None:
            return "lost"
        [answer] = self.store.run(consume.extend(queue, [(task_id, held.token)], lease_ms=LEASE_S * 1000))
        return "ok" if answer == "cancel" else answer

    def upkeep(self, queue: str) -> str:
        done = self.store.run(maintain.maintain(queue, max_crashes=3))
        return "ok" if not done.errors else f"errors: {done.errors}"

    def info(self, queue: str, task_id: str) -> Any:
        try:
            t = self.wait(self.inspector.task(queue, task_id))
        except OnebeatError as error:
            return self.refusal(error)
        return [
            t.type, _coded(t.payload), str(t.state), t.max_retry, t.retried, t.last_error, _epoch(t.last_failed_at),
            _seconds(t.timeout), _epoch(t.deadline), t.group, _epoch(t.next_process_at), _seconds(t.retention),
            _epoch(t.completed_at), _coded(t.result), dict(t.headers) or None,
        ]  # fmt: skip

    def list(self, queue: str, state: str) -> Any:
        async def ids() -> list[str]:
            return [task.id async for task in self.inspector.tasks(queue, state=state)]

        try:
            return self.wait(ids())
        except OnebeatError as error:
            return self.refusal(error)

    def stats(self, queue: str) -> Any:
        try:
            s = self.wait(self.inspector.stats(queue))
        except OnebeatError as error:
            return self.refusal(error)
        return [
            s.pending, s.active, s.scheduled, s.retry, s.archived, s.completed, s.aggregating, s.processed_today,
            s.failed_today, s.processed, s.failed, s.paused, s.latency_ms,
        ]  # fmt: skip

    def run(self, queue: str, task_id: str) -> str:
        [answer] = self.store.run(browse.run(queue, [task_id]))
        known = {"pending": "ok", "gone": "refused: task not found"}
        return known.get(answer, "refused: precondition" if answer.startswith("already") else answer)

    def cancel(self, queue: str, task_id: str) -> str:
        try:
            return str(self.wait(self.inspector.cancel(queue, task_id)))
        except OnebeatError as error:
            return self.refusal(error)


def finished(attempt: Running, do: str, kind: str, error: str, result: bytes) -> Finished:
    """Decide as a server does what becomes of an attempt."""
    if do == "succeed":
        return outcome.succeeded(attempt, result, 0.0)
    if do == "requeue":
        return outcome.put_back(attempt, 0.0)
    errors: dict[str, BaseException] = {
        "skip": SkipRetry(error),
        "revoke": RevokeTask(error),
        "soft": Retry(error, delay=DELAY_S, counts=False),
    }
    reason = errors.get(kind) or outcome.HandlerError(error)
    return outcome.failed(attempt, reason, 0.0, delay=lambda _retried, _error: float(DELAY_S))


def _coded(data: bytes | None) -> str | None:
    return base64.b64encode(data).decode() if data else None


def _epoch(moment: datetime | None) -> int:
    return 0 if moment is None else int(moment.timestamp())


def _seconds(span: timedelta) -> int:
    return int(span.total_seconds())
