"""
Those who observe a client, a server or a scheduler: told in their order, and kept from doing harm.

Each is asked only for what its class overrides, so what nobody wants to know costs nothing.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Callable, Iterable, Mapping, Sequence
from contextlib import asynccontextmanager, suppress
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from onebeat.errors import ConfigurationError, shown
from onebeat.events import NOBODY, Carried, Event, Figure, Observer, Sending

if TYPE_CHECKING:
    from contextlib import AbstractAsyncContextManager, AbstractContextManager

    from onebeat.task import Task

log: logging.Logger = logging.getLogger("onebeat.observers")

REPEAT_LOG_S = 30.0
"""How often it is said that an observer raises: it may do so for every task."""


_everywhere: list[Observer] = []


def observe_everywhere(observer: Observer) -> None:
    """Have an observer be told by whatever is made from now on, unless that is given another of the same class."""
    _everywhere.append(observer)


def observe_no_more(observer: Observer) -> None:
    """Undo that for what is made from now on."""
    _everywhere.remove(observer)


class Audience:
    """
    The observers of one component, or of all components of an application, which share it.

    Args:
        observers: Told in this order.

    Attributes:
        hears, measures, adds, sends, surrounds, keeps, crosses, aggregates, serves, waits: Those of them who want
            events, figures, to add headers, to follow what is sent, to run handlers in something, to keep something in
            a task that failed, to tell the process of an isolated one, to run aggregators in something, to live as long
            as a server, to be waited for. Empty lists are what the hot path looks at.

    Raises:
        ConfigurationError: One is no observer.
    """

    __slots__ = (
        "_said", "_sources", "adds", "aggregates", "crosses", "hears", "keeps", "measures", "observers", "sends",
        "serves", "surrounds", "waits",
    )  # fmt: skip

    def __init__(self, observers: Iterable[Observer] = ()) -> None:
        self.observers: list[Observer] = []
        self.hears: list[Observer] = []
        self.measures: list[Observer] = []
        self.adds: list[Observer] = []
        self.sends: list[Observer] = []
        self.surrounds: list[Observer] = []
        self.keeps: list[Observer] = []
        self.crosses: list[Observer] = []
        self.aggregates: list[Observer] = []
        self.serves: list[Observer] = []
        self.waits: list[Observer] = []
        self._sources: list[object] = []
        self._said: dict[tuple[int, str], tuple[float, int]] = {}
        for observer in (*_everywhere, *_checked(observers)):
            self.add(observer)

    @classmethod
    def of(cls, observers: Iterable[Observer] | Audience) -> Audience:
        """Return the audience that is given, as an application gives its own, or make one."""
        return observers if isinstance(observers, Audience) else cls(observers)

    def add(self, observer: Observer) -> None:
        """
        Add one; it is told last.

        Raises:
            ConfigurationError: It is no observer, or is there already.
        """
        if not isinstance(observer, Observer):
            raise ConfigurationError(f"observer is {shown(observer)}: give an instance of onebeat.events.Observer")
        if any(observer is one for one in self.observers):
            raise ConfigurationError(f"observer {shown(observer)} is given twice: everything would be told it twice")
        for one in [one for one in self.observers if one in _everywhere and type(one) is type(observer)]:
            for those in (self.observers, *self._wanting().values()):
                those[:] = [other for other in those if other is not one]  # the one that is asked for is enough
        self.observers.append(observer)
        for name, those in self._wanting().items():
            if getattr(type(observer), name) is not getattr(Observer, name):
                those.append(observer)
        for source in self._sources:
            self._attach(observer, source)

    def _wanting(self) -> dict[str, list[Observer]]:
        """Return who wants what, by what they override."""
        return {
            "event": self.hears, "measured": self.measures, "enqueuing": self.adds, "sending": self.sends,
            "running": self.surrounds, "failing": self.keeps, "crossing": self.crosses, "aggregating": self.aggregates,
            "serving": self.serves, "idle": self.waits,
        }  # fmt: skip

    def attach(self, source: object) -> None:
        """Say where the store is, to those who are here and those who come."""
        self._sources = [source]  # an application may move; who comes later is told of the last
        for observer in self.observers:
            self._attach(observer, source)

    def _attach(self, observer: Observer, source: object) -> None:
        try:
            observer.attached(source)
        except BaseException as error:  # noqa: BLE001 - an observer harms nothing
            self._complain(observer, "attached", error)

    def event(self, event: Event) -> None:
        """Tell of an event."""
        for observer in self.hears:
            try:
                observer.event(event)
            except BaseException as error:  # noqa: BLE001 - an observer harms nothing
                self._complain(observer, "event", error)

    def measured(self, figure: Figure, label: str, value: float) -> None:
        """Tell of a figure."""
        for observer in self.measures:
            self.measure(observer, figure, label, value)

    def measure(self, observer: Observer, figure: Figure, label: str, value: float) -> None:
        """Tell one of them of a figure."""
        try:
            observer.measured(figure, label, value)
        except BaseException as error:  # noqa: BLE001 - an observer harms nothing
            self._complain(observer, "measured", error)

    def headers(self, task: Task[Any], queue: str, task_id: str, given: Mapping[str, str]) -> Mapping[str, str]:
        """Return the headers of a task that is about to be enqueued: the caller's, and what observers add."""
        return {**given, **self._headers_of(self.adds, "enqueuing", task, queue, task_id)}

    def _headers_of(self, observers: list[Observer], method: str, *arguments: object) -> dict[str, str]:
        headers: dict[str, str] = {}
        for observer in observers:
            try:
                headers |= _strings(getattr(observer, method)(*arguments))
            except BaseException as error:  # noqa: BLE001 - an observer harms nothing
                self._complain(observer, method, error)
        return headers

    def sending(self, *, many: bool = False) -> Sending:
        """Return who follows what a call enqueues."""
        return _Sendings(self, many=many) if self.sends else NOBODY

    def running(self, context: Any, task: Task[Any]) -> Surroundings:
        """Return what an attempt's handler runs in: the first observer's is the outermost."""
        return Surroundings(self, self.surrounds, "running", context, task)

    def aggregating(self, queue: str, group: str, members: Sequence[Mapping[str, str]]) -> Surroundings:
        """Return what a group is aggregated in."""
        return Surroundings(self, self.aggregates, "aggregating", queue, group, members)

    def kept(self, queue: str, task_id: str) -> Mapping[str, str]:
        """Return the headers that a task that failed is to have from now on."""
        return self._headers_of(self.keeps, "failing", queue, task_id)

    def crossing(self) -> list[Carried]:
        """Return what the process of an isolated handler is to know."""
        found = []
        for observer in self.crosses:
            try:
                carried = observer.crossing()
            except BaseException as error:  # noqa: BLE001 - an observer harms nothing
                self._complain(observer, "crossing", error)
            else:
                found += [carried] if carried is not None else []
        return found

    @asynccontextmanager
    async def serving(self, limit: float) -> AsyncIterator[None]:
        """Have those who want it live while a server or scheduler does; each may take `limit` seconds either way."""
        entered: list[tuple[Observer, AbstractAsyncContextManager[object]]] = []
        try:
            for observer in self.serves:
                try:
                    life = observer.serving(limit)
                    async with asyncio.timeout(limit):
                        await life.__aenter__()
                except Exception as error:  # noqa: BLE001 - an observer harms nothing
                    self._complain(observer, "serving", error)
                else:
                    entered.append((observer, life))
            yield
        finally:
            for observer, life in reversed(entered):
                try:
                    async with asyncio.timeout(limit):
                        await life.__aexit__(None, None, None)
                except Exception as error:  # noqa: BLE001 - an observer harms nothing
                    self._complain(observer, "serving", error)

    async def idle(self) -> None:
        """Wait until all that was told has been dealt with."""
        for observer in self.waits:
            try:
                await observer.idle()
            except Exception as error:  # noqa: BLE001 - an observer harms nothing
                self._complain(observer, "idle", error)

    def _complain(self, observer: Observer, method: str, error: BaseException) -> None:
        """Log what an observer has raised, with its traceback, once in a while."""
        if isinstance(error, KeyboardInterrupt):  # it is the process's, wherever it comes
            raise error
        now, key = time.monotonic(), (id(observer), method)
        said_at, unsaid = self._said.get(key, (-REPEAT_LOG_S, 0))
        if now - said_at < REPEAT_LOG_S:
            self._said[key] = said_at, unsaid + 1
            return
        self._said[key] = now, 0
        more = f" ({unsaid} times more since it was last said)" if unsaid else ""
        log.error("%s() of observer %s raised; all goes on without%s", method, shown(observer), more, exc_info=error)


class Afar(Audience):
    """
    An audience that is spoken to from another thread, and told on its own event loop.

    Args:
        audience: Which.

        call_soon: The loop's `call_soon_threadsafe`.
    """

    def __init__(self, audience: Audience, call_soon: Callable[..., object]) -> None:
        super().__init__()
        self._near = audience
        self._call_soon = call_soon
        self.measures: list[Observer] = audience.measures

    def measure(self, observer: Observer, figure: Figure, label: str, value: float) -> None:
        with suppress(RuntimeError):  # the loop has ended
            self._call_soon(self._near.measure, observer, figure, label, value)


class Surroundings:
    """What a user's function runs in. It lets every exception pass, whatever an observer makes of it."""

    __slots__ = ("_arguments", "_audience", "_entered", "_method", "_observers")

    def __init__(self, audience: Audience, observers: list[Observer], method: str, *arguments: object) -> None:
        self._audience = audience
        self._observers = observers
        self._method = method
        self._arguments = arguments
        self._entered: list[tuple[Observer, AbstractContextManager[object]]] = []

    def __enter__(self) -> Self:
        for observer in self._observers:
            try:
                surroundings = getattr(observer, self._method)(*self._arguments)
                surroundings.__enter__()
            except BaseException as error:  # noqa: BLE001 - an observer harms nothing
                self._audience._complain(observer, self._method, error)
            else:
                self._entered.append((observer, surroundings))
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for observer, surroundings in reversed(self._entered):
            try:
                surroundings.__exit__(kind, error, trace)
            except BaseException as raised:  # noqa: BLE001 - an observer harms nothing
                if raised is not error:
                    self._audience._complain(observer, self._method, raised)


class _Sendings(Sending):
    """All who follow what one call enqueues."""

    __slots__ = ("_audience", "_many", "_sendings")

    def __init__(self, audience: Audience, *, many: bool) -> None:
        self._audience = audience
        self._many = many
        self._sendings: list[tuple[Observer, Sending]] = []

    def _each(self, act: Callable[[Sending], object]) -> None:
        for observer, sending in self._sendings:
            try:
                act(sending)
            except BaseException as error:  # noqa: BLE001 - an observer harms nothing
                self._audience._complain(observer, "sending", error)

    def __enter__(self) -> Self:
        for observer in self._audience.sends:
            try:
                self._sendings.append((observer, observer.sending(many=self._many).__enter__()))
            except BaseException as error:  # noqa: BLE001 - an observer harms nothing
                self._audience._complain(observer, "sending", error)
        return self

    def headers(self, task: Task[Any], queue: str, task_id: str, given: Mapping[str, str]) -> Mapping[str, str]:
        headers = dict(given)
        self._each(lambda one: headers.update(_strings(one.headers(task, queue, task_id, headers))))
        return headers

    def refused(self, error: BaseException) -> None:
        self._each(lambda one: one.refused(error))

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._each(lambda one: one.__exit__(kind, error, traceback))


def _checked(observers: object) -> Iterable[Observer]:
    if isinstance(observers, (str, bytes, Observer)) or not isinstance(observers, Iterable):
        raise ConfigurationError(f"observers is {shown(observers)}: give a list of onebeat.events.Observer")
    return observers


def _strings(headers: object) -> dict[str, str]:
    if not isinstance(headers, Mapping) or not all(
        isinstance(name, str) and name and isinstance(value, str) for name, value in headers.items()
    ):
        raise TypeError(f"it returned {shown(headers)}: headers are strings by strings")
    return {name: value.encode("utf-8", "replace").decode() for name, value in headers.items()}
