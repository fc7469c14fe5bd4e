"""What `onebeat task show` says of past attempts, as the console does."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING

import click

from onebeat.cli import output
from onebeat.cli.output import BAD
from onebeat.cli.terminal import is_terminal

if TYPE_CHECKING:
    from onebeat.inspector.recording import TaskRecord
    from onebeat.inspector.series_models import Attempt


def show_attempts(record: TaskRecord, now: datetime, *, full: bool) -> None:
    """
    Print what is kept of past attempts, the oldest first.

    Args:
        full: Their tracebacks, too.
    """
    attempts, info = record.attempts, record.info
    if not attempts:
        if info.retried or info.last_failed_at is not None:
            click.echo("\nattempts: none is kept; servers of Go keep none, those of Onebeat as their `attempts` says")
        return
    dropped = attempts[0].number - 1
    earlier = f" ({output.counted(dropped, 'earlier one')} no longer kept)" if dropped else ""
    click.echo(f"\nattempts{earlier}")
    for attempt in attempts:
        click.echo(f"  {attempt.number}  {_head(attempt, now)}")
        _show_error(attempt, full=full)


def _head(attempt: Attempt, now: datetime) -> str:
    at = attempt.started_at or attempt.ended_at
    told = [output.visible(attempt.outcome), f"{at.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC ({output.ago(at, now)})"]
    if attempt.waited is not None:
        told.append(f"waited {_span(attempt.waited.total_seconds())}")
    if attempt.ran is not None:
        told.append(f"ran {_span(attempt.ran.total_seconds())}")
    if attempt.server:
        told.append(f"on {output.visible(attempt.server.rpartition(':')[0] or attempt.server)}")
    return ", ".join(told)


def _span(seconds: float) -> str:
    return f"{seconds * 1000:.0f} ms" if seconds < 1 else output.duration(seconds)


def _show_error(attempt: Attempt, *, full: bool) -> None:
    if attempt.error or attempt.error_type:
        kind = f"{attempt.error_type}: " if not attempt.error.startswith(attempt.error_type) else ""
        for line in f"{kind}{attempt.error}".splitlines():
            told = f"     {output.visible(line)}"
            click.echo(click.style(told, fg=BAD) if is_terminal() else told)
    trace = attempt.traceback.splitlines()
    if trace and not full:
        click.echo(f"     traceback of {output.counted(len(trace), 'line')}: --full shows it")
    for line in trace if full else ():
        click.echo(f"     {output.visible(line)}")
