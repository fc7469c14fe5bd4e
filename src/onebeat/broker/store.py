"""
The store as the rest of Onebeat sees it: it runs operations, and it says in our own words what failed.

`Store` is for an event loop, `BlockingStore` for a thread of its own. Both run the same `Call`s; neither
repeats anything by itself, except a script that the store had not cached yet.
"""

from __future__ import annotations

import asyncio
import logging
import os
import re
import threading
from collections.abc import AsyncIterator, Sequence
from types import TracebackType
from typing import Any, Self, TypeVar

from onebeat.broker import driver, embedded
from onebeat.broker.again import refuse_again
from onebeat.broker.call import Argument, Call, Script, load
from onebeat.broker.connection import BLOCK_S, CONNECT_TIMEOUT_S, REPLY_TIMEOUT_S, Endpoint, endpoint
from onebeat.errors import BrokerError, BrokerUnavailable, BrokerUnsupported, ConfigurationError, OnebeatError
from onebeat.ids import new_id
from onebeat.wire import keys

log: logging.Logger = logging.getLogger("onebeat.store")

T = TypeVar("T")

MINIMUM_VERSION = (6, 2)

# Error codes after which the same call may well succeed (mechanism-rules 14). redis-py turns some into
# classes and cuts the code off their text; errors of scripts carry it inside.
_PASSING = (
    "READONLY", "OOM", "NOREPLICAS", "MISCONF", "LOADING", "CLUSTERDOWN", "TRYAGAIN", "NOPERM", "NOAUTH", "WRONGPASS",
    "MASTERDOWN", "BUSY", "UNBLOCKED", "UNKILLABLE",
)  # fmt: skip
_PASSING_CODE = re.compile(rf"(?:^|\W)(?:-?)({'|'.join(_PASSING)})\b")


def translate(error: BaseException, shown: str) -> BrokerError:
    """Say in Onebeat's words what redis-py reports; what may pass by itself is `BrokerUnavailable`."""
    text = str(error) or type(error).__name__
    if isinstance(error, (driver.ConnectionError, driver.TimeoutError, OSError)):
        return BrokerUnavailable(f"store {shown} cannot be used: {text.rstrip('.')}; {_remedy(error, text)}")
    code = getattr(error, "status_code", None) or ""
    if code in _PASSING or passes(text):
        remedy = "; give its user the right to, by ACL SETUSER" if code == "NOPERM" else ""
        return BrokerUnavailable(f"store {shown} refuses for now: {code} {text}{remedy}")
    if isinstance(error, driver.InvalidResponse):
        return BrokerError(f"store {shown} answered with an error: {text}; name a Redis or Valkey, this is none")
    return BrokerError(f"store {shown} answered with an error: {text}")


def _remedy(error: BaseException, text: str) -> str:
    if isinstance(error, driver.AuthenticationError) or isinstance(error.__cause__, driver.AuthenticationError):
        return "give the right user and password in its URL, redis://user:password@host:6379/0"
    if "DB index" in text:
        return "name a database that it has, such as …/0"
    return "see that it runs there and can be reached, or name another"


def passes(text: str) -> bool:
    """Whether an error text of the store names a trouble that may pass by itself."""
    return _PASSING_CODE.search(text) is not None


def check_source(source: object) -> object:
    """
    Return what a store is to be opened from, if it can be one; nothing is opened.

    Raises:
        ConfigurationError, BrokerUnsupported: See `endpoint`.
    """
    if source is not None and not isinstance(source, Store):
        endpoint(source)
    return source


def check_version(info: dict[str, Any], shown: str) -> None:
    """Refuse a store older than the scripts need (ZRANGE BYSCORE, BLMOVE, ZMSCORE: 6.2; SE-61)."""
    version = str(info.get("redis_version", "0"))
    numbers = tuple(int(part) for part in version.split(".")[:2] if part.isdigit())
    if numbers < MINIMUM_VERSION:
        raise BrokerUnsupported(f"store {shown} is version {version}: Onebeat needs Redis 6.2, Valkey 7.2 or newer")


def _command(script: Script, call: Call[Any], verb: str) -> list[Argument]:
    body = script.sha if verb == "EVALSHA" else script.source
    names = call.keys or (keys.root(call.queue), keys.own_root(call.queue))
    return [verb, body, len(names), *names, *call.arguments]


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
        self._injected_clock = injected_clock or where.simulated
        self._home = asyncio.get_running_loop(), os.getpid()
        self._client = where.asyncio_client()
        self._blocking = where.asyncio_client(reply_timeout=BLOCK_S + 3)

    @classmethod
    async def open(cls, source: object = None, *, injected_clock: bool = False) -> Self:
        """
        Find, and if it is an embedded one start, the store; then make sure it answers and is new enough.

        Raises:
            ConfigurationError, BrokerUnsupported: See `endpoint`; or the store is older than 6.2.
            BrokerUnavailable: It does not answer, or refuses our credentials.
        """
        if not driver.is_loaded():
            await asyncio.to_thread(driver.load)
        refuse_again()
        where, held = endpoint(source), None
        if where.store is not None:
            held = await asyncio.to_thread(embedded.open_store, where.store)
            where = where.at(held.socket)
        store = cls(where, held, injected_clock=injected_clock)
        try:
            check_version(await store.command("INFO", "server"), where.shown)
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
        """Close all connections, and let go of an embedded store."""
        for client in (self._client, self._blocking):
            await client.aclose()
            await client.connection_pool.disconnect()
        if self._reviving is not None:
            await self._reviving
        if self._held is not None:
            held, self._held = self._held, None
            await asyncio.to_thread(held.close)

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
        if self._held is not None and isinstance(error, (driver.ConnectionError, OSError)):
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
        """
        script = load(call.script, injected_clock=self._injected_clock)
        try:
            try:
                answer = await driver.awaited(self._client.execute_command(*_command(script, call, "EVALSHA")))
            except driver.NoScriptError:
                answer = await driver.awaited(self._client.execute_command(*_command(script, call, "EVAL")))
        except (driver.RedisError, OSError) as error:
            raise self._failed(error) from error
        return call.interpret(answer)

    async def command(self, *words: Argument) -> Any:
        """Run one plain command, for the few keys that belong to no queue."""
        try:
            return await driver.awaited(self._client.execute_command(*words))
        except (driver.RedisError, OSError) as error:
            raise self._failed(error) from error

    async def commands(self, commands: Sequence[Sequence[Argument]]) -> list[Any]:
        """Run plain commands in one round trip; an error among the answers is raised after all ran."""
        if not commands:
            return []
        try:
            pipeline = self._client.pipeline(transaction=False)
            for words in commands:
                pipeline.execute_command(*words)
            answers: list[Any] = await driver.awaited(pipeline.execute())
        except (driver.RedisError, OSError) as error:
            raise self._failed(error) from error
        return answers

    async def peek(self, queue: str) -> bool:
        """
        Wait until a queue has a pending task, at most five seconds; false means it had none.

        The task at the front is moved onto its own place, which changes nothing and is woken by any
        producer, Go's among them. It is a write, so a full or read-only store refuses it (rule 22).
        """
        pending = keys.root(queue) + "pending"
        try:
            move = self._blocking.execute_command("BLMOVE", pending, pending, "RIGHT", "RIGHT", BLOCK_S)
            moved = await driver.awaited(move)
        except (driver.RedisError, OSError) as error:
            raise self._failed(error) from error
        return moved is not None

    async def listen(self, *channels: str) -> AsyncIterator[tuple[str, bytes]]:
        """Yield (channel, message) for ever; the first item, once subscribed, is ("", b"")."""
        client = self.endpoint.asyncio_client(connections=2)
        hub = client.pubsub()
        try:
            await driver.awaited(hub.subscribe(*channels))
            yield "", b""
            while True:
                message = await driver.awaited(hub.get_message(ignore_subscribe_messages=True, timeout=None))
                if message is not None:
                    yield message["channel"].decode(), message["data"]
        except (driver.RedisError, OSError) as error:
            raise self._failed(error) from error
        finally:
            await hub.aclose()
            await client.aclose()
            await client.connection_pool.disconnect()


class BlockingStore:
    """
    A store for code that blocks: the lease keeper's thread, and clients without a loop, from any number of threads.

    One command at a time uses a connection. In a forked child, open another.
    """

    def __init__(
        self,
        where: Endpoint,
        held: embedded.EmbeddedStore | None = None,
        *,
        reply_timeout: float = REPLY_TIMEOUT_S,
        injected_clock: bool = False,
    ) -> None:
        self.endpoint = where
        self._held = held
        self._reviving = threading.Lock()
        self._client = where.blocking_client(reply_timeout=min(reply_timeout, CONNECT_TIMEOUT_S))
        self._injected_clock = injected_clock or where.simulated

    @classmethod
    def open(cls, source: object = None) -> Self:
        """Find, start and check the store; see `Store.open`, which raises the same."""
        refuse_again()
        where, held = endpoint(source), None
        if where.store is not None:
            held = embedded.open_store(where.store)
            where = where.at(held.socket)
        store = cls(where, held)
        try:
            [info] = store.commands([("INFO", "server")])
            check_version(info, where.shown)
        except BaseException:
            store.close()
            raise
        return store

    def run(self, call: Call[T]) -> T:
        """Run one operation, once; raises as `Store.run` does."""
        script = load(call.script, injected_clock=self._injected_clock)
        try:
            try:
                answer = self._client.execute_command(*_command(script, call, "EVALSHA"))
            except driver.NoScriptError:
                answer = self._client.execute_command(*_command(script, call, "EVAL"))
        except (driver.RedisError, OSError) as error:
            raise self._failed(error) from error
        return call.interpret(answer)

    def commands(self, commands: Sequence[Sequence[Argument]]) -> list[Any]:
        """Run plain commands in one round trip; an error among the answers is raised after all ran."""
        try:
            pipeline = self._client.pipeline(transaction=False)
            for words in commands:
                pipeline.execute_command(*words)
            answers: list[Any] = pipeline.execute()
        except (driver.RedisError, OSError) as error:
            raise self._failed(error) from error
        return answers

    def ear(self) -> Ear:
        """Open a connection that hears of ended tasks."""
        return Ear(self)

    def _failed(self, error: BaseException) -> BrokerError:
        if self._held is not None and isinstance(error, (driver.ConnectionError, OSError)):
            self._start_again()
        return translate(error, self.endpoint.shown)

    def _start_again(self) -> None:
        """Start an embedded store again whose server was killed, unless another thread is at it."""
        config = self.endpoint.store
        if config is None or not self._reviving.acquire(blocking=False):
            return
        try:
            held, self._held = self._held, embedded.open_store(config)
            if held is not None:
                held.close()
        except OnebeatError as error:
            log.warning("%s", error)
        finally:
            self._reviving.release()

    def close(self) -> None:
        """Close the connections, and let go of an embedded store. One that another thread uses ends with that use."""
        self._client.connection_pool.disconnect(inuse_connections=False)
        if self._held is not None:
            held, self._held = self._held, None
            held.close()


class Ear:
    """
    Hears of ended tasks, for one thread at a time.

    Attributes:
        id: The name by which a task is marked, so that its end is told here (see scripts/finish.lua).
    """

    def __init__(self, store: BlockingStore) -> None:
        self.id: str = new_id()
        self._store = store
        self._client = store.endpoint.blocking_client()
        self._hub = self._client.pubsub()
        try:
            self._hub.subscribe(f"onebeat:reply:{self.id}")
            self._hub.get_message(timeout=REPLY_TIMEOUT_S)  # that it listens
        except (driver.RedisError, OSError) as error:
            self.close()
            raise translate(error, store.endpoint.shown) from error

    def wait(self, seconds: float) -> None:
        """Wait for a word, whichever task it is of, at most so long."""
        try:
            self._hub.get_message(ignore_subscribe_messages=True, timeout=seconds)
        except (driver.RedisError, OSError) as error:
            raise translate(error, self._store.endpoint.shown) from error

    def close(self) -> None:
        """Stop listening."""
        self._hub.close()
        self._client.close()
        self._client.connection_pool.disconnect()
