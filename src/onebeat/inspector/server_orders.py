"""What operators tell servers: each a procedure for both inspectors."""

from __future__ import annotations

from difflib import get_close_matches

from onebeat.broker import orders
from onebeat.broker.orders import Order
from onebeat.errors import ServerNotFound, WrongState, shown
from onebeat.inspector import fleet
from onebeat.inspector.models import ServerInfo
from onebeat.inspector.steps import Procedure, ask
from onebeat.options import text


def server(name: object) -> Procedure[ServerInfo]:
    """
    Find a server by its id or by "host:pid".

    Raises:
        ServerNotFound: None that lives is called so; the message names those that do.
        WrongState: Several are: one process may serve more than once.
    """
    wanted = text("server", name)
    living = yield from fleet.servers()
    found = [one for one in living if wanted in (one.id, place_of(one))]
    if len(found) > 1:
        raise WrongState(
            f"server {shown(wanted)} is {len(found)} servers of one process: name one by its id, "
            f"{' or '.join(one.id for one in found)}"
        )
    there = [place_of(one) for one in living if one.host == wanted]
    if not found and there:
        raise ServerNotFound(
            f"server {shown(wanted)} is a host, where {len(there)} live{'s' if len(there) == 1 else ''}: name one, "
            f"{' or '.join(there[:20])}"
        )
    if not found:
        raise ServerNotFound(f"server {shown(wanted)} does not live: {_those(wanted, living)}")
    return found[0]


def place_of(one: ServerInfo) -> str:
    """Return "host:pid"."""
    return f"{one.host}:{one.pid}"


def _those(wanted: str, living: list[ServerInfo]) -> str:
    if not living:
        return "none has given a sign of life within ten seconds"
    near = get_close_matches(wanted, [name for one in living for name in (one.id, place_of(one))], n=3, cutoff=0.5)
    if near:
        return f"did you mean {' or '.join(near)}?"
    return f"there are {', '.join(f'{one.id} ({place_of(one)})' for one in living[:20])}"


def _tell(name: object, word: Order) -> Procedure[ServerInfo]:
    one = yield from server(name)
    if one.sheet is None:
        signal = "CONT" if word is Order.TAKE else "TERM" if word is Order.STOP else "TSTP"
        remedy = (
            "and cannot be told to take tasks again either: restart it"
            if word is Order.TAKE
            else f"signal it on its host: kill -{signal} {one.pid}"
        )
        raise WrongState(
            f"server {place_of(one)} is a process of asynq's, or of Onebeat before 0.5, which hears no orders; {remedy}"
        )
    yield from ask(orders.order(f"{one.host}:{one.pid}:{one.id}", one.id, word))
    return one


def drain(name: object, *, stop: bool) -> Procedure[ServerInfo]:
    return (yield from _tell(name, Order.STOP if stop else Order.DRAIN))


def take(name: object) -> Procedure[ServerInfo]:
    return (yield from _tell(name, Order.TAKE))
