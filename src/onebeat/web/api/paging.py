"""Lists in parts, each with a cursor that leads to the next."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Iterable
from typing import Annotated, TypeVar

import msgspec

from onebeat.errors import InvalidTask, shown

T = TypeVar("T")

Limit = Annotated[int, msgspec.Meta(ge=1, le=500)]
"""How many items a part may have."""

Cursor = Annotated[str, msgspec.Meta(max_length=4000)]
"""Where a list goes on, as the part before said; "" is its beginning."""

Name = Annotated[str, msgspec.Meta(min_length=1, max_length=1000)]
"""What names something: a queue, a task, a schedule, a server."""

MaybeName = Annotated[str, msgspec.Meta(max_length=1000)]
"""The same where it may be left out; "" counts as that."""

Reason = Annotated[str, msgspec.Meta(max_length=200)]
"""Why something is done, in a line; "": that is not said."""


def part(
    items: Iterable[T], key: Callable[[T], str], *, of: str, limit: int, cursor: str
) -> tuple[list[T], str | None]:
    """
    Return the items behind a cursor, in the order of their keys, and where the list goes on; None: it ends.

    What comes or goes meanwhile hides nothing that stays.

    Args:
        key: Tells items apart.

        of: What list it is: a cursor of another is refused.

    Raises:
        InvalidTask: The cursor is none of this list.
    """
    after = read(cursor, of, str) if cursor else None
    rest = sorted((item for item in items if after is None or key(item) > after), key=key)
    found = rest[:limit]
    return found, write(of, key(found[-1])) if len(rest) > limit else None


def write(of: str, place: object) -> str:
    """Make a cursor of a place in a list."""
    return base64.urlsafe_b64encode(msgspec.msgpack.encode((of, place))).decode().rstrip("=")


def read(cursor: str, of: str, kind: type[T]) -> T:
    """
    Return the place that a cursor stands for.

    Raises:
        InvalidTask: It is none of this list.
    """
    try:
        data = base64.b64decode(cursor + "=" * (-len(cursor) % 4), b"-_", validate=True)
        name, place = msgspec.msgpack.decode(data, type=tuple[str, msgspec.Raw])
        found = msgspec.msgpack.decode(place, type=kind)
    except (ValueError, binascii.Error, msgspec.MsgspecError, RecursionError):
        raise _foreign(cursor) from None
    if name != of:
        raise _foreign(cursor)
    return found


def _foreign(cursor: str) -> InvalidTask:
    return InvalidTask(f"cursor is {shown(cursor)}: give one that this list returned, with the same parameters")
