"""
Where the store is, and connections to it with every one of redis-py's repeats and defaults switched off.

redis-py 8 repeats a command up to ten times by itself, which would run a script twice behind our back;
the broker owns all repeats, because only it knows which ones are safe (mechanism-rules 27).
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import SplitResult, parse_qsl, urlsplit

from onebeat.broker import driver, embedded
from onebeat.errors import BrokerUnsupported, ConfigurationError, shown

if TYPE_CHECKING:
    import redis
    import redis.asyncio

CONNECT_TIMEOUT_S = 5.0
REPLY_TIMEOUT_S = 5.0
BLOCK_S = 5
"""How long a blocking peek waits in the store; its socket waits three seconds more."""

_SCHEMES = {"redis": "redis", "rediss": "rediss", "valkey": "redis", "valkeys": "rediss", "unix": "unix"}
_LATER = {
    "redis+sentinel": "Redis Sentinel",
    "rediss+sentinel": "Redis Sentinel",
    "valkey+sentinel": "Valkey Sentinel",
    "redis+cluster": "Redis Cluster",
    "rediss+cluster": "Redis Cluster",
    "valkey+cluster": "Valkey Cluster",
}
_OPTIONS = ("db", "username", "password")
_SECRET = re.compile(r"([?&]\w*password=)[^&#]*")
_CARRIED = ("host", "port", "db", "username", "password", "path", "credential_provider")


@dataclass(frozen=True, slots=True)
class Endpoint:
    """
    A place where a store answers.

    Attributes:
        kind: The name of redis-py's connection class, which its asyncio half has under the same name.

        settings: What that class is told: address, database, credentials, TLS.

        shown: The address for messages and logs, without credentials.

        store: Set when the store is an embedded one, which must be started and held open.

        simulated: Scripts take the time from `onebeat:test:now` there: a store of the test kit.
    """

    kind: str
    settings: Mapping[str, Any]
    shown: str
    store: embedded.StoreConfig | None = None
    simulated: bool = False

    def at(self, socket: Path) -> Endpoint:
        """Return the endpoint of an embedded store that was opened."""
        return Endpoint("UnixDomainSocketConnection", {"path": str(socket)}, self.shown, self.store)

    def asyncio_client(self, *, reply_timeout: float = REPLY_TIMEOUT_S, connections: int = 64) -> redis.asyncio.Redis:
        """Make a client for the running loop; it connects when first used."""
        import redis.asyncio.connection
        from redis.asyncio.retry import Retry as AsyncRetry
        from redis.backoff import NoBackoff

        pool = redis.asyncio.BlockingConnectionPool(
            connection_class=getattr(redis.asyncio.connection, self.kind),
            max_connections=connections,
            timeout=reply_timeout,
            **self._options(reply_timeout, AsyncRetry(NoBackoff(), 0)),
        )
        return redis.asyncio.Redis.from_pool(pool)

    def blocking_client(self, *, reply_timeout: float = REPLY_TIMEOUT_S) -> redis.Redis:
        """Make a blocking client, for a thread or process of its own."""
        import redis.connection
        from redis.backoff import NoBackoff
        from redis.retry import Retry

        pool = redis.ConnectionPool(
            connection_class=getattr(redis.connection, self.kind),
            **self._options(reply_timeout, Retry(NoBackoff(), 0)),
        )
        return redis.Redis.from_pool(pool)

    def _options(self, reply_timeout: float, retry: object) -> dict[str, Any]:
        return {
            **self.settings,
            "retry": retry,
            "protocol": 2,
            "socket_timeout": reply_timeout,
            "socket_connect_timeout": CONNECT_TIMEOUT_S,
            "decode_responses": False,
        }


def endpoint(source: object = None) -> Endpoint:
    """
    Find out where the store is.

    Args:
        source: A URL (`redis://`, `rediss://`, `valkey://`, `unix://`, `embedded://`), or a redis-py
            client, of which only the connection settings are used. Default: `ONEBEAT_URL`, and
            without it the embedded store of the project one is in.

    Raises:
        ConfigurationError: The URL cannot be read.
        BrokerUnsupported: It names a kind of store that does not work yet.
    """
    if source is None:
        source = os.environ.get("ONEBEAT_URL") or "embedded://"
    if isinstance(source, Endpoint):
        return source
    if isinstance(source, str):
        return _from_url(source)
    import redis.asyncio

    if isinstance(source, (redis.Redis, redis.asyncio.Redis)):
        return _from_client(source)
    if type(source).__name__ in ("RedisCluster", "Sentinel"):
        raise BrokerUnsupported(
            f"client {type(source).__name__}: only a single Redis or Valkey works yet; pass redis.Redis"
        )
    raise ConfigurationError(
        f"store {_without_password(shown(source))}: give a URL such as redis://localhost:6379/0, or a redis-py client"
    )


def _from_url(url: str) -> Endpoint:
    parts = _split(url)
    if parts.scheme in _LATER:
        raise BrokerUnsupported(
            f"store {_without_password(url)}: {_LATER[parts.scheme]} does not work yet; name its current master by redis://"
        )
    if parts.scheme == "embedded":
        config = embedded.parse_url(url)
        return Endpoint("UnixDomainSocketConnection", {}, f"embedded://{config.path}", config)
    if parts.scheme not in _SCHEMES or not url[len(parts.scheme) :].startswith("://"):
        known = ", ".join(f"{scheme}://" for scheme in [*_SCHEMES, "embedded"])
        raise _refused(url, f"start it with one of {known}")
    options = dict(parse_qsl(parts.query, keep_blank_values=True))
    if parts.scheme == "unix":
        _check_socket(parts, url)
    else:
        _check_host(parts, url)
        _check_number("database", parts.path.strip("/"), url)
    _check_number("database", options.get("db", ""), url)
    import redis.connection

    kind = {"rediss": redis.connection.SSLConnection, "redis": redis.connection.Connection}.get(
        _SCHEMES[parts.scheme], redis.connection.UnixDomainSocketConnection
    )
    for name in options.keys() - set(_OPTIONS):
        if kind is not redis.connection.SSLConnection or not name.startswith("ssl_"):
            raise _refused(
                url, f"option {name!r} is unknown; there are db, username, password, and ssl_… with rediss://"
            )
    known_to_redis = _SCHEMES[parts.scheme] + url[len(parts.scheme) :]
    try:
        settings: dict[str, Any] = dict(redis.connection.parse_url(known_to_redis))
        settings.pop("connection_class", None)
        kind(**settings)  # connects to nothing, but looks at all options
    except (ValueError, TypeError, driver.RedisError) as error:
        raise _refused(url, f"{error}; write rediss://host:6379/0?ssl_ca_certs=/path, for example") from error
    return Endpoint(kind.__name__, settings, _without_password(url))


def _refused(url: str, why: str) -> ConfigurationError:
    return ConfigurationError(f"store {shown(_without_password(url))}: {why}")


def _split(url: str) -> SplitResult:
    """Take a URL apart; what cannot be printed, or is no URL at all, is refused without its passwords."""
    try:
        parts = urlsplit(url)
    except ValueError as error:  # such as a bracket that is not closed
        raise _refused(url, f"{error}; write redis://host:6379/0, an IPv6 address in brackets") from None
    if parts.scheme in _SCHEMES and (not url.isprintable() or " " in parts.netloc):
        raise _refused(url, "it has characters that no address has; write those of a password as %20 and the like")
    if parts.scheme in _SCHEMES and parts.fragment:
        raise _refused(url, "what stands after # is no part of an address; write one in a password as %23")
    return parts


def _check_socket(parts: SplitResult, url: str) -> None:
    if not parts.path.strip("/") or parts.netloc.rpartition("@")[2]:
        raise _refused(url, "it names no absolute path of a socket; write unix:///run/redis.sock")


def _check_host(parts: SplitResult, url: str) -> None:
    """Check the port. What could be a password with a sign in it is not repeated, as urllib does."""
    try:
        port = parts.port
    except ValueError:
        port = 0
    if port == 0 or "@" in parts.path:
        raise _refused(
            url,
            "its port is no number from 1 to 65535; write redis://user:password@host:6379/0, "
            "with %23, %2F, %3F and %40 for #, /, ? and @ in the password",
        )


def _check_number(what: str, text: str, url: str) -> None:
    if text and not (text.isascii() and text.isdigit() and len(text) < 10):
        raise _refused(url, f"{what} {shown(text)} is not a number; write …/0")


def _from_client(client: redis.Redis | redis.asyncio.Redis) -> Endpoint:
    pool = client.connection_pool
    given = pool.connection_kwargs
    settings = {name: value for name, value in given.items() if name in _CARRIED or name.startswith("ssl_")}
    address = settings.get("path") or f"{settings.get('host', 'localhost')}:{settings.get('port', 6379)}"
    return Endpoint(pool.connection_class.__name__, settings, f"{address}/{settings.get('db', 0)}")


def _without_password(url: str) -> str:
    """Hide what stands before the last @, where credentials are however they are spelled, and passwords in options."""
    scheme, mark, rest = url.rpartition("://") if "://" in url else ("", "", url)
    if "@" in rest and not rest.startswith("/"):
        rest = "***@" + rest.rpartition("@")[2]
    return scheme + mark + _SECRET.sub(r"\1***", rest)
