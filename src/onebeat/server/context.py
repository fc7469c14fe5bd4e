"""What a handler may know of the attempt it is."""

from __future__ import annotations

import math
from collections.abc import Callable
from contextvars import ContextVar
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Generic

from onebeat.clock import EPOCH
from onebeat.errors import InvalidTask, is_number, shown

if TYPE_CHECKING:
    from typing_extensions import TypeVar  # checkers know it without its being installed

    S = TypeVar("S", default=object, covariant=True)
else:
    from typing import TypeVar

    S = TypeVar("S", covariant=True)

MAX_SAID = 200
Say = Callable[[float, str], None]
"""Takes a fraction and a text."""


class Context(Generic[S]):
    """
    One attempt at one task, as its handler sees it.

    Attributes:
        id, queue, type: Which task.

        retried: Failures before this attempt.

        max_retry: Failures after which it is archived.

        headers: Metadata that travels with the task.

        tick: For a task of a schedule, the instant it was fired for, an aware datetime; else None.

        state: What the application's `lifespan` yielded.

        stopping: Whether it is to end soon: its time is over, it was cancelled or lost, or the server stops.
            A coroutine is cancelled then; a plain function runs in a thread, which nothing can stop, so a
            long one asks here from time to time and returns.
    """

    __slots__ = ("_is_stopping", "_say", "headers", "id", "max_retry", "queue", "retried", "state", "type")

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
        say: Say = lambda _fraction, _text: None,
    ) -> None:
        self.id: str = id
        self.queue: str = queue
        self.type: str = type
        self.retried: int = retried
        self.max_retry: int = max_retry
        self.headers: dict[str, str] = headers
        self.state: S = state
        self._is_stopping = is_stopping
        self._say = say

    @property
    def stopping(self) -> bool:
        return self._is_stopping()

    def progress(self, done: float, text: str = "", *, of: float = 1) -> None:
        """
        Say how far the task is, for `handle.progress()` and `TaskInfo.progress`. From any thread; waits for nothing.

        It is written at most once a second, so it may be called as often as one likes; the latest word counts. Each
        attempt begins with none.

        Args:
            done: How much is done: a fraction, or a number out of `of`.

            text: A few words for people; cut at 200 characters.

            of: How much there is in all.

        Raises:
            InvalidTask: These are no numbers with 0 ≤ done ≤ of, or the text is none.
        """
        if not is_number(done) or not is_number(of) or not 0 <= done <= of or not 0 < of < math.inf:
            raise InvalidTask(f"progress is {shown(done)} of {shown(of)}: give numbers, from 0 to all there is")
        if not isinstance(text, str):
            raise InvalidTask(f"text of progress is {shown(text)}: give a string")
        self._say(done / of, text[:MAX_SAID].encode("utf-8", "replace").decode())

    @property
    def tick(self) -> datetime | None:
        tick = self.headers.get("tick", "")
        return EPOCH + timedelta(milliseconds=int(tick)) if tick.isdigit() else None


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
