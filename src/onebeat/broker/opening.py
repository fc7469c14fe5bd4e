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


def confirmation(call: Call[Any], where: Endpoint) -> tuple[list[Argument], list[Argument]]:
    """
    Return the commands that wait behind a script until replicas have what it did.

    WAIT counts what its own connection wrote. A repeat may write nothing, and go over another connection than what it
    repeats: so a write of our own comes first, and WAIT counts all that was done before it.
    """
    return (
        ["SET", keys.own_root(call.queue) + "confirm", "", "PX", 1],
        ["WAIT", where.replicas, WAIT_MS],
    )


def confirmed(answers: Sequence[Any], where: Endpoint) -> Any:
    """
    Return the answer of a script that `confirmation` followed, if enough replicas have it.

    Raises:
        NotReplicated: They have not; or what followed failed, while the script had run.
    """
    answer, written, confirming = answers
    if isinstance(answer, Exception):
        raise answer
    why = next((f" ({found})" for found in (written, confirming) if isinstance(found, Exception)), "")
    if why or confirming < where.replicas:
        count = 0 if why else confirming
        raise NotReplicated(
            f"store {where.shown} accepted it, but {count} of {where.replicas} replicas confirmed within "
            f"{WAIT_MS / 1000:g} s{why}: a fail-over may lose it; see that its replicas run, or ask for fewer by "
            "durability="
        )
    return answer
