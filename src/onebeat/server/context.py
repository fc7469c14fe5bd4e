"""What a handler may know of the attempt it is."""

from __future__ import annotations

from collections.abc import Callable
from contextvars import ContextVar
from typing import Any, Generic, TypeVar

S = TypeVar("S")


class Context(Generic[S]):
    """
    One attempt at one task, as its handler sees it.

    Attributes:
        id, queue, type: Which task.

        retried: Failures before this attempt.

        max_retry: Failures after which it is archived.

        headers: Metadata that travels with the task.

        tick: For a task of a schedule, the instant it was fired for, in ms since 1970; else None.

        state: What the application's `lifespan` yielded.

        stopping: Whether it is to end soon: its time is over, it was cancelled or lost, or the server stops.
            A coroutine is cancelled then; a plain function runs in a thread, which nothing can stop, so a
            long one asks here from time to time and returns.
    """

    __slots__ = ("_is_stopping", "headers", "id", "max_retry", "queue", "retried", "state", "type")

    def __init__(
        self,
        *,
        id: str,
        queue: str,
        type: str,
        retried: int,
        max_retry: int,
        headers: dict[str, str],
        state: S,
        is_stopping: Callable[[], bool] = lambda: False,
    ) -> None:
        self.id = id
        self.queue = queue
        self.type = type
        self.retried = retried
        self.max_retry = max_retry
        self.headers = headers
        self.state = state
        self._is_stopping = is_stopping

    @property
    def stopping(self) -> bool:
        return self._is_stopping()

    @property
    def tick(self) -> int | None:
        tick = self.headers.get("tick", "")
        return int(tick) if tick.isdigit() else None


running: ContextVar[Context[Any]] = ContextVar("onebeat_context")


def current() -> Context[Any]:
    """
    Return the context of the task that this code runs in.

    Raises:
        LookupError: The code does not run in a handler.
    """
    try:
        return running.get()
    except LookupError:
        raise LookupError(
            "current() finds no task here: call it in a handler, or take the context as a parameter"
        ) from None
