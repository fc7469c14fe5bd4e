"""Orders to one server: a key that it reads with each sign of life, and a word, so that it need not wait for that."""

from __future__ import annotations

from enum import StrEnum

from onebeat.broker.call import Call
from onebeat.broker.store import BlockingStore
from onebeat.wire import keys

STANDS_S = 86_400
"""How long an order can be found. One that was found is obeyed for as long as the server lives."""


class Order(StrEnum):
    """What a server can be told."""

    DRAIN = "drain"
    """Take nothing more, and end what runs."""

    STOP = "stop"
    """The same, and end once nothing runs."""

    TAKE = "take"
    """Take tasks again."""


def order(tag: str, server_id: str, word: Order) -> Call[str]:
    """
    Tell a server what to do; returns the order as it stands in the store.

    Args:
        tag: "<host>:<pid>:<server id>".
    """
    return Call("order", tag, (server_id, word, STANDS_S), bytes.decode)


def standing(store: BlockingStore, tag: str) -> str:
    """Return the order to a server, "<number> <word>"; "" if there is none."""
    [found] = store.commands([("GET", keys.order(tag))])
    return "" if found is None else found.decode("utf-8", "replace")
