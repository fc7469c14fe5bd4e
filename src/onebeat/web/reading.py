"""What several viewers look at is read once: ten open tabs ask the store no more than one."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from starlette.requests import HTTPConnection

T = TypeVar("T")

MOST = 200
"""Answers that are kept; the oldest goes first."""

ANEW = frozenset({"no-cache", "max-age=0"})
"""What a browser says in `Cache-Control` when its user reloads."""

ANEW_S = 1.0
"""How old an answer may be for who reloads: so whoever does nothing else still asks the store once a second."""


def kept(request: HTTPConnection, seconds: float) -> float:
    """Return for how long an answer is good: so many seconds, but for who asks for it anew (RFC 9111, 5.2.1)."""
    said = ",".join(request.headers.getlist("cache-control")).lower().split(",")
    return min(seconds, ANEW_S) if any(word.strip() in ANEW for word in said) else seconds


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
