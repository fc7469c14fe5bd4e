"""
The nodes of a store that has several: a primary watched by sentinels, or a cluster.

It knows which node to ask, finds out again when that changes, and lets go of connections to a node that is no
primary any more, so that whoever waits there is told at once. What was certainly not executed (MOVED, ASK,
TRYAGAIN) it sends again; all else is the caller's to repeat (docs/decisions/0016).
"""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from onebeat.broker import driver
from onebeat.broker.call import Argument
from onebeat.broker.endpoint import BLOCK_S, Address, Endpoint, show
from onebeat.broker.layout import Layout, sent_to, slot_of_command
from onebeat.broker.lookout import Lookout
from onebeat.broker.trouble import WAS_CLOSED, casts_doubt, translate
from onebeat.errors import BrokerError, BrokerUnavailable

if TYPE_CHECKING:
    import redis.asyncio

log: logging.Logger = logging.getLogger("onebeat.store")

T = TypeVar("T")

TURNS = 10
"""How often a call is sent anew that was certainly not executed: with the pauses between, for about a second."""
FIRST_PAUSE_S, LONGEST_PAUSE_S = 0.005, 0.25

KEPT = 8
"""Nodes dropped by earlier layouts that are dropped once more: a call under way may have connected anew."""


def pause_before(turn: int) -> float:
    """Return how long to wait before a call is sent again; the first two times not at all."""
    return 0.0 if turn < 2 else min(FIRST_PAUSE_S * 2 ** (turn - 2), LONGEST_PAUSE_S) * (0.5 + random.random() / 2)  # noqa: S311 - jitter


class Node:
    """Connections to one node."""

    def __init__(self, where: Endpoint) -> None:
        self.where = where
        self.client: redis.asyncio.Redis = where.asyncio_client()
        self.blocking: redis.asyncio.Redis = where.asyncio_client(reply_timeout=BLOCK_S + 3)
        self.ears: set[redis.asyncio.Redis] = set()

    async def drop(self) -> None:
        """Close all connections; whoever waits for an answer on one is told so, and may connect anew."""
        for client in self._clients():
            with suppress(driver.RedisError, OSError):
                await client.connection_pool.disconnect()

    async def aclose(self) -> None:
        """Close all connections for good."""
        for client in self._clients():
            with suppress(driver.RedisError, OSError):
                await client.aclose()

    def _clients(self) -> list[redis.asyncio.Redis]:
        return [self.client, self.blocking, *self.ears]


Attempt = Callable[[Node], Awaitable[T]]


class Nodes:
    """
    Sends calls to the right one of several nodes.

    Args:
        where: An endpoint with seeds.
    """

    def __init__(self, where: Endpoint) -> None:
        self._where = where
        self._layout: Layout | None = None
        self._nodes: dict[Address, Node] = {}
        self._dropped: list[Node] = []
        self._is_over = False
        self._lookout = Lookout(where, self._adopt)

    async def open(self) -> None:
        """
        Find out which nodes there are, and keep finding out.

        Raises:
            ConfigurationError, BrokerUnavailable: No sentinel or node can be asked, or it does not know.
        """
        await self._lookout.start()

    async def aclose(self) -> None:
        self._is_over = True
        await self._lookout.stop()
        for node in [*self._nodes.values(), *self._dropped]:
            await node.aclose()

    async def _adopt(self, layout: Layout) -> None:
        """Take a layout for true; let go of nodes that are no primaries in it."""
        primaries = layout.primaries
        if self._layout is not None and self._layout.primaries != primaries:
            log.warning("store %s: primaries are now %s", self._where.shown, ", ".join(map(show, primaries)))
        self._layout = layout
        gone = [self._nodes.pop(address) for address in list(self._nodes) if address not in primaries]
        if not gone:
            return
        before, forgotten = self._dropped[:KEPT], self._dropped[KEPT:]
        self._dropped = gone + before
        await asyncio.gather(*(node.drop() for node in self._dropped), *(node.aclose() for node in forgotten))

    @property
    def layout(self) -> Layout:
        assert self._layout is not None  # noqa: S101 - `open` finds one or raises
        return self._layout

    @property
    def primaries(self) -> list[str]:
        """The addresses of all primaries."""
        return [show(address) for address in self.layout.primaries]

    def any(self) -> Endpoint:
        """Return where any primary is."""
        return self._where.node(self._owner(None))

    def _node(self, address: Address) -> Node:
        if self._is_over:
            raise translate(driver.ConnectionError(WAS_CLOSED), self._where.shown)
        node = self._nodes.get(address)
        if node is None:
            node = self._nodes[address] = Node(self._where.node(address))
        return node

    def _owner(self, slot: int | None) -> Address:
        owner = random.choice(self.layout.primaries) if slot is None else self.layout.owners[slot]  # noqa: S311 - shares load
        if owner is None:
            self._lookout.look()
            raise BrokerUnavailable(f"store {self._where.shown}: no node has slot {slot} now")
        return owner

    def _others(self, away: set[Address]) -> list[Address]:
        return [address for address in self.layout.primaries if address not in away]

    async def run(self, slot: int | None, attempt: Attempt[T], *, asking: Attempt[T] | None = None) -> T:
        """
        Run a call at the node that has a slot, or at any if that is None.

        Args:
            attempt: Sends it to a node.

            asking: Sends it to the node that a slot is on its way to; without it, it waits until the slot is there.
        """
        away = set[Address]()
        for turn in range(TURNS):
            await asyncio.sleep(pause_before(turn))
            owner = self._owner(slot)
            if away:  # any other can tell as well
                owner = random.choice(self._others(away) or [owner])  # noqa: S311 - shares load
            try:
                return await self._try(owner, attempt, asking)
            except driver.MovedError as error:
                self._moved(error, owner)
            except (driver.AskError, driver.TryAgainError):
                continue
            except (driver.RedisError, OSError) as error:
                failure = self.failed(error, owner)
                if slot is None and casts_doubt(error) and self._others(away := {*away, owner}):
                    continue  # any node will do
                raise failure from error
        raise BrokerUnavailable(f"store {self._where.shown}: slot {slot} is on its way to another node; try again")

    async def _try(self, owner: Address, attempt: Attempt[T], asking: Attempt[T] | None) -> T:
        try:
            return await attempt(self._node(owner))
        except driver.MovedError:
            raise
        except driver.AskError as error:
            if asking is None:
                raise
            return await asking(self._node(sent_to(error.host, error.port, owner)))

    def _moved(self, error: Any, owner: Address) -> None:
        self.layout.owners[error.slot_id] = sent_to(error.host, error.port, owner)
        self._lookout.look()

    def failed(self, error: BaseException, address: Address) -> BrokerError:
        """Translate an error of a node; if it may be a primary no more, find out."""
        if casts_doubt(error):
            self._lookout.look(address)
        return translate(error, f"{self._where.shown} (node {show(address)})")

    async def command(self, words: Sequence[Argument]) -> Any:
        """Run one plain command."""

        async def attempt(node: Node) -> Any:
            return await driver.awaited(node.client.execute_command(*words))

        async def asking(node: Node) -> Any:
            pipeline = node.client.pipeline(transaction=False)
            pipeline.execute_command("ASKING")
            pipeline.execute_command(*words)
            return (await driver.awaited(pipeline.execute()))[1]

        return await self.run(slot_of_command(words), attempt, asking=asking)

    async def commands(self, commands: Sequence[Sequence[Argument]]) -> list[Any]:
        """Run plain commands, those of one node in one round trip; an error among the answers is raised."""
        places: dict[Address, list[int]] = {}
        for place, words in enumerate(commands):
            places.setdefault(self._owner(slot_of_command(words)), []).append(place)
        answers: list[Any] = [None] * len(commands)

        async def at(owner: Address, mine: list[int]) -> None:
            pipeline = self._node(owner).client.pipeline(transaction=False)
            for place in mine:
                pipeline.execute_command(*commands[place])
            try:
                found = await driver.awaited(pipeline.execute(raise_on_error=False))
            except (driver.RedisError, OSError) as error:
                raise self.failed(error, owner) from error
            for place, answer in zip(mine, found, strict=True):
                if isinstance(answer, (driver.AskError, driver.TryAgainError)):
                    answers[place] = await self.command(commands[place])
                elif isinstance(answer, Exception):
                    raise self.failed(answer, owner)
                else:
                    answers[place] = answer

        await asyncio.gather(*(at(owner, mine) for owner, mine in places.items()))
        return answers

    async def everywhere(self, words: Sequence[Argument]) -> dict[str, Any]:
        """Run one plain command on every primary; an error raises."""

        async def at(address: Address) -> Any:
            try:
                return await driver.awaited(self._node(address).client.execute_command(*words))
            except (driver.RedisError, OSError) as error:
                raise self.failed(error, address) from error

        primaries = self.layout.primaries
        answers = await asyncio.gather(*map(at, primaries))
        return dict(zip(map(show, primaries), answers, strict=True))

    async def at(self, node: str, words: Sequence[Argument]) -> Any:
        """Run one plain command on the primary of an address; an error raises, also that it is a primary no more."""
        address = self.layout.primary_at(node)
        if address is None:
            raise BrokerUnavailable(f"store {self._where.shown}: node {node} is no primary any more")
        try:
            return await driver.awaited(self._node(address).client.execute_command(*words))
        except (driver.RedisError, OSError) as error:
            raise self.failed(error, address) from error

    def home(self, slot: int) -> str:
        """Return the address of the primary that has a slot; "" while none has."""
        owner = self.layout.owners[slot]
        return "" if owner is None else show(owner)

    def having(self, slot: int) -> list[str]:
        """Return the addresses of the nodes that have a slot, its primary first."""
        owner = self._owner(slot)
        return [show(address) for address in (owner, *self.layout.replicas.get(owner, ()))]

    @asynccontextmanager
    async def ear(self) -> AsyncIterator[tuple[redis.asyncio.Redis, Callable[[BaseException], BrokerError]]]:
        """
        Lend a client of any primary, for listening, and what translates its errors.

        It is disconnected when that node is a primary no more.
        """
        address = self._owner(None)
        node = self._node(address)
        client = node.where.asyncio_client(connections=2)
        node.ears.add(client)
        try:
            yield client, partial(self.failed, address=address)
        finally:
            node.ears.discard(client)
            await client.aclose()
