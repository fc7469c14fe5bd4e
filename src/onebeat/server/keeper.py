"""
The lease keeper: a thread with a connection of its own, so that no handler can cost the process its leases.

It extends what the process holds, well before it lapses, and tells the server at once of a task that
somebody else has, or that is to be cancelled. A task stays in its table until the outcome was answered by the
store, so an acknowledgement that has to be repeated never races a recovery (mechanism-rules 2, 3). Being
awake when the loop may not be, it also gives the server's signs of life and watches the loop.
"""

from __future__ import annotations

import logging
import threading
from collections import defaultdict
from collections.abc import Callable

from onebeat.broker.consume import MAX_ITEMS, extend
from onebeat.broker.store import BlockingStore
from onebeat.clock import Clock, SystemClock
from onebeat.errors import BrokerError
from onebeat.server.presence import Presence
from onebeat.server.running import Running, Stop
from onebeat.server.watchdog import Watchdog
from onebeat.upkeep.service import Backoff, TroubleLog

log: logging.Logger = logging.getLogger("onebeat.keeper")


class Keeper:
    """
    Keeps leases.

    Args:
        store: The keeper's own; it closes it.

        lease_ms: For how long each extension holds.

        period: Seconds between extensions; after trouble it tries again within a second.

        stop_attempt: Called from the keeper's thread with an attempt that is not ours any more, or is to be
            cancelled, which of the two, and the token that was asked about.

        presence, watchdog: Called from this thread every few seconds.

        ordered: Called from this thread with the order that an operator has left, with every sign of life.
    """

    def __init__(
        self,
        store: BlockingStore,
        *,
        lease_ms: int,
        period: float,
        stop_attempt: Callable[[Running, Stop, str], None],
        presence: Presence,
        watchdog: Watchdog,
        clock: Clock | None = None,
        ordered: Callable[[str], object] = lambda _order: None,
    ) -> None:
        self._store = store
        self._lease_ms = lease_ms
        self._period = period
        self._stop_attempt = stop_attempt
        self._ordered = ordered
        self._presence = presence
        self._watchdog = watchdog
        self._held: dict[tuple[str, str], Running] = {}
        self._lock = threading.Lock()
        self._stopping = threading.Event()
        self._called = threading.Event()
        self._shows = threading.Event()
        self._status = "active"
        self._away: set[str] = set()
        self._trouble = TroubleLog("lease keeper", log)
        self._clock = clock or SystemClock()
        self.turned_at: float = self._clock.monotonic()
        """When it was last awake."""
        self.answered_at: float | None = None
        """When the store last answered all that it was asked."""
        self.store_error: str = ""
        """What the store's last answer was, or why there was none, if it is in trouble."""
        self._thread = threading.Thread(target=self._run, name="onebeat-keeper", daemon=True)

    def start(self) -> None:
        self._thread.start()

    @property
    def has_died(self) -> bool:
        """Whether its thread has ended, and nobody told it to."""
        return not self._thread.is_alive() and not self._stopping.is_set()

    def show(self, *, takes_more: bool) -> None:
        """Give a sign of life now: the server is "active", or "stopped", which means that it ends what it runs."""
        self._status = "active" if takes_more else "stopped"
        self._shows.set()
        self._called.set()

    def stop(self) -> None:
        """Stop and wait for the thread. The last service of a server to stop."""
        self._stopping.set()
        self._called.set()
        self._thread.join()

    def hold(self, attempt: Running) -> None:
        """Keep an attempt's lease from now on."""
        with self._lock:
            self._held[attempt.queue, attempt.id] = attempt

    def held(self, queue: str, task_id: str) -> Running | None:
        """Return the attempt that is kept for a task, if there is one."""
        with self._lock:
            return self._held.get((queue, task_id))

    def release(self, attempt: Running) -> None:
        """Let an attempt's lease go, unless the task was taken again since."""
        with self._lock:
            if self._held.get((attempt.queue, attempt.id)) is attempt:
                del self._held[attempt.queue, attempt.id]

    def _run(self) -> None:
        backoff = Backoff(0.05, 1.0)
        pause = 0.0
        while self._goes_on(pause):
            try:
                self._turn()
            except BrokerError as error:
                self._trouble.trouble(error)
                self.store_error = str(error)
                pause = min(backoff.pause(), self._period)
            except Exception:
                log.exception("the lease keeper met a bug of ours; it goes on")
                pause = self._period
            else:
                self._trouble.over()
                backoff.reset()
                pause = self._period
            self.turned_at = self._clock.monotonic()
        try:
            self._presence.end(self._store)
        except BrokerError as error:
            log.warning("the server stays listed for a few seconds more: %s", error)
        self._store.close()

    def _goes_on(self, pause: float) -> bool:
        """Wait until it is time for a turn, or somebody calls for one; false: no more."""
        self._called.wait(pause)
        self._called.clear()
        return not self._stopping.is_set()

    def _turn(self) -> None:
        with self._lock:
            held = list(self._held.values())
        self._watchdog.look(held)  # first, since it needs no store
        trouble = self._extend_all(held)
        shows_itself = self._shows.is_set() or self._presence.is_due()
        if shows_itself:
            self._shows.clear()  # first: what is to be shown from here on is shown by another turn
            self._presence.beat(self._store, [attempt for attempt in held if attempt.finished is None], self._status)
            if order := self._presence.order(self._store):
                self._ordered(order)
        if trouble is not None:
            raise trouble
        if held or shows_itself:
            self.answered_at, self.store_error = self._clock.monotonic(), ""

    def _extend_all(self, held: list[Running]) -> BrokerError | None:
        """
        Extend all leases; of a store of several nodes one that is away does not keep us from the others.

        What was away is asked last, and once in a turn: each question may take as long as it takes to give up.
        """
        queues: defaultdict[str, list[Running]] = defaultdict(list)
        for attempt in held:
            queues[attempt.queue].append(attempt)
        trouble: BrokerError | None = None
        last, self._away = self._away, set()
        for home, queue in sorted(((self._store.home(queue), queue) for queue in queues), key=lambda at: at[0] in last):
            if home in self._away:
                continue
            try:
                attempts = queues[queue]
                for start in range(0, len(attempts), MAX_ITEMS):
                    self._extend(queue, attempts[start : start + MAX_ITEMS])
            except BrokerError as error:
                if not self._store.is_spread:
                    raise
                trouble = error
                self._away.add(home)
        return trouble

    def _extend(self, queue: str, attempts: list[Running]) -> None:
        held = [(attempt.id, attempt.token) for attempt in attempts]
        answers = self._store.run(extend(queue, held, lease_ms=self._lease_ms))
        for attempt, (_, token), answer in zip(attempts, held, answers, strict=True):
            if answer == "ok" or attempt.finished is not None:
                continue  # an outcome on its way may have ended the lease before our question came
            if answer == "cancel":
                self._stop_attempt(attempt, Stop.CANCELLED, token)
            elif answer in ("lost", "gone"):
                self._stop_attempt(attempt, Stop.LOST, token)
            else:
                log.warning("lease of task %s in queue %s was not extended: %s", attempt.id, queue, answer)
