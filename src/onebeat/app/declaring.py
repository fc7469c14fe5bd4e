"""
Declaring tasks and schedules: what an application and a router have in common.

Nothing happens at import: declaring opens, reads and starts nothing.
"""

from __future__ import annotations

import sys
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from datetime import timedelta
from typing import Any, Concatenate, Literal, ParamSpec, Protocol, TypeVar, Unpack, overload

from onebeat.app.aggregating import aggregation
from onebeat.app.binder import Rename
from onebeat.app.declared import Declared, check_function, check_no_arguments
from onebeat.app.handle import Replies
from onebeat.app.surroundings import Surroundings
from onebeat.broker.store import Store
from onebeat.client import Client
from onebeat.codecs.codec import KNOWN, Codec, check_codec
from onebeat.errors import ConfigurationError, InvalidTask, shown
from onebeat.options import Duration, EnqueueOptions, text, unknown_option
from onebeat.scheduler.entry import Entry, entry, id_of
from onebeat.scheduler.periodic import SYNC_EVERY_S, Provider, Source
from onebeat.scheduler.triggers import Cron, Every, Trigger
from onebeat.server.aggregation import Aggregate, Aggregation, check_pattern, limits
from onebeat.server.context import Context
from onebeat.server.mux import Backoff, Middleware, check_middleware, takes
from onebeat.sync import SyncClient
from onebeat.task import Task

P = ParamSpec("P")
R = TypeVar("R")
M = TypeVar("M", bound=Middleware)
A = TypeVar("A", bound=Aggregate)
G = TypeVar("G", bound=Provider)

Errors = tuple[type[BaseException], ...]


class NoArgs(Protocol):
    """A declared task that can be called without arguments, which a schedule needs."""

    def bind(self) -> Task[Any]: ...


N = TypeVar("N", bound=NoArgs)


class TaskDecorator(Protocol):
    """What `@app.task(...)` does to a function. An async function's result is what it awaits to."""

    @overload
    def __call__(
        self, function: Callable[Concatenate[Context[Any], P], Awaitable[R]]
    ) -> Declared[P, R, Concatenate[Context[Any], P], Awaitable[R]]: ...
    @overload
    def __call__(self, function: Callable[P, Awaitable[R]]) -> Declared[P, R, P, Awaitable[R]]: ...
    @overload
    def __call__(
        self, function: Callable[Concatenate[Context[Any], P], R]
    ) -> Declared[P, R, Concatenate[Context[Any], P], R]: ...
    @overload
    def __call__(self, function: Callable[P, R]) -> Declared[P, R, P, R]: ...


class Declaring(ABC):
    """
    Declares tasks and schedules.

    Attributes:
        tasks, entries, aggregations, sources: What was declared, included routers' too.

        layers: The middleware of its own tasks, the outermost first.

        prefix: What every task type begins with.

        parent: Who has included it.
    """

    def __init__(self, prefix: str = "") -> None:
        self.prefix = prefix
        self.tasks: dict[str, Declared[Any, Any, Any, Any]] = {}
        self.entries: dict[str, Entry] = {}
        self.aggregations: dict[str, Aggregation] = {}
        self.sources: list[Source] = []
        self.layers: list[Middleware] = []
        self.parent: Declaring | None = None

    @property
    def codec(self) -> Codec | None:
        """What payloads are written by unless a task has its own: the application's; None: JSON."""
        return self.parent.codec if self.parent is not None else None

    def find_codec(self, name: str) -> Codec | None:
        """Return the codec of a name that payloads may come in."""
        return self.parent.find_codec(name) if self.parent is not None else KNOWN.get(name)

    @property
    def surroundings(self) -> Sequence[Surroundings]:
        """What every handler runs in: the application's."""
        return self.parent.surroundings if self.parent is not None else ()

    @property
    @abstractmethod
    def lifespan(self) -> Callable[[], AbstractAsyncContextManager[Any]] | None:
        """What is entered once by every process that runs its tasks."""

    @abstractmethod
    async def client(self) -> Client:
        """Return the client of the running loop, opened if need be."""

    @abstractmethod
    def sync_client(self) -> SyncClient:
        """Return the client of this process for code that blocks; it opens when first used."""

    @abstractmethod
    async def connection(self) -> tuple[Store, Replies]:
        """Return the store of the running loop, and who hears of ended tasks."""

    def task(
        self,
        type: str | None = None,
        *,
        backoff: Backoff | Callable[[int], float] | None = None,
        retry_on: Errors | None = None,
        archive_on: Errors = (),
        isolation: Literal["process"] | None = None,
        codec: str | Codec | None = None,
        **options: Unpack[EnqueueOptions],
    ) -> TaskDecorator:
        """
        Declare the decorated function, async or plain, as a task. A plain function runs in a thread.

        Args:
            type: The task's type on the wire; default: the function's name.

            backoff: Seconds before a failed attempt is repeated: a function of the failures so far.

            retry_on: If given, any other error archives the task at once.

            archive_on: Errors that archive the task at once.

            isolation: "process" runs it in a process of its own, for code that blocks, holds the interpreter
                lock or may crash: a timeout, a cancellation or the server's stop kills it with all that it
                started. The function must stand at the top of a module; the application's `lifespan` is
                entered in that process, too. Default: a coroutine on the server's loop, or a thread.

            codec: What its payload and result are written by, where not by the application's: "json", "msgpack", or a
                `Codec` of yours.

            options: Defaults for enqueueing it; see `EnqueueOptions`. A task that declares what it returns
                keeps its result for an hour unless `retention` says otherwise.

        Raises:
            ConfigurationError: The type is taken, it is no function, or its signature cannot be put on the wire.
            InvalidTask: The type is blank, or an option cannot be used.
        """

        if isolation not in (None, "process"):
            raise ConfigurationError(f'option isolation is {isolation!r}: give "process", or leave it out')
        if callable(type):
            raise InvalidTask(f"task type is {shown(type)}: write @app.task() with its brackets, or a string in them")
        if type is not None:
            text("task type", type)
        _check_options(options)
        own_backoff = _of_failures(backoff)
        repeated = None if retry_on is None else _errors("retry_on", retry_on)
        archived = _errors("archive_on", archive_on)
        own_codec = None if codec is None else check_codec(codec)

        def declare(function: Callable[..., Any]) -> Declared[Any, Any, Any, Any]:
            check_function(function, type)
            task_type = self.prefix + (type if type is not None else function.__name__)
            declared: Declared[Any, Any, Any, Any] = Declared(
                self,
                function,
                task_type,
                options,
                backoff=own_backoff,
                retry_on=repeated,
                archive_on=archived,
                isolated=isolation is not None,
                codec=own_codec,
                scope=sys._getframe(1).f_locals,
            )
            self._register(declared)
            return declared

        return declare

    def remote(
        self,
        type: str | None = None,
        *,
        rename: Rename | None = None,
        codec: str | Codec | None = None,
        **options: Unpack[EnqueueOptions],
    ) -> TaskDecorator:
        """
        Declare a task that another program runs, such as a Go server: typed and enqueued here, never served here.

        The decorated function is never called: its body is `...`, or `raise NotImplementedError` where type checkers
        want one that returns.

        Args:
            type: The task's type on the wire; default: the function's name.

            rename: How argument names are written there: "camel", "pascal", or a mapping of names. Go's decoder
                ignores case but not underscores, so `user_id` never meets an untagged field `UserID`.

            codec: As for `task`. JSON is the default here, whatever the application's is.

            options: As for `task`.

        Raises:
            ConfigurationError, InvalidTask: As for `task`.
        """
        own_codec = check_codec("json" if codec is None else codec)
        if callable(type):
            raise InvalidTask(f"task type is {shown(type)}: write @app.remote() with its brackets, or a string in them")

        def declare(function: Callable[..., Any]) -> Declared[Any, Any, Any, Any]:
            check_function(function, type)
            task_type = self.prefix + text("task type", type if type is not None else function.__name__)
            scope = sys._getframe(1).f_locals
            return Declared(self, function, task_type, options, rename=rename, codec=own_codec, scope=scope)

        return declare

    def middleware(self, function: M) -> M:
        """
        Have the decorated async function called around every handler: `async def timed(ctx, task, call_next)`.

        It awaits `call_next(ctx, task)` and returns what that returns, or something else, or raises. The first
        that was added is the outermost. A router's stand inside its application's and are for its tasks alone.
        An isolated handler gets the task as it was enqueued, and gives its encoded result.

        Raises:
            ConfigurationError: It is no async function of three arguments.
        """
        check_middleware(function)
        self.layers.append(function)
        return function

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
        Have the decorated function, async or plain, make one task of the tasks in a group.

        `async def digest(group: str, events: list[Event]) -> Task` returns `send_digest.bind(…)`, which takes the
        place of the tasks. What its list holds is what their payloads are decoded into; `list[Task]` is the tasks
        themselves, `list[bytes]` their payloads. A task whose payload does not fit is archived, the others go on.

        Args:
            pattern: What the names of the groups begin with; of several that fit the longest counts. "" is all.

            grace: In place of the server's `group_grace`.

            max_delay: In place of the server's `group_max_delay`.

            max_size: In place of the server's `group_max_size`.

            timeout: In place of the server's `group_timeout`.

        Raises:
            ConfigurationError: The pattern is taken, a limit is none, or the signature does not say what it is given.
        """
        check_pattern(pattern)
        given = limits(grace, max_delay, max_size, timeout)

        def declare(function: A) -> A:
            self._add_aggregation(aggregation(self, pattern, function, sys._getframe(1).f_locals, given))
            return function

        return declare

    def include(self, router: Declaring) -> None:
        """
        Take in all that a router declares, also what it declares later.

        Raises:
            ConfigurationError: It is no router, is included already, or declares what is declared here.
        """
        if not _can_be_included(router) or router is self:
            raise ConfigurationError(f"{shown(router)} cannot be included: give a Router that nobody has included yet")
        for declared in router.tasks.values():
            self._register(declared)
        for item in router.entries.values():
            self._add_entry(item)
        for one in router.aggregations.values():
            self._add_aggregation(one)
        for source in router.sources:
            self._add_source(source)
        router.parent = self

    def every(self, interval: float | timedelta, *, id: str | None = None) -> Callable[[N], N]:
        """
        Run the decorated task every so many seconds, however many servers there are.

        Ticks are multiples of the interval since 1970, so restarts and added servers never shift them.

        Args:
            interval: Seconds or a `timedelta`, at least 10 ms.

            id: Names the schedule; default: the task's type. A second schedule of a task needs one.
        """
        trigger = Every(interval)
        return lambda declared: self._schedule_declared(declared, trigger, id)

    def cron(self, expression: str, *, tz: str | None = None, id: str | None = None) -> Callable[[N], N]:
        """
        Run the decorated task at the times of five cron fields, or of a descriptor such as "@daily".

        Args:
            expression: As asynq reads it.

            tz: An IANA zone for it; default UTC.

            id: As in `every`.
        """
        trigger = Cron(expression, tz)
        return lambda declared: self._schedule_declared(declared, trigger, id)

    def schedule(self, id: str, trigger: Trigger, task: Task[Any], **options: Unpack[EnqueueOptions]) -> None:
        """
        Run a bound task at the times of a trigger.

        Raises:
            ConfigurationError: The id is taken or not usable, or an option cannot be used on a schedule.
        """
        self._add_entry(entry(id, trigger, task, options))

    def schedules(self, *, every: Duration = SYNC_EVERY_S) -> Callable[[G], G]:
        """
        Have the decorated function give schedules from a source of your own, such as a table of a database.

        Async or plain, it returns all of its schedules, an iterable of `PeriodicTask`, and is asked again and again.
        See `Scheduler.provide`. Servers do not learn from it which queues to serve.

        Args:
            every: Seconds, or a `timedelta`, between two calls.

        Raises:
            ConfigurationError: It is no function, or the interval is none.
        """

        def declare(provider: G) -> G:
            self._add_source(Source(provider, every))
            return provider

        return declare

    def _add_source(self, source: Source) -> None:
        if self.parent is not None:
            self.parent._add_source(source)
        self.sources.append(source)

    def _add_entry(self, added: Entry) -> None:
        if added.id in self.entries:
            raise ConfigurationError(f"schedule {added.id!r} is declared twice: give one of them another id")
        if self.parent is not None:
            self.parent._add_entry(added)
        self.entries[added.id] = added

    def _add_aggregation(self, added: Aggregation) -> None:
        if added.pattern in self.aggregations:
            raise ConfigurationError(f"groups {shown(added.pattern)} have an aggregator already: give each pattern one")
        if self.parent is not None:
            self.parent._add_aggregation(added)
        self.aggregations[added.pattern] = added

    def _register(self, declared: Declared[Any, Any, Any, Any]) -> None:
        if declared.type in self.tasks:
            raise ConfigurationError(f"task {declared.type!r} is declared twice: give one of them another type")
        if self.parent is not None:
            self.parent._register(declared)
        self.tasks[declared.type] = declared

    def _schedule_declared(self, declared: N, trigger: Trigger, id_: str | None) -> N:
        if not isinstance(declared, Declared):
            raise ConfigurationError(f"{shown(declared)} is no task: put @app.every and @app.cron above @app.task")
        check_no_arguments(declared)
        self.schedule(id_ if id_ is not None else id_of(declared.type), trigger, declared.bind())
        return declared


def _can_be_included(router: object) -> bool:
    return isinstance(router, Declaring) and router.parent is None


def _check_options(options: Mapping[str, Any]) -> None:
    """Refuse an unknown keyword of `task`, which knows more than `enqueue` does."""
    known = {*EnqueueOptions.__annotations__, "backoff", "retry_on", "archive_on", "isolation", "codec"}
    if options.keys() - known:
        raise InvalidTask(unknown_option(min(options.keys() - known), known))


def _of_failures(backoff: Backoff | Callable[[int], float] | None) -> Backoff | None:
    """Let a back-off take the number of failures alone, or the error as well."""
    if backoff is None or takes(backoff, 0, ValueError()):
        return backoff  # type: ignore[return-value] # `takes` has looked
    if not takes(backoff, 0):
        raise ConfigurationError(
            f"option backoff is {shown(backoff)}: give a function of the failures so far, or of them and the error"
        )
    return lambda retried, _error: backoff(retried)  # type: ignore[call-arg] # likewise


def _errors(option: str, value: Any) -> Errors:
    classes: tuple[Any, ...] = value if isinstance(value, tuple) else (value,)
    if not all(isinstance(item, type) and issubclass(item, BaseException) for item in classes):
        raise ConfigurationError(f"option {option} is {shown(value)}: give a tuple of exception classes")
    return classes
