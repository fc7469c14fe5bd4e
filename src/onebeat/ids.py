"""Random task ids: UUIDv4 text as Go writes it, drawn from the system's randomness many at a time."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator

_DRAWN = 128
_VARIANTS = "89ab"


def _batch(random: Callable[[int], bytes]) -> Iterator[str]:
    digits = random(16 * _DRAWN).hex()
    for start in range(0, 32 * _DRAWN, 32):
        raw = digits[start : start + 32]
        variant = _VARIANTS[int(raw[16], 16) & 3]
        yield f"{raw[:8]}-{raw[8:12]}-4{raw[13:16]}-{variant}{raw[17:20]}-{raw[20:]}"


class IdSource:
    """
    Makes ids; one system call serves 128 of them.

    A forked child starts with an empty stock, so that it never repeats its parent's ids.
    """

    def __init__(self, random: Callable[[int], bytes] = os.urandom) -> None:
        self._random = random
        self._stock: Iterator[str] = iter(())

    def __call__(self) -> str:
        fresh = next(self._stock, None)
        if fresh is None:
            self._stock = _batch(self._random)
            fresh = next(self._stock)
        return fresh

    def forget(self) -> None:
        """Throw the stock away."""
        self._stock = iter(())


new_id = IdSource()
"""The process's source."""

if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=new_id.forget)
