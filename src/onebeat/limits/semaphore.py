"""
A counting semaphore over all servers, Go's included: at most so many tasks hold a token at the same time.

asynq: x/rate, `Semaphore`. There a token is held until the task's deadline whatever becomes of its process; here it is
a lease that is renewed while the task runs, so that a dead holder's token is free within `lease` seconds (SE-63).
"""

from __future__ import annotations

import asyncio
import logging
import random
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

from onebeat.app.app import Onebeat
from onebeat.app.transport import Transport
from onebeat.broker.call import Call
from onebeat.broker.semaphores import give_back, take_token
from onebeat.broker.store import BlockingStore, Store, check_source
from onebeat.errors import BrokerError, ConfigurationError, InvalidTask, SemaphoreFull, shown
from onebeat.options import Duration, seconds, text
from onebeat.server.context import Context, current
from onebeat.sync import refuse_in_loop
from onebeat.upkeep.service import cancelled

log: logging.Logger = logging.getLogger("onebeat.semaphore")


class Semaphore:
    """
    At most `max_tokens` tasks hold a token of a scope at the same time, whatever their queue or server.

    Nobody waits for a token in a slot, and there is no order: who finds none runs again a little later.

    Args:
        store: An application, whose store is used; a URL or a redis-py client; an open `Store`, for coroutines alone;
            or None: as for `Client`.

        scope: Names the semaphore; Go's semaphores of that scope share it.

        max_tokens: How many there are, 1 or more. All who use the scope should say the same.

        retry_in: Seconds, or a `timedelta`, until a task that found none runs again, give or take a half.

        lease: Seconds, or a `timedelta`, after which the token of a dead holder is free: 3 or more, a renewal is
            due every third of it. Keep it well above what the clocks of Go's servers differ by.

    Raises:
        ConfigurationError: One of these cannot be used.
    """

    def __init__(
        self,
        store: object,
        scope: str,
        max_tokens: int,
        *,
        retry_in: Duration = 5.0,
        lease: Duration = 30.0,
        jitter: Callable[[], float] = random.random,
    ) -> None:
        self.scope: str = text("scope of a semaphore", scope, refusal=ConfigurationError)
        if type(max_tokens) is not int or max_tokens < 1:
            raise ConfigurationError(
                f"max_tokens of semaphore {shown(scope)} is {shown(max_tokens)}: give a whole number from 1"
            )
        self.max_tokens: int = max_tokens
        self._retry_in = _duration(scope, "retry_in", retry_in, 0.0)
        self._lease = _duration(scope, "lease", lease, 3.0)
        self._jitter = jitter
        self._app = store if isinstance(store, Onebeat) else None
        self._open = store if isinstance(store, Store) else None
        self._own = Transport(check_source(store)) if self._app is None and self._open is None else None

    async def acquire(self, ctx: Context[Any] | None = None) -> bool:
        """
        Take a token for a task, until its deadline; false if all are taken. One that holds one has it anew.

        Prefer `held`, which gives it back.

        Args:
            ctx: The task's context; default: that of the running handler.

        Raises:
            BrokerUnavailable: The store could not be reached.
        """
        return await self._take(ctx or current(), is_leased=False)

    async def release(self, ctx: Context[Any] | None = None) -> bool:
        """Give the token of a task back; false if it has none. See `acquire`."""
        answer = await (await self._store()).command(*give_back(self.scope, (ctx or current()).id))
        return bool(answer)

    @asynccontextmanager
    async def held(self, ctx: Context[Any] | None = None) -> AsyncIterator[None]:
        """
        Hold a token while the block of `async with` runs.

        Raises:
            SemaphoreFull: All are taken. Let through, it runs the task again later, at no cost in retries.
            BrokerUnavailable: The store could not be reached.
        """
        task = ctx or current()
        if not await self._take(task, is_leased=True):
            raise self._full()
        renewing = asyncio.get_running_loop().create_task(self._renew(task))
        try:
            yield
        finally:
            await cancelled(renewing)
            try:
                await self.release(task)
            except BrokerError as error:
                self._kept(task, error)

    async def _renew(self, task: Context[Any]) -> None:
        while True:
            await asyncio.sleep(self._lease / 3)
            try:
                is_held = await self._take(task, is_leased=True)
            except BrokerError as error:
                log.warning("semaphore %s: token of task %s is not renewed: %s", self.scope, task.id, error)
            else:
                self._renewed(task, is_held)

    async def _take(self, task: Context[Any], *, is_leased: bool) -> bool:
        call = self._call(task, is_leased)
        return await (await self._store()).run(call)

    def acquire_sync(self, ctx: Context[Any] | None = None) -> bool:
        """Take a token from a plain function. See `acquire`."""
        return self._blocking_store("acquire").run(self._call(ctx or current(), False))

    def release_sync(self, ctx: Context[Any] | None = None) -> bool:
        """Give a token back from a plain function. See `release`."""
        [answer] = self._blocking_store("release").commands([give_back(self.scope, (ctx or current()).id)])
        return bool(answer)

    @contextmanager
    def held_sync(self, ctx: Context[Any] | None = None) -> Iterator[None]:
        """
        Hold a token while the block of `with` runs, in a plain function. See `held`.

        Raises:
            SemaphoreFull: All are taken. Let through, it runs the task again later, at no cost in retries.
            ConfigurationError: It is called on an event loop.
            BrokerUnavailable: The store could not be reached.
        """
        task, store = ctx or current(), self._blocking_store("held")
        if not store.run(self._call(task, True)):
            raise self._full()
        over = threading.Event()
        renewing = threading.Thread(target=self._renew_sync, args=(store, task, over), daemon=True)
        renewing.start()
        try:
            yield
        finally:
            over.set()
            renewing.join()
            try:
                store.commands([give_back(self.scope, task.id)])
            except BrokerError as error:
                self._kept(task, error)

    def _renew_sync(self, store: BlockingStore, task: Context[Any], over: threading.Event) -> None:
        while not over.wait(self._lease / 3):
            try:
                is_held = store.run(self._call(task, True))
            except BrokerError as error:
                log.warning("semaphore %s: token of task %s is not renewed: %s", self.scope, task.id, error)
            else:
                self._renewed(task, is_held)

    async def aclose(self) -> None:
        """Close the connection of the running loop, if it is of this semaphore's own; the next use opens another."""
        if self._own is not None:
            await self._own.aclose()

    def close(self) -> None:
        """Close the connections of plain functions, if they are of this semaphore's own."""
        if self._own is not None:
            self._own.sync_client.close()

    def _call(self, task: Context[Any], is_leased: bool) -> Call[bool]:
        deadline = task.deadline
        return take_token(
            self.scope,
            max_tokens=self.max_tokens,
            holder=task.id,
            lease_ms=round(self._lease * 1000) if is_leased or deadline is None else None,
            deadline_s=None if deadline is None else int(deadline.timestamp()),
        )

    async def _store(self) -> Store:
        if self._open is not None:
            return self._open.here()
        if self._app is not None:
            return (await self._app.connection())[0]
        assert self._own is not None  # noqa: S101 - one of the three there is
        return (await self._own.connected()).store

    def _blocking_store(self, method: str) -> BlockingStore:
        refuse_in_loop(f"{method}_sync() of semaphore {self.scope}", f"await {method}() instead")
        if self._open is not None:
            raise ConfigurationError(
                f"semaphore {self.scope} has a Store of an event loop, which plain functions cannot use: "
                "give it a URL or an application"
            )
        if self._app is not None:
            return self._app.sync_client().store
        assert self._own is not None  # noqa: S101 - one of the three there is
        return self._own.sync_client.store

    def _full(self) -> SemaphoreFull:
        who = "1 holds it" if self.max_tokens == 1 else f"{self.max_tokens} hold it"
        delay = self._retry_in * (0.5 + self._jitter())
        return SemaphoreFull(f"semaphore {self.scope} is full: {who}", delay=delay)

    def _renewed(self, task: Context[Any], is_held: bool) -> None:
        if not is_held:
            log.warning(
                "semaphore %s: token of task %s lapsed and others have taken it: one more than %d run",
                self.scope,
                task.id,
                self.max_tokens,
            )

    def _kept(self, task: Context[Any], error: BrokerError) -> None:
        log.warning(
            "semaphore %s: token of task %s is not given back, it lapses within %g s: %s",
            self.scope,
            task.id,
            self._lease,
            error,
        )


def _duration(scope: str, name: str, value: Duration, minimum: float) -> float:
    try:
        return seconds(f"{name} of semaphore {scope}", value, minimum=minimum)
    except InvalidTask as error:
        raise ConfigurationError(str(error)) from None
