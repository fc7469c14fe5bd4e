"""What every command that changes something has: it names what it will touch, asks on a terminal, and can only look."""

from __future__ import annotations

import signal
import sys
from collections.abc import Callable
from typing import Any

import click

from onebeat.cli import output


def write_options(function: Callable[..., Any]) -> Callable[..., Any]:
    """Let a verb that changes something take `--yes` and `--dry-run`, as `yes` and `dry_run`."""
    function = click.option("--dry-run", is_flag=True, help="Say what would be done, and do nothing.")(function)
    return click.option("-y", "--yes", is_flag=True, help="Do not ask.")(function)


def agreed(deed: str, *, yes: bool, dry_run: bool, is_final: bool = False) -> bool:
    """
    Whether to go on with a deed.

    Args:
        deed: What is about to be done and to what, as an order: "delete 12 archived tasks of queue low".

        is_final: It cannot be undone: where nobody can be asked, it needs `--yes`.
    """
    deed = output.visible(deed)
    if dry_run:
        click.echo(f"Would {deed}; nothing was done.")
        return False
    if yes:
        return True
    if not sys.stdin.isatty():
        if is_final:
            output.fail(f"this would {deed}, and cannot be undone: say so with --yes, or look with --dry-run", status=2)
        return True
    if _says_yes(f"{deed[0].upper()}{deed[1:]}?"):
        return True
    click.echo("Nothing was done.", err=True)
    return False


def _says_yes(question: str) -> bool:
    """
    Ask on the terminal, even where what is printed is piped on; the end of input is a no.

    An event loop that runs would take Ctrl-C for itself and cancel its task, while this waits for the answer: so
    meanwhile it interrupts whoever waits. It reads without readline, which misses a Ctrl-C that comes as it begins.
    """
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        while True:
            click.echo(f"{question} [y/N]: ", nl=False, err=True)
            answer = sys.stdin.readline()
            if not answer:
                click.echo(err=True)
            if answer.strip().lower() in ("y", "yes"):
                return True
            if answer.strip().lower() in ("", "n", "no"):
                return False
    except KeyboardInterrupt:
        click.echo(err=True)
        raise click.Abort from None
    finally:
        signal.signal(signal.SIGINT, before)
