"""
The test kit: an application on a private store, in a time that the test moves.

`app.testing()` makes a `Kit`, whose block gives a `Testing` (`async with`) or a `SyncTesting` (`with`).
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Callable, Collection, Coroutine, Iterable, Iterator
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager, contextmanager
from datetime import UTC, datetime
from types import EllipsisType, TracebackType
from typing import TYPE_CHECKING, Any, Generic, TypeVar, Unpack

from onebeat.app.app import Onebeat
from onebeat.app.declared import Declared
from onebeat.app.serving import served_queues
from onebeat.broker import private
from onebeat.broker.store import BlockingStore
from onebeat.errors import ConfigurationError, is_number, shown
from onebeat.options import instant
from onebeat.scheduler.entry import Entry
from onebeat.server.config import ServerConfig
from onebeat.server.server import Server, ServerSettings
from onebeat.sync import refuse_in_loop
from onebeat.testing.bench import TAKEN_AT_ONCE, Bench, Plan
from onebeat.testing.clock import SimulatedClock
from onebeat.testing.driving import Driving
from onebeat.testing.facade import SyncTesting, Testing
from onebeat.testing.transport import KitTransport, Reach
from onebeat.testing.turnstile import Turnstile
from onebeat.testing.view import View

if TYPE_CHECKING:
    from typing_extensions import TypeVar as DefaultTypeVar  # checkers know it without its being installed

    S = DefaultTypeVar("S", default=None)
else:
    S = TypeVar("S")
T = TypeVar("T")

GUARD_S = 10.0


def make_kit(
    app: Onebeat[S],
    *,
    state: S | EllipsisType = ...,
    start: datetime | None = None,
    schedules: bool | Collection[Declared[Any, Any, Any, Any] | str] = True,
    eager: bool = False,
    processes: bool = False,
    guard: float = GUARD_S,
    seed: int = 20,
    **settings: Unpack[ServerSettings],
) -> Kit[S]:
    """Test an application. See `Onebeat.testing`."""
    settings = {**app.server_settings, **settings}
    Server(**settings)  # unknown and bad ones are refused by the same sentences as everywhere
    concurrency = settings.pop("concurrency", 1)
    config = ServerConfig(
        **{"queues": served_queues(app) or {"default": 1}, **settings},  # type: ignore[arg-type] # looked at just now
        concurrency=TAKEN_AT_ONCE,
    )
    if not is_number(guard) or not guard > 0:
        raise ConfigurationError(f"guard is {shown(guard)}: give real seconds, more than 0")
    clock = SimulatedClock(datetime.fromtimestamp(instant("start", start), UTC) if start is not None else _now())
    plan = Plan(
        mux=app.mux,
        entries=_chosen(app, schedules),
        sources=app.sources if schedules else (),
        config=config,
        app=app.name,
        clock=clock,
        at_once=concurrency,
        guard=guard,
        seed=seed,
        processes=processes,
        hooks=app.hooks,
        audience=app.audience,
    )
    return Kit(app, plan, state, eager=eager)


def _chosen(
    app: Onebeat[Any], schedules: bool | Collection[Declared[Any, Any, Any, Any] | str]
) -> Callable[[Iterable[Entry]], Iterable[Entry]]:
    """Return what gives the schedules that fire: all of the app's, none, or those of some tasks or ids."""
    if isinstance(schedules, bool):
        return lambda provided: [*app.entries.values(), *provided] if schedules else ()
    if isinstance(schedules, (str, bytes)) or not isinstance(schedules, Collection):
        raise ConfigurationError(f"schedules is {shown(schedules)}: give True, False, or a list of tasks and ids")
    names = {one.type if isinstance(one, Declared) else one for one in schedules}
    known = {name for entry in app.entries.values() for name in (entry.id, entry.type)}
    if names - known and not app.sources:
        raise ConfigurationError(
            f"schedules names {shown(min(names - known, key=str))}, which is no schedule's id and no scheduled task: "
            f"choose from {', '.join(sorted(app.entries)) or 'none'}"
        )
    return lambda provided: [entry for entry in [*app.entries.values(), *provided] if {entry.id, entry.type} & names]


def _now() -> datetime:
    return datetime.now(UTC)


@contextmanager
def private_store() -> Iterator[str]:
    """
    Lend an empty store of this process's own, on real time, for tests of the plain form; gives its URL.

    Raises:
        MissingExtra: The engine is not installed.
        ConfigurationError: It cannot run here.
    """
    with private.lent(simulated=False) as where:
        yield where.shown


class Kit(Generic[S]):
    """An application about to be tested: enter it by `async with`, or by `with` in a test that blocks."""

    def __init__(self, app: Onebeat[S], plan: Plan, state: S | EllipsisType, *, eager: bool) -> None:
        self._app = app
        self._plan = plan
        self._state = state
        self._eager = eager
        self._stack = AsyncExitStack()
        self._thread: _LoopThread | None = None

    async def __aenter__(self) -> Testing[S]:
        async with AsyncExitStack() as stack:
            view = await self._open(stack, Turnstile())
            self._stack = stack.pop_all()
        return Testing(view)

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.aclose()

    def __enter__(self) -> SyncTesting[S]:
        refuse_in_loop("with app.testing()", "write `async with app.testing() as t` in an async test")
        self._thread = thread = _LoopThread()
        try:
            return SyncTesting(thread.run(self._enter(thread.turnstile)))
        except BaseException:
            thread.stop()
            raise

    async def _enter(self, turnstile: Turnstile) -> View[S]:
        async with AsyncExitStack() as stack:
            view = await self._open(stack, turnstile)
            self._stack = stack.pop_all()
        return view

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        thread, self._thread = self._thread, None
        if thread is None:
            return
        try:
            thread.run(self._stack.aclose())
        finally:
            thread.stop()

    async def _open(self, stack: AsyncExitStack, turnstile: Turnstile) -> View[S]:
        where = stack.enter_context(private.lent(simulated=True))
        reading = BlockingStore(where)
        stack.callback(reading.close)
        view: View[S] = View(self._app, self._plan, where, reading)
        reach = Reach(turnstile, view.note, eager=self._eager)
        transport = KitTransport(where, reach, self._app.audience)
        stack.enter_context(self._app.by_way_of(transport))
        stack.callback(lambda: transport.sync_client.close())
        stack.push_async_callback(transport.aclose)
        state: Any = self._state
        if isinstance(state, EllipsisType):
            lifespan = self._app.lifespan
            state = await stack.enter_async_context(_in_one_task(lifespan)) if lifespan is not None else None
        driving = Driving(await Bench.open(self._plan, where, state, turnstile))
        stack.push_async_callback(driving.aclose)
        driving.bench.made = view.note
        reach.driving = driving
        stack.callback(reach.close)
        view.open(driving, reach, transport, state)
        return view


@asynccontextmanager
async def _in_one_task(lifespan: Callable[[], AbstractAsyncContextManager[T]]) -> AsyncIterator[T]:
    """Enter and leave a lifespan in one task, as its task groups and time limits want it, whichever task closes us."""
    loop = asyncio.get_running_loop()
    entered: asyncio.Future[T] = loop.create_future()
    leave = asyncio.Event()

    async def live() -> None:
        try:
            async with lifespan() as state:
                entered.set_result(state)
                await leave.wait()
        except BaseException as error:
            if entered.done():
                raise
            entered.set_exception(error)

    life = loop.create_task(live(), name="lifespan of the application under test")
    state = await entered
    try:
        yield state
    finally:
        leave.set()
        await life


class _LoopThread:
    """The event loop of a test that blocks; plain handlers run in the test's own thread while it waits."""

    def __init__(self) -> None:
        self.turnstile = Turnstile()
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="onebeat-testing-loop", daemon=True)
        self._thread.start()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return self.turnstile.wait(lambda: asyncio.run_coroutine_threadsafe(work, self._loop))

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.run_until_complete(self._loop.shutdown_asyncgens())
        self._loop.close()
