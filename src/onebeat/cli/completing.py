"""
What a shell completes from the store: names of queues, ids of tasks. Give a function as `shell_complete=`.

A store that is away, slow or refuses, completes nothing and says nothing; an embedded one is not started for it.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TYPE_CHECKING

import click

from onebeat.cli.common import named_url
from onebeat.errors import OnebeatError

if TYPE_CHECKING:
    from onebeat.inspector.blocking import SyncInspector

PATIENCE_S = 0.8
"""How long the store may take, before the shell goes on without."""

MOST = 100
"""How many are offered."""


def queues(ctx: click.Context, _parameter: click.Parameter, incomplete: str) -> list[str]:
    """Complete the name of a queue."""
    return _begin(_asked(ctx, lambda inspector: inspector.queues()), incomplete)


def task_ids(ctx: click.Context, _parameter: click.Parameter, incomplete: str) -> list[str]:
    """Complete the id of a task of the queue that `--queue` names: the first few of each state."""
    queue = ctx.params.get("queue_name") or ctx.params.get("queue")
    if not isinstance(queue, str):
        return []

    def look(inspector: SyncInspector) -> list[str]:
        from onebeat.states import TaskState

        states = [state for state in TaskState if state is not TaskState.AGGREGATING]
        return [info.id for state in states for info in inspector.page(queue, state=state, size=MOST)]

    return _begin(_asked(ctx, look), incomplete)


def schedules(ctx: click.Context, _parameter: click.Parameter, incomplete: str) -> list[str]:
    """Complete the id of a schedule, Onebeat's or Go's."""

    def look(inspector: SyncInspector) -> list[str]:
        return sorted(
            {info.id for info in inspector.declared_schedules()}
            | {entry.id for entry in inspector.schedules() if not entry.scheduler.startswith("{")}
        )

    return _begin(_asked(ctx, look), incomplete)


def servers(ctx: click.Context, _parameter: click.Parameter, incomplete: str) -> list[str]:
    """Complete the name of a server: its process, or its id."""

    def look(inspector: SyncInspector) -> list[str]:
        living = inspector.servers()
        return [f"{one.host}:{one.pid}" for one in living] + [one.id for one in living]

    return _begin(_asked(ctx, look), incomplete)


def groups(ctx: click.Context, _parameter: click.Parameter, incomplete: str) -> list[str]:
    """Complete the name of a group of the queue that `--queue` names."""
    queue = ctx.params.get("queue_name") or ctx.params.get("queue")
    if not isinstance(queue, str):
        return []
    return _begin(_asked(ctx, lambda inspector: [group.name for group in inspector.groups(queue)]), incomplete)


def _begin(names: list[str], incomplete: str) -> list[str]:
    return [name for name in names if name.startswith(incomplete)][:MOST]


def _asked(ctx: click.Context, question: Callable[[SyncInspector], list[str]]) -> list[str]:
    """Ask the store in a thread that nobody waits for long."""
    from onebeat.inspector.blocking import SyncInspector

    found: list[str] = []

    def ask() -> None:
        try:
            with SyncInspector(url) as inspector:
                found.extend(question(inspector))
        except OnebeatError:
            return  # nothing is completed

    url = named_url(ctx, None) or _of_project()
    if url is None or url.startswith("embedded:"):
        return []
    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(PATIENCE_S)
    return list(found)


def _of_project() -> str | None:
    from onebeat.cli.project import Project

    try:
        url = Project.find().settings.get("url")
    except OnebeatError:
        return None
    return url if isinstance(url, str) else None
