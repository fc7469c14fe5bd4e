"""Whether a server takes tasks: as signals say, and operators, who may be on another machine."""

from __future__ import annotations

import logging
from collections.abc import Callable

from onebeat.broker.orders import Order

log: logging.Logger = logging.getLogger("onebeat.server")


_MEANING: dict[str, str] = {
    Order.DRAIN: "take no more tasks",
    Order.STOP: "take no more tasks, and stop once nothing runs",
    Order.TAKE: "take tasks",
}


class Intake:
    """
    Open until somebody closes it, and again once somebody opens it.

    Args:
        changed: Called whenever it was opened or closed.

        is_idle: Whether nothing runs.

        stop: Ends the server.
    """

    def __init__(self, *, changed: Callable[[], None], is_idle: Callable[[], bool], stop: Callable[[], None]) -> None:
        self._changed = changed
        self._is_idle = is_idle
        self._stop = stop
        self._last = 0
        self._stops_when_idle = False
        self.is_open: bool = True

    def close(self) -> None:
        """Take nothing more, but go on with what runs. asynq: `Stop`, and SIGTSTP."""
        if self.is_open:
            log.info("taking no more tasks; those that run go on")
            self.is_open = False
            self._changed()

    def open(self) -> None:
        """Take tasks again."""
        self._stops_when_idle = False
        if not self.is_open:
            log.info("taking tasks again")
            self.is_open = True
            self._changed()

    def obey(self, order: str) -> None:
        """Do what an operator has ordered, "<number> <word>", unless it was done already, or something newer was."""
        digits, _, word = order.partition(" ")
        number = int(digits) if digits.isascii() and digits.isdigit() else 0
        if number <= self._last:
            return
        self._last = number
        log.info("an operator has ordered: %s", _MEANING.get(word, repr(word)))
        if word == Order.TAKE:
            self.open()
        elif word in (Order.DRAIN, Order.STOP):
            self._stops_when_idle = word == Order.STOP
            self.close()
            self.note_end()
        else:
            log.warning("this version of Onebeat does not know such an order: it is passed over")

    def note_end(self) -> None:
        """Note that something has ended."""
        if not self._stops_when_idle or not self._is_idle():
            return
        self._stops_when_idle = False
        log.info("nothing runs any more: the server stops, as it was ordered to")
        self._stop()
