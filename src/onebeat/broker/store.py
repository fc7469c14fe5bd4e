"""
The store as the rest of Onebeat sees it: it runs operations, and it says in our own words what failed.

`Store` is for an event loop, `BlockingStore` for a thread of its own. Both run the same `Call`s; neither
repeats anything by itself, except a script that the store had not cached yet.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self, TypeVar

from onebeat.audience import Audience
from onebeat.broker import driver, embedded
from onebeat.broker.again import refuse_again
from onebeat.broker.blocking_store import BlockingStore as BlockingStore
from onebeat.broker.blocking_store import Ear as Ear
from onebeat.broker.call import Argument, Call, Script, load
from onebeat.broker.connection import replicas
from onebeat.broker.each import each, interpreted
from onebeat.broker.endpoint import BLOCK_S, Endpoint
from onebeat.broker.layout import slot_of, slot_of_call
from onebeat.broker.nodes import Nodes
from onebeat.broker.opening import check_server, command_of, confirmation, confirmed, find
from onebeat.broker.timing import ScriptTimes
from onebeat.broker.trouble import WAS_CLOSED, translate
from onebeat.broker.trouble import passes as passes
from onebeat.errors import BrokerError, BrokerUnavailable, ConfigurationError, OnebeatError, shown
from onebeat.wire import keys

if TYPE_CHECKING:
    import redis
    import redis.asyncio

log: logging.Logger = logging.getLogger("onebeat.store")

T = TypeVar("T")


def check_source(source: object, durability: str | None = None) -> object:
    """
    Return what a store is to be opened from, if it can be one; nothing is opened.

    Raises:
        ConfigurationError: See `endpoint`; or the durability is none, or comes too late for an open store.
    """
    if isinstance(source, Store) and durability is not None:
        raise ConfigurationError(
            f"durability is {shown(durability)} beside an open store: give it where that is opened, to Store.open()"
        )
    if source is not None and not isinstance(source, Store):
        find(source, durability)
    elif durability is not None:
        replicas(durability)
    return source


class Store:
    """
    A store on the running loop.

    Made by `Store.open`; close it on the same loop. One command at a time uses a connection, so as many
    connections exist as calls were ever under way together.
    """

    def __init__(self, where: Endpoint, held: embedded.EmbeddedStore | None, *, injected_clock: bool = False) -> None:
        self.endpoint = where
        self._held = held
        self._reviving: asyncio.Task[None] | None = None
        self._is_over = False
        self._injected_clock = injected_clock or where.simulated
        self._home = asyncio.get_running_loop(), os.getpid()
        self._nodes = Nodes(where) if where.seeds else None
        self._is_plain = not where.seeds and not where.replicas
        self._times = ScriptTimes()
        if self._nodes is None:
            self._client = where.asyncio_client()
            self._blocking = where.asyncio_client(reply_timeout=BLOCK_S + 3)

    @classmethod
    async def open(cls, source: object = None, *, injected_clock: bool = False, durability: str | None = None) -> Self:
        """
        Find, and if it is an embedded one start, the store; then make sure it answers and is new enough.

        Args:
            source: See `endpoint`.

            durability: "replicas:n" has n replicas confirm what is accepted; default: as the URL says, else none.

        Raises:
            ConfigurationError, BrokerUnsupported: See `endpoint`; or the store is older than 6.2, or of another kind.
            BrokerUnavailable: It does not answer, or refuses our credentials.
        """
        if not driver.is_loaded():
            await asyncio.to_thread(driver.load)
        refuse_again()
        where, held = find(source, durability), None
        if where.store is not None:
            held = await asyncio.to_thread(embedded.open_store, where.store)
            where = where.at(held.socket)
        store = cls(where, held, injected_clock=injected_clock)
        try:
            if store._nodes is not None:
                await store._nodes.open()
            check_server(await store.command("INFO", "server"), where)
        except BaseException:
            await store.aclose()
            raise
        return store

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Close all connections for good, and let go of an embedded store; a call after it is refused."""
        self._is_over = True
        if self._nodes is not None:
            await self._nodes.aclose()
        else:
            for client in (self._client, self._blocking):
                await client.aclose()
        if self._reviving is not None:
            await self._reviving
        if self._held is not None:
            held, self._held = self._held, None
            await asyncio.to_thread(held.close)

    def measured_by(self, audience: Audience) -> None:
        """Have those who observe measure how long scripts take."""
        self._times.add(audience)

    def here(self) -> Self:
        """
        Return the store, if this is where it was opened.

        Raises:
            ConfigurationError: Another event loop runs, or this is a forked child: its connections are not ours.
        """
        loop, pid = self._home
        if pid != os.getpid():
            raise ConfigurationError(
                f"store {self.endpoint.shown} was opened by process {pid}, of which this is a fork: open another here, "
                "or enqueue by an application (Onebeat), which does so by itself"
            )
        if loop is not asyncio.get_running_loop():
            raise ConfigurationError(
                f"store {self.endpoint.shown} was opened on another event loop: open another on this one, "
                "or enqueue by an application (Onebeat), which does so by itself"
            )
        return self

    def _failed(self, error: BaseException) -> BrokerError:
        if self._held is not None and not self._is_over and isinstance(error, (driver.ConnectionError, OSError)):
            self._revive()
        return translate(error, self.endpoint.shown)

    def _revive(self) -> None:
        """Start an embedded store again whose server was killed; whoever shares it does the same, and one does."""
        if self._reviving is None or self._reviving.done():
            self._reviving = asyncio.get_running_loop().create_task(self._open_again())

    async def _open_again(self) -> None:
        config, held = self.endpoint.store, self._held
        assert config is not None  # noqa: S101 - only an embedded store is held
        assert held is not None  # noqa: S101
        try:
            self._held = await asyncio.to_thread(embedded.open_store, config)
        except OnebeatError as error:
            log.warning("%s", error)
        else:
            await asyncio.to_thread(held.close)

    async def run(self, call: Call[T]) -> T:
        """
        Run one operation, once.

        Raises:
            BrokerUnavailable: The store did not answer or refuses for now. Whether the operation took
                place is not known, unless the operation itself has a rule for repeats.
            BrokerError: It answered with an error of another kind.
            NotReplicated: It took place, but too few replicas have it (`durability=`).
        """
        script = load(call.script, injected_clock=self._injected_clock)
        if self._times.are_wanted:
            with self._times.of(call.script):
                return call.interpret(await self._run(script, call))
        if not self._is_plain:
            return call.interpret(await self._run(script, call))
        try:
            try:
                answer = await driver.awaited(self._client.execute_command(*command_of(script, call, "EVALSHA")))
            except driver.NoScriptError:
                answer = await driver.awaited(self._client.execute_command(*command_of(script, call, "EVAL")))
        except (driver.RedisError, OSError) as error:
            raise self._failed(error) from error
        return call.interpret(answer)

    async def run_each(self, calls: Sequence[Call[T]]) -> list[T | BrokerError]:
        """
        Run operations that only read, in one round trip per node; in place of an answer may stand its error.

        Raises:
            BrokerUnavailable: The store did not answer, or refuses for now.
        """
        if self._nodes is None:
            return await self._run_each_here(calls)
        scripts = {call.script: load(call.script, injected_clock=self._injected_clock) for call in calls}
        try:
            answers = await self.commands([command_of(scripts[call.script], call, "EVALSHA") for call in calls])
        except BrokerUnavailable:
            raise
        except BrokerError:  # a node has not cached the script, or one of them failed: which is found one by one
            return [await self._told(call) for call in calls]
        return [interpreted(call, answer) for call, answer in zip(calls, answers, strict=True)]

    async def _run_each_here(self, calls: Sequence[Call[T]]) -> list[T | BrokerError]:
        plan = each(calls, self._failed, injected_clock=self._injected_clock)
        try:
            commands = next(plan)
            while True:
                pipeline = self._client.pipeline(transaction=False)
                for words in commands:
                    pipeline.execute_command(*words)
                commands = plan.send(await driver.awaited(pipeline.execute(raise_on_error=False)))
        except StopIteration as end:
            found: list[T | BrokerError] = end.value
            return found
        except (driver.RedisError, OSError) as error:
            raise self._failed(error) from error

    async def _told(self, call: Call[Any]) -> Any:
        try:
            return await self.run(call)
        except BrokerUnavailable:
            raise
        except BrokerError as error:
            return error

    async def _run(self, script: Script, call: Call[Any]) -> Any:
        """Run an operation where there are several nodes, or replicas that confirm, or somebody measures."""

        async def attempt(client: redis.asyncio.Redis) -> Any:
            if call.durable and self.endpoint.replicas:
                return await self._replicated(client, script, call)
            try:
                return await driver.awaited(client.execute_command(*command_of(script, call, "EVALSHA")))
            except driver.NoScriptError:
                return await driver.awaited(client.execute_command(*command_of(script, call, "EVAL")))

        if self._nodes is not None:
            return await self._nodes.run(slot_of_call(call), lambda node: attempt(node.client))
        try:
            return await attempt(self._client)
        except (driver.RedisError, OSError) as error:
            raise self._failed(error) from error

    async def _replicated(self, client: redis.asyncio.Redis, script: Script, call: Call[Any]) -> Any:
        """Run a script and WAIT behind it: on one connection, since WAIT counts what was written on its own."""

        async def answers(verb: str) -> Any:
            pipeline = client.pipeline(transaction=False)
            pipeline.execute_command(*command_of(script, call, verb))
            for words in confirmation(call, self.endpoint):
                pipeline.execute_command(*words)
            return confirmed(await driver.awaited(pipeline.execute(raise_on_error=False)), self.endpoint)

        try:
            return await answers("EVALSHA")
        except driver.NoScriptError:
            return await answers("EVAL")

    async def command(self, *words: Argument) -> Any:
        """Run one plain command, for the few keys that belong to no queue; one without a key at any node."""
        if self._nodes is not None:
            return await self._nodes.command(words)
        try:
            return await driver.awaited(self._client.execute_command(*words))
        except (driver.RedisError, OSError) as error:
            raise self._failed(error) from error

    async def commands(self, commands: Sequence[Sequence[Argument]]) -> list[Any]:
        """Run plain commands in one round trip per node; an error among the answers is raised after all ran."""
        if not commands:
            return []
        if self._nodes is not None:
            return await self._nodes.commands(commands)
        try:
            pipeline = self._client.pipeline(transaction=False)
            for words in commands:
                pipeline.execute_command(*words)
            answers: list[Any] = await driver.awaited(pipeline.execute())
        except (driver.RedisError, OSError) as error:
            raise self._failed(error) from error
        return answers

    async def everywhere(self, *words: Argument) -> dict[str, Any]:
        """Run one plain command on every primary; answers by the address of each."""
        if self._nodes is not None:
            return await self._nodes.everywhere(words)
        return {self.endpoint.shown: await self.command(*words)}

    async def at(self, node: str, *words: Argument) -> Any:
        """Run one plain command on the primary of an address, as `everywhere` names it."""
        return await self.command(*words) if self._nodes is None else await self._nodes.at(node, words)

    def primaries(self) -> list[str]:
        """Return the addresses of all primaries, as `everywhere` names them."""
        return [self.endpoint.shown] if self._nodes is None else self._nodes.primaries

    def nodes(self, queue: str) -> list[str]:
        """Return the addresses of the nodes that have a queue, its primary first."""
        return [self.endpoint.shown] if self._nodes is None else self._nodes.having(slot_of(queue))

    def home(self, queue: str) -> str:
        """Return the address of the primary that has a queue; "" while none has."""
        return self.endpoint.shown if self._nodes is None else self._nodes.home(slot_of(queue))

    def where(self) -> Endpoint:
        """Return where it answers: a primary, if there are several nodes."""
        return self.endpoint if self._nodes is None else self._nodes.any()

    @property
    def is_spread(self) -> bool:
        """Whether queues may lie on different nodes, so that no script may touch two."""
        return self.endpoint.is_cluster

    async def peek(self, queue: str) -> bool:
        """
        Wait until a queue has a pending task, at most five seconds; false means it had none.

        The task at the front is moved onto its own place, which changes nothing and is woken by any
        producer, Go's among them. It is a write, so a full or read-only store refuses it (rule 22).
        """
        pending = keys.root(queue) + "pending"
        words = ("BLMOVE", pending, pending, "RIGHT", "RIGHT", BLOCK_S)
        if self._nodes is not None:
            move = self._nodes.run(slot_of(queue), lambda node: driver.awaited(node.blocking.execute_command(*words)))
            return await move is not None
        try:
            moved = await driver.awaited(self._blocking.execute_command(*words))
        except (driver.RedisError, OSError) as error:
            raise self._failed(error) from error
        return moved is not None

    async def listen(self, *channels: str) -> AsyncIterator[tuple[str, bytes]]:
        """Yield (channel, message) for ever; the first item, once subscribed, is ("", b"")."""
        async with self._ear() as (client, failed):
            hub = client.pubsub()
            try:
                await driver.awaited(hub.subscribe(*channels))
                yield "", b""
                while True:
                    message = await driver.awaited(hub.get_message(ignore_subscribe_messages=True, timeout=None))
                    if message is not None:
                        yield message["channel"].decode(), message["data"]
            except (driver.RedisError, OSError) as error:
                raise failed(error) from error
            finally:
                await hub.aclose()

    @asynccontextmanager
    async def _ear(self) -> AsyncIterator[tuple[redis.asyncio.Redis, Callable[[BaseException], BrokerError]]]:
        if self._nodes is not None:
            async with self._nodes.ear() as lent:
                yield lent
            return
        if self._is_over:
            raise self._failed(driver.ConnectionError(WAS_CLOSED))
        client = self.endpoint.asyncio_client(connections=2)
        try:
            yield client, self._failed
        finally:
            await client.aclose()
