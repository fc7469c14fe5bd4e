"""One attempt at one task, from the moment it was taken until its outcome is in the store."""

from __future__ import annotations

import asyncio
from enum import Enum

from onebeat.broker.consume import Finished
from onebeat.server.mux import Route
from onebeat.wire.message import TaskMessage


class Stop(Enum):
    """Why a handler is being stopped."""

    TIMEOUT = "context deadline exceeded"
    """Its timeout or deadline is over. The text is asynq's."""

    LOST = "lease lost"
    """Another server has the task; whatever this handler does will not count."""

    CANCELLED = "cancelled"
    """Somebody cancelled it: it ends in the archive and is not retried."""

    SHUTDOWN = "server is shutting down"
    """The task goes back to the front of its queue."""


class Running:
    """
    An attempt.

    Attributes:
        id, queue, token: Which task, and under which token it is ours.

        retaken: The token under which this server has taken the task again, while the outcome of this attempt
            is on its way: it will be refused under the first, and is then written under this one.

        message: The task's message as it was taken; None when its bytes cannot be decoded.

        route: Its handler; None when this server has none for its type.

        started: When it was taken (monotonic seconds).

        taken_us: The same instant by the store's clock, microseconds since 1970.

        since_ns: Since when its task was due, nanoseconds since 1970; 0 where nobody asked, or wrote it.

        ended: When its handler ended, or was given up (monotonic seconds).

        deadline: When it must have ended (monotonic seconds).

        due: When the server next acts on it: stops it at its deadline, and later gives it up.

        work: The asyncio task that runs it.

        has_begun: Whether that task has had its first turn; cancelled before, it would end without a word.

        stop: Why its handler is being stopped, if it is.

        counts: Whether its failure was counted in its message already.

        failure: The error it ended with, if it did; hooks are told of it.

        decided: Its outcome, while hooks are told of its failure.

        finished: Its outcome, once decided; it is the lease keeper's until the outcome is in the store.
    """

    __slots__ = (
        "counts",
        "deadline",
        "decided",
        "due",
        "ended",
        "failure",
        "finished",
        "has_begun",
        "id",
        "message",
        "queue",
        "retaken",
        "route",
        "since_ns",
        "started",
        "stop",
        "taken_us",
        "token",
        "unknown_since_ms",
        "work",
    )

    def __init__(self, queue: str, task_id: str, token: str, started: float) -> None:
        self.queue: str = queue
        self.id: str = task_id
        self.token: str = token
        self.retaken: str = ""
        self.started: float = started
        self.ended: float = started
        self.taken_us: int = 0
        self.since_ns: int = 0
        self.deadline: float = started
        self.due: float = started
        self.message: TaskMessage | None = None
        self.route: Route | None = None
        self.unknown_since_ms: int = 0
        self.work: asyncio.Task[None] | None = None
        self.has_begun: bool = False
        self.stop: Stop | None = None
        self.counts: bool = False
        self.failure: BaseException | None = None
        self.decided: Finished | None = None
        self.finished: Finished | None = None

    @property
    def retried(self) -> int:
        """Failures of its task before it."""
        return self.message.retried - self.counts if self.message is not None else 0

    def store_us(self, monotonic: float) -> int:
        """Return what the store's clock shows at an instant of ours."""
        return self.taken_us + round((monotonic - self.started) * 1_000_000)

    def cancel(self, why: Stop) -> None:
        """
        Stop the handler: a coroutine or process is stopped; a thread cannot be, so it is only noted.

        The first reason stands. The slot stays taken until the handler has really ended (SE-05).
        """
        if self.stop is not None or self.finished is not None:
            return
        self.stop = why
        if self.route is not None and self.route.can_be_stopped and self.work is not None and self.has_begun:
            self.work.cancel()
