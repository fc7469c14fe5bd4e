"""Trouble on order: which attempts are to fail, to run out of time, or to take their server with them."""

from __future__ import annotations

import asyncio
from collections import defaultdict, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

from onebeat.errors import ConfigurationError, shown
from onebeat.server.context import Context
from onebeat.server.mux import Handler, Mux, Route
from onebeat.server.running import Running, Stop
from onebeat.task import Task

When = Literal["before", "after"]


@dataclass(slots=True)
class Witness:
    """What was seen of an attempt in this process."""

    retried: int = 0
    exception: BaseException | None = None
    result: Any = None


class Faults:
    """
    Orders for coming attempts, by type; each is carried out as often as it was given.

    Args:
        attempt: Finds the attempt of a context.

        stop: Stops one.
    """

    def __init__(self, attempt: Callable[[Context[Any]], Running], stop: Callable[[Running, Stop], None]) -> None:
        self._attempt = attempt
        self._stop = stop
        self._errors: defaultdict[str, deque[BaseException | type[BaseException]]] = defaultdict(deque)
        self._crashes: defaultdict[str, deque[When]] = defaultdict(deque)
        self._late: defaultdict[str, int] = defaultdict(int)
        self.witnesses: dict[Running, Witness] = {}

    def fail(self, type: str, error: BaseException | type[BaseException], times: int) -> None:
        self._errors[type].extend([error] * times)

    def crash(self, type: str, when: When, times: int) -> None:
        if when not in ("before", "after"):
            raise ConfigurationError(f'crash(when={shown(when)}): give "before" or "after" the handler\'s work')
        self._crashes[type].extend(when for _ in range(times))

    def time_out(self, type: str, times: int) -> None:
        self._late[type] += times

    async def outermost(self, ctx: Context[Any], task: Task[Any], call_next: Handler) -> object:
        """Stand around all middleware: a server dies with all of it."""
        attempt = self._attempt(ctx)
        witness = self.witnesses[attempt] = Witness(ctx.retried)
        crash = self._crashes[ctx.type].popleft() if self._crashes[ctx.type] else None
        if crash == "before":
            attempt.stop = Stop.LOST
            return None
        if self._late[ctx.type]:
            self._late[ctx.type] -= 1
            asyncio.get_running_loop().call_soon(self._stop, attempt, Stop.TIMEOUT)
        try:
            witness.result = await call_next(ctx, task)
        except BaseException as error:
            witness.exception = error
            raise
        finally:
            if crash == "after":
                attempt.stop = Stop.LOST
        return witness.result

    async def innermost(self, ctx: Context[Any], task: Task[Any], call_next: Handler) -> object:
        """Stand where the handler does: its middleware sees the error."""
        if self._errors[ctx.type]:
            raise self._errors[ctx.type].popleft()
        return await call_next(ctx, task)


class WatchedMux(Mux):
    """
    The handlers of another mux, with the kit's eyes on them.

    Args:
        processes: Isolated handlers run in processes of their own; otherwise in this one, as others do.
    """

    def __init__(self, mux: Mux, faults: Faults, *, processes: bool) -> None:
        super().__init__()
        self._mux = mux
        self._faults = faults
        self._processes = processes

    def find(self, task_type: str) -> Route | None:
        route = self._mux.find(task_type)
        if route is None:
            return None
        given = route.middleware

        def layers() -> Sequence[Any]:
            between = given() if given is not None else ()
            return [self._faults.outermost, *between, self._faults.innermost]

        return replace(route, middleware=layers, isolated=route.isolated if self._processes else "")
