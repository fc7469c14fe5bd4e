"""What `onebeat dev` shows when it is ready."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import click

from onebeat.cli.output import ago
from onebeat.cli.processes.orders import Facts

SHOWN = 12


def banner(facts: Facts, app: str, processes: int, places: Sequence[Path], now: datetime, at: str | None = None) -> str:
    """Describe the running system."""
    schedules = _first([_schedule(item.id, item.spec, item.next_ms, now) for item in facts.schedules])
    lines = [
        *([("console", [at])] if at else []),
        ("store", [facts.store]),
        ("queues", [_queues(facts)]),
        ("tasks", _first(facts.tasks)),
        ("schedules", [*schedules, *(f"what {name} gives" for name in facts.sources)]),
        *([("groups", [f"{name}…" for name in facts.groups])] if facts.groups else []),
        ("watching", [str(place) for place in places]),
    ]
    servers = f"1 process, {facts.concurrency} tasks at a time"
    if processes > 1:
        servers = f"{processes} processes, {facts.concurrency} tasks at a time in each"
    text = [click.style(f"onebeat dev: {app}, {servers}", bold=True)]
    for name, values in lines:
        for index, value in enumerate(values or ["none"]):
            text.append(f"  {name if index == 0 else '':<10} {value}")
    return "\n".join([*text, "press Ctrl-C to stop"])


def _queues(facts: Facts) -> str:
    weights = set(facts.queues.values())
    return ", ".join(name if len(weights) == 1 else f"{name}={weight}" for name, weight in facts.queues.items())


def _schedule(name: str, spec: str, next_ms: int | None, now: datetime) -> str:
    if next_ms is None:
        return f"{name}: {spec}, never again"
    tick = datetime.fromtimestamp(next_ms / 1000, UTC)
    return f"{name}: {spec}, next {ago(tick, now)}"


def _first(items: list[str]) -> list[str]:
    return items if len(items) <= SHOWN else [*items[:SHOWN], f"and {len(items) - SHOWN} more"]
