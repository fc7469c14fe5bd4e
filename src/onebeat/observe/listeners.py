"""Functions that are called for events: listeners, and the dead-letter hook among them."""

from __future__ import annotations

import inspect
import logging
from collections.abc import Callable
from typing import Any, TypeVar

from onebeat.errors import ConfigurationError, shown
from onebeat.events import Event, TaskArchived
from onebeat.observe.apart import SIZE, Apart
from onebeat.server.mux import takes
from onebeat.upkeep import foreign

log: logging.Logger = logging.getLogger("onebeat.observers")

L = TypeVar("L", bound=Callable[..., object])

_PROBE: Any = None


def _is_kind(kind: object) -> bool:
    return isinstance(kind, type) and issubclass(kind, Event)


class Listeners(Apart):
    """
    Calls functions for events, one event after another, off the path of the tasks.

    On a server they are called on its event loop, plain functions each in a thread; in a process without a server all
    in one thread of their own, where async functions find a loop of their own. A function that raises, or does not end
    within `hook_timeout`, is logged, and the next is called. As a server stops, those that wait are called for so long.

    Args:
        size: How many events may wait; what comes while so many do is dropped, counted and logged.

    Attributes:
        dropped: How many events were dropped.
    """

    what = "listeners"

    def __init__(self, size: int = SIZE) -> None:
        super().__init__(size)
        self._functions: list[tuple[tuple[type[Event], ...], Callable[..., object]]] = []
        self._calls: dict[type[Event], list[Callable[..., object]]] = {}

    def on(self, *kinds: type[Event]) -> Callable[[L], L]:
        """
        Have the decorated function called, async or plain, with each event of these kinds: `async def hear(event)`.

        A kind may be a base, such as `TaskEvent`. Functions are called in the order in which they are given here.

        Raises:
            ConfigurationError: There is no such kind, or it cannot be called so.
        """
        for kind in kinds:
            if not _is_kind(kind):
                raise ConfigurationError(
                    f"kind of event is {shown(kind)}: give classes of onebeat.events, such as TaskArchived"
                )
        if not kinds:
            raise ConfigurationError("on() names no kind of event: give one, such as TaskArchived, or Event for all")

        def add(function: L) -> L:
            if isinstance(function, type) or not takes(function, _PROBE):
                raise ConfigurationError(f"listener is {shown(function)}: give a function of the event")
            self._functions.append((kinds, function))
            self._calls.clear()
            return function

        return add

    def on_archived(self, function: L) -> L:
        """Have the decorated function called with each task that goes to the archive: `on(TaskArchived)`."""
        return self.on(TaskArchived)(function)

    def wants(self, event: Event) -> bool:
        return bool(self._of(type(event)))

    def _of(self, kind: type[Event]) -> list[Callable[..., object]]:
        found = self._calls.get(kind)
        if found is None:
            found = [function for kinds, function in self._functions if issubclass(kind, kinds)]
            self._calls[kind] = found
        return found

    async def deal(self, events: list[Event]) -> None:
        for event in events:
            for function in self._of(type(event)):
                await self._call(function, event)
            self._dealing -= 1

    async def _call(self, function: Callable[..., object], event: Event) -> None:
        about = f"{event.name} of queue {event.queue}"
        try:
            if self.in_thread and not foreign.is_async(function):
                result = function(event)
                if inspect.isawaitable(result):
                    await result
            else:
                await foreign.called(function, event, limit=self.limit)
        except TimeoutError as error:
            if error.__cause__ is None:
                log.exception("listener %s, called for %s, raised", shown(function), about)
            else:
                log.error("listener %s, called for %s, does not end within %g s", shown(function), about, self.limit)
        except Exception:
            log.exception("listener %s, called for %s, raised", shown(function), about)
