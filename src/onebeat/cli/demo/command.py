"""`onebeat demo`."""

from __future__ import annotations

from pathlib import Path

import click


@click.command()
@click.option("--seconds", type=click.IntRange(6, 3600), default=20, show_default=True, help="How long it plays.")
@click.option("--servers", type=click.IntRange(2, 20), default=3, show_default=True, help="Server processes.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object at the end, and nothing else.")
@click.option("--ledger", type=click.Path(file_okay=False, path_type=Path), help="Keep every process's raw rows here.")
def demo(seconds: int, servers: int, as_json: bool, ledger: Path | None) -> None:
    """
    Watch a whole system at work, on a store of its own.

    Its processes are real, and one of them is killed half way.
    """
    import asyncio

    from onebeat.cli.demo.play import play

    raise SystemExit(asyncio.run(play(seconds=seconds, servers=servers, as_json=as_json, ledger=ledger)))
