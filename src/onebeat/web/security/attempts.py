"""How often one may try to sign in: counted by address, and by address and name, in memory that does not grow."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from ipaddress import ip_address
from typing import Final

WITHIN_S: Final = 900.0
"""For how long a failure counts."""

BY_NAME: Final = 10
"""Failures of one address with one name; nobody is locked out by what another address tries."""

BY_ADDRESS: Final = 30
"""Failures of one address with whatever names."""

MOST: Final = 10_000
"""Addresses and names that are counted; beyond them the one is forgotten that was quiet longest."""

AT_ONCE: Final = 4
"""Passwords that are compared at the same time: each takes 16 MiB and a core."""


class Attempts:
    """
    Counts failures.

    Args:
        monotonic: The clock, in seconds.
    """

    def __init__(self, monotonic: Callable[[], float]) -> None:
        self._monotonic = monotonic
        self._failures: OrderedDict[tuple[str, ...], list[float]] = OrderedDict()
        self.at_work = 0
        """How many passwords are being compared."""

    def wait(self, address: str, name: str) -> float:
        """Return for how many seconds this address may not try again; 0: it may now."""
        return max(self._wait((_network(address),), BY_ADDRESS), self._wait((_network(address), name[:200]), BY_NAME))

    def failed(self, address: str, name: str) -> None:
        """Count a failure."""
        self._count((_network(address),), BY_ADDRESS)
        self._count((_network(address), name[:200]), BY_NAME)
        while len(self._failures) > MOST:
            self._failures.popitem(last=False)

    def succeeded(self, address: str, name: str) -> None:
        """Forget the failures of this address with this name, and that this attempt was counted as one of its own."""
        self._failures.pop((_network(address), name[:200]), None)
        if times := self._failures.get((_network(address),)):
            times.pop()

    def _count(self, key: tuple[str, ...], most: int) -> None:
        times = self._failures.setdefault(key, [])
        times.append(self._monotonic())
        del times[:-most]
        self._failures.move_to_end(key)

    def _wait(self, key: tuple[str, ...], most: int) -> float:
        times = self._failures.get(key, [])
        return max(0.0, times[0] + WITHIN_S - self._monotonic()) if len(times) >= most else 0.0


def _network(address: str) -> str:
    """Return what counts as one address: of IPv6 the first half, since who has one has all of that."""
    try:
        found = ip_address(address)
    except ValueError:
        return address[:100]
    if found.version == 6 and found.ipv4_mapped is None:
        return found.exploded[:19]
    return str(found.ipv4_mapped if found.version == 6 else found)
