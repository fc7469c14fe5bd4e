"""Parts of a page that fail alone: what is damaged is left out, and the page says so in a sentence."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Iterable
from typing import Protocol, TypeVar

from starlette.requests import Request

from onebeat.errors import BrokerError, BrokerUnavailable
from onebeat.web import consoles

T = TypeVar("T")


class Reader(Protocol):
    """Reads a part, as `part` and `quiet_part` do."""

    async def __call__(
        self, request: Request, key: object, read: Callable[[], Awaitable[T]], *, seconds: float = 1.0
    ) -> T | None:
        """Return a part; None: it cannot be read."""


def unread(request: Request) -> tuple[str, ...]:
    """Return what of the page could not be read, and why, a sentence each."""
    return tuple(getattr(request.state, "unread", ()))


def note(request: Request, sentences: Iterable[str]) -> None:
    """Have the page say that something could not be read; the same is said once."""
    request.state.unread = list(dict.fromkeys([*unread(request), *sentences]))


async def silent(reading: Awaitable[list[T]]) -> list[T]:
    """Return what is read, nothing where what stands in the store is damaged, of which nothing is said here."""
    try:
        return await reading
    except BrokerUnavailable:
        raise
    except BrokerError:
        return []


async def part(request: Request, key: object, read: Callable[[], Awaitable[T]], *, seconds: float = 1.0) -> T | None:
    """
    Read a part of a page, once for all viewers; None: what stands in the store is damaged, and the page says so.

    Args:
        key, read, seconds: See `SharedReads.get`.

    Raises:
        BrokerUnavailable: The store is away, so that nothing is known.
    """
    try:
        return await consoles.of(request).reads.get(key, read, seconds=seconds)
    except BrokerUnavailable:
        raise
    except BrokerError as error:
        note(request, [str(error)])
        return None


async def quiet_part(
    request: Request, key: object, read: Callable[[], Awaitable[T]], *, seconds: float = 1.0
) -> T | None:
    """Read what is no part of the page itself, so that the page says nothing of it if it is damaged."""
    try:
        return await consoles.of(request).reads.get(key, read, seconds=seconds)
    except BrokerUnavailable:
        raise
    except BrokerError:
        return None
