"""Asks a store and its nodes for all that they say of themselves: a procedure for both inspectors."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any, Final

from onebeat.broker.call import Argument
from onebeat.broker.endpoint import Endpoint, show
from onebeat.broker.trouble import casts_doubt
from onebeat.errors import BrokerError, BrokerUnavailable
from onebeat.inspector import store_reading as reading
from onebeat.inspector.steps import At, Procedure, command
from onebeat.inspector.store_models import StoreCluster, StoreKey, StoreNode, StoreRefusal, StoreReport
from onebeat.wire import keys

MOST_NODES: Final = 64
"""Primaries that are asked."""

PINGS, FEW_NODES = 3, 8
"""Pings of each node; of more nodes than these each is sent one."""

OWN_KEYS: Final = (
    (keys.QUEUES, "SCARD", "names of queues"),
    (keys.SERVERS, "ZCARD", "servers, with the end of their lease"),
    (keys.WORKERS, "ZCARD", "servers that show what they run"),
    (keys.SCHEDULERS, "ZCARD", "schedulers"),
    (keys.SCHEDULES, "HLEN", "stored schedules, by id"),
    (keys.JOBS, "ZCARD", "jobs in the background"),
    (keys.AUDIT, "XLEN", "records of the audit"),
    (keys.SESSIONS, "ZCARD", "users with sessions of a console"),
    (keys.VIEWS, "HLEN", "saved views that all users share"),
)
"""Keys that belong to no queue, what counts their things, and what these are."""


class Reporter:
    """
    Makes one report.

    Args:
        where: The endpoint of the store.

        primaries: The addresses of its primaries.

        clock: Gives seconds, to measure how long the store takes.
    """

    def __init__(self, where: Endpoint, primaries: list[str], clock: Callable[[], float]) -> None:
        self._where = where
        self._primaries = primaries
        self._clock = clock
        self._untold: list[StoreRefusal] = []

    def report(self) -> Procedure[StoreReport]:
        """
        Ask for everything; what is refused is left out, and said.

        Raises:
            BrokerUnavailable: No node can be reached.
        """
        where, nodes = self._where, list[StoreNode]()
        for address in self._primaries[:MOST_NODES]:
            nodes.append((yield from self._node(address)))
        if all(node.away for node in nodes):
            raise BrokerUnavailable(next((node.away for node in nodes), f"store {where.shown} has no primary now"))
        return StoreReport(
            address=where.shown,
            topology="cluster" if where.is_cluster else "sentinel" if where.sentinel is not None else "one",
            seeds=tuple(map(show, where.seeds)),
            master=where.master or "",
            nodes=tuple(nodes),
            primaries=len(self._primaries),
            cluster=(yield from self._cluster()) if where.is_cluster else None,
            keys=tuple((yield from self._keys())),
            untold=tuple(self._untold),
        )

    def _node(self, address: str) -> Procedure[StoreNode]:
        try:
            latency = yield from self._ping(address)
        except BrokerError as error:
            if error.__cause__ is not None and casts_doubt(error.__cause__):
                return StoreNode(address=address, away=str(error))
            self._untold.append(StoreRefusal(what="PING", node=address, why=str(error)))
            latency = None
        count = reading.whole((yield from self._asked("DBSIZE", address, "DBSIZE")))
        info = yield from self._asked("INFO", address, "INFO")
        node = reading.node(address, {} if info is None else reading.fields(info), self._where)
        if not node.policy:  # it may tell this though it does not tell that
            answer = yield from self._asked("CONFIG GET", address, "CONFIG", "GET", "maxmemory-policy")
            node = replace(node, policy=reading.setting(answer, "maxmemory-policy"))
        return replace(node, latency=latency, keys=count)

    def _ping(self, address: str) -> Procedure[timedelta]:
        trips: list[float] = []
        for _ in range(PINGS if len(self._primaries) <= FEW_NODES else 1):
            asked = self._clock()
            yield At(address, ("PING",))
            trips.append(self._clock() - asked)
        return timedelta(seconds=min(trips))

    def _asked(self, what: str, node: str, *words: Argument) -> Procedure[Any]:
        """Ask one node for one thing; None if it refuses."""
        try:
            return (yield At(node, words))
        except BrokerError as error:
            self._untold.append(StoreRefusal(what=what, node=node, why=str(error)))
            return None

    def _tried(self, what: str, *words: Argument) -> Procedure[Any]:
        """Ask the node of a key, or any, for one thing; None if it refuses."""
        try:
            return (yield from command(*words))
        except BrokerError as error:
            self._untold.append(StoreRefusal(what=what, node=self._where.shown, why=str(error)))
            return None

    def _cluster(self) -> Procedure[StoreCluster | None]:
        info = yield from self._tried("CLUSTER INFO", "CLUSTER", "INFO")
        nodes = yield from self._tried("CLUSTER NODES", "CLUSTER", "NODES")
        if info is None and nodes is None:
            return None
        told: Mapping[str, Any] = {} if info is None else reading.fields(info)
        return StoreCluster(
            state=str(told.get("cluster_state", "")),
            slots_assigned=reading.whole(told.get("cluster_slots_assigned")),
            slots_ok=reading.whole(told.get("cluster_slots_ok")),
            nodes=None if nodes is None else reading.cluster_nodes(nodes),
        )

    def _keys(self) -> Procedure[list[StoreKey]]:
        found: list[StoreKey] = []
        for name, counts, holds in OWN_KEYS:
            count = yield from self._tried(f"{counts} {name}", counts, name)
            memory = None
            if count:
                memory = yield from self._tried(f"MEMORY USAGE {name}", "MEMORY", "USAGE", name)
            found.append(StoreKey(name=name, holds=holds, count=reading.whole(count), memory=reading.whole(memory)))
        return found
