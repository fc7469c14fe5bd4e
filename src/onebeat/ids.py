"""Random task ids: UUIDv4 text as Go writes it, drawn from the system's randomness many at a time."""

from __future__ import annotations

import os
from collections.abc import Callable

_DRAWN = 128
_VARIANTS = "89ab"


def _batch(random: Callable[[int], bytes]) -> list[str]:
    digits = random(16 * _DRAWN).hex()
    return [_uuid(digits[start : start + 32]) for start in range(0, 32 * _DRAWN, 32)]


def _uuid(raw: str) -> str:
    variant = _VARIANTS[int(raw[16], 16) & 3]
    return f"{raw[:8]}-{raw[8:12]}-4{raw[13:16]}-{variant}{raw[17:20]}-{raw[20:]}"


class IdSource:
    """
    Makes ids, for any number of threads; one system call serves 128 of them.

    A forked child starts with an empty stock, so that it never repeats its parent's ids.
    """

    def __init__(self, random: Callable[[int], bytes] = os.urandom) -> None:
        self._random = random
        self._stock: list[str] = []

    def __call__(self) -> str:
        try:
            return self._stock.pop()  # a thread that finds none draws for itself
        except IndexError:
            stock = _batch(self._random)
            fresh = stock.pop()
            self._stock = stock
            return fresh

    def forget(self) -> None:
        """Throw the stock away."""
        self._stock = []


new_id: IdSource = IdSource()
"""The process's source."""

if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=new_id.forget)
