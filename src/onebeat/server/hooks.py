"""
What a user may hang into a server: told of errors, asked whether one counts and how long to wait, and more.

A hook that raises, or hangs, harms neither its task nor the server: what it did wrong is logged, and all goes on
as if there were none.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager, AbstractContextManager, AsyncExitStack
from dataclasses import dataclass, field
from typing import Any, TypedDict

from onebeat.errors import BrokerError, ConfigurationError, SemaphoreFull, shown
from onebeat.server.context import Context
from onebeat.server.mux import takes
from onebeat.server.outcome import RetryDelay, default_retry_delay
from onebeat.task import Task
from onebeat.upkeep import foreign
from onebeat.upkeep.foreign import is_async

log: logging.Logger = logging.getLogger("onebeat.hooks")

RetryDelayOfTask = Callable[[int, BaseException, Task[Any]], float]
ErrorHandler = Callable[[Context[Any], Task[Any], BaseException], Awaitable[object] | object]
IsFailure = Callable[[BaseException], bool]
BaseContext = Callable[[Context[Any]], AbstractContextManager[Any] | AbstractAsyncContextManager[Any]]
HealthCheck = Callable[[BrokerError | None], Awaitable[object] | object]

_PROBE: Any = None


class HookSettings(TypedDict, total=False):
    """The hooks of a `Server` as keywords; see there."""

    retry_delay: RetryDelay | RetryDelayOfTask
    is_failure: IsFailure
    on_error: ErrorHandler
    base_context: BaseContext
    health_check: HealthCheck


@dataclass(frozen=True, slots=True, kw_only=True)
class Hooks:
    """
    The hooks of one server. See `Server`.

    Raises:
        ConfigurationError: One is no function that can be called so.
    """

    retry_delay: RetryDelay | RetryDelayOfTask = default_retry_delay
    is_failure: IsFailure | None = None
    on_error: ErrorHandler | None = None
    base_context: BaseContext | None = None
    health_check: HealthCheck | None = None
    limit: float = 5.0
    """Seconds that one of them is waited for."""
    _asks_for_task: bool = field(init=False, default=False)

    def __post_init__(self) -> None:
        delay: Any = self.retry_delay
        wanted = "give a function of the failures so far and the error, or of the task as well"
        _check("retry_delay", delay, wanted, (0, ValueError()), (0, ValueError(), _PROBE), plain=True)
        object.__setattr__(self, "_asks_for_task", not takes(delay, 0, ValueError()))
        if self.is_failure is not None:
            _check("is_failure", self.is_failure, "give a function of the error", (ValueError(),), plain=True)
        if self.on_error is not None:
            wanted = "give a function of three, the context, the task and the error"
            _check("on_error", self.on_error, wanted, (_PROBE, _PROBE, ValueError()))
        if self.base_context is not None:
            wanted = "give a function of the context that returns a context manager, as @contextmanager makes"
            _check("base_context", self.base_context, wanted, (_PROBE,), plain=True)
        if self.health_check is not None:
            _check("health_check", self.health_check, "give a function of the error, None when all is well", (None,))

    def delay_of(self, task: Callable[[], Task[Any]]) -> RetryDelay:
        """Return the back-off for a task, which is made only if it asks for it."""
        delay: Any = self.retry_delay
        if not self._asks_for_task:
            return delay  # type: ignore[no-any-return] # looked at in the beginning
        return lambda retried, error: float(delay(retried, error, task()))

    def counts(self, error: BaseException) -> bool:
        """Whether an error is a failure."""
        if self.is_failure is None:
            return True
        try:
            return bool(self.is_failure(error))
        except Exception:
            log.exception("is_failure raised when asked about %s; the error counts", shown(error))
            return True

    async def tell(self, context: Context[Any], task: Task[Any], error: BaseException) -> None:
        """Tell of an error."""
        if self.on_error is None or isinstance(error, SemaphoreFull):
            return
        try:
            await foreign.called(self.on_error, context, task, error, limit=self.limit)
        except asyncio.CancelledError:
            raise
        except BaseException as failure:  # noqa: BLE001 - a hook must not harm its task
            _complain("on_error", f"task {context.id} of queue {context.queue}", failure, self.limit)

    async def enter(self, context: Context[Any]) -> AsyncExitStack:
        """Enter what a task runs in; what that raises is the task's error. To be left by `leave`."""
        assert self.base_context is not None  # noqa: S101 - asked before
        stack = AsyncExitStack()
        entered = self.base_context(context)
        if isinstance(entered, AbstractAsyncContextManager):
            await stack.enter_async_context(entered)
        else:
            stack.enter_context(entered)
        return stack

    async def leave(self, context: Context[Any], stack: AsyncExitStack) -> None:
        """Leave it again, whatever comes of that."""
        try:
            async with asyncio.timeout(self.limit):
                await stack.aclose()
        except BaseException as failure:  # noqa: BLE001 - the task's outcome is decided
            _complain("base_context", f"task {context.id} of queue {context.queue}", failure, self.limit)

    async def tell_health(self, error: BrokerError | None) -> None:
        """Tell how the store fares."""
        if self.health_check is None:
            return
        try:
            await foreign.called(self.health_check, error, limit=self.limit)
        except Exception as failure:  # noqa: BLE001 - a hook must not harm the server
            _complain("health_check", "the store", failure, self.limit)


def _check(name: str, function: object, wanted: str, *calls: tuple[object, ...], plain: bool = False) -> None:
    if not any(takes(function, *arguments) for arguments in calls):
        raise ConfigurationError(f"setting {name} is {shown(function)}: {wanted}")
    if plain and callable(function) and is_async(function):
        raise ConfigurationError(f"setting {name} is {shown(function)}, which is async: {wanted}, without async")


def _complain(hook: str, about: str, failure: BaseException, limit: float) -> None:
    if isinstance(failure, TimeoutError) and failure.__cause__ is not None:
        log.error("%s, called for %s, does not end within %g s; all goes on without it", hook, about, limit)
    elif isinstance(failure, asyncio.CancelledError):
        log.error("%s, called for %s, was cut short", hook, about)
    else:
        log.error("%s, called for %s, raised", hook, about, exc_info=failure)
