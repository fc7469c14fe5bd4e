"""
Which nodes a store of several has: read from what a sentinel or a node of a cluster answers, and pure.

With sentinels one primary has all slots. So the rest need not know which of the two it is.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

from onebeat.broker.call import Argument, Call
from onebeat.broker.endpoint import Address, Endpoint, show
from onebeat.errors import BrokerError, ConfigurationError
from onebeat.wire import keys


class Layout:
    """
    Which primary has which slot.

    Attributes:
        owners: The primary of each slot; None where nobody has it.

        replicas: The replicas of each primary, as far as was told.

        rank: Of two layouts, the one to believe is that of the higher rank: of sentinels twice the epoch, and one more
            unless that one leads a fail-over.
    """

    __slots__ = ("owners", "rank", "replicas")

    def __init__(
        self, owners: list[Address | None], replicas: Mapping[Address, Sequence[Address]] | None = None, rank: int = 0
    ) -> None:
        self.owners: list[Address | None] = owners
        self.replicas: Mapping[Address, Sequence[Address]] = replicas or {}
        self.rank: int = rank

    @property
    def primaries(self) -> list[Address]:
        """All primaries that have slots, sorted."""
        return sorted({owner for owner in self.owners if owner is not None})

    def primary_at(self, shown: str) -> Address | None:
        """Return the primary that is shown so; None if there is none."""
        return next((address for address in self.primaries if show(address) == shown), None)


@lru_cache(4096)
def slot_of(queue: str) -> int:
    """Return the slot of all keys of a queue."""
    return keys.slot(keys.root(queue))


def slot_of_call(call: Call[Any]) -> int:
    """Return the slot of all keys of an operation."""
    return keys.slot(call.keys[0]) if call.keys else slot_of(call.queue)


_PLACES = {"EVAL": 3, "EVALSHA": 3, "OBJECT": 2, "MEMORY": 2, "XINFO": 2, "XREAD": 6}
_KEYLESS = {
    "ACL", "CLIENT", "CLUSTER", "COMMAND", "CONFIG", "DBSIZE", "FLUSHALL", "FLUSHDB", "INFO", "KEYS", "PING", "PUBLISH",
    "PUBSUB", "RANDOMKEY", "ROLE", "SCAN", "SCRIPT", "SLOWLOG", "TIME",
}  # fmt: skip


def slot_of_command(words: Sequence[Argument]) -> int | None:
    """Return the slot that a plain command belongs to; None if any node will do."""
    name = str(words[0]).upper()
    place = _PLACES.get(name, 1)
    if name in _KEYLESS or len(words) <= place:
        return None
    key = words[place]
    return keys.slot(key.decode("utf-8", "surrogateescape") if isinstance(key, bytes) else str(key))


def question(where: Endpoint) -> tuple[str, ...]:
    """Return the command that asks which nodes there are."""
    return ("CLUSTER", "SLOTS") if where.is_cluster else ("SENTINEL", "MASTER", where.master)


def read(where: Endpoint, asked: Address, answer: Any) -> Layout:
    """
    Understand the answer to `question`.

    Raises:
        BrokerError: A cluster that has no slots assigned.
    """
    return _from_slots(where, asked, answer) if where.is_cluster else _from_sentinel(answer)


def _from_sentinel(answer: Any) -> Layout:
    """
    Read what one sentinel holds for the primary.

    The sentinel that leads a fail-over has the new epoch as soon as another node is promoted, but names the old one
    until all replicas follow, which may take minutes. So of two with the same epoch, who leads none is to be believed.
    """
    known = dict(zip(answer[::2], answer[1::2], strict=False))
    address = (known[b"ip"].decode(), int(known[b"port"]))
    leads = b"failover_in_progress" in known.get(b"flags", b"").split(b",")
    return Layout([address] * keys.SLOTS, rank=2 * int(known.get(b"config-epoch", 0)) + (not leads))


def _from_slots(where: Endpoint, asked: Address, answer: Any) -> Layout:
    owners: list[Address | None] = [None] * keys.SLOTS
    replicas: dict[Address, list[Address]] = {}
    for first, last, primary, *others in answer:
        owner = _address(primary, asked)
        owners[first : last + 1] = [owner] * (last + 1 - first)
        replicas[owner] = [_address(other, asked) for other in others]
    if not replicas:
        raise BrokerError(f"store {where.shown}: no node of this cluster has slots yet; wait until it is set up")
    return Layout(owners, replicas)


def _address(node: Sequence[Any], asked: Address) -> Address:
    """Read one node; one that does not know its own name is where we asked."""
    return sent_to((node[0] or b"").decode(), int(node[1]), asked)


def sent_to(host: str, port: int, asked: Address) -> Address:
    """Return where a node sends us on to; a host that it does not know is its own."""
    return (host if host not in ("", "?") else asked[0]), port


def refusal(where: Endpoint, asked: Address, error: BaseException) -> ConfigurationError | None:
    """Say what is wrong with an address, if that is what an answer to `question` means."""
    text = str(error)
    if "No such master" in text:
        return ConfigurationError(
            f"store {where.shown}: sentinel {show(asked)} knows no primary named {where.master!r}; "
            "give the name in its `sentinel monitor` line as …?master=name"
        )
    if "cluster support disabled" in text:
        return ConfigurationError(
            f"store {where.shown}: {show(asked)} is no node of a cluster; name a single store by redis://"
        )
    if "unknown command" in text.lower() and where.is_cluster:
        return ConfigurationError(f"store {where.shown}: {show(asked)} is a sentinel; name it by redis+sentinel://")
    if "unknown command" in text.lower():
        return ConfigurationError(
            f"store {where.shown}: {show(asked)} is no sentinel; name sentinels, or a single store by redis://"
        )
    return None
