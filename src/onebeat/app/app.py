"""
An application: its tasks and schedules, declared in code, and its connection, opened when first used.

Nothing happens at import: declaring opens, reads and starts nothing.
"""

from __future__ import annotations

import asyncio
import inspect
import os
import weakref
from collections.abc import AsyncIterable, Awaitable, Callable, Iterable
from contextlib import AbstractAsyncContextManager
from datetime import timedelta
from types import TracebackType
from typing import Any, Concatenate, Generic, Literal, ParamSpec, Protocol, Self, TypeVar, Unpack, overload

from onebeat.app.declared import Declared, check_function, check_no_arguments
from onebeat.app.handle import Replies
from onebeat.app.serving import Serving, serve
from onebeat.broker.store import Store, check_source
from onebeat.client import Bulk, Client
from onebeat.errors import ConfigurationError, InvalidTask, shown
from onebeat.options import EnqueueOptions, text
from onebeat.scheduler.entry import Entry, entry
from onebeat.scheduler.scheduler import schedule_id
from onebeat.scheduler.triggers import Cron, Every, Trigger
from onebeat.server.context import Context
from onebeat.server.mux import Backoff, Mux, takes
from onebeat.server.server import ServerSettings
from onebeat.task import Task

P = ParamSpec("P")
R = TypeVar("R")
S = TypeVar("S")

Lifespan = Callable[[], AbstractAsyncContextManager[S]]
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


class Onebeat(Generic[S]):
    """
    An application.

    Args:
        name: Names it to other instances: schedules that no live instance of this name declares are parked.

        url: Where the store is; default `ONEBEAT_URL`, else the embedded store of the project.

        lifespan: Entered once by every server process; what it yields is the handlers' `Context.state`.

    Use `async with app:` to close its connection in good time; without it, that ends with the process.

    Raises:
        ConfigurationError: The name is blank, or the lifespan cannot be entered.
    """

    def __init__(self, name: str = "onebeat", *, url: str | None = None, lifespan: Lifespan[S] | None = None) -> None:
        self.name = text("application name", name, refusal=ConfigurationError)
        _check_lifespan(lifespan)
        check_source(url)
        self.url = url
        self.lifespan = lifespan
        self.mux = Mux()
        self.tasks: dict[str, Declared[Any, Any, Any, Any]] = {}
        self.entries: dict[str, Entry] = {}
        self._connections: weakref.WeakKeyDictionary[asyncio.AbstractEventLoop, _Connection] = (
            weakref.WeakKeyDictionary()
        )

    def task(
        self,
        type: str | None = None,
        *,
        backoff: Backoff | Callable[[int], float] | None = None,
        retry_on: Errors | None = None,
        archive_on: Errors = (),
        isolation: Literal["process"] | None = None,
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
        own_backoff = _of_failures(backoff)
        repeated = None if retry_on is None else _errors("retry_on", retry_on)
        archived = _errors("archive_on", archive_on)

        def declare(function: Callable[..., Any]) -> Declared[Any, Any, Any, Any]:
            check_function(function, type)
            task_type = type if type is not None else function.__name__
            declared: Declared[Any, Any, Any, Any] = Declared(
                self,
                function,
                task_type,
                options,
                backoff=own_backoff,
                retry_on=repeated,
                archive_on=archived,
                isolated=isolation is not None,
            )
            self.mux.add(task_type, declared.route)
            self.tasks[task_type] = declared
            return declared

        return declare

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
        added = entry(id, trigger, task, options)
        if added.id in self.entries:
            raise ConfigurationError(f"schedule {added.id!r} is declared twice: give one of them another id")
        self.entries[added.id] = added

    def _schedule_declared(self, declared: N, trigger: Trigger, id_: str | None) -> N:
        if not isinstance(declared, Declared):
            raise ConfigurationError(f"{shown(declared)} is no task: put @app.every and @app.cron above @app.task")
        check_no_arguments(declared)
        self.schedule(id_ if id_ is not None else schedule_id(declared.type), trigger, declared.bind())
        return declared

    async def __aenter__(self) -> Self:
        await self.client()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Send what waits, and close the connection of the running loop; the next use opens another."""
        connection = self._connections.pop(asyncio.get_running_loop(), None)
        if connection is not None:
            await connection.aclose()

    async def client(self) -> Client:
        """Return the client of the running loop, opened if need be."""
        return (await self._connection()).client

    async def connection(self) -> tuple[Store, Replies]:
        """Return the store of the running loop, and who hears of ended tasks."""
        connection = await self._connection()
        return connection.store, connection.replies

    async def _connection(self) -> _Connection:
        loop = asyncio.get_running_loop()
        connection = self._connections.get(loop)
        if connection is None or connection.pid != os.getpid():
            connection = self._connections[loop] = _Connection(self.url)
        await connection.open()
        return connection

    def serving(self, **settings: Unpack[ServerSettings]) -> Serving:
        """
        Run tasks and schedules beside other things, while the block of `async with` runs. Touches no signals.

        Args:
            settings: See `ServerConfig`; `queues` default to those that the application's tasks name.
        """
        return Serving(self, settings)

    async def run(self, **settings: Unpack[ServerSettings]) -> None:
        """Run tasks and schedules until SIGTERM or SIGINT: what `onebeat run` does."""
        await serve(self, **settings)

    def enqueue_many(
        self, tasks: Iterable[Task[Any]] | AsyncIterable[Task[Any]], **options: Unpack[EnqueueOptions]
    ) -> Bulk:
        """Enqueue any number of bound tasks in bounded memory; await it, or iterate. See `Client.enqueue_many`."""
        return Bulk(self.client, tasks, options)


class _Connection:
    """What one event loop of one process holds open."""

    store: Store
    client: Client
    replies: Replies

    def __init__(self, url: str | None) -> None:
        self.pid = os.getpid()
        self._url = url
        self._lock = asyncio.Lock()
        self._is_open = False

    async def open(self) -> None:
        if self._is_open:
            return
        async with self._lock:
            if not self._is_open:
                self.store = await Store.open(self._url)
                self.client = Client(self.store)
                self.replies = Replies(self.store)
                self._is_open = True

    async def aclose(self) -> None:
        if not self._is_open:
            return
        self._is_open = False
        await self.replies.stop()
        await self.client.aclose()
        await self.store.aclose()


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


def _check_lifespan(lifespan: object) -> None:
    """Refuse what could not be entered, before a server tries."""
    if lifespan is not None and (
        not callable(lifespan)
        or inspect.isasyncgenfunction(lifespan)
        or inspect.isgeneratorfunction(lifespan)
        or inspect.iscoroutinefunction(lifespan)
    ):
        raise ConfigurationError(
            f"lifespan is {shown(lifespan)}: give an async function that yields, with @asynccontextmanager above it"
        )
