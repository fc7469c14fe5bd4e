"""
The nodes of a store that has several, for code that blocks: the twin of `nodes`.

There is no loop that could look out for changes, so whoever makes a call does, when five seconds are over or
something went wrong; other threads meanwhile go on with what is known.
"""

from __future__ import annotations

import random
import threading
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from onebeat.broker import driver
from onebeat.broker.call import Argument
from onebeat.broker.endpoint import REPLY_TIMEOUT_S, Address, Endpoint, show
from onebeat.broker.inquiry import ASK_TIMEOUT_S, FIRST_PAUSE_S, LONGEST_PAUSE_S, PERIOD_S, Inquiry
from onebeat.broker.layout import Layout, question, sent_to, slot_of_command
from onebeat.broker.nodes import TURNS, pause_before
from onebeat.broker.trouble import casts_doubt, translate
from onebeat.errors import BrokerError, BrokerUnavailable, OnebeatError

if TYPE_CHECKING:
    import redis

T = TypeVar("T")


class BlockingNodes:
    """
    Sends calls to the right one of several nodes, from any number of threads.

    Args:
        where: An endpoint with seeds.

        reply_timeout: Seconds to wait for an answer.
    """

    def __init__(self, where: Endpoint, *, reply_timeout: float) -> None:
        self._where = where
        self._reply_timeout = reply_timeout
        self._layout: Layout | None = None
        self._clients: dict[Address, redis.Redis] = {}
        self._suspects: set[Address] = set()
        self._asking = threading.Lock()
        self._next = 0.0
        self._pause = FIRST_PAUSE_S
        self._turn = 0

    def close(self) -> None:
        """Close idle connections; one that another thread uses ends with that use."""
        for client in self._clients.values():  # which stay: one that is collected cuts those in use, too
            client.connection_pool.disconnect(inuse_connections=False)

    def layout(self) -> Layout:
        """
        Return what is known, found out anew if it is time.

        Raises:
            ConfigurationError, BrokerUnavailable: Nothing is known yet, and nobody tells.
        """
        known = self._layout
        if known is None:
            with self._asking:
                known = self._layout  # another thread may have been first
                return self._find() if known is None else known
        if time.monotonic() >= self._next and self._asking.acquire(blocking=False):
            try:
                return self._find()
            except OnebeatError:
                self._again()
            finally:
                self._asking.release()
        return known

    def _again(self) -> None:
        """Plan the next inquiry while something is wrong."""
        self._next = time.monotonic() + self._pause
        self._pause = min(self._pause * 2, LONGEST_PAUSE_S)

    def _find(self) -> Layout:
        self._turn += 1
        inquiry = Inquiry(self._where, self._layout, self._suspects, self._turn if self._layout else 0)
        for address in inquiry.addresses:
            self._ask(inquiry, address)
            if inquiry.is_over and not self._suspects:
                break
        layout = self._layout = inquiry.result()
        for address in [address for address in list(self._clients) if address not in layout.primaries]:
            gone = self._clients.pop(address, None)
            if gone is not None:
                gone.connection_pool.disconnect(inuse_connections=False)
        if self._suspects.intersection(layout.primaries):
            self._again()
            self._suspects.clear()  # the next failure raises it again
        else:
            self._suspects.clear()
            self._next, self._pause = time.monotonic() + PERIOD_S, FIRST_PAUSE_S
        return layout

    def _ask(self, inquiry: Inquiry, address: Address) -> None:
        timeout = REPLY_TIMEOUT_S if self._layout is None else ASK_TIMEOUT_S
        client = self._where.asked(address).blocking_client(reply_timeout=timeout, connect_timeout=timeout)
        try:
            answer: Any = client.execute_command(*question(self._where))
        except (driver.RedisError, OSError) as error:
            inquiry.failed(address, error)
        else:
            inquiry.answered(address, answer)
        finally:
            client.connection_pool.disconnect()

    def home(self, slot: int) -> str:
        """Return the address of the primary that has a slot; "" while none has."""
        owner = self.layout().owners[slot]
        return "" if owner is None else show(owner)

    def _owner(self, slot: int | None) -> Address:
        layout = self.layout()
        owner = random.choice(layout.primaries) if slot is None else layout.owners[slot]  # noqa: S311 - shares load
        if owner is None:
            self._look()
            raise BrokerUnavailable(f"store {self._where.shown}: no node has slot {slot} now")
        return owner

    def _look(self, suspect: Address | None = None) -> None:
        """Find out with one of the next calls."""
        if suspect is not None:
            self._suspects.add(suspect)
        self._next = min(self._next, time.monotonic() + self._pause)
        self._pause = min(self._pause * 2, LONGEST_PAUSE_S)

    @property
    def primaries(self) -> list[str]:
        """The addresses of all primaries."""
        return [show(address) for address in self.layout().primaries]

    def at(self, node: str, words: Sequence[Argument]) -> Any:
        """Run one plain command on the primary of an address; see `Nodes.at`."""
        address = self.layout().primary_at(node)
        if address is None:
            raise BrokerUnavailable(f"store {self._where.shown}: node {node} is no primary any more")
        try:
            return self.client(address).execute_command(*words)
        except (driver.RedisError, OSError) as error:
            raise self.failed(error, address) from error

    def client(self, address: Address) -> redis.Redis:
        """Return the client of one node."""
        client = self._clients.get(address)
        if client is None:
            client = self._where.node(address).blocking_client(reply_timeout=self._reply_timeout)
            client = self._clients.setdefault(address, client)
        return client

    def any(self) -> Endpoint:
        """Return where any primary is, for listening."""
        return self._where.node(self._owner(None))

    def _others(self, away: set[Address]) -> list[Address]:
        return [address for address in self.layout().primaries if address not in away]

    def run(
        self,
        slot: int | None,
        attempt: Callable[[redis.Redis], T],
        *,
        asking: Callable[[redis.Redis], T] | None = None,
    ) -> T:
        """Run a call at the node that has a slot; see `Nodes.run`."""
        away = set[Address]()
        for turn in range(TURNS):
            time.sleep(pause_before(turn))  # while a slot is on its way, which no node announces
            owner = self._owner(slot)
            if away:  # any other can tell as well
                owner = random.choice(self._others(away) or [owner])  # noqa: S311 - shares load
            try:
                return self._try(owner, attempt, asking)
            except driver.MovedError as error:
                self.layout().owners[error.slot_id] = sent_to(error.host, error.port, owner)
                self._look()
            except (driver.AskError, driver.TryAgainError):
                continue
            except (driver.RedisError, OSError) as error:
                failure = self.failed(error, owner)
                if slot is None and casts_doubt(error) and self._others(away := {*away, owner}):
                    continue  # any node will do
                raise failure from error
        raise BrokerUnavailable(f"store {self._where.shown}: slot {slot} is on its way to another node; try again")

    def _try(self, owner: Address, attempt: Callable[[redis.Redis], T], asking: Callable[[redis.Redis], T] | None) -> T:
        try:
            return attempt(self.client(owner))
        except driver.MovedError:
            raise
        except driver.AskError as error:
            if asking is None:
                raise
            return asking(self.client(sent_to(error.host, error.port, owner)))

    def failed(self, error: BaseException, address: Address) -> BrokerError:
        """Translate an error of a node; if it may be a primary no more, find out with the next call."""
        if casts_doubt(error):
            self._look(address)
        return translate(error, f"{self._where.shown} (node {show(address)})")

    def command(self, words: Sequence[Argument]) -> Any:
        """Run one plain command."""

        def asking(client: redis.Redis) -> Any:
            pipeline = client.pipeline(transaction=False)
            pipeline.execute_command("ASKING")
            pipeline.execute_command(*words)
            return pipeline.execute()[1]

        return self.run(slot_of_command(words), lambda client: client.execute_command(*words), asking=asking)

    def commands(self, commands: Sequence[Sequence[Argument]]) -> list[Any]:
        """Run plain commands, those of one node in one round trip; an error among the answers is raised."""
        if len(commands) == 1 and slot_of_command(commands[0]) is None:
            return [self.command(commands[0])]
        answers: list[Any] = [None] * len(commands)
        places: dict[Address, list[int]] = {}
        for place, words in enumerate(commands):
            places.setdefault(self._owner(slot_of_command(words)), []).append(place)
        for owner, mine in places.items():
            pipeline = self.client(owner).pipeline(transaction=False)
            for place in mine:
                pipeline.execute_command(*commands[place])
            try:
                found = pipeline.execute(raise_on_error=False)
            except (driver.RedisError, OSError) as error:
                raise self.failed(error, owner) from error
            for place, answer in zip(mine, found, strict=True):
                if isinstance(answer, (driver.AskError, driver.TryAgainError)):
                    answers[place] = self.command(commands[place])
                elif isinstance(answer, Exception):
                    raise self.failed(answer, owner)
                else:
                    answers[place] = answer
        return answers
