"""What the store says of itself: a procedure for both inspectors."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import timedelta
from typing import Any

from onebeat.inspector.models import StoreInfo
from onebeat.inspector.steps import Procedure, command


def store_info(address: str) -> Procedure[StoreInfo]:
    info = _fields((yield from command("INFO")))
    cluster: Mapping[str, Any] = {}
    if _number(info.get("cluster_enabled")):
        cluster = _fields((yield from command("CLUSTER", "INFO")))
    is_valkey = "valkey_version" in info
    return StoreInfo(
        address=address,
        kind="valkey" if is_valkey else "redis",
        version=str(info.get("valkey_version" if is_valkey else "redis_version", "")),
        uptime=timedelta(seconds=_number(info.get("uptime_in_seconds"))),
        clients=_number(info.get("connected_clients")),
        memory=_number(info.get("used_memory")),
        memory_peak=_number(info.get("used_memory_peak")),
        memory_limit=_number(info.get("maxmemory")) or None,
        cluster_state=str(cluster.get("cluster_state", "")),
        cluster_nodes=_number(cluster.get("cluster_known_nodes")),
        cluster_size=_number(cluster.get("cluster_size")),
    )


def _fields(answer: Any) -> Mapping[str, Any]:
    """Read lines of "name:value", unless the driver has read them already."""
    if isinstance(answer, Mapping):
        return answer
    text = answer.decode("utf-8", "replace") if isinstance(answer, bytes) else str(answer)
    pairs = (line.partition(":") for line in text.splitlines() if ":" in line)
    return {name: value.strip() for name, _, value in pairs}


def _number(value: object) -> int:
    text = str(value)
    return int(text) if text.isdigit() else 0
