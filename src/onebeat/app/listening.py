"""Functions of an application that are called for events."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

from onebeat.audience import Audience
from onebeat.events import Event, Observer
from onebeat.observe.listeners import Listeners

L = TypeVar("L", bound=Callable[..., object])


class Listening:
    """
    Decorators for listeners, and observers.

    Attributes:
        audience: Those who observe the application.
    """

    def __init__(self) -> None:
        self.audience: Audience = Audience()
        self._listeners: Listeners | None = None

    def observe(self, observer: Observer) -> None:
        """
        Tell an observer what happens here: what this process enqueues, runs, recovers and fires.

        It is told on the event loop, or in the thread that enqueues; see `onebeat.events.Observer`. What other
        processes of the application do is told there. To be called before the application serves.

        Raises:
            ConfigurationError: It is no `Observer`, or is there already.
        """
        self.audience.add(observer)

    def on(self, *kinds: type[Event]) -> Callable[[L], L]:
        """
        Have the decorated function called with each event of these kinds: `async def hear(event)`, or plain.

        It hears what this process does, once the store has it, and off the path of the tasks: up to 10,000 events wait
        for their functions, more are dropped, counted and logged. One that raises or does not end within
        `hook_timeout` is logged. See `Listeners`.

        Raises:
            ConfigurationError: There is no such kind of event, or the function cannot be called so.
        """
        return self._heard().on(*kinds)

    def on_archived(self, function: L) -> L:
        """
        Have the decorated function called with each task that goes to the archive here: the hook for dead letters.

        Also for those that this process recovers and that have crashed too often, that expired while they waited, and
        that their group gave up; but not for those that people archive. The same as `on(TaskArchived)`.
        """
        return self._heard().on_archived(function)

    def _heard(self) -> Listeners:
        if self._listeners is None:
            self._listeners = Listeners()
            self.audience.add(self._listeners)
        return self._listeners
