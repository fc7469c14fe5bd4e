"""
Counts what a server does, and adds it to the series of its queues every few seconds.

What is counted in a minute is what the store has accepted in it, as asynq's counters have it: an outcome that counts
as neither success nor failure there is not here either. While the store is away what was counted is kept, for a minute
at most, so that it does not stand in a minute far from its own. A process that is killed loses what it has not written,
and what was sent without an answer is not sent again: it would count twice.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Sequence

from onebeat.broker.browse import now
from onebeat.broker.consume import Outcome, Taken
from onebeat.broker.maintain import Lost
from onebeat.broker.series import MAX_TYPES_OF_ALL, OTHER, Runs, record
from onebeat.broker.store import Store
from onebeat.clock import Clock, SystemClock
from onebeat.errors import BrokerError, BrokerUnavailable
from onebeat.options import DEFAULT_QUEUE
from onebeat.server.running import Running
from onebeat.upkeep.service import TroubleLog

log: logging.Logger = logging.getLogger("onebeat.series")

EVERY_S = 5.0
"""Seconds between two writes: what is lost at most."""

KEPT_S = 60.0
"""For so long what was counted is kept while it cannot be written."""

_ROOM = 64
"""Buckets that are counted here, since a number of milliseconds has no more bits."""


class _Counts:
    """What happened in one queue since it was last written."""

    __slots__ = ("failed", "types", "waits")

    def __init__(self) -> None:
        self.failed = 0
        self.waits = [0] * _ROOM
        self.types: dict[str, _Type] = {}

    def type(self, name: str) -> _Type:
        """Return what is counted of a type; beyond a hundred of them they are counted together."""
        if name not in self.types and (not name or len(self.types) >= MAX_TYPES_OF_ALL):
            name = OTHER
        found = self.types.get(name)
        if found is None:
            found = self.types[name] = _Type()
        return found

    def add(self, other: _Counts) -> None:
        self.failed += other.failed
        self.waits = [mine + more for mine, more in zip(self.waits, other.waits, strict=True)]
        for name, more in other.types.items():
            self.type(name).add(more)


class _Type:
    """What happened to tasks of one type."""

    __slots__ = ("buckets", "failed", "retried", "spent", "unseen")

    def __init__(self) -> None:
        self.failed = self.retried = 0
        self.unseen = 0
        """Attempts that died with their server: nobody knows how long they ran."""
        self.spent = 0.0
        self.buckets = [0] * _ROOM

    @property
    def processed(self) -> int:
        return sum(self.buckets) + self.unseen

    def add(self, other: _Type) -> None:
        self.failed += other.failed
        self.retried += other.retried
        self.unseen += other.unseen
        self.spent += other.spent
        self.buckets = [mine + more for mine, more in zip(self.buckets, other.buckets, strict=True)]

    def runs(self) -> Runs:
        return Runs(self.processed, self.failed, self.retried, round(self.spent * 1000), self.buckets)


class Series:
    """
    Counts, and writes.

    Args:
        store: The server's.

        clock: Its clock.
    """

    name = "series"

    def __init__(self, store: Store, *, clock: Clock | None = None) -> None:
        self._store = store
        self._clock = clock or SystemClock()
        self._queues: dict[str, _Counts] = {}
        self._waiting: dict[str | None, _Counts] = {}
        self._since = 0.0
        self._trouble = TroubleLog("recording series", log)

    def _of(self, queue: str) -> _Counts:
        found = self._queues.get(queue)
        if found is None:
            found = self._queues[queue] = _Counts()
        return found

    def taken(self, queue: str, taken: Taken) -> None:
        """Count how long tasks had waited."""
        waits, now_ns = self._of(queue).waits, taken.now_us * 1000
        for task in taken.tasks:
            if 0 < task.since_ns <= now_ns:
                waits[((now_ns - task.since_ns) // 1_000_000).bit_length()] += 1

    def answered(self, queue: str, batch: Sequence[Running], answers: Sequence[str], repeated: bool) -> None:
        """
        Count outcomes that the store has answered.

        Called for every batch, so what most of its tasks do, to succeed, takes no step more than needed.
        """
        counts, done = self._of(queue), Outcome.DONE
        types = counts.types
        for attempt, answer in zip(batch, answers, strict=True):
            finished, message = attempt.finished, attempt.message
            if answer != "applied" or finished is None or message is None or finished.outcome is not done:
                self._count(counts, attempt, answer, repeated)
                continue
            runs = types.get(message.type) or counts.type(message.type)
            seconds = attempt.ended - attempt.started
            runs.spent += seconds
            runs.buckets[int(seconds * 1000).bit_length()] += 1

    @staticmethod
    def _count(counts: _Counts, attempt: Running, answer: str, repeated: bool) -> None:
        finished = attempt.finished
        is_written = answer in ("applied", "already", "spent", "cancelled") or (answer == "gone" and repeated)
        if finished is None or not is_written:
            return
        outcome = _INSTEAD.get(answer, finished.outcome)
        is_retried = outcome is Outcome.RETRY and finished.blob == "failure"
        has_failed = is_retried or outcome is Outcome.ARCHIVED or outcome is Outcome.CANCELLED
        if not has_failed and outcome is not Outcome.DONE and outcome is not Outcome.COMPLETED:
            return
        runs = counts.type(attempt.message.type if attempt.message is not None else "")
        seconds = attempt.ended - attempt.started
        runs.spent += seconds
        runs.buckets[int(seconds * 1000).bit_length()] += 1
        runs.failed += has_failed
        runs.retried += is_retried
        counts.failed += has_failed

    def lost(self, queue: str, those: Sequence[Lost]) -> None:
        """Count tasks of dead servers that were archived: the others go on, and count when they end."""
        for task in those:
            if task.place == "archived":
                counts = self._of(queue)
                runs = counts.type(task.type)
                runs.failed += 1
                runs.unseen += 1
                counts.failed += 1

    async def run(self) -> None:
        """Write what was counted, for ever."""
        while True:
            await asyncio.sleep(EVERY_S)
            await self.flush()

    async def flush(self) -> None:
        """Write what was counted: a script for each queue where something happened, and one for all of them."""
        self._gather()
        try:
            if self._waiting:
                await self._store.run(now(DEFAULT_QUEUE))  # a store that is away is sent nothing which may count
        except BrokerError as error:
            self._trouble.trouble(error)
            return
        while self._waiting:
            queue = next(iter(self._waiting))
            try:
                await self._write(queue, self._waiting.pop(queue))
            except BrokerError as error:
                self._trouble.trouble(error)
                if isinstance(error, BrokerUnavailable) and not self._store.is_spread:
                    return
            else:
                self._trouble.over()

    def _gather(self) -> None:
        """Put what was counted to what waits to be written, of all queues together first; what is too old is let go."""
        if self._clock.monotonic() - self._since > KEPT_S:
            self._waiting.clear()
        if not self._waiting:
            self._since = self._clock.monotonic()
        queues, self._queues = self._queues, {}
        for counts in queues.values():
            self._waiting.setdefault(None, _Counts()).add(counts)
        for queue, counts in queues.items():
            self._waiting.setdefault(queue, _Counts()).add(counts)

    async def _write(self, queue: str | None, counts: _Counts) -> None:
        types = {name: found.runs() for name, found in counts.types.items()}
        processed = sum(runs.processed for runs in types.values())
        await self._store.run(record(queue, processed, counts.failed, counts.waits, types))


_INSTEAD = {"spent": Outcome.ARCHIVED, "cancelled": Outcome.CANCELLED}
"""What the store has made of an outcome for reasons of its own."""
