"""
Writes outcomes, and does not give up: an acknowledgement that fails is repeated until the store answers.

While it is repeated the keeper holds the lease, so no other server runs the task again (SE-01). Answers
that show that the task was not ours any more are counted and logged, never silent.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable

from msgspec.structs import replace

from onebeat.broker.coalescer import Coalescer
from onebeat.broker.consume import MAX_ITEMS, Finished, finish
from onebeat.broker.store import Store, passes
from onebeat.errors import BrokerError, BrokerUnavailable
from onebeat.server.logs import about
from onebeat.server.running import Running
from onebeat.upkeep.service import Backoff, TroubleLog

log: logging.Logger = logging.getLogger("onebeat.acknowledger")


Counted = Callable[[str, list[Running], list[str], bool], None]


def _weight(attempt: Running) -> int:
    finished = attempt.finished
    return len(finished.head) + len(finished.tail) + len(finished.blob) if finished is not None else 0


class Acknowledger:
    """
    Sends the outcomes of attempts in batches, per queue one at a time.

    Args:
        store: The server's.

        settled: Called with each attempt whose outcome the store has answered, and the answer: "already" also where
            the task is gone and the outcome was sent before.

        sent: Called with the number of outcomes of each batch that the store has answered.

        kept: Says what the store is to keep of the attempts of a batch.

        counted: Called with each batch and its answers, and whether it was sent before.
    """

    def __init__(
        self,
        store: Store,
        settled: Callable[[Running, str], None],
        sent: Callable[[int], None] = lambda _number: None,
        *,
        kept: Callable[[list[Running]], list[tuple[int, str]]] = lambda _batch: [],
        counted: Counted | None = None,
    ) -> None:
        self._store = store
        self._settled = settled
        self._sent = sent
        self._kept = kept
        self._counted = counted
        self._lanes = Coalescer(self._flush, weigh=_weight, max_items=MAX_ITEMS)
        self._trouble = TroubleLog("writing outcomes", log)
        self._quarantine: set[asyncio.Task[None]] = set()
        self.unanswered: set[Running] = set()
        """Attempts whose outcome is decided but not yet in the store."""
        self._refused: dict[str, dict[str, Running]] = {}
        self.lease_lost: int = 0
        """Outcomes that came too late: another server had the task."""

    def add(self, attempt: Running) -> None:
        """Write the outcome of an attempt (`attempt.finished`)."""
        self.unanswered.add(attempt)
        self._lanes.add(attempt.queue, attempt)

    def again(self, attempt: Running, token: str) -> None:
        """Write an outcome under the token by which its task is ours again."""
        if attempt in self.unanswered:
            attempt.retaken = token  # under the first it is on its way, and will be refused
            return
        self._renew(attempt, token)
        self.add(attempt)

    def forget_refused(self, queue: str) -> None:
        """Note that a new fetch begins: what was refused before has been taken by others."""
        self._refused.pop(queue, None)

    def refused(self, queue: str, task_id: str) -> Running | None:
        """Return an attempt whose outcome was refused during this fetch: the fetch may be what took its task."""
        return self._refused.get(queue, {}).pop(task_id, None)

    async def idle(self) -> None:
        """Wait until every outcome was answered."""
        await self._lanes.idle()
        while self._quarantine:
            await asyncio.wait(self._quarantine)

    def abandon(self) -> None:
        """Stop repeating what stands alone; part of the end of a server that ran out of time."""
        for task in self._quarantine:
            task.cancel()

    async def _flush(self, queue: str, batch: list[Running]) -> None:
        answers = await self._ask(queue, batch)
        for attempt, (answer, repeated) in zip(batch, answers, strict=True):
            if answer.startswith("error "):
                self._set_aside(attempt, answer)
            else:
                self._settle(attempt, answer, repeated)

    async def _ask(self, queue: str, batch: list[Running]) -> list[tuple[str, bool]]:
        """Ask until there is an answer for each; say of each whether it had been asked before."""
        call = finish(queue, [_outcome(attempt) for attempt in batch], self._kept(batch))
        backoff, trouble, repeated = Backoff(), self._trouble, False
        while True:
            try:
                answers = await self._store.run(call)
            except BrokerUnavailable as error:
                trouble.trouble(error)
            except BrokerError as error:
                return [(f"error {error}", repeated)] * len(batch)
            else:
                trouble.over()
                self._sent(len(batch))
                if self._counted is not None:
                    self._counted(queue, batch, answers, repeated)
                return [(answer, repeated) for answer in answers]
            repeated = True
            await asyncio.sleep(backoff.pause())

    def _renew(self, attempt: Running, token: str) -> None:
        attempt.token, attempt.retaken = token, ""
        attempt.finished = replace(_outcome(attempt), token=token)

    def _settle(self, attempt: Running, answer: str, repeated: bool) -> None:
        if answer == "lost" and attempt.retaken:
            self._renew(attempt, attempt.retaken)
            self._lanes.add(attempt.queue, attempt)
            return
        self.unanswered.discard(attempt)
        if answer == "spent":
            limit = str(_outcome(attempt).blob).split()[1]
            log.error(
                "task %s of queue %s failed softly more than %s times: it is archived",
                attempt.id,
                attempt.queue,
                limit,
                extra=about(attempt, "archived"),
            )
        if answer == "cancelled":
            carried = about(attempt, "cancelled")
            log.info(
                "task %s of queue %s was to be cancelled: it is archived", attempt.id, attempt.queue, extra=carried
            )
        if answer == "lost":
            self._refused.setdefault(attempt.queue, {})[attempt.id] = attempt
        if answer == "lost" or (answer == "gone" and not repeated):
            self.lease_lost += 1
            log.warning(
                "outcome %s of task %s in queue %s came too late: %s",
                _outcome(attempt).outcome,
                attempt.id,
                attempt.queue,
                "another server has the task" if answer == "lost" else "the task is gone",
                extra=about(attempt, "lease_lost"),
            )
        self._settled(attempt, "already" if answer == "gone" and repeated else answer)

    def _set_aside(self, attempt: Running, answer: str) -> None:
        """Repeat one that the store refuses by itself, so that it does not hold up its batch (mechanism-rules 14)."""
        if not passes(answer):
            log.error(
                "outcome of task %s in queue %s is refused: %s", attempt.id, attempt.queue, answer, extra=about(attempt)
            )
        task = asyncio.get_running_loop().create_task(self._insist(attempt))
        self._quarantine.add(task)
        task.add_done_callback(self._quarantine.discard)

    async def _insist(self, attempt: Running) -> None:
        backoff = Backoff(0.2, 5.0)
        while True:
            await asyncio.sleep(backoff.pause())
            [(answer, _)] = await self._ask(attempt.queue, [attempt])
            if not answer.startswith("error "):
                self._settle(attempt, answer, True)
                return


def _outcome(attempt: Running) -> Finished:
    assert attempt.finished is not None  # noqa: S101 - only decided attempts are added
    return attempt.finished
