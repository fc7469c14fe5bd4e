"""Reads what a node answers of itself. Managed stores leave out what they like, so all may be missing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

from onebeat.broker.dangers import find_dangers
from onebeat.broker.endpoint import Endpoint
from onebeat.inspector.store_models import ClusterNode, StoreNode, StoreReplica


def fields(answer: Any) -> Mapping[str, Any]:
    """Read lines of "name:value", unless the driver has read them already."""
    if isinstance(answer, Mapping):
        return {_text(name): value for name, value in answer.items()}
    pairs = (line.partition(":") for line in _text(answer).splitlines() if ":" in line)
    return {name: value.strip() for name, _, value in pairs}


def setting(answer: Any, name: str) -> str:
    """Read what CONFIG GET says of one setting; "" if it says nothing."""
    if isinstance(answer, Mapping):
        return next((_text(value) for key, value in answer.items() if _text(key) == name), "")
    return _text(answer[1]) if isinstance(answer, (list, tuple)) and len(answer) > 1 else ""


def whole(value: Any) -> int | None:
    """Read a whole number; None if it is none."""
    try:
        return int(value)
    except (TypeError, ValueError):
        return None


def _number(value: Any) -> float | None:
    try:
        return float(value)
    except (TypeError, ValueError):
        return None


def _span(value: Any) -> timedelta | None:
    seconds = _number(value)
    return None if seconds is None else timedelta(seconds=seconds)


def _is(value: Any, wanted: str) -> bool | None:
    return None if value is None else str(value) == wanted


def _text(value: Any) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def node(address: str, info: Mapping[str, Any], where: Endpoint) -> StoreNode:
    """Read the answer of INFO."""
    is_valkey = "valkey_version" in info
    saved = _number(info.get("rdb_last_save_time"))
    database = _pairs(info.get(f"db{where.settings.get('db') or 0}", ""))
    return StoreNode(
        address=address,
        kind="valkey" if is_valkey else "redis" if "redis_version" in info else "",
        version=str(info.get("valkey_version" if is_valkey else "redis_version", "")),
        mode=str(info.get("redis_mode", info.get("server_mode", ""))),
        role=str(info.get("role", "")),
        system=str(info.get("os", "")),
        uptime=_span(info.get("uptime_in_seconds")),
        memory=whole(info.get("used_memory")),
        memory_peak=whole(info.get("used_memory_peak")),
        memory_limit=whole(info.get("maxmemory")),
        memory_machine=whole(info.get("total_system_memory")) or None,
        resident=whole(info.get("used_memory_rss")),
        fragmentation=_number(info.get("mem_fragmentation_ratio")),
        policy=str(info.get("maxmemory_policy", "")),
        evicted=whole(info.get("evicted_keys")),
        expired=whole(info.get("expired_keys")),
        clients=whole(info.get("connected_clients")),
        blocked=whole(info.get("blocked_clients")),
        clients_limit=whole(info.get("maxclients")),
        rejected=whole(info.get("rejected_connections")),
        commands_per_second=whole(info.get("instantaneous_ops_per_sec")),
        commands=whole(info.get("total_commands_processed")),
        received_kbps=_number(info.get("instantaneous_input_kbps")),
        sent_kbps=_number(info.get("instantaneous_output_kbps")),
        hits=whole(info.get("keyspace_hits")),
        misses=whole(info.get("keyspace_misses")),
        expiring=whole(database.get("expires")),
        appends=_is(info.get("aof_enabled"), "1"),
        append_fine=_is(info.get("aof_last_write_status"), "ok"),
        snapshot_fine=_is(info.get("rdb_last_bgsave_status"), "ok"),
        saved_at=datetime.fromtimestamp(saved, UTC) if saved else None,
        unsaved=whole(info.get("rdb_changes_since_last_save")),
        is_loading=_is(info.get("loading"), "1"),
        replicas=tuple(_replicas(info)) if "connected_slaves" in info else None,
        dangers=tuple(find_dangers(info, replicas=where.replicas)),
    )


def _pairs(value: Any) -> Mapping[str, Any]:
    """Read "keys=3,expires=1", unless the driver has read it already."""
    if isinstance(value, Mapping):
        return value
    return {name: told for name, _, told in (part.partition("=") for part in _text(value).split(","))}


def _replicas(info: Mapping[str, Any]) -> Iterator[StoreReplica]:
    told = whole(info.get("master_repl_offset"))
    for i in range(whole(info.get("connected_slaves")) or 0):
        value = info.get(f"slave{i}")
        if value is None:
            continue
        replica = _pairs(value)
        offset = whole(replica.get("offset"))
        yield StoreReplica(
            address=f"{replica.get('ip', '?')}:{replica.get('port', '?')}",
            state=str(replica.get("state", "")),
            lag=_span(replica.get("lag")),
            behind=None if told is None or offset is None else max(0, told - offset),
        )


def cluster_nodes(answer: Any) -> tuple[ClusterNode, ...]:
    """Read the lines of CLUSTER NODES, primaries first."""
    found = [_cluster_node(line.split()) for line in _text(answer).splitlines() if len(line.split()) >= 8]
    return tuple(sorted(found, key=lambda one: (one.role, one.address)))


def _cluster_node(words: list[str]) -> ClusterNode:
    name, address, flags, primary, _, _, _, link, *ranges = words
    kinds = flags.split(",")
    trouble = next((flag for flag in kinds if flag in ("fail", "fail?", "handshake", "noaddr")), "")
    return ClusterNode(
        id=name,
        address=address.partition("@")[0].partition(",")[0],
        role="primary" if "master" in kinds else "replica",
        primary="" if primary == "-" else primary,
        slots=sum(_size(part) for part in ranges if not part.startswith("[")),
        trouble=trouble,
        is_linked=link == "connected",
    )


def _size(part: str) -> int:
    """Count the slots of "7" or "0-5460"."""
    first, _, last = part.partition("-")
    return int(last or first) - int(first) + 1
