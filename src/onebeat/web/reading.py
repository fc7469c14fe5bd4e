"""What several viewers look at is read once: ten open tabs ask the store no more than one."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, TypeVar

T = TypeVar("T")

MOST = 200
"""Answers that are kept; the oldest goes first."""


@dataclass(slots=True)
class _Read:
    at: float
    task: asyncio.Task[Any]


class SharedReads:
    """
    Keeps answers for a moment, and lets who asks meanwhile wait for the same one.

    Args:
        monotonic: The clock, in seconds.
    """

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._reads: dict[object, _Read] = {}

    async def get(self, key: object, read: Callable[[], Awaitable[T]], *, seconds: float = 1.0) -> T:
        """
        Return the answer to a question.

        Args:
            key: The question: all that the answer depends on.

            read: Asks the store.

            seconds: For how long an answer is good. A failure is not kept.
        """
        known = self._reads.get(key)
        if known is None or not self._is_good(known, seconds):
            self._reads.pop(key, None)
            while len(self._reads) >= MOST:
                self._reads.pop(next(iter(self._reads)))
            known = self._reads[key] = _Read(self._monotonic(), asyncio.ensure_future(_answer(read)))
            known.task.add_done_callback(_heard)
        answer: T = await asyncio.shield(known.task)  # who leaves does not take the answer from the others
        return answer

    def _is_good(self, read: _Read, seconds: float) -> bool:
        if not read.task.done():
            return read.task.get_loop() is asyncio.get_running_loop()
        return self._monotonic() - read.at < seconds and not read.task.cancelled() and read.task.exception() is None

    def forget(self) -> None:
        """Let go of all answers, after a change: the next page shows what has become of it."""
        self._reads.clear()


async def _answer(read: Callable[[], Awaitable[T]]) -> T:
    return await read()


def _heard(task: asyncio.Task[Any]) -> None:
    """Take note of a failure that nobody waits for any more, so that asyncio does not complain of it."""
    if not task.cancelled():
        task.exception()
