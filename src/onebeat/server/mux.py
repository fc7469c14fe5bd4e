"""Which handler runs a task: routing by type, with asynq's pattern rules (asynq: servemux.go)."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar

from onebeat import codecs
from onebeat.errors import ConfigurationError, shown
from onebeat.options import Duration
from onebeat.server.aggregation import Aggregate, Aggregation, Aggregations, check_pattern, limits
from onebeat.server.context import Context
from onebeat.task import Task

Plain = Callable[[Context[Any], Task[Any]], Awaitable[object] | object]
H = TypeVar("H", bound=Plain)
A = TypeVar("A", bound=Aggregate)

Handler = Callable[[Context[Any], Task[Any]], Awaitable[object]]
"""What a middleware is given to call: `await call_next(ctx, task)`."""

Middleware = Callable[[Context[Any], Task[Any], Handler], Awaitable[object]]
"""Called around a handler, which it calls by `call_next(ctx, task)`."""

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


def is_async(function: Callable[..., Any]) -> bool:
    """Whether calling it gives a coroutine: async functions, and objects whose `__call__` is one."""
    called = getattr(function, "__call__", None)  # noqa: B004 - not whether, but what
    return inspect.iscoroutinefunction(function) or inspect.iscoroutinefunction(called)


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


class Mux:
    """
    Finds the handler of a task type: the exact one, else that of the longest pattern the type starts with.

    Patterns are plain prefixes, as in asynq: "image:" matches "image:resize", and "img" matches "imgx".
    """

    def __init__(self) -> None:
        self.aggregations: Aggregations = Aggregations()
        self._routes: dict[str, Route] = {}
        self._known: dict[str, Route | None] = {}

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
        pattern = _check_pattern(pattern)
        if pattern in self._routes:
            raise ConfigurationError(f"pattern {shown(pattern)} has a handler already: give each task type one")
        if not isinstance(route, Route):
            raise ConfigurationError(f"route of {shown(pattern)} is {shown(route)}: use @mux.handle({shown(pattern)})")
        named = f"handler of {shown(pattern)} is {shown(route.handler)}"
        if not takes(route.handler, None, None):
            raise ConfigurationError(f"{named}: give a function of two, the context and the task")
        check_returns(route.handler, named)
        self._routes[pattern] = route
        self._known.clear()

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

            grace, max_delay, max_size, timeout: In place of the server's `group_grace`, `group_max_delay`,
                `group_max_size` and `group_timeout`.

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

    def find(self, task_type: str) -> Route | None:
        """Return the route of a type, or None."""
        if task_type in self._known:
            return self._known[task_type]
        route = self._routes.get(task_type)
        if route is None:
            fitting = [pattern for pattern in self._routes if task_type.startswith(pattern)]
            route = self._routes[max(fitting, key=len)] if fitting else None
        if len(self._known) < 10_000:
            self._known[task_type] = route
        return route


def _check_pattern(pattern: object) -> str:
    if not isinstance(pattern, str) or not pattern.strip():
        raise ConfigurationError(f"pattern is {shown(pattern)}: give a task type, or the start of one")
    return pattern
