"""A context of a test's own, to call a task's function with."""

from __future__ import annotations

from typing import TYPE_CHECKING, Self, TypeVar

from onebeat.server.context import Context, running
from onebeat.task import Progress

if TYPE_CHECKING:
    from typing_extensions import TypeVar as DefaultTypeVar  # checkers know it without its being installed

    S = DefaultTypeVar("S", default=None)
else:
    S = TypeVar("S")


class KitContext(Context[S]):
    """
    A context to call a function with. Made by `t.context()`.

    `with t.context():` makes it what `current()` returns in the block.

    Attributes:
        said: What `progress()` was told, in order.
    """

    __slots__ = ("_entered", "_stopped", "said")

    said: list[Progress]
    _stopped: list[bool]

    def stop(self) -> None:
        """Make `stopping` true, as when the server stops or the task's time is over."""
        self._stopped.append(True)

    def __enter__(self) -> Self:
        self._entered = running.set(self)
        return self

    def __exit__(self, *_: object) -> None:
        running.reset(self._entered)
