"""`onebeat server ls` and `show`."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime

import click

from onebeat.cli import output
from onebeat.cli.documents import show, show_list
from onebeat.cli.output import BAD, DIM, GOOD, WARN, Cell
from onebeat.cli.servers.choosing import one_server
from onebeat.cli.terminal import is_terminal
from onebeat.documents.servers import Server, ServerDetails, Worker
from onebeat.documents.values import Bytes
from onebeat.inspector.inspector import Inspector

STYLES = {"active": GOOD, "stopped": WARN}
QUEUES = 6
"""How many queues are written in a table."""
SHOWN_OF_ID = 8
"""Letters of an id on a terminal: it may be named by them."""


async def list_servers(url: str | None, *, as_json: bool, as_lines: bool) -> None:
    async with Inspector(url) as inspector:
        rows = [Server.of(info) for info in await inspector.servers()]
        where = inspector.store.endpoint.shown
    if as_json or as_lines:
        show_list(rows, as_lines=as_lines)
        return
    if not rows:
        click.echo(f"No servers at {output.visible(where)}: none has given a sign of life within ten seconds.")
        return
    now = datetime.now(UTC)
    columns = ["server", "state", "slots", "queues", "started", "runs", "id"]
    cells = [
        [
            Cell(f"{row.host}:{row.pid}"), _state(row), _slots(row), Cell(_queues(row.queues, most=QUEUES)),
            Cell(output.ago(row.started, now)), Cell(_library(row)), Cell(_short(row.id), DIM),
        ]
        for row in rows
    ]  # fmt: skip
    output.show_table(columns, cells, numbers=["slots"], whole=["server", "state", "started"])
    busy, slots = sum(row.busy for row in rows), sum(row.concurrency for row in rows)
    output.note(f"{output.counted(len(rows), 'server')}; tasks run in {busy:,} of {output.counted(slots, 'slot')}.")


def _short(server_id: str) -> str:
    """Return as much of an id as names it; all of it where a script may read."""
    return server_id[:SHOWN_OF_ID] if is_terminal() else server_id


def _state(row: Server) -> Cell:
    return Cell(row.status, STYLES.get(row.status, BAD))


def _slots(row: Server) -> Cell:
    return Cell(f"{row.busy}/{row.concurrency}", WARN if row.busy >= row.concurrency else "")


def _queues(queues: Mapping[str, int], *, most: int = 100) -> str:
    """Write queues with their weights, the heaviest first, as asynq's tool does."""
    ordered = sorted(queues.items(), key=lambda item: (-item[1], item[0]))
    told = [f"{name}:{weight}" for name, weight in ordered[:most]]
    return " ".join([*told, f"and {len(ordered) - most:,} more"] if len(ordered) > most else told)


def _library(row: Server) -> str:
    if row.library == "asynq":
        return "asynq"
    return f"{row.application} (Onebeat {row.version})" if row.application else f"Onebeat {row.version}"


async def show_server(url: str | None, name: str, *, as_json: bool) -> None:
    async with Inspector(url) as inspector:
        found = ServerDetails.of(await one_server(inspector, name), datetime.now(UTC))
    if as_json:
        show(found)
        return
    row, now = found.server, datetime.now(UTC)
    facts: list[tuple[str, object]] = [
        ("server", Cell(f"{row.host}:{row.pid}", "bold")),
        ("id", row.id),
        ("is", _condition(row)),
        ("slots", f"{row.busy} of {row.concurrency} busy"),
        ("queues", _queues(row.queues) + (", strictly by weight" if row.strict_priority else "")),
        ("started", output.ago(row.started, now)),
        ("runs", _library(row)),
    ]
    if found.types is not None:
        facts.append(("handles", output.listed(found.types, most=20) + (" and more" if found.is_cut else "") or "-"))
    if found.groups:
        facts.append(("aggregates", output.listed(found.groups, most=20)))
    if found.clock_ahead_ms is not None:
        facts.append(("its clock", f"{abs(found.clock_ahead_ms):.0f} ms {_side(found.clock_ahead_ms)} the store's"))
    output.show_facts(facts)
    click.echo()
    _show_workers(found.workers, now)


def _side(ms: float) -> str:
    return "ahead of" if ms >= 0 else "behind"


def _condition(row: Server) -> Cell:
    if row.status != "stopped":
        return _state(row)
    told = "stopped: it takes no tasks, and ends those that run"
    undo = "" if row.library == "asynq" else f"; `onebeat server resume {row.host}:{row.pid}` has it take some again"
    return Cell(told + undo, WARN)


def _show_workers(workers: list[Worker], now: datetime) -> None:
    if not workers:
        click.echo("It runs no task.")
        return
    columns = ["task", "queue", "type", "runs for", "deadline", "payload"]
    rows = [
        [
            Cell(worker.task_id), Cell(worker.queue), Cell(worker.type), Cell(output.duration(worker.elapsed_s)),
            _deadline(worker, now), Cell(_payload(worker.payload)),
        ]
        for worker in workers
    ]  # fmt: skip
    output.show_table(columns, rows, numbers=["runs for"], whole=["task", "queue", "type", "deadline"])


def _deadline(worker: Worker, now: datetime) -> Cell:
    return Cell(output.ago(worker.deadline, now), BAD if worker.deadline < now else "")


def _payload(payload: Bytes) -> str:
    return "bytes, not text" if payload.text is None else output.readable(payload.text.encode()) or "-"
