"""Which handler runs a task: routing by type, with asynq's pattern rules (asynq: servemux.go)."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from onebeat import codecs
from onebeat.errors import ConfigurationError, HandlerNotFound, shown
from onebeat.options import Duration, text
from onebeat.server.aggregation import Aggregate, Aggregation, Aggregations, check_pattern, limits
from onebeat.server.context import Context
from onebeat.task import Task
from onebeat.upkeep.foreign import is_async

Plain = Callable[[Context[Any], Task[Any]], Awaitable[object] | object]
H = TypeVar("H", bound=Plain)
A = TypeVar("A", bound=Aggregate)

Handler = Callable[[Context[Any], Task[Any]], Awaitable[object]]
"""What a middleware is given to call: `await call_next(ctx, task)`."""

Middleware = Callable[[Context[Any], Task[Any], Handler], Awaitable[object]]
"""Called around a handler, which it calls by `call_next(ctx, task)`."""

M = TypeVar("M", bound=Middleware)

Backoff = Callable[[int, BaseException], float]
"""Seconds to wait, given how often the task had failed before, and the error."""


@dataclass(frozen=True, slots=True)
class Route:
    """
    A handler and what is known of it.

    Attributes:
        handler: Called with the context and the task.

        is_async: Whether it runs on the event loop; otherwise in a thread.

        backoff: Its own retry delay; None: the server's.

        retry_on: If given, other errors archive the task at once.

        archive_on: Errors that archive the task at once.

        encode: Turns its result into bytes, given the task's headers too, for tasks that are retained.

        middleware: Gives what is called around the handler, the outermost first, as it stands at that moment.

        isolated: "module:name" of a declared task that runs in a process of its own; "": it runs in ours.
    """

    handler: Plain
    is_async: bool
    backoff: Backoff | None = None
    retry_on: tuple[type[BaseException], ...] | None = None
    archive_on: tuple[type[BaseException], ...] = ()
    encode: Callable[[Any, Mapping[str, str]], bytes] = lambda value, _headers: codecs.encode(value, what="result")
    isolated: str = ""
    middleware: Callable[[], Sequence[Middleware]] | None = None

    @property
    def can_be_stopped(self) -> bool:
        """Whether the handler ends when it is told to: a thread cannot be made to."""
        return self.is_async or bool(self.isolated)


def takes(function: object, *args: object) -> bool:
    """Whether it is a function that can be called with these, as far as its signature shows."""
    if not callable(function):
        return False
    try:
        inspect.signature(function).bind(*args)
    except TypeError:
        return False
    except ValueError:  # it shows none
        return True
    return True


def check_returns(function: object, named: str) -> None:
    """Refuse a generator: called as a handler, it would begin nothing and seem to have done its work."""
    if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
        raise ConfigurationError(f"{named}: it yields, so calling it does nothing; let it return")


def check_middleware(function: object) -> None:
    """
    Refuse what cannot stand around a handler.

    Raises:
        ConfigurationError: It is no async function of three arguments.
    """
    if not callable(function) or not is_async(function) or not takes(function, None, None, None):
        raise ConfigurationError(
            f"middleware {shown(function)}: write an async function of three, the context, the task and call_next"
        )


class Mux:
    """
    Finds the handler of a task type: the exact one, else that of the longest pattern the type starts with.

    Patterns are plain prefixes, as in asynq: "image:" matches "image:resize", and "img" matches "imgx".
    asynq: `ServeMux`.
    """

    def __init__(self) -> None:
        self.aggregations: Aggregations = Aggregations()
        self._routes: dict[str, Route | Mux] = {}
        self._known: dict[str, Route | None] = {}
        self._layers: list[Middleware] = []
        self._missing: Route | None = None
        self._outer: list[Mux] = []

    def handle(self, pattern: str) -> Callable[[H], H]:
        """
        Register the decorated function, async or plain, for a task type or a prefix of types.

        Raises:
            ConfigurationError: See `add`.
        """
        _check_pattern(pattern)

        def register(handler: H) -> H:
            self.add(pattern, Route(handler, is_async(handler)))
            return handler

        return register

    def add(self, pattern: object, route: Route) -> None:
        """
        Register a route.

        Raises:
            ConfigurationError: The pattern is blank or taken, or the handler cannot be called.
        """
        pattern = self._free(pattern)
        if not isinstance(route, Route):
            raise ConfigurationError(f"route of {shown(pattern)} is {shown(route)}: use @mux.handle({shown(pattern)})")
        _check_handler(route.handler, f"handler of {shown(pattern)}")
        self._routes[pattern] = route
        self._changed()

    def mount(self, pattern: str, mux: Mux) -> None:
        """
        Leave all types that begin so to another mux, which is asked with the whole type.

        Its middleware stands inside this one's. A type that it has no handler for is this one's `not_found`'s,
        unless it has one of its own. Its aggregators are this one's, too, whatever the pattern, which is of types.

        Raises:
            ConfigurationError: The pattern is blank or taken, or it is no mux, or one that this one stands in itself;
                or both have an aggregator for the same groups.
        """
        pattern = self._free(pattern)
        if not isinstance(mux, Mux):
            raise ConfigurationError(f"mux for {shown(pattern)} is {shown(mux)}: give a Mux with handlers")
        if mux is self or mux in self._all_outer():
            raise ConfigurationError(f"mux for {shown(pattern)} holds this one already: mount another one")
        self.aggregations.mount(mux.aggregations)
        self._routes[pattern] = mux
        mux._outer.append(self)
        self._changed()

    def use(self, function: M, *others: Middleware) -> M:
        """
        Have async functions called around every handler of this mux: `async def timed(ctx, task, call_next)`.

        The first that was added is the outermost. They also stand around `not_found`; where there is none, what
        `call_next` raises for a type without a handler is `HandlerNotFound`. Usable as a decorator: `@mux.use`.

        Raises:
            ConfigurationError: One is no async function of three arguments.
        """
        for layer in (function, *others):
            check_middleware(layer)
        self._layers += (function, *others)
        self._changed()
        return function

    def not_found(self, handler: H) -> H:
        """
        Have the decorated function, async or plain, called for tasks of types that have no handler.

        It decides as any handler does; to raise `HandlerNotFound` is to do as if there were none: the task waits for
        a server that has a handler, at no cost in retries, and fails only after ten minutes without.

        Raises:
            ConfigurationError: It cannot be called with the context and the task, or there is one already.
        """
        self.add_not_found(Route(handler, is_async(handler)))
        return handler

    def add_not_found(self, route: Route) -> None:
        """Register a route for types that have none. See `not_found`."""
        if self._missing is not None:
            raise ConfigurationError(
                f"not_found has a handler already, {shown(self._missing.handler)}: leave one of them out"
            )
        _check_handler(route.handler, "handler for not_found")
        self._missing = route
        self._changed()

    def aggregate(
        self,
        pattern: str = "",
        *,
        grace: Duration | None = None,
        max_delay: Duration | None = None,
        max_size: int | None = None,
        timeout: Duration | None = None,
    ) -> Callable[[A], A]:
        """
        Have the decorated function, async or plain, make one task of the tasks in a group. asynq: `GroupAggregator`.

        `async def digest(group: str, tasks: list[Task]) -> Task`. What it returns takes the place of the tasks; its
        queue is theirs unless it says otherwise.

        Args:
            pattern: What the names of the groups begin with; of several that fit the longest counts. "" is all.

            grace: In place of the server's `group_grace`.

            max_delay: In place of the server's `group_max_delay`.

            max_size: In place of the server's `group_max_size`.

            timeout: In place of the server's `group_timeout`.

        Raises:
            ConfigurationError: The pattern is taken, a limit is none, or the function cannot be called so.
        """
        check_pattern(pattern)
        given = limits(grace, max_delay, max_size, timeout)

        def register(function: A) -> A:
            named = f"aggregator of groups {shown(pattern)} is {shown(function)}"
            if not takes(function, "", []):
                raise ConfigurationError(f"{named}: give a function of two, the group's name and the list of its tasks")
            check_returns(function, named)
            self.aggregations.add(Aggregation(pattern, function, is_async(function), **given))
            return function

        return register

    def patterns(self) -> list[str]:
        """Return what the types begin with that have a handler here, those of mounted muxes among them, sorted."""
        found = set[str]()
        for pattern, route in list(self._routes.items()):  # a thread may ask while one is added
            if not isinstance(route, Mux) or route.takes_all:
                found.add(pattern)
            else:  # both must fit, so the longer of the two
                inner = route.patterns()
                found |= {
                    max(pattern, one, key=len) for one in inner if one.startswith(pattern) or pattern.startswith(one)
                }
        return sorted(found)

    @property
    def takes_all(self) -> bool:
        """Whether a type that has no handler has one all the same."""
        return self._missing is not None

    def find(self, task_type: str) -> Route | None:
        """Return the route of a type; None for one that shall wait for a server that has a handler."""
        if task_type in self._known:
            return self._known[task_type]
        route = self._find(task_type, None)
        if len(self._known) < 10_000:
            self._known[task_type] = route
        return route

    def _find(self, task_type: str, otherwise: Route | None) -> Route | None:
        missing, found = self._missing or otherwise, self._routes.get(task_type)
        if found is None:
            fitting = [pattern for pattern in self._routes if task_type.startswith(pattern)]
            found = self._routes[max(fitting, key=len)] if fitting else missing
        return self._wrapped(found._find(task_type, missing) if isinstance(found, Mux) else found)

    def _wrapped(self, route: Route | None) -> Route | None:
        """Put our middleware around a route; around the lack of one, too."""
        if not self._layers:
            return route
        found, ours = route if route is not None else _NOWHERE, self._layers
        inner = found.middleware
        return replace(found, middleware=lambda: [*ours, *inner()] if inner is not None else ours)

    def _free(self, pattern: object) -> str:
        checked = _check_pattern(pattern)
        if checked in self._routes:
            raise ConfigurationError(f"pattern {shown(checked)} has a handler already: give each task type one")
        return checked

    def _all_outer(self) -> list[Mux]:
        return [mux for outer in self._outer for mux in (outer, *outer._all_outer())]

    def _changed(self) -> None:
        self._known.clear()
        for outer in self._outer:
            outer._changed()


async def _nowhere(_context: Context[Any], task: Task[Any]) -> object:
    raise HandlerNotFound(f'handler not found for task "{task.type}"')


_NOWHERE = Route(_nowhere, True)


def _check_handler(handler: object, what: str) -> None:
    named = f"{what} is {shown(handler)}"
    if not takes(handler, None, None):
        raise ConfigurationError(f"{named}: give a function of two, the context and the task")
    check_returns(handler, named)


def _check_pattern(pattern: object) -> str:
    if not isinstance(pattern, str) or not pattern.strip():
        raise ConfigurationError(f"pattern is {shown(pattern)}: give a task type, or the start of one")
    return text("pattern", pattern, refusal=ConfigurationError)
