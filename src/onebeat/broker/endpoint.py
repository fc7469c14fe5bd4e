"""
Where a store is, and connections to it with every one of redis-py's repeats and defaults switched off.

redis-py 8 repeats a command up to ten times by itself, which would run a script twice behind our back;
the broker owns all repeats, because only it knows which ones are safe (mechanism-rules 27).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from onebeat.broker import driver, embedded
from onebeat.broker.role import check_role, check_role_blocking

if TYPE_CHECKING:
    import redis
    import redis.asyncio

CONNECT_TIMEOUT_S = 5.0
REPLY_TIMEOUT_S = 5.0
BLOCK_S = 5
"""How long a blocking peek waits in the store; its socket waits three seconds more."""

Address = tuple[str, int]
"""Host and port."""


def show(address: Address) -> str:
    """Return an address as messages have it."""
    host, port = address
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


@dataclass(frozen=True, slots=True)
class Endpoint:
    """
    A place where a store answers, or where is known which nodes it has.

    Attributes:
        kind: The name of redis-py's connection class, which its asyncio half has under the same name.

        settings: What that class is told: address, database, credentials, TLS. Without an address where `seeds` are.

        shown: The address for messages and logs, without credentials.

        store: Set when the store is an embedded one, which must be started and held open.

        simulated: Scripts take the time from `onebeat:test:now` there: a store of the test kit.

        seeds: Sentinels, or nodes of a cluster, that are asked which nodes there are. None: there is this one.

        master: The name by which sentinels know the primary.

        sentinel: How sentinels are talked to, but for their address; None: there are none.

        only_primary: Connections to what is no primary are refused.

        replicas: How many replicas confirm what is accepted; 0: none is asked.
    """

    kind: str
    settings: Mapping[str, Any]
    shown: str
    store: embedded.StoreConfig | None = None
    simulated: bool = False
    seeds: tuple[Address, ...] = ()
    master: str = ""
    sentinel: Endpoint | None = None
    only_primary: bool = False
    replicas: int = 0

    @property
    def is_cluster(self) -> bool:
        """Whether its keys are spread over nodes by their slots."""
        return bool(self.seeds) and self.sentinel is None

    def at(self, socket: Path) -> Endpoint:
        """Return the endpoint of an embedded store that was opened."""
        return replace(self, kind="UnixDomainSocketConnection", settings={"path": str(socket)})

    def node(self, address: Address) -> Endpoint:
        """Return the endpoint of one node of several."""
        host, port = address
        settings = {**self.settings, "host": host, "port": port}
        return replace(
            self,
            settings=settings,
            shown=show(address),
            seeds=(),
            only_primary=self.sentinel is not None,
            sentinel=None,
        )

    def asked(self, address: Address) -> Endpoint:
        """Return the endpoint of a sentinel or node that is only asked which nodes there are."""
        if self.sentinel is not None:
            return self.sentinel.node(address)
        return self.node(address)

    def asyncio_client(
        self,
        *,
        reply_timeout: float = REPLY_TIMEOUT_S,
        connect_timeout: float = CONNECT_TIMEOUT_S,
        connections: int = 64,
    ) -> redis.asyncio.Redis:
        """Make a client for the running loop; it connects when first used."""
        import redis.asyncio.connection
        from redis.asyncio.retry import Retry as AsyncRetry
        from redis.backoff import NoBackoff

        from onebeat.broker.pool import Pool

        options = self._options(reply_timeout, connect_timeout, AsyncRetry(NoBackoff(), 0))
        if self.only_primary:
            options["redis_connect_func"] = check_role
        pool = Pool(
            connection_class=getattr(redis.asyncio.connection, self.kind),
            max_connections=connections,
            timeout=reply_timeout,
            **options,
        )
        return redis.asyncio.Redis.from_pool(pool)

    def blocking_client(
        self, *, reply_timeout: float = REPLY_TIMEOUT_S, connect_timeout: float = CONNECT_TIMEOUT_S
    ) -> redis.Redis:
        """Make a blocking client, for a thread or process of its own."""
        import redis.connection
        from redis.backoff import NoBackoff
        from redis.retry import Retry

        options = self._options(reply_timeout, connect_timeout, Retry(NoBackoff(), 0))
        if self.only_primary:
            options["redis_connect_func"] = check_role_blocking
        pool = redis.ConnectionPool(connection_class=getattr(redis.connection, self.kind), **options)
        return redis.Redis.from_pool(pool)

    def _options(self, reply_timeout: float, connect_timeout: float, retry: object) -> dict[str, Any]:
        return {
            "driver_info": driver.named(),
            **self.settings,
            "retry": retry,
            "protocol": 2,
            "socket_timeout": reply_timeout,
            "socket_connect_timeout": connect_timeout,
            "decode_responses": False,
        }
