"""What an application hangs into its servers; see `Server` for what each hook is for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeVar, cast

from onebeat.errors import ConfigurationError, shown
from onebeat.server.hooks import (
    BaseContext,
    ErrorHandler,
    HealthCheck,
    Hooks,
    HookSettings,
    IsFailure,
    RetryDelayOfTask,
)
from onebeat.server.mux import Middleware, Mux, Plain, Route
from onebeat.server.outcome import RetryDelay
from onebeat.upkeep.foreign import is_async

D = TypeVar("D", bound=RetryDelay | RetryDelayOfTask)
F = TypeVar("F", bound=IsFailure)
E = TypeVar("E", bound=ErrorHandler)
B = TypeVar("B", bound=BaseContext)
C = TypeVar("C", bound=HealthCheck)
N = TypeVar("N", bound=Plain)


class Hooking:
    """
    Decorators for hooks. Each hook may be given once.

    Attributes:
        hooks: What was given, as keywords of `Server`.

        mux: The handlers.

        layers: The middleware.
    """

    mux: Mux
    layers: list[Middleware]

    def __init__(self) -> None:
        self.hooks: HookSettings = {}

    def _hang(self, name: str, function: Any) -> Any:
        if name in self.hooks:
            others = cast("dict[str, object]", self.hooks)[name]
            raise ConfigurationError(f"hook {name} is {shown(others)} already: leave one of them out")
        Hooks(**{name: function})
        cast("dict[str, object]", self.hooks)[name] = function
        return function

    def on_error(self, function: E) -> E:
        """
        Have the decorated function told of every failed attempt, before its retry or the archive is written.

        Async, or plain in a thread: `async def tell(ctx, task, error)`. Also of timeouts (a `TimeoutError`), of
        cancelled tasks, and, once they were recovered, of those whose server died (a `TaskCrashed`). What it raises is
        logged; it is waited for `hook_timeout` seconds.

        Raises:
            ConfigurationError: It cannot be called so, or there is one already.
        """
        return cast("E", self._hang("on_error", function))

    def is_failure(self, function: F) -> F:
        """
        Have the decorated plain function say whether an error counts: `def counts(error) -> bool`.

        An error that does not costs no retry and is in no statistics; see `max_soft_failures`.

        Raises:
            ConfigurationError: It cannot be called so, or there is one already.
        """
        return cast("F", self._hang("is_failure", function))

    def retry_delay(self, function: D) -> D:
        """
        Have the decorated plain function say after how many seconds a failed task is tried again.

        It is given the failures so far and the error, and the task if it takes a third. A task's own `backoff` comes
        first.

        Raises:
            ConfigurationError: It cannot be called so, or there is one already.
        """
        return cast("D", self._hang("retry_delay", function))

    def base_context(self, function: B) -> B:
        """
        Run every handler in what the decorated function returns: given the context, a context manager, async or not.

        For context variables that a handler finds set, in a thread as well: put `@contextmanager` under it. It stands
        outside of all middleware and of `on_error`. What it raises on entering is the task's error.

        Raises:
            ConfigurationError: It cannot be called so, or there is one already.
        """
        return cast("B", self._hang("base_context", function))

    def health_check(self, function: C) -> C:
        """
        Have the decorated function told every `health_interval` seconds how the store fares: None, or the error.

        Raises:
            ConfigurationError: It cannot be called so, or there is one already.
        """
        return cast("C", self._hang("health_check", function))

    def not_found(self, function: N) -> N:
        """
        Have the decorated function called, with context and task, for tasks of types that are not declared here.

        The application's middleware stands around it. To raise `HandlerNotFound` is to do as if there were none: the
        task waits for a server that has a handler, at no cost in retries, and fails after ten minutes without.

        Raises:
            ConfigurationError: It cannot be called so, or there is one already.
        """
        self.mux.add_not_found(Route(function, is_async(function), middleware=self._own_layers))
        return function

    def _own_layers(self) -> Sequence[Middleware]:
        return self.layers
