"""
Watches the event loop from the keeper's thread, and ends a process that cannot help itself any more.

A handler that blocks the loop keeps its lease, since the keeper goes on without the loop; but not for ever.
While the loop lives, it gives up every attempt that does not end (`Executor`). An attempt that is held long
after that moment means that the loop does not live: all stacks are printed and the process ends, so that its
tasks are recovered elsewhere (mechanism-rules 12).
"""

from __future__ import annotations

import faulthandler
import logging
import os
import sys
import threading
import traceback
from collections.abc import Callable, Iterable, Sequence

from onebeat.clock import Clock
from onebeat.server.running import Running

log: logging.Logger = logging.getLogger("onebeat.watchdog")

BLOCKED_S = 5.0
"""After so long without a turn of the loop, the log says what it is busy with."""

MARGIN_S = 5.0
"""How much longer than the loop the watchdog waits, so that a loop that lives acts first."""


class Watchdog:
    """
    Looks at the loop and at what runs there.

    Args:
        ping: Has the loop call a function at its next turn, from any thread.

        loop_thread: The thread of the loop.

        limit: Seconds past an attempt's deadline after which a loop that lives would have given it up.

        end: Ends the process.
    """

    def __init__(
        self,
        ping: Callable[[Callable[[], None]], object],
        *,
        loop_thread: int,
        limit: float,
        clock: Clock,
        end: Callable[[], None] | None = None,
    ) -> None:
        self._ping = ping
        self._loop_thread = loop_thread
        self._limit = limit + MARGIN_S
        self._clock = clock
        self._end = end or end_process
        self._asked: float | None = None
        self._has_told = False
        self.lag: float = 0.0
        """How late the loop's turn came in seconds, when it was last asked for one."""
        self.longest_block: float = 0.0
        """The longest time in seconds that the loop was seen without a turn."""

    def look(self, attempts: Iterable[Running]) -> None:
        """Look once; called every few seconds by the keeper's thread."""
        now = self._clock.monotonic()
        self._look_at_loop(now)
        stuck = [attempt for attempt in attempts if attempt.finished is None and now > attempt.deadline + self._limit]
        if stuck:
            self._give_up(stuck)

    @property
    def blocked(self) -> float:
        """For how many seconds the loop has had no turn since it was asked for one; 0: it has."""
        asked = self._asked
        return 0.0 if asked is None else self._clock.monotonic() - asked

    def probe(self) -> float:
        """Return for how many seconds the loop has owed a turn, and ask it for one; from any thread."""
        blocked = self.blocked
        if self._asked is None:
            self._ask(self._clock.monotonic())
        return blocked

    def _ask(self, now: float) -> None:
        self._asked, self._has_told = now, False
        try:
            self._ping(self._answer)
        except RuntimeError:  # the loop has been closed: what it was to run has ended
            self._asked = None

    def _look_at_loop(self, now: float) -> None:
        asked = self._asked
        if asked is None:
            self._ask(now)
            return
        blocked = now - asked
        self.longest_block = max(self.longest_block, blocked)
        if blocked >= BLOCKED_S and not self._has_told:
            self._has_told = True
            log.warning(
                "the event loop has had no turn for %.0f s: use a plain function, which runs in a thread, or "
                'isolation="process", for work that blocks. It is busy here:\n%s',
                blocked,
                stack_of(self._loop_thread),
            )

    def _answer(self) -> None:
        self.lag, self._asked = self.blocked, None

    def _give_up(self, stuck: Sequence[Running]) -> None:
        names = ", ".join(f"{attempt.id} ({attempt.queue})" for attempt in stuck[:5])
        say_last(
            f"{len(stuck)} tasks are {self._limit:g} s past their deadline and the event loop does not give them up: "
            f"{names}. The process ends, so that they run elsewhere"
        )
        self._end()


def stack_of(thread: int) -> str:
    """Return where a thread is now, innermost call last."""
    frame = sys._current_frames().get(thread)
    return "".join(traceback.format_stack(frame)) if frame is not None else "(the thread has ended)"


def say_last(text: str) -> None:
    """
    Print all stacks and log a sentence, whatever locks the other threads hold.

    A blocked handler may hold the lock of a log handler, so the sentence goes to standard error first, and
    logging gets a thread of its own and one second.
    """
    if sys.__stderr__ is not None:
        sys.__stderr__.write(f"onebeat: {text}\n")
        sys.__stderr__.flush()
        faulthandler.dump_traceback(file=sys.__stderr__, all_threads=True)
    logged = threading.Thread(target=log.critical, args=(text,), daemon=True)
    logged.start()
    logged.join(1.0)


def end_process() -> None:
    """End the process at once, with status 1."""
    os._exit(1)
