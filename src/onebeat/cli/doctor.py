"""`onebeat doctor`."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import textwrap
from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

import click

from onebeat.cli import output
from onebeat.cli.common import url_option
from onebeat.cli.documents import json_option, show
from onebeat.cli.loops import run_async
from onebeat.cli.output import visible
from onebeat.cli.writing import agreed, write_options
from onebeat.documents.diagnosis import ChecksDocument, DiagnosisDocument, RepairDocument

if TYPE_CHECKING:
    from onebeat.inspector.checks.finding import Diagnosis, Finding, Repaired

COLOURS = {"error": "red", "warning": "yellow", "hint": "cyan"}
WIDEST, MARGIN = 110, 9
SHOWN = 20
"""Items of a repair that are named one by one."""


@click.command()
@url_option
@click.argument("checks", nargs=-1, metavar="[CHECK]...")
@click.option("-q", "--queue", "queues", multiple=True, help="Look at this queue only. May be repeated.")
@click.option(
    "--for",
    "seconds",
    type=click.FloatRange(0, 3600),
    default=0.0,
    help="Look twice, so many seconds apart, and find queues that grow.",
)
@click.option(
    "--budget",
    type=click.IntRange(1),
    default=100_000,
    show_default=True,
    help="Queues, entries of lists, and keys to look at, each, at most.",
)
@click.option("--list", "lists", is_flag=True, help="List the checks, and look at nothing.")
@click.option("--repair", is_flag=True, help="Mend what can be mended: what the CHECKs find, or all that is safe.")
@write_options
@json_option("doctor", DiagnosisDocument | RepairDocument | ChecksDocument)
def doctor(
    url: str | None,
    checks: tuple[str, ...],
    queues: tuple[str, ...],
    seconds: float,
    budget: int,
    lists: bool,
    repair: bool,
    yes: bool,
    dry_run: bool,
    as_json: bool,
) -> None:
    """
    Say what is wrong, why it matters, and what to type.

    Makes all checks, or those named. Status 1 if it finds a warning or an error, 0 if at most hints.
    """
    if lists:
        _list(as_json)
        return
    if (yes or dry_run) and not repair:
        output.fail("--yes and --dry-run are for --repair, as all else only looks", status=2)
    _known(checks)
    if repair:
        run_async(_repair(url, checks, queues, budget, yes=yes, dry_run=dry_run, as_json=as_json))
    else:
        run_async(_diagnose(url, checks, queues, seconds, budget, as_json=as_json))


def _known(checks: Sequence[str]) -> None:
    from onebeat.inspector.checks.catalog import CHECKS

    ids = [check.id for check in CHECKS]
    for name in checks:
        if name not in ids:
            output.fail(f"there is no check {name!r}: `onebeat doctor --list` lists them", status=2)


async def _diagnose(
    url: str | None,
    checks: tuple[str, ...],
    queues: tuple[str, ...],
    seconds: float,
    budget: int,
    *,
    as_json: bool,
) -> None:
    from onebeat.inspector.inspector import Inspector

    async with Inspector(url) as inspector:
        found = await inspector.diagnose(checks, queues=queues, budget=budget, seconds=seconds)
    if as_json:
        show(DiagnosisDocument.of(found))
    else:
        _print(found, _same_store(url, found.store))
    if not found.is_well:
        raise SystemExit(1)


def _same_store(url: str | None, shown: str) -> str:
    """Return the option that has another command look into the same store; "" if it does so by itself."""
    project = click.get_current_context().find_root().obj
    usual = os.environ.get("ONEBEAT_URL") or (project.settings.get("url") if project is not None else None)
    if url is None or url == usual:
        return ""
    has_secret = "@" in url or "password=" in url  # which does not belong onto a screen
    return f" --url {shlex.quote(shown if has_secret else url)}"


def _with_store(remedy: str, store: str) -> str:
    """Name the store in a remedy that ends with a command of ours."""
    return remedy + store if re.search(r"(^|: )onebeat [^`]*$", remedy) else remedy


def _print(found: Diagnosis, store: str) -> None:
    _say(click.style(found.verdict, bold=True))
    told: set[str] = set()
    for finding in found.findings:
        _say("")
        _print_finding(finding, store, is_first=finding.check not in told)
        told.add(finding.check)
    _say("")
    _say(_wrapped(f"Looked at {', '.join(found.looked)} in {found.store}.", 0))
    by_reason: dict[str, list[str]] = {}
    for one in found.not_checked:
        by_reason.setdefault(one.why, []).append(one.check)
    for why, names in by_reason.items():
        _say(_wrapped(f"Not checked: {', '.join(names)}: {why}", 0))


def _print_finding(finding: Finding, store: str, *, is_first: bool) -> None:
    severity = click.style(f"{finding.severity.value:<{MARGIN}}", fg=COLOURS[finding.severity.value])
    _say(severity + click.style(visible(finding.subject), bold=True) + f"  [{finding.check}]")
    _say(_wrapped(f"{finding.text[0].upper()}{finding.text[1:]}."))
    if is_first:
        _say(_wrapped(finding.why))
    for remedy in finding.remedies:
        is_typed = "onebeat " in remedy or "redis-cli" in remedy
        _say(" " * MARGIN + "→ " + visible(_with_store(remedy, store)) if is_typed else _wrapped(f"→ {remedy}"))
    if finding.repair:
        _say(_wrapped(f"Repair would do this: {finding.repair}."))
    if finding.heals:
        _say(_wrapped(f"Or wait: {finding.heals}."))


def _wrapped(text: str, margin: int = MARGIN) -> str:
    """Fold a text to the terminal; names and commands stay whole."""
    width = min(shutil.get_terminal_size((WIDEST, 24)).columns, WIDEST)
    space = " " * margin
    return textwrap.fill(
        visible(text),
        max(width, margin + 20),
        initial_indent=space,
        subsequent_indent=space,
        break_long_words=False,
        break_on_hyphens=False,
    )


def _say(text: str) -> None:
    click.echo(text, color=False if os.environ.get("NO_COLOR") else None)


async def _repair(
    url: str | None,
    checks: tuple[str, ...],
    queues: tuple[str, ...],
    budget: int,
    *,
    yes: bool,
    dry_run: bool,
    as_json: bool,
) -> None:
    from onebeat.inspector.inspector import Inspector

    async with Inspector(url) as inspector:
        found = await inspector.repair(checks, queues=queues, budget=budget, dry_run=True)
        if found and not dry_run:
            if not as_json:
                _print_repaired(found)
            if not agreed(f"mend {_count(found)} in {inspector.store.endpoint.shown}", yes=yes, dry_run=False):
                return
            found = await inspector.repair(checks, queues=queues, budget=budget)
    if as_json:
        show(RepairDocument.of(found, dry_run=dry_run))
    elif not found:
        _say("Nothing is damaged that can be mended.")
    elif dry_run:
        _print_repaired(found)
        _say(f"Would mend {_count(found)}; nothing was done.")
    else:
        done = [one for one in found if one.is_done]
        _say(f"Mended {_count(done)}.")
        for one in found:
            if not one.is_done:
                _say(_wrapped(f"{one.name} of queue {one.queue} was {one.deed}", 0))
    if not dry_run and any(not one.is_done for one in found):
        raise SystemExit(1)


def _count(found: Sequence[Repaired]) -> str:
    counts = Counter(one.check for one in found)
    return ", ".join(f"{count:,} {check}" for check, count in counts.items()) or "nothing"


def _print_repaired(found: Sequence[Repaired]) -> None:
    rows = [[one.check, one.queue, one.name, one.deed] for one in found[:SHOWN]]
    output.show_table(["check", "queue", "what", "becomes"], rows, whole=("check", "becomes"))
    if len(found) > SHOWN:
        _say(f"… and {len(found) - SHOWN:,} more; --json lists all.")


def _list(as_json: bool) -> None:
    from onebeat.inspector.checks.catalog import CHECKS

    if as_json:
        show(ChecksDocument.of(CHECKS))
        return
    rows = [[one.id, one.looks, "if named" if not one.is_safe else "yes" if one.can_repair else ""] for one in CHECKS]
    output.show_table(["check", "looks at", "repairs"], rows, whole=("check", "repairs"))
