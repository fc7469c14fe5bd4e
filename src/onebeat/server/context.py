"""What a handler may know of the attempt it is."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Coroutine
from contextvars import ContextVar
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Generic

from onebeat.clock import EPOCH
from onebeat.errors import ConfigurationError, InvalidTask, PayloadError, is_number, shown

if TYPE_CHECKING:
    from typing_extensions import TypeVar  # checkers know it without its being installed

    S = TypeVar("S", default=object, covariant=True)
else:
    from typing import TypeVar

    S = TypeVar("S", covariant=True)

MAX_SAID = 200
MAX_RESULT = 8_000_000
Say = Callable[[float, str], None]
"""Takes a fraction and a text."""

Write = Callable[[bytes], Coroutine[Any, Any, None]]
"""Keeps a result."""


async def _cannot_write(_result: bytes) -> None:
    raise ConfigurationError("a result cannot be written from here, as in a process of its own: return it")


class Context(Generic[S]):
    """
    One attempt at one task, as its handler sees it.

    Attributes:
        id, queue, type: Which task.

        retried: Failures before this attempt.

        max_retry: Failures after which it is archived.

        headers: Metadata that travels with the task.

        tick: For a task of a schedule, the instant it was fired for, an aware datetime; else None.

        deadline: When the attempt must have ended, an aware datetime by the store's clock: its timeout or its
            deadline, whichever is sooner. None in a context that belongs to no attempt.

        state: What the application's `lifespan` yielded.

        stopping: Whether it is to end soon: its time is over, it was cancelled or lost, or the server stops.
            A coroutine is cancelled then; a plain function runs in a thread, which nothing can stop, so a
            long one asks here from time to time and returns.
    """

    __slots__ = (
        "_deadline_us", "_is_stopping", "_loop", "_say", "_write",
        "headers", "id", "max_retry", "queue", "retried", "state", "type",
    )  # fmt: skip

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
        deadline_us: Callable[[], int | None] = lambda: None,
        write: Write = _cannot_write,
        loop: asyncio.AbstractEventLoop | None = None,
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
        self._deadline_us = deadline_us
        self._write = write
        self._loop = loop

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
    def deadline(self) -> datetime | None:
        deadline_us = self._deadline_us()
        return None if deadline_us is None else EPOCH + timedelta(microseconds=deadline_us)

    async def write_result(self, result: bytes) -> None:
        """
        Keep a result now, before the handler ends; each replaces the former. asynq: `ResultWriter`.

        What the handler returns replaces it in the end, unless that is None. It goes with the task: on success it is
        kept for the task's `retention` only. Not for tasks with `isolation="process"`: they return their result.

        Raises:
            PayloadError: It is no bytes, or larger than 8 MB.
            TaskNotFound: The task is not this attempt's any more; nothing was written.
            BrokerUnavailable: The store could not be reached.
        """
        await self._write(_checked(result))

    def write_result_sync(self, result: bytes) -> None:
        """
        Keep a result now, from a plain function. See `write_result`.

        Raises:
            ConfigurationError: It is called on an event loop: await `write_result` there.
            PayloadError, TaskNotFound, BrokerUnavailable: As `write_result`.
        """
        try:
            asyncio.get_running_loop()
        except RuntimeError:
            writing = self._write(_checked(result))
        else:
            raise ConfigurationError("write_result_sync() would block an event loop: await write_result() instead")
        if self._loop is None:
            asyncio.run(writing)
        else:
            asyncio.run_coroutine_threadsafe(writing, self._loop).result()

    @property
    def tick(self) -> datetime | None:
        digits = self.headers.get("tick", "")
        if not (digits.isascii() and digits.isdigit() and len(digits) < 16):
            return None
        try:
            return EPOCH + timedelta(milliseconds=int(digits))
        except OverflowError:  # past the year 9999: a header of somebody else's
            return None


def _checked(result: object) -> bytes:
    if not isinstance(result, bytes):
        raise PayloadError(f"result is {shown(result)}: write bytes; what a handler returns is encoded by itself")
    if len(result) > MAX_RESULT:
        raise PayloadError(f"result has {len(result)} bytes, the limit is {MAX_RESULT}; keep it elsewhere")
    return result


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
