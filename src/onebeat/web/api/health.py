"""What is wrong, and mending it."""

from __future__ import annotations

from typing import Annotated

import msgspec

from onebeat.documents.diagnosis import ChecksDocument, DiagnosisDocument, RepairDocument
from onebeat.inspector.checks.catalog import CHECKS
from onebeat.inspector.inspector import Inspector
from onebeat.web.api.asking import Asked
from onebeat.web.api.operation import MANY, Operation
from onebeat.web.api.paging import Name, Reason

BUDGET = 20_000
"""Queues, entries of lists, and keys that a request looks at, each, unless it says otherwise."""

KEPT_S = 10.0
"""For how long a diagnosis is good."""

Names = Annotated[list[Name], msgspec.Meta(max_length=100)]
Budget = Annotated[int, msgspec.Meta(ge=1, le=100_000)]


class HealthQuery(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """
    What is looked at.

    Attributes:
        check: Only this check; may be given several times. Default: all.

        queue: Only what concerns this queue, beside store and servers; may be given several times. Default: all.

        budget: Queues, entries of lists, and keys that are looked at, each, at most; what is left out is said.
    """

    check: Names = []
    queue: Names = []
    budget: Budget = BUDGET


class Repairing(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """
    What is to be mended.

    Attributes:
        checks: What these checks find; none: all but "stale-lock", which has to be named.

        queues: Only what concerns these; none: all.

        budget: Queues, entries of lists, and keys that are looked at, each, at most.

        reason: Why, in a line: it stands in the audit.
    """

    checks: Names = []
    queues: Names = []
    budget: Budget = BUDGET
    reason: Reason = ""


async def get_health(asked: Asked, query: HealthQuery) -> DiagnosisDocument:
    """
    Say what is wrong in the whole system, or may go wrong, why that matters, and what to do.

    A check that the store refuses to answer is named, with why; the others are made. An answer is good for ten seconds.
    """
    for queue in query.queue or (None,):
        asked.check_sees(queue)

    async def read(inspector: Inspector) -> DiagnosisDocument:
        return DiagnosisDocument.of(await inspector.diagnose(query.check, queues=query.queue, budget=query.budget))

    found = await asked.read(*_key("health", query), read=read, seconds=KEPT_S)
    if asked.sees_all:
        return found
    findings = [one for one in found.findings if asked.sees(one.queue or None)]
    return msgspec.structs.replace(found, findings=findings)


async def list_health_checks(asked: Asked) -> ChecksDocument:  # noqa: ARG001 - as all handlers
    """List the checks that a diagnosis makes, what each looks at, and which of what they find can be mended."""
    return ChecksDocument.of(CHECKS)


async def preview_repair(asked: Asked, query: HealthQuery) -> RepairDocument:
    """Say what a repair would do, and do nothing: a dry run."""
    for queue in query.queue or (None,):
        asked.check_sees(queue)

    async def read(inspector: Inspector) -> RepairDocument:
        found = await inspector.repair(query.check, queues=query.queue, budget=query.budget, dry_run=True)
        return RepairDocument.of(found, dry_run=True)

    found = await asked.read(*_key("repair", query), read=read)
    return msgspec.structs.replace(found, repaired=[one for one in found.repaired if asked.sees(one.queue or None)])


def _key(name: str, query: HealthQuery) -> tuple[object, ...]:
    return name, tuple(sorted(query.check)), tuple(sorted(query.queue)), query.budget


async def repair_health(asked: Asked, body: Repairing) -> RepairDocument:
    """
    Mend what is damaged: records and lists that disagree, groups and queues that no tool sees, locks of nobody.

    Each item is looked at once more and mended in one step of the store, so what is right again is left alone. A task
    that is put back runs at least once, as one whose server died.
    """
    about = ", ".join(body.checks) or "all that is safe"

    async def repair(inspector: Inspector) -> RepairDocument:
        found = await inspector.repair(body.checks, queues=body.queues, budget=body.budget)
        return RepairDocument.of(found, dry_run=False)

    return await asked.perform("health.repair", repair, about=about, reason=body.reason)


OPERATIONS = (
    Operation("GET", "/health", get_health, refusals=(404,), cost=MANY),
    Operation("GET", "/health/checks", list_health_checks),
    Operation("GET", "/health/repair", preview_repair, refusals=(404,), cost=MANY),
    Operation("POST", "/health/repair", repair_health, "health.repair", refusals=(404,)),
)
