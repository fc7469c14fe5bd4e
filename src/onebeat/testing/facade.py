"""What a test holds in its hand: `Testing` in async tests, `SyncTesting` in those that block."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Generic, TypeVar

from onebeat.broker.connection import Endpoint
from onebeat.errors import ConfigurationError, InvalidTask, shown
from onebeat.options import DEFAULT_MAX_RETRY, DEFAULT_QUEUE, Duration, check_queue, instant, seconds
from onebeat.states import TaskState
from onebeat.task import Progress, TaskInfo
from onebeat.testing.clock import to_us
from onebeat.testing.context import KitContext
from onebeat.testing.faults import When
from onebeat.testing.records import Attempt, Drained, EnqueuedTask, type_of
from onebeat.testing.transport import own_context
from onebeat.testing.view import View

if TYPE_CHECKING:
    from typing_extensions import TypeVar as DefaultTypeVar  # checkers know it without its being installed

    S = DefaultTypeVar("S", default=None)
else:
    S = TypeVar("S")

_WAITING = (TaskState.PENDING, TaskState.SCHEDULED, TaskState.RETRY, TaskState.AGGREGATING)
_LISTED = (*_WAITING, TaskState.ACTIVE, TaskState.ARCHIVED, TaskState.COMPLETED)


class Face(Generic[S]):
    """
    What can be seen and ordered without waiting, the same in both forms.

    Attributes:
        store: The private store: what `Client`, `Inspector` and other parts of the plain form take as a store.
    """

    def __init__(self, view: View[S]) -> None:
        self._view = view
        self.store: Endpoint = view.where

    @property
    def now(self) -> datetime:
        """What time it is: it stands still until it is moved."""
        return self._view.plan.clock.now()

    @property
    def state(self) -> S:
        """What handlers find in `Context.state`."""
        return self._view.state

    def enqueued(self, task: object = None) -> list[EnqueuedTask]:
        """
        Return what was enqueued since the kit began, in order, whatever has become of it since.

        `send.bind(1) in t.enqueued()` is true however it was enqueued; options that the bound task names, such as
        those of `send.options(queue="low").bind(1)`, must be those it was enqueued with.

        Args:
            task: Only of this one: a declared task, or a type.
        """
        return _of(task, self._view.noted)

    def waiting(self, task: object = None) -> list[EnqueuedTask]:
        """
        Return what waits in the store now, pending, scheduled, for a retry or in a group; comparable as in `enqueued`.

        Args:
            task: Only of this one: a declared task, or a type.
        """
        noted = {(item.queue, item.id): item for item in self._view.noted}
        found = [
            noted.get((info.queue, info.id)) or EnqueuedTask.of_info(info, self._view.declared, self.now)
            for info in self._view.infos(*_WAITING)
        ]
        return _of(task, found)

    def tasks(self, state: TaskState | str | None = None, task: object = None) -> list[TaskInfo]:
        """
        Read the tasks that are in the store, in the order in which they were enqueued.

        Args:
            state: Only those in this state.

            task: Only of this one: a declared task, or a type.

        Raises:
            InvalidTask: There is no such state.
        """
        if state is not None and state not in _LISTED:
            raise InvalidTask(f"state is {shown(state)}: give one of {', '.join(_LISTED)}")
        wanted = _LISTED if state is None else (TaskState(state),)
        return [info for info in self._view.infos(*wanted) if task is None or info.type == type_of(task)]

    @property
    def archived(self) -> list[TaskInfo]:
        """The tasks in the archive, with their last error."""
        return self.tasks(TaskState.ARCHIVED)

    @property
    def completed(self) -> list[TaskInfo]:
        """The completed tasks that are kept, with their results. Those without `retention` are gone: see `ran`."""
        return self.tasks(TaskState.COMPLETED)

    @property
    def ran(self) -> list[Attempt]:
        """Every attempt since the kit began, in the order in which they ended."""
        return list(self._view.driving.bench.log.attempts)

    def context(
        self,
        task: object = None,
        *,
        id: str = "test",
        queue: str | None = None,
        retried: int = 0,
        max_retry: int | None = None,
        headers: Mapping[str, str] | None = None,
        tick: datetime | None = None,
    ) -> KitContext[S]:
        """
        Make a context to call a function with: `await send_welcome(t.context(), 42)`.

        Args:
            task: The task that it is of, a declared one or a type: it gives the queue and the retries.

            retried: Failures before this attempt.

            tick: For a task of a schedule, the instant it was fired for.
        """
        type_ = type_of(task) if task is not None else "test"
        options = self._view.declared(type_)
        said: list[Progress] = []
        stopped: list[bool] = []
        fired = {"tick": str(to_us(tick) // 1000)} if tick is not None else {}
        made: KitContext[S] = KitContext(
            id=id,
            queue=check_queue(queue or options.get("queue") or DEFAULT_QUEUE),
            type=type_,
            retried=retried,
            max_retry=_first(max_retry, options.get("max_retry"), DEFAULT_MAX_RETRY),
            headers={**(headers or {}), **fired},
            state=self._view.state,
            is_stopping=lambda: bool(stopped),
            say=lambda fraction, text: said.append(Progress(fraction, text, self.now)),
        )
        made.said, made._stopped = said, stopped
        return made

    def fail(self, task: object, error: BaseException | type[BaseException], *, times: int = 1) -> None:
        """
        Have the next attempts at a task raise an error in place of running its handler.

        Args:
            task: A declared task, or a type.

            times: How many attempts.
        """
        given: object = error
        if not isinstance(given, BaseException) and not (isinstance(given, type) and issubclass(given, BaseException)):
            raise ConfigurationError(f"fail(error={shown(error)}): give an exception, or a class of exceptions")
        self._view.reach.opened().bench.faults.fail(self._served(task), error, times)

    def crash(self, task: object, *, when: When = "after", times: int = 1) -> None:
        """
        Have the server die while it runs a task: nothing is written, and its lease lapses as time advances.

        Then the task runs again, at once after the first crash and later after each further one. A handler must
        bear that: "after" has it do all its work first, and so twice.

        Args:
            task: A declared task, or a type.

            when: "before" or "after" the handler's work.

            times: How many attempts.
        """
        self._view.reach.opened().bench.faults.crash(self._served(task), when, times)

    def time_out(self, task: object, *, times: int = 1) -> None:
        """
        Have the time of a task be over while it runs: a coroutine is cancelled where it first waits.

        A plain function runs in a thread, which cannot be stopped: it sees `ctx.stopping`.

        Args:
            task: A declared task, or a type.

            times: How many attempts.
        """
        self._view.reach.opened().bench.faults.time_out(self._served(task), times)

    def _served(self, task: object) -> str:
        """Return the type of a task that runs here, so that a fault that is ordered can happen."""
        type_ = type_of(task)
        if self._view.app.mux.find(type_) is None:
            known = ", ".join(list(self._view.app.tasks)[:20]) or "none yet"
            raise ConfigurationError(f"task {shown(type_)} is not served by {self._view.app.name!r}: it has {known}")
        return type_

    @contextmanager
    def store_down(self) -> Iterator[None]:
        """
        Have the store be out of reach for the application while the block runs: its calls raise `BrokerUnavailable`.

        The kit itself still reaches it, so that handlers that enqueue can be run meanwhile.
        """
        with self._view.transport.down():
            yield

    def _target(self, instant_: object) -> int:
        target = round(instant("advance_to", instant_) * 1_000_000)
        if target < self._view.plan.clock.now_us:
            raise ConfigurationError(
                f"advance_to({shown(instant_)}): it is {self.now} already, and time does not go back; "
                "begin earlier with testing(start=…)"
            )
        return target

    def _after(self, duration: Duration) -> int:
        return self._view.plan.clock.now_us + round(seconds("advance", duration) * 1_000_000)


class Testing(Face[S]):
    """An application under test, in an async test: `async with app.testing() as t`."""

    __test__ = False  # for pytest, which collects what is named so

    async def drain(self) -> Drained:
        """
        Run what is pending, and what comes of it, until nothing is pending and nothing runs. Time stands still, so of
        groups only those are aggregated that are full (`group_max_size`); the others are as time advances.

        Raises:
            HandlerStuck: A handler does not end.
        """
        return await self._view.reach.ask(self._view.reach.opened().drain(own_context()))

    async def advance(self, duration: float | timedelta) -> Drained:
        """
        Let time pass, from one due instant to the next: at each, what is due is run, in the order of time.

        Delayed tasks, retries, ticks of schedules, groups that are due, lapsing leases and unique locks all happen at
        their instants. What is pending now runs first.

        Args:
            duration: Seconds, or a `timedelta`.

        Raises:
            HandlerStuck: A handler does not end.
        """
        return await self._view.reach.ask(self._view.reach.opened().advance(own_context(), self._after(duration)))

    async def advance_to(self, instant: datetime) -> Drained:
        """
        Let time pass until an instant. See `advance`.

        Raises:
            ConfigurationError: That instant is over.
        """
        return await self._view.reach.ask(self._view.reach.opened().advance(own_context(), self._target(instant)))


class SyncTesting(Face[S]):
    """
    An application under test, in a test that blocks: `with app.testing() as t`.

    Plain handlers run in the test's own thread, while it waits here.
    """

    def drain(self) -> Drained:
        """Run what is pending. See `Testing.drain`."""
        return self._view.reach.ask_blocking(self._view.reach.opened().drain(own_context()))

    def advance(self, duration: float | timedelta) -> Drained:
        """Let time pass. See `Testing.advance`."""
        return self._view.reach.ask_blocking(self._view.reach.opened().advance(own_context(), self._after(duration)))

    def advance_to(self, instant: datetime) -> Drained:
        """Let time pass until an instant. See `Testing.advance_to`."""
        return self._view.reach.ask_blocking(self._view.reach.opened().advance(own_context(), self._target(instant)))


def _of(task: object, items: list[EnqueuedTask]) -> list[EnqueuedTask]:
    return [item for item in items if task is None or item.type == type_of(task)]


def _first(*values: Any) -> Any:
    return next(value for value in values if value is not None)
