"""What every measurement prints around its numbers: which commit, which machine, which versions."""

from __future__ import annotations

import os
import platform
import statistics
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from onebeat.broker.store import Store

SCRIPTS = ("evalsha", "eval", "blmove", "sadd", "smembers", "subscribe")


async def head(store: Store, what: str) -> None:
    """Print the heading of a measurement."""
    commit = subprocess.run(
        ["git", "rev-parse", "--short", "HEAD"], capture_output=True, text=True, check=False
    ).stdout.strip()
    info = await store.command("INFO", "server")
    engine = f"Valkey {info['valkey_version']}" if "valkey_version" in info else f"Redis {info['redis_version']}"
    model = next(
        (line for line in Path("/proc/cpuinfo").read_text().splitlines() if line.startswith("model name")), ": ?"
    )
    where = "embedded store" if store.endpoint.store is not None else store.endpoint.shown.partition("://")[0]
    print(f"# {what}")
    print(f"commit {commit or '?'}, {os.cpu_count()} cores ({model.partition(':')[2].strip()}), ", end="")
    print(f"Python {platform.python_version()}, {engine}, {where}\n")


def spread(values: Sequence[float], unit: str, digits: int = 1) -> str:
    """Say the median of runs, and all of them."""
    shown = ", ".join(f"{value:,.{digits}f}" for value in values)
    return f"median {statistics.median(values):,.{digits}f} {unit} ({shown})"


def percentiles(values: Sequence[float]) -> str:
    """Say where a distribution lies."""
    ordered = sorted(values)
    at = {share: ordered[min(len(ordered) - 1, int(len(ordered) * share))] for share in (0.5, 0.9, 0.99)}
    return f"p50 {at[0.5]:.2f}, p90 {at[0.9]:.2f}, p99 {at[0.99]:.2f}, max {ordered[-1]:.2f} ms"


async def spent(store: Store) -> tuple[float, int]:
    """Return the microseconds and calls of the commands that clients sent (not those inside scripts)."""
    stats: dict[str, Any] = await store.command("INFO", "commandstats")
    mine = [value for name, value in stats.items() if name.removeprefix("cmdstat_") in SCRIPTS]
    return sum(value["usec"] for value in mine), sum(value["calls"] for value in mine)
