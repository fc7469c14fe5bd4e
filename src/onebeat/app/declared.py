"""A task as code declares it: a function, its type, and how it is enqueued. Calling it calls the function."""

from __future__ import annotations

import functools
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Generic, ParamSpec, TypeVar, Unpack, cast

from onebeat.app.binder import Binder, Rename, reason
from onebeat.app.handle import Handle, SyncHandle
from onebeat.app.surroundings import surrounded, surrounded_async
from onebeat.codecs.codec import HEADER, JSON, Codec, encode_as, name_of
from onebeat.errors import ConfigurationError, PayloadError, shown
from onebeat.options import EnqueueOptions, check_queue, merge, resolve, text
from onebeat.server.context import Context
from onebeat.server.mux import Backoff, Middleware, Route, check_returns
from onebeat.sync import refuse_in_loop
from onebeat.task import Task
from onebeat.upkeep.foreign import is_async

if TYPE_CHECKING:
    from onebeat.app.declaring import Declaring

P = ParamSpec("P")
Q = ParamSpec("Q")
R = TypeVar("R")
C = TypeVar("C")

RESULT_RETENTION_S = 3600
"""How long a task that declares what it returns keeps it, unless told otherwise."""


class Enqueuer(Generic[P, R]):
    """A declared task with options laid over its own. Made by `Declared.options`."""

    def __init__(self, declared: Declared[P, R, Any, Any], options: Mapping[str, Any]) -> None:
        self._declared = declared
        self._options = options

    async def enqueue(self, *args: P.args, **kwargs: P.kwargs) -> Handle[R]:
        """Enqueue the task with these arguments. See `Declared.enqueue`."""
        return await self._declared._enqueue(self.bind(*args, **kwargs))

    def enqueue_sync(self, *args: P.args, **kwargs: P.kwargs) -> SyncHandle[R]:
        """Enqueue the task from code that blocks. See `Declared.enqueue_sync`."""
        return self._declared._enqueue_sync(self.bind(*args, **kwargs))

    def bind(self, *args: P.args, **kwargs: P.kwargs) -> Task[R]:
        """Make a `Task` of these arguments, without enqueueing it. See `Declared.bind`."""
        return self._declared._bind(args, kwargs, self._options)


class Declared(Generic[P, R, Q, C]):
    """
    A declared task. Called, it is the function as written; `enqueue` has some server call it.

    `P` and `R` are its arguments on the wire and its result, `Q` and `C` those of the function itself, which
    may also take a `Context` and return an awaitable.

    Attributes:
        type: The task's type on the wire.

        function: The function.

        route: What a server needs to run it.
    """

    def __init__(
        self,
        owner: Declaring,
        function: Callable[Q, C],
        task_type: str,
        options: Mapping[str, Any],
        *,
        backoff: Backoff | None = None,
        retry_on: tuple[type[BaseException], ...] | None = None,
        archive_on: tuple[type[BaseException], ...] = (),
        isolated: bool = False,
        codec: Codec | None = None,
        rename: Rename | None = None,
        scope: Mapping[str, Any] | None = None,
    ) -> None:
        functools.update_wrapper(cast("Callable[..., Any]", self), function)
        self.type = task_type
        self.function = function
        self._owner = owner
        self._codec = codec
        self._binder = Binder(function, task_type, rename=rename, scope=scope)
        self.returns: Any = self._binder.returns
        self.default_options: dict[str, Any] = self._with_retention(options)
        resolve(self.default_options)  # a bad option is refused where it is written
        self.route: Route = Route(
            self._call_async if is_async(function) else self._call,
            is_async(function),
            backoff=backoff,
            retry_on=retry_on,
            archive_on=archive_on,
            encode=self._encode_result,
            isolated=_place(function, task_type) if isolated else "",
            middleware=self._layers,
        )

    def _layers(self) -> Sequence[Middleware]:
        """Collect the middleware of the application and of the routers in between."""
        layers: Sequence[Middleware] = self._owner.layers
        owner = self._owner.parent
        while owner is not None:
            layers = [*owner.layers, *layers]
            owner = owner.parent
        return layers

    def __call__(self, *args: Q.args, **kwargs: Q.kwargs) -> C:
        return self.function(*args, **kwargs)

    def __repr__(self) -> str:
        return f"<task {self.type!r}: {self.function.__module__}.{self.function.__qualname__}>"

    async def enqueue(self, *args: P.args, **kwargs: P.kwargs) -> Handle[R]:
        """
        Enqueue the task with these arguments, positional or named as the function takes them.

        Raises:
            PayloadError: An argument has no JSON form, or the payload is too large. Nothing was written.
            DuplicateTask, TaskIdConflict: Refused by the store. Nothing was written.
            BrokerUnavailable: The store could not be reached; the task may exist.
        """
        return await self._enqueue(self.bind(*args, **kwargs))

    def enqueue_sync(self, *args: P.args, **kwargs: P.kwargs) -> SyncHandle[R]:
        """
        Enqueue the task from code that blocks: a script, a Django or Flask view, any thread.

        Raises:
            ConfigurationError: An event loop runs in this thread, which the call would block: await `enqueue`.
            PayloadError, DuplicateTask, TaskIdConflict, BrokerUnavailable: As `enqueue`.
        """
        return self._enqueue_sync(self.bind(*args, **kwargs))

    def bind(self, *args: P.args, **kwargs: P.kwargs) -> Task[R]:
        """Make a `Task` of these arguments, for `enqueue_many`, schedules and assertions."""
        return self._bind(args, kwargs, {})

    def options(self, **options: Unpack[EnqueueOptions]) -> Enqueuer[P, R]:
        """
        Lay options over the declared ones, for one `enqueue` or `bind`.

        Raises:
            InvalidTask: An option cannot be used.
        """
        resolve(merge(self.default_options, options))
        return Enqueuer(self, options)

    def handle(self, task_id: str, *, queue: str | None = None) -> Handle[R]:
        """
        Make the handle of a task that was enqueued elsewhere or before.

        Raises:
            InvalidTask: There can be no task of that id, or no queue of that name.
        """
        return self._handle(text("task id", task_id), self._queue(queue), keeps_result=True)

    def handle_sync(self, task_id: str, *, queue: str | None = None) -> SyncHandle[R]:
        """
        Make the handle of a task that was enqueued elsewhere or before, for code that blocks.

        Raises:
            InvalidTask: There can be no task of that id, or no queue of that name.
        """
        return self._handle_sync(text("task id", task_id), self._queue(queue), keeps_result=True)

    def _queue(self, given: str | None) -> str:
        return check_queue(given if given is not None else self.default_options.get("queue") or "default")

    @property
    def lifespan(self) -> Callable[[], AbstractAsyncContextManager[Any]] | None:
        """The application's, for the processes of isolated tasks."""
        return self._owner.lifespan

    @property
    def needs_arguments(self) -> bool:
        """Whether it cannot be enqueued without arguments."""
        return self._binder.needs_arguments

    @property
    def parameters(self) -> dict[str, Any]:
        """What it takes by name, each with its type; nothing if it takes its whole payload."""
        return self._binder.parameters

    @property
    def takes(self) -> Any:
        """What its payload is decoded into: an object of all its arguments, by their names on the wire, or one type."""
        return self._binder.takes

    def arguments(self, payload: bytes, headers: Mapping[str, str] = MappingProxyType({})) -> tuple[Any, Any]:
        """
        Decode a payload into positional and named arguments, as a server does before it calls the function.

        Raises:
            PayloadError: It does not fit the signature, or its codec is not known; the message names the field.
        """
        return self._binder.decode(payload, self._codec_of(headers))

    def _with_retention(self, options: Mapping[str, Any]) -> dict[str, Any]:
        returns_something = self.returns not in (None, type(None), Any)
        defaults = {"retention": RESULT_RETENTION_S} if returns_something else {}
        merged = {**defaults, **options}
        if returns_something and merged["retention"]:
            _ = self._binder.result_type  # what could not be kept is refused where it is declared
        return merged

    @property
    def codec(self) -> Codec:
        """Its own codec, or else its application's."""
        return self._codec or self._owner.codec or JSON

    def _codec_of(self, headers: Mapping[str, str]) -> Codec:
        """Find the codec that a task was written by."""
        name = name_of(headers)
        found = self.codec if self.codec.name == name else self._owner.find_codec(name)
        if found is None:
            raise PayloadError(
                f"payload of task {self.type} is written by codec {name!r}, which is not known here: "
                "give that codec to Onebeat(codecs=[…])"
            )
        return found

    def _bind(self, args: tuple[Any, ...], kwargs: Mapping[str, Any], options: Mapping[str, Any]) -> Task[R]:
        codec = self.codec
        payload = self._binder.encode(args, kwargs, codec)
        task: Task[R] = Task(self.type, payload)
        task.options = merge(self.default_options, options) if options else self.default_options
        headers = task.options.get("headers") or {}
        if codec is not JSON:
            task.options = merge(task.options, {"headers": {HEADER: codec.name}})
        elif HEADER in headers:  # as when a handler hands on the headers of its own task
            others = {name: value for name, value in headers.items() if name != HEADER}
            task.options = {**task.options, "headers": others}
        task.result_type = self.returns
        return task

    def _enqueue_sync(self, task: Task[R]) -> SyncHandle[R]:
        refuse_in_loop(f"enqueue_sync() of task {self.type}", "await enqueue() instead")
        enqueued = self._owner.sync_client().enqueue(task)
        return self._handle_sync(enqueued.id, enqueued.queue, keeps_result=bool(task.options.get("retention")))

    async def _enqueue(self, task: Task[R]) -> Handle[R]:
        client = await self._owner.client()
        enqueued = await client.enqueue(task)
        return self._handle(enqueued.id, enqueued.queue, keeps_result=bool(task.options.get("retention")))

    def _handle(self, task_id: str, queue: str, *, keeps_result: bool) -> Handle[R]:
        return Handle(task_id, queue, self.type, keeps_result, self._decode_result, self._owner.connection)

    def _handle_sync(self, task_id: str, queue: str, *, keeps_result: bool) -> SyncHandle[R]:
        return SyncHandle(task_id, queue, self.type, keeps_result, self._decode_result, self._owner.sync_client)

    def _encode_result(self, value: Any, headers: Mapping[str, str]) -> bytes:
        return encode_as(self._codec_of(headers), value, self.returns)

    def _decode_result(self, result: bytes, headers: Mapping[str, str]) -> R:
        codec, into = self._codec_of(headers), self._binder.result_type
        try:
            return cast("R", codec.decode(result, into))
        except Exception as error:
            raise PayloadError(
                f"result {result[:80]!r} of task {self.type} is not what it is declared to return: {reason(error)}"
            ) from error

    def _call(self, context: Context[Any], task: Task[Any]) -> object:
        if not self._owner.surroundings:
            return self._begin(context, task)
        with surrounded(self._owner.surroundings):
            return self._begin(context, task)

    async def _call_async(self, context: Context[Any], task: Task[Any]) -> object:
        if not self._owner.surroundings:
            return await cast("Any", self._begin(context, task))
        async with surrounded_async(self._owner.surroundings):
            return await cast("Any", self._begin(context, task))

    def _begin(self, context: Context[Any], task: Task[Any]) -> object:
        args, kwargs = self._binder.decode(task.payload, self._codec_of(task.headers))
        if self._binder.takes_context:
            args = (context, *args)
        function = cast("Callable[..., object]", self.function)
        return function(*args, **kwargs)


def check_function(function: object, task_type: str | None) -> None:
    """Refuse to declare what a server could not call, or what has no name of its own."""
    name = task_type if task_type is not None else str(getattr(function, "__name__", "?"))
    named = f"task {name}: {shown(function)}"
    if not callable(function) or isinstance(function, (type, Declared)) or not hasattr(function, "__qualname__"):
        raise ConfigurationError(f"{named} is no function; put @app.task() above one that does the work")
    if task_type is None and not name.isidentifier():
        raise ConfigurationError(f'{named} has no name; give its type, app.task("…")')
    check_returns(function, named)


def _place(function: Callable[..., Any], task_type: str) -> str:
    """Return where another process finds a function, "module:name", or say why none could."""
    module, name = function.__module__, function.__qualname__
    if "<" in name:
        raise ConfigurationError(
            f"task {task_type}: function {name} exists only inside another, where no other process finds it; "
            'isolation="process" needs one at the top of a module'
        )
    if module == "__main__" and not getattr(sys.modules["__main__"], "__file__", None):
        raise ConfigurationError(
            f"task {task_type}: function {name} was typed in, and no other process finds it; "
            'isolation="process" needs one in a file'
        )
    return f"{module}:{name}"


def check_place(declared: Declared[Any, Any, Any, Any]) -> None:
    """Make sure that another process will find an isolated task under the name of its function."""
    module, _, name = declared.route.isolated.partition(":")
    found: Any = sys.modules.get(module)
    for part in name.split("."):
        found = getattr(found, part, None)
    if declared.route.isolated and found is not declared:
        raise ConfigurationError(
            f"task {declared.type}: {declared.route.isolated} is {found!r}, not the task; "
            'isolation="process" needs @app.task above the function itself'
        )


def check_no_arguments(declared: Declared[Any, Any, Any, Any]) -> None:
    """Refuse to schedule a task that cannot be called without arguments."""
    if declared.needs_arguments:
        raise ConfigurationError(
            f"task {declared.type} needs arguments, so it cannot be scheduled as it is: "
            f"give them defaults, or use app.schedule(id, trigger, {declared.function.__name__}.bind(…))"
        )
