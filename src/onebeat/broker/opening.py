"""What both kinds of a store do alike: which one is meant, whether it will do, and how a call is put to it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from onebeat.broker.call import Argument, Call, Script
from onebeat.broker.connection import endpoint, replicas
from onebeat.broker.endpoint import Endpoint
from onebeat.errors import BrokerUnsupported, ConfigurationError, NotReplicated
from onebeat.wire import keys

MINIMUM_VERSION = (6, 2)

WAIT_MS = 1000
"""How long replicas are given to confirm a call, where `durability=` is set."""


def check_server(info: Mapping[str, Any], where: Endpoint) -> None:
    """
    Refuse a store older than the scripts need (ZRANGE BYSCORE, BLMOVE, ZMSCORE: 6.2; SE-61), and one of another kind.

    Raises:
        BrokerUnsupported, ConfigurationError: It is so.
    """
    mode = info.get("redis_mode") or info.get("server_mode")
    if mode == "sentinel":
        raise ConfigurationError(
            f"store {where.shown} is a sentinel: name it by redis+sentinel://host:26379/0?master=name"
        )
    if mode == "cluster" and not where.is_cluster:
        raise ConfigurationError(
            f"store {where.shown} is one node of a cluster: name the cluster by redis+cluster://host:6379"
        )
    if version_of(info) < MINIMUM_VERSION:
        version = info.get("redis_version", "0")
        raise BrokerUnsupported(
            f"store {where.shown} is version {version}: Onebeat needs Redis 6.2, Valkey 7.2 or newer"
        )


def version_of(info: Mapping[str, Any]) -> tuple[int, ...]:
    """Read the version, major and minor."""
    return tuple(int(part) for part in str(info.get("redis_version", "0")).split(".")[:2] if part.isdigit())


def find(source: object, durability: str | None) -> Endpoint:
    where = endpoint(source)
    if durability is not None:
        where = replace(where, replicas=replicas(durability))
    if where.replicas and where.store is not None:
        raise ConfigurationError(f"store {where.shown}: an embedded store has no replicas; leave durability out")
    return where


def command_of(script: Script, call: Call[Any], verb: str) -> list[Argument]:
    body = script.sha if verb == "EVALSHA" else script.source
    names = call.keys or (keys.root(call.queue), keys.own_root(call.queue))
    return [verb, body, len(names), *names, *call.arguments]


def confirmed(answers: Sequence[Any], where: Endpoint) -> Any:
    """Return the answer of a script that a WAIT followed, if enough replicas have it."""
    answer, confirming = answers
    for found in (answer, confirming):
        if isinstance(found, Exception):
            raise found
    if confirming < where.replicas:
        raise NotReplicated(
            f"store {where.shown} accepted it, but {confirming} of {where.replicas} replicas confirmed within "
            f"{WAIT_MS / 1000:g} s: a fail-over may lose it; see that its replicas run, or ask for fewer by durability="
        )
    return answer
