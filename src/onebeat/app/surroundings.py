"""What a handler runs in, entered where it runs: for frameworks whose state belongs to a thread or a context."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import (
    AbstractAsyncContextManager,
    AbstractContextManager,
    AsyncExitStack,
    ExitStack,
    asynccontextmanager,
    contextmanager,
)
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Surroundings:
    """
    Something to run handlers in.

    Attributes:
        plain: Entered around a plain function, in its thread.

        coroutine: Entered around a coroutine, in its task on the loop.
    """

    plain: Callable[[], AbstractContextManager[object]]
    coroutine: Callable[[], AbstractAsyncContextManager[object]]


@contextmanager
def surrounded(all_of: Sequence[Surroundings]) -> Iterator[None]:
    """Enter them all for a plain function."""
    with ExitStack() as stack:
        for one in all_of:
            stack.enter_context(one.plain())
        yield


@asynccontextmanager
async def surrounded_async(all_of: Sequence[Surroundings]) -> AsyncIterator[None]:
    """Enter them all for a coroutine."""
    async with AsyncExitStack() as stack:
        for one in all_of:
            await stack.enter_async_context(one.coroutine())
        yield
