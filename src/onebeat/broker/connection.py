"""
Reading where the store is: a URL, or a redis-py client of which only the settings are used.

What is wrong with an address is said in a sentence before anything is connected to, without its passwords.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any
from urllib.parse import SplitResult, parse_qsl, unquote, urlencode, urlsplit

from onebeat.broker import driver, embedded
from onebeat.broker.endpoint import Address, show
from onebeat.broker.endpoint import Endpoint as Endpoint
from onebeat.errors import ConfigurationError
from onebeat.errors import shown as quoted

if TYPE_CHECKING:
    import redis
    import redis.asyncio

_SCHEMES = {"redis": "redis", "rediss": "rediss", "valkey": "redis", "valkeys": "rediss", "unix": "unix"}
_MANY = {
    f"{scheme}+{kind}": (plain, kind)
    for scheme, plain in _SCHEMES.items()
    if scheme != "unix"
    for kind in ("sentinel", "cluster")
}
_GO = {"redis-socket": "unix", "redis-sentinel": "redis+sentinel"}
"""What asynq calls these (protocol §4.5)."""
_PORTS = {"sentinel": 26379, "cluster": 6379}
_OPTIONS = ("db", "username", "password")
_SENTINEL_OPTIONS = ("master", "sentinel_username", "sentinel_password")
_SECRET = re.compile(r"([?&]\w*password=)[^&#]*")
_CARRIED = ("host", "port", "db", "username", "password", "path", "credential_provider")
_HOST = re.compile(r"^(?:\[(?P<v6>[^\]]+)\]|(?P<host>[^:\[\]]+))(?::(?P<port>\d{1,5}))?$", re.ASCII)
_DURABILITY = re.compile(r"^replicas:([1-9]\d?)$", re.ASCII)


def endpoint(source: object = None) -> Endpoint:
    """
    Find out where the store is.

    Args:
        source: A URL (`redis://`, `rediss://`, `valkey://`, `unix://`, `redis+sentinel://`, `redis+cluster://`,
            `embedded://`), or a redis-py client, of which only the connection settings are used: one of a single
            store, one that a `Sentinel` made by `master_for`, or a `RedisCluster`. Default: `ONEBEAT_URL`, and
            without it the embedded store of the project one is in.

    Raises:
        ConfigurationError: The URL cannot be read, or what is given is no such client.
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
    if isinstance(source, (redis.RedisCluster, redis.asyncio.RedisCluster)):
        return _from_cluster(source)
    if type(source).__name__ == "Sentinel":
        raise ConfigurationError(
            "client Sentinel: it does not say which primary; pass what its master_for(name) returns"
        )
    raise ConfigurationError(
        f"store {_without_password(quoted(source))}: give a URL such as redis://localhost:6379/0, or a redis-py client"
    )


def replicas(durability: object) -> int:
    """
    Read how many replicas are to confirm: `"replicas:n"`, or "" or None for none.

    Raises:
        ConfigurationError: It is none of these.
    """
    if durability is None or durability == "":
        return 0
    found = _DURABILITY.match(durability) if isinstance(durability, str) else None
    if found is None:
        raise ConfigurationError(
            f'durability is {quoted(durability)}: write "replicas:1", or as many as are to confirm, at most 99'
        )
    return int(found[1])


def _from_url(url: str) -> Endpoint:
    scheme, mark, rest = url.partition("://")
    if mark and scheme.lower() in _GO:
        return _from_go(_GO[scheme.lower()], rest, url)
    if mark and scheme.lower() in _MANY:
        return _many(*_MANY[scheme.lower()], rest, url)
    parts = _split(url)
    if parts.scheme == "embedded":
        config = embedded.parse_url(url)
        return Endpoint("UnixDomainSocketConnection", {}, f"embedded://{config.path}", config)
    if parts.scheme not in _SCHEMES or not url[len(parts.scheme) :].startswith("://"):
        known = ", ".join(f"{scheme}://" for scheme in [*_SCHEMES, "redis+sentinel", "redis+cluster", "embedded"])
        raise _refused(url, f"start it with one of {known}")
    return _single(parts, url)


def _single(parts: SplitResult, url: str) -> Endpoint:
    options = dict(parse_qsl(parts.query, keep_blank_values=True))
    try:
        confirming = replicas(options.pop("durability", ""))
    except ConfigurationError as error:
        raise _refused(url, str(error)) from None
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
                url,
                f"option {name!r} is unknown; there are db, username, password, durability, and ssl_… with rediss://",
            )
    known_to_redis = f"{_SCHEMES[parts.scheme]}://{parts.netloc}{parts.path}?{urlencode(options)}"
    try:
        settings: dict[str, Any] = dict(redis.connection.parse_url(known_to_redis))
        settings.pop("connection_class", None)
        kind(**{"driver_info": driver.named(), **settings})  # connects to nothing, but looks at all options
    except (ValueError, TypeError, driver.RedisError) as error:
        raise _refused(url, f"{error}; write rediss://host:6379/0?ssl_ca_certs=/path, for example") from error
    return Endpoint(kind.__name__, settings, _without_password(url), replicas=confirming)


def _many(plain: str, kind: str, rest: str, url: str) -> Endpoint:
    """Read an address of several hosts: all that is not ours reads as that of one of them."""
    place, question, query = rest.partition("?")
    hosts, slash, database = place.partition("/")
    credentials, at, hosts = hosts.rpartition("@")
    seeds = tuple(_seed(host, kind, url) for host in hosts.split(","))
    options = dict(parse_qsl(query, keep_blank_values=True))
    own = {name: options.pop(name) for name in _SENTINEL_OPTIONS if kind == "sentinel" and name in options}
    one = f"{plain}://{credentials}{at}{show(seeds[0])}{slash}{database}{question}{urlencode(options)}"
    try:
        node = _single(_split(one), one)
    except ConfigurationError as error:
        raise _refused(url, str(error).partition(": ")[2] or str(error)) from None
    settings = {name: value for name, value in node.settings.items() if name not in ("host", "port")}
    many = replace(node, settings=settings, shown=_without_password(url), seeds=seeds)
    if kind == "cluster":
        if int(settings.get("db", 0)):
            raise _refused(url, f"a cluster has no database {settings['db']}, only 0; leave the number out")
        return many
    if not own.get("master"):
        raise _refused(url, "it does not say which primary; write …/0?master=name, as the sentinels know it")
    spoken = {"username": own.get("sentinel_username"), "password": own.get("sentinel_password")}
    tls = {name: value for name, value in settings.items() if name.startswith("ssl_")}
    sentinel = Endpoint(node.kind, {**tls, **{name: value for name, value in spoken.items() if value}}, many.shown)
    return replace(many, master=own["master"], sentinel=sentinel)


def _seed(text: str, kind: str, url: str) -> Address:
    found = _HOST.match(unquote(text))
    port = int(found["port"] or _PORTS[kind]) if found else 0
    if found is None or not 0 < port < 65536:
        raise _refused(
            url,
            f"{quoted(text) if '@' not in url else 'what stands before the path'} is no host with a port from 1 to "
            f"65535; write redis+{kind}://user:password@host1:{_PORTS[kind]},host2:{_PORTS[kind]}, with %2F, %3F and "
            "%40 for /, ? and @ in the password",
        )
    return str(found["v6"] or found["host"]), port


def _from_go(scheme: str, rest: str, url: str) -> Endpoint:
    """Read an address as asynq writes it: no user, and with sentinels the password is theirs."""
    credentials, _, place = rest.rpartition("@")
    password = credentials.partition(":")[2]
    if scheme == "unix":
        return _from_url(f"unix://{':' + password + '@' if password else ''}{place}")
    named, question, query = place.partition("?")
    ours = f"&sentinel_password={password}" if password else ""
    found = _from_url(f"{scheme}://{named}{question or '?'}{query}{ours}")
    return replace(found, shown=_without_password(url))


def _refused(url: str, why: str) -> ConfigurationError:
    return ConfigurationError(f"store {quoted(_without_password(url))}: {why}")


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
        raise _refused(url, f"{what} {quoted(text)} is not a number; write …/0")


def _from_client(client: redis.Redis | redis.asyncio.Redis) -> Endpoint:
    pool: Any = client.connection_pool
    settings = _carried(pool.connection_kwargs)
    if hasattr(pool, "sentinel_manager"):
        return _from_sentinels(pool, settings)
    address = settings.get("path") or f"{settings.get('host', 'localhost')}:{settings.get('port', 6379)}"
    return Endpoint(pool.connection_class.__name__, settings, f"{address}/{settings.get('db', 0)}")


def _from_sentinels(pool: Any, settings: dict[str, Any]) -> Endpoint:
    if not pool.is_master:
        raise ConfigurationError(
            f"client of {pool.service_name!r}: it is one of slave_for, whose replicas take no writes; pass master_for's"
        )
    asked = [sentinel.connection_pool for sentinel in pool.sentinel_manager.sentinels]
    seeds = tuple((one.connection_kwargs["host"], int(one.connection_kwargs["port"])) for one in asked)
    spoken = _carried(asked[0].connection_kwargs, without=("host", "port", "db"))
    sentinel = Endpoint(_kind(asked[0].connection_class), spoken, "")
    named = f"{','.join(map(show, seeds))}/{settings.get('db', 0)}?master={pool.service_name}"
    return Endpoint(
        _kind(pool.connection_class), settings, named, seeds=seeds, master=pool.service_name, sentinel=sentinel
    )


def _from_cluster(client: Any) -> Endpoint:
    nodes = client.nodes_manager
    seeds = tuple((node.host, int(node.port)) for node in nodes.startup_nodes.values())
    given = getattr(client, "connection_kwargs", None) or nodes.connection_kwargs
    settings = _carried(given, without=("host", "port", "db"))
    is_secret = given.get("ssl") or _kind(given.get("connection_class")) == "SSLConnection"
    kind = "SSLConnection" if is_secret else "Connection"
    return Endpoint(kind, settings, ",".join(map(show, seeds)), seeds=seeds)


def _carried(given: Mapping[str, Any], *, without: tuple[str, ...] = ()) -> dict[str, Any]:
    """Choose what both of redis-py's halves understand; one knows OCSP, which is left out where it is not used."""
    return {
        name: value
        for name, value in given.items()
        if (name in _CARRIED or name.startswith("ssl_"))
        and name not in without
        and value is not None
        and (value or "ocsp" not in name)
    }


def _kind(given: Any) -> str:
    """Return the plain connection class of one that finds its address by itself."""
    return "SSLConnection" if "SSL" in getattr(given, "__name__", "") else "Connection"


def _without_password(url: str) -> str:
    """Hide what stands before the last @, where credentials are however they are spelled, and passwords in options."""
    scheme, mark, rest = url.rpartition("://") if "://" in url else ("", "", url)
    if "@" in rest and not rest.startswith("/"):
        rest = "***@" + rest.rpartition("@")[2]
    return scheme + mark + _SECRET.sub(r"\1***", rest)
