"""Health: what `onebeat doctor` finds, and mending what can be mended."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from onebeat.errors import BrokerError, BrokerUnavailable, shown
from onebeat.inspector.checks.catalog import CHECKS
from onebeat.inspector.checks.finding import Diagnosis, Finding, Repaired, Severity
from onebeat.web import consoles, reasons
from onebeat.web.acting import perform
from onebeat.web.forms import Form, query, read
from onebeat.web.page import redirect, render
from onebeat.web.parts import note
from onebeat.web.reading import kept
from onebeat.web.rights import check_sees, may, sees
from onebeat.web.showing import diagnoses

BUDGET: Final = 5_000
"""Queues, entries of lists, and keys that a look of the page looks at, each; a repair looks at more."""

REPAIR_BUDGET: Final = 100_000

KEPT_S: Final = 30.0
"""For how long what was found is shown to all viewers."""

PATIENCE_S: Final = 15.0
"""After how long a look is given up."""

SHOWN: Final = 100
"""Items of a repair that are named one by one."""


async def health(request: Request) -> Response:
    """Show what is wrong."""
    console = consoles.of(request)
    inspector = await console.inspector()

    async def look() -> Diagnosis | None:
        try:
            async with asyncio.timeout(PATIENCE_S):
                return await inspector.diagnose(budget=BUDGET)
        except TimeoutError:
            return None  # this is kept as well, so that a store which is slow is not asked all the more

    found = await console.reads.get("diagnosis", look, seconds=kept(request, KEPT_S))
    if found is None:
        return render(request, "health_slow.html", place="health", patience=PATIENCE_S, status=503)
    findings = [one for one in found.findings if sees(request, one.queue or None)]
    kind, sentence = diagnoses.verdict(findings, len(found.checked), len(found.not_checked))
    may_repair = may(request, "health.repair")
    return render(
        request,
        "health.html",
        place="health",
        kind=kind,
        sentence=sentence,
        counts=diagnoses.counts(findings),
        severities=Severity,
        groups=diagnoses.groups(findings),
        kinds=diagnoses.KINDS,
        is_typed=diagnoses.is_typed,
        link=_link,
        found=found,
        hidden=len(found.findings) - len(findings),
        may_repair=may_repair,
        can_repair_all=may_repair and any(one.repair and one.check in _SAFE for one in findings),
        repairable=_REPAIRABLE,
        refusals=_refusals(found),
        checks=[one for one in CHECKS if one.id in found.checked],
        reported={one.check for one in found.findings},
        budget=BUDGET,
    )


_REPAIRABLE: Final = frozenset(one.id for one in CHECKS if one.can_repair)
_SAFE: Final = frozenset(one.id for one in CHECKS if one.can_repair and one.is_safe)


def _link(one: Finding) -> tuple[str, dict[str, str]] | None:
    """Return the page that is about what a finding is about, and its query."""
    kind, _, name = one.subject.partition(" ")
    if one.queue:
        return "/queue", {"name": one.queue}
    if kind == "server":
        return "/servers", {"find": name}
    if kind == "store":
        return "/redis", {}
    return ("/schedules", {}) if kind == "schedule" else None


def _refusals(found: Diagnosis) -> dict[str, list[str]]:
    """Return checks that were not made, by why."""
    by_reason: dict[str, list[str]] = {}
    for one in found.not_checked:
        by_reason.setdefault(one.why, []).append(one.check)
    return by_reason


def _check(said: Form) -> str:
    """Read which check's damage is to be mended; "" for all that is safe."""
    check = said.text("check", most=100)
    if check and check not in _REPAIRABLE:
        raise HTTPException(400, f"Check {shown(check)} finds nothing that can be mended.")
    return check


async def ask_repair(request: Request) -> Response:
    """Show what a repair would do, and ask."""
    check_sees(request, None)
    return await _ask(request, _check(query(request)))


async def _ask(request: Request, check: str, *, fault: str = "", reason: str = "", status: int = 200) -> Response:
    inspector = await consoles.of(request).inspector()
    items: list[Repaired] = []
    try:
        items = await inspector.repair([check] if check else [], budget=REPAIR_BUDGET, dry_run=True)
    except BrokerUnavailable:
        raise
    except BrokerError as error:
        note(request, [str(error)])
    visible = [one for one in items if sees(request, one.queue)]
    return render(
        request,
        "health_repair.html",
        status=status,
        fault=fault,
        reason=reason,
        needs_reason=reasons.needs(consoles.of(request).settings, "health.repair"),
        place="health",
        polls=False,
        check=check,
        why=next((one.why for one in CHECKS if one.id == check), ""),
        named_only=bool(check) and check not in _SAFE,
        total=len(items),
        items=visible[:SHOWN],
        may=may(request, "health.repair"),
    )


async def repair(request: Request) -> Response:
    """Mend what a check finds, or all that is safe."""
    form = await read(request)
    check, reason = _check(form), form.get("reason")
    fault = reasons.fault(consoles.of(request).settings, "health.repair", reason)
    if fault and may(request, "health.repair"):  # else that is said first
        return await _ask(request, check, fault=fault, reason=reason, status=422)
    inspector = await consoles.of(request).inspector()
    done = await perform(
        request,
        "health.repair",
        about=check or "all that is safe",
        reason=reason,
        deed=lambda: inspector.repair([check] if check else [], budget=REPAIR_BUDGET),
        count=_count,
    )
    kind, notice = diagnoses.mended(done)
    return redirect(request, "/health", notice, kind=kind)


def _count(done: Sequence[Repaired]) -> int:
    return sum(one.is_done for one in done)


routes: list[Route] = [
    Route("/health", health),
    Route("/health/repair", ask_repair),
    Route("/health/repair", repair, methods=["POST"]),
]
