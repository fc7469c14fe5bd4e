"""Onebeat on one database: clients and inspectors by their public methods, servers by the broker's operations."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from types import TracebackType
from typing import Any, Self, TypeVar

from onebeat.broker import consume, groups, maintain, presence
from onebeat.broker.connection import endpoint
from onebeat.broker.consume import Finished
from onebeat.broker.store import BlockingStore, Store
from onebeat.client import Client
from onebeat.errors import (
    DuplicateTask,
    OnebeatError,
    QueueNotEmpty,
    QueueNotFound,
    Retry,
    RevokeTask,
    SkipRetry,
    TaskIdConflict,
    TaskNotFound,
    WrongState,
)
from onebeat.inspector.inspector import Inspector
from onebeat.preparing import prepare
from onebeat.server import outcome
from onebeat.server.running import Running
from onebeat.task import Task
from onebeat.wire.message import decode
from tests.interop.differential.go_side import DELAY_S

T = TypeVar("T")
Order = dict[str, Any]
LEASE_S = 30
MAX_CRASHES = 3

REFUSALS: dict[type[OnebeatError], str] = {
    DuplicateTask: "duplicate",
    TaskIdConflict: "conflict",
    TaskNotFound: "task not found",
    QueueNotFound: "queue not found",
    QueueNotEmpty: "not empty",
    WrongState: "precondition",
}


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
    """Onebeat; its scripts take the time from the database."""

    url: str
    held: dict[tuple[str, str], Held] = field(default_factory=dict)
    clock: OurClock = field(default_factory=OurClock)

    def __enter__(self) -> Self:
        self._runner = asyncio.Runner()
        self.store = BlockingStore(endpoint(self.url), injected_clock=True)
        self.async_store = self.wait(Store.open(self.url, injected_clock=True))
        self.inspector = Inspector(self.async_store)
        self.begin()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.wait(self.async_store.aclose())
        self.store.close()
        self._runner.close()

    def wait(self, work: Coroutine[Any, Any, T]) -> T:
        return self._runner.run(work)

    def begin(self) -> None:
        """Forget everything: a new client, and no server holds a task."""
        self.held.clear()
        self._sequence = 0
        self.client = Client(self.async_store, clock=self.clock)

    def set_time(self, now_us: int) -> None:
        self.clock.seconds = now_us / 1_000_000
        self.store.commands([("SET", "onebeat:test:now", str(now_us))])

    def apply(self, do: str, order: Order) -> Any:
        """Apply an operation; an error is an answer like any other."""
        try:
            return getattr(self, do)(order)
        except OnebeatError as error:
            words = [word for kind, word in REFUSALS.items() if isinstance(error, kind)]
            return f"refused: {words[0] if words else repr(error)}"

    # -------------------------------------------------------------- clients and servers

    def new_client(self, _order: Order) -> str:
        self.client = Client(self.async_store, clock=self.clock)
        return "ok"

    def enqueue(self, order: Order) -> str:
        task = Task(order["type"], order["payload"] or None, **order["options"])
        return str(self.wait(self.client.enqueue(task)).state)

    def dequeue(self, order: Order) -> str | None:
        self._sequence += 1
        queue = order["queue"]
        call = consume.take(queue, server="s", sequence=self._sequence, limit=1, lease_ms=LEASE_S * 1000)
        taken = self.store.run(call)
        for task in taken.tasks:
            self.held[queue, task.id] = Held(taken.token, task.message)
            return task.id
        return None

    def succeed(self, order: Order) -> str:
        return self._finish(order, lambda attempt: outcome.succeeded(attempt, order["result"], 0.0))

    def requeue(self, order: Order) -> str:
        return self._finish(order, lambda attempt: outcome.put_back(attempt, 0.0))

    def fail(self, order: Order) -> str:
        return self._finish(order, lambda attempt: failed(attempt, order["kind"], order["error"]))

    def _finish(self, order: Order, decide: Callable[[Running], Finished]) -> str:
        queue, task_id = order["queue"], order["id"]
        held = self.held.pop((queue, task_id), None)
        if held is None:
            return "lost"
        attempt = Running(queue, task_id, held.token, 0.0)
        attempt.message = decode(held.message)
        [answer] = self.store.run(consume.finish(queue, [decide(attempt)]))
        return "applied" if answer == "cancelled" else answer  # it took place; where it led to is compared by itself

    def extend(self, order: Order) -> str:
        queue, task_id = order["queue"], order["id"]
        held = self.held.get((queue, task_id))
        if held is None:
            return "lost"
        [answer] = self.store.run(consume.extend(queue, [(task_id, held.token)], lease_ms=LEASE_S * 1000))
        return "ok" if answer == "cancel" else answer

    def upkeep(self, order: Order) -> str:
        done = self.store.run(maintain.maintain(order["queue"], max_crashes=MAX_CRASHES))
        return "ok" if not done.errors else f"errors: {done.errors}"

    def stage(self, order: Order) -> str:
        rule = groups.Rule("", order["grace"] * 1000, order["max_delay"] * 1000, order["max_size"])
        aggregating = groups.Aggregating(owner="s", lease_ms=LEASE_S * 1000, at_once=16, cursor="0", rules=[rule])
        done = self.store.run(maintain.maintain(order["queue"], max_crashes=MAX_CRASHES, aggregating=aggregating))
        return "ok" if not done.errors else f"errors: {done.errors}"

    def combine(self, order: Order) -> str:
        queue = order["queue"]
        of = groups.GroupSet(queue, f"asynq:{{{queue}}}:g:{order['group']}:{order['set_id']}")
        members = self.store.run(groups.members(of, "s"))
        locks = [(task_id, decode(message).unique_key) for task_id, message in members]
        new = prepare(Task(order["type"], order["payload"], **order["options"]), {}).new
        held = [lock for lock in locks if lock[1]]
        answer = self.store.run(groups.aggregate(of, "s", len(members), new, queue, held))
        return answer if answer == "aggregated" else f"refused: {answer.partition(' ')[0]}"

    # -------------------------------------------------------------- what servers and schedulers show

    def show(self, order: Order) -> None:
        record, workers = order["server"]
        tag = f"{record.host}:{record.pid}:{record.server_id}"
        presence.show(self.store, tag, record.encode(), [(one.task_id, one.encode()) for one in workers])

    def hide(self, order: Order) -> None:
        record, _ = order["server"]
        presence.hide(self.store, f"{record.host}:{record.pid}:{record.server_id}")

    def entries(self, order: Order) -> None:
        self.wait(order["scheduler"].show(self.async_store))

    def fire(self, order: Order) -> str:
        [fired] = self.store.run(maintain.maintain(order["queue"], max_crashes=MAX_CRASHES)).fired
        return "pending" if fired == (order["schedule"], order["tick"]) else f"fired {fired}"

    # -------------------------------------------------------------- operators

    def info(self, order: Order) -> Any:
        t = self.wait(self.inspector.task(order["queue"], order["id"]))
        return [
            t.type, _coded(t.payload), str(t.state), t.max_retry, t.retried, t.last_error, _epoch(t.last_failed_at),
            _seconds(t.timeout), _epoch(t.deadline), t.group, _epoch(t.next_process_at), _seconds(t.retention),
            _epoch(t.completed_at), _coded(t.result), dict(t.headers) or None,
        ]  # fmt: skip

    def list(self, order: Order) -> Any:
        where = {name: order[name] for name in ("state", "group", "page", "size") if name in order}
        return [task.id for task in self.wait(self.inspector.page(order["queue"], **where))]

    def stats(self, order: Order) -> Any:
        s = self.wait(self.inspector.stats(order["queue"]))
        return [
            s.pending, s.active, s.scheduled, s.retry, s.archived, s.completed, s.aggregating, s.processed_today,
            s.failed_today, s.processed, s.failed, s.paused, s.latency_ms,
        ]  # fmt: skip

    def history(self, order: Order) -> Any:
        days = self.wait(self.inspector.history(order["queue"], order["size"]))
        return [[day.day.isoformat(), day.processed, day.failed] for day in days]

    def groups(self, order: Order) -> Any:
        return {one.name: one.size for one in self.wait(self.inspector.groups(order["queue"]))}

    def queues(self, _order: Order) -> Any:
        return self.wait(self.inspector.queues())

    def run(self, order: Order) -> Any:
        return self.wait(self.inspector.run(order["queue"], order["id"]))

    def archive(self, order: Order) -> Any:
        return self.wait(self.inspector.archive(order["queue"], order["id"]))

    def delete(self, order: Order) -> Any:
        return self.wait(self.inspector.delete(order["queue"], order["id"]))

    def cancel(self, order: Order) -> Any:
        return self.wait(self.inspector.cancel(order["queue"], order["id"]))

    def update(self, order: Order) -> Any:
        self.wait(self.inspector.update(order["queue"], order["id"], payload=order["payload"]))

    def run_all(self, order: Order) -> Any:
        return self.wait(self.inspector.run_all(order["queue"], order["state"], group=order.get("group", "")))

    def archive_all(self, order: Order) -> Any:
        return self.wait(self.inspector.archive_all(order["queue"], order["state"], group=order.get("group", "")))

    def delete_all(self, order: Order) -> Any:
        return self.wait(self.inspector.delete_all(order["queue"], order["state"], group=order.get("group", "")))

    def pause(self, order: Order) -> Any:
        return self.wait(self.inspector.pause(order["queue"]))

    def resume(self, order: Order) -> Any:
        return self.wait(self.inspector.resume(order["queue"]))

    def remove(self, order: Order) -> Any:
        self.wait(self.inspector.remove_queue(order["queue"], force=order["force"]))


def failed(attempt: Running, kind: str, text: str) -> Finished:
    """Decide as a server does what becomes of an attempt that failed."""
    errors: dict[str, BaseException] = {
        "skip": SkipRetry(text),
        "revoke": RevokeTask(text),
        "soft": Retry(text, delay=DELAY_S, counts=False),
    }
    error = errors.get(kind) or outcome.HandlerError(text)
    return outcome.failed(attempt, error, 0.0, delay=lambda _retried, _error: float(DELAY_S))


def _coded(data: bytes | None) -> str | None:
    return base64.b64encode(data).decode() if data else None


def _epoch(moment: datetime | None) -> int:
    return 0 if moment is None else int(moment.timestamp())


def _seconds(span: timedelta) -> int:
    return int(span.total_seconds())
