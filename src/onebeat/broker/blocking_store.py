"""The store for code that blocks: the twin of `Store`."""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Self, TypeVar

from onebeat.audience import Audience
from onebeat.broker import driver, embedded
from onebeat.broker.again import refuse_again
from onebeat.broker.blocking_nodes import BlockingNodes
from onebeat.broker.call import Argument, Call, Script, load
from onebeat.broker.each import each, interpreted
from onebeat.broker.endpoint import CONNECT_TIMEOUT_S, REPLY_TIMEOUT_S, Endpoint
from onebeat.broker.layout import slot_of, slot_of_call
from onebeat.broker.opening import check_server, command_of, confirmation, confirmed, find
from onebeat.broker.timing import ScriptTimes
from onebeat.broker.trouble import translate
from onebeat.errors import BrokerError, BrokerUnavailable, OnebeatError
from onebeat.ids import new_id

if TYPE_CHECKING:
    import redis

log: logging.Logger = logging.getLogger("onebeat.store")

T = TypeVar("T")


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
        self._injected_clock = injected_clock or where.simulated
        self._times = ScriptTimes()
        timeout = min(reply_timeout, CONNECT_TIMEOUT_S)
        self._nodes = BlockingNodes(where, reply_timeout=timeout) if where.seeds else None
        if self._nodes is None:
            self._client = where.blocking_client(reply_timeout=timeout)

    @classmethod
    def open(cls, source: object = None, *, durability: str | None = None) -> Self:
        """Find, start and check the store; see `Store.open`, which raises the same."""
        refuse_again()
        where, held = find(source, durability), None
        if where.store is not None:
            held = embedded.open_store(where.store)
            where = where.at(held.socket)
        store = cls(where, held)
        try:
            [info] = store.commands([("INFO", "server")])
            check_server(info, where)
        except BaseException:
            store.close()
            raise
        return store

    def run(self, call: Call[T]) -> T:
        """Run one operation, once; raises as `Store.run` does."""
        script = load(call.script, injected_clock=self._injected_clock)
        if not self._times.are_wanted:
            return self._run(script, call)
        with self._times.of(call.script):
            return self._run(script, call)

    def measured_by(self, audience: Audience) -> None:
        """Have those who observe measure how long scripts take; they are told in the thread that runs them."""
        self._times.add(audience)

    def _run(self, script: Script, call: Call[T]) -> T:
        if self._nodes is not None:
            return call.interpret(
                self._nodes.run(slot_of_call(call), lambda client: self._attempt(client, script, call))
            )
        try:
            answer = self._attempt(self._client, script, call)
        except (driver.RedisError, OSError) as error:
            raise self._failed(error) from error
        return call.interpret(answer)

    def run_each(self, calls: Sequence[Call[T]]) -> list[T | BrokerError]:
        """Run operations that only read, in one round trip per node; see `Store.run_each`."""
        if self._nodes is None:
            return self._run_each_here(calls)
        scripts = {call.script: load(call.script, injected_clock=self._injected_clock) for call in calls}
        try:
            answers = self.commands([command_of(scripts[call.script], call, "EVALSHA") for call in calls])
        except BrokerUnavailable:
            raise
        except BrokerError:
            return [self._told(call) for call in calls]
        return [interpreted(call, answer) for call, answer in zip(calls, answers, strict=True)]

    def _run_each_here(self, calls: Sequence[Call[T]]) -> list[T | BrokerError]:
        plan = each(calls, self._failed, injected_clock=self._injected_clock)
        try:
            commands = next(plan)
            while True:
                pipeline = self._client.pipeline(transaction=False)
                for words in commands:
                    pipeline.execute_command(*words)
                commands = plan.send(pipeline.execute(raise_on_error=False))
        except StopIteration as end:
            found: list[T | BrokerError] = end.value
            return found
        except (driver.RedisError, OSError) as error:
            raise self._failed(error) from error

    def _told(self, call: Call[Any]) -> Any:
        try:
            return self.run(call)
        except BrokerUnavailable:
            raise
        except BrokerError as error:
            return error

    def _attempt(self, client: redis.Redis, script: Script, call: Call[Any]) -> Any:
        if call.durable and self.endpoint.replicas:
            return self._replicated(client, script, call)
        try:
            return client.execute_command(*command_of(script, call, "EVALSHA"))
        except driver.NoScriptError:
            return client.execute_command(*command_of(script, call, "EVAL"))

    def _replicated(self, client: redis.Redis, script: Script, call: Call[Any]) -> Any:
        """Run a script and WAIT behind it; see `Store`."""

        def answers(verb: str) -> Any:
            pipeline = client.pipeline(transaction=False)
            pipeline.execute_command(*command_of(script, call, verb))
            for words in confirmation(call, self.endpoint):
                pipeline.execute_command(*words)
            return confirmed(pipeline.execute(raise_on_error=False), self.endpoint)

        try:
            return answers("EVALSHA")
        except driver.NoScriptError:
            return answers("EVAL")

    def commands(self, commands: Sequence[Sequence[Argument]]) -> list[Any]:
        """Run plain commands in one round trip per node; an error among the answers is raised after all ran."""
        if self._nodes is not None:
            return self._nodes.commands(commands)
        try:
            pipeline = self._client.pipeline(transaction=False)
            for words in commands:
                pipeline.execute_command(*words)
            answers: list[Any] = pipeline.execute()
        except (driver.RedisError, OSError) as error:
            raise self._failed(error) from error
        return answers

    def words(self, call: Call[Any]) -> list[Argument]:
        """Return an operation as a plain command, for a round trip of several; a node that has run it knows it."""
        return command_of(load(call.script, injected_clock=self._injected_clock), call, "EVALSHA")

    def everywhere(self, *words: Argument) -> dict[str, Any]:
        """Run one plain command on every primary; answers by the address of each."""
        if self._nodes is not None:
            return {node: self._nodes.at(node, words) for node in self._nodes.primaries}
        return {self.endpoint.shown: self.commands([words])[0]}

    def at(self, node: str, *words: Argument) -> Any:
        """Run one plain command on the primary of an address, as `everywhere` names it."""
        return self.commands([words])[0] if self._nodes is None else self._nodes.at(node, words)

    def primaries(self) -> list[str]:
        """Return the addresses of all primaries, as `everywhere` names them."""
        return [self.endpoint.shown] if self._nodes is None else self._nodes.primaries

    @property
    def is_spread(self) -> bool:
        """Whether queues may lie on different nodes, of which one may be away while others answer."""
        return self.endpoint.is_cluster

    def home(self, queue: str) -> str:
        """Return the address of the primary that has a queue; "" while none has."""
        return self.endpoint.shown if self._nodes is None else self._nodes.home(slot_of(queue))

    def ear(self) -> Ear:
        """Open a connection that hears of ended tasks."""
        return Ear(self)

    def where(self) -> Endpoint:
        """Return where to listen: what is published at any node is heard at all."""
        return self.endpoint if self._nodes is None else self._nodes.any()

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
        if self._nodes is not None:
            self._nodes.close()
        else:
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
        self._client = store.where().blocking_client()
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
