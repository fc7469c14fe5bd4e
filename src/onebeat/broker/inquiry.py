"""
One round of asking which nodes there are: whom to ask, what to make of the answers. Pure; `Lookout` and
`BlockingNodes` do the asking.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from onebeat.broker import driver
from onebeat.broker.endpoint import Address, Endpoint, show
from onebeat.broker.layout import Layout, read, refusal
from onebeat.errors import BrokerError, BrokerUnavailable, OnebeatError
from onebeat.wire import keys

PERIOD_S = 5.0
"""Seconds between inquiries while all is well."""
ASK_TIMEOUT_S = 2.0
"""For an answer, once a layout is known: whoever takes longer is passed over."""
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.02, 0.5
"""Between inquiries while something is wrong."""
SWITCH_CHANNEL = "+switch-master"


class Inquiry:
    """
    A round of questions.

    Args:
        where: An endpoint with seeds.

        known: The layout so far.

        suspects: Nodes that did not answer, or did not write, lately: they are asked last.

        turn: Rises from round to round: a node that is wrong is not asked first each time.
    """

    def __init__(
        self, where: Endpoint, known: Layout | None, suspects: Collection[Address] = (), turn: int = 0
    ) -> None:
        self._where = where
        self._known = known
        self.addresses: list[Address] = _turned(where, known, suspects, turn)
        self.best: Layout | None = None
        self._answered = 0
        self._errors: dict[Address, BaseException] = {}

    @property
    def is_over(self) -> bool:
        """Whether enough was answered: by one node of a cluster, by a majority of sentinels."""
        needed = 1 if self._where.is_cluster else len(self._where.seeds) // 2 + 1
        return self._answered >= needed

    def answered(self, address: Address, answer: Any) -> None:
        """Take in an answer."""
        try:
            layout = read(self._where, address, answer)
        except BrokerError as error:
            self._errors[address] = error
            return
        self._answered += 1
        if self.best is None or layout.rank > self.best.rank:
            self.best = layout

    def failed(self, address: Address, error: BaseException) -> None:
        """Take in that there was none."""
        self._errors[address] = error

    def result(self) -> Layout:
        """
        Return the layout to believe.

        Raises:
            ConfigurationError: The addresses, or the name of the primary, are wrong.
            BrokerUnavailable: Nobody answered.
        """
        known = self._known
        if self.best is not None and known is not None and self._is_late(self.best, known):
            return known
        if self.best is not None:
            return self.best
        for address, error in self._errors.items():
            if (wrong := refusal(self._where, address, error)) is not None:
                raise wrong
        raise self._unanswered()

    def _is_late(self, best: Layout, known: Layout) -> bool:
        """Whether sentinels are behind: few, who have not heard of the switch, or led by the one that leads it."""
        return best.rank < known.rank and (not self.is_over or best.rank // 2 == known.rank // 2)

    def _unanswered(self) -> OnebeatError:
        who = "node of the cluster" if self._where.is_cluster else "sentinel"
        told = "; ".join(f"{show(address)}: {_text(error)}" for address, error in self._errors.items())
        remedy = f"see that they run there and can be reached, or name others by redis+{_kind(self._where)}://"
        if any(isinstance(error, driver.AuthenticationError) for error in self._errors.values()):
            remedy = "give the right user and password in its URL, redis+cluster://user:password@host:6379"
            if self._where.sentinel is not None:
                remedy = "give the sentinels' own as sentinel_username= and sentinel_password= in its URL"
        return BrokerUnavailable(
            f"store {self._where.shown} cannot be used: no {who} tells its nodes: {told}; {remedy}"
        )


def _turned(where: Endpoint, known: Layout | None, suspects: Collection[Address], turn: int) -> list[Address]:
    addresses = list(where.seeds)
    if known is not None and where.is_cluster:
        others = [*known.primaries, *(replica for group in known.replicas.values() for replica in group)]
        addresses = list(dict.fromkeys([*known.primaries, *others, *addresses]))
    turn %= len(addresses)
    return sorted(addresses[turn:] + addresses[:turn], key=lambda address: address in suspects)


def _text(error: BaseException) -> str:
    return (str(error) or type(error).__name__).rstrip(".")


def _kind(where: Endpoint) -> str:
    return "cluster" if where.is_cluster else "sentinel"


def announced(where: Endpoint, message: bytes) -> Address | None:
    """Read "<name> <old host> <old port> <new host> <new port>"; None if it is about another primary."""
    name, *_, host, port = message.decode("utf-8", "replace").split(" ")
    return (host, int(port)) if name == where.master else None


def layout_of(address: Address, known: Layout | None) -> Layout:
    """Return the layout in which one node has all slots, as was announced: newer than what was known."""
    if known is not None and known.primaries == [address]:
        return known  # each sentinel announces it
    return Layout([address] * keys.SLOTS, rank=0 if known is None else known.rank + 2)
