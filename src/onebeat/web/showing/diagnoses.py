"""What a diagnosis found, by check, and its first sentence. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from onebeat.inspector.checks.finding import RANK, Finding, Repaired, Severity
from onebeat.web.showing.words import counted

KINDS: Final = {Severity.ERROR: "bad", Severity.WARNING: "warn", Severity.HINT: ""}
"""The colour of each severity."""


@dataclass(frozen=True, slots=True)
class Group:
    """
    What one check found.

    Attributes:
        check: Its id.

        severity: Of the worst finding.

        why: Why it matters.

        repair: What a repair would do; "" if it can do nothing.

        findings: The worst first.
    """

    check: str
    severity: Severity
    why: str
    repair: str
    findings: Sequence[Finding]


def groups(findings: Iterable[Finding]) -> list[Group]:
    """Put findings together by check, the worst first; else in the order in which they are told."""
    by_check: dict[str, list[Finding]] = {}
    for one in findings:
        by_check.setdefault(one.check, []).append(one)
    found = [_group(check, mine) for check, mine in by_check.items()]
    return sorted(found, key=lambda group: RANK[group.severity])


def _group(check: str, findings: list[Finding]) -> Group:
    findings = sorted(findings, key=lambda one: RANK[one.severity])
    repair = next((one.repair for one in findings if one.repair), "")
    return Group(check, findings[0].severity, findings[0].why, repair, findings)


def counts(findings: Iterable[Finding]) -> dict[Severity, int]:
    """Count findings of each severity."""
    found = Counter(one.severity for one in findings)
    return {severity: found[severity] for severity in Severity}


def verdict(findings: Sequence[Finding], made: int, left_out: int) -> tuple[str, str]:
    """
    Return the kind and the sentence that stand first.

    Args:
        findings: The worst first.

        made, left_out: Checks that were made, and that could not be.
    """
    of = counted(made, "check") + (f"; {counted(left_out, 'check')} could not be made" if left_out else "")
    if not findings:
        return ("warn" if left_out else "good"), f"Nothing was found by {of}"
    worst = findings[0]
    number = counts(findings)
    said = ", ".join(counted(count, severity.value) for severity, count in number.items() if count)
    if worst.severity is Severity.HINT:
        return "good", f"All is well: {said} by {of}"
    return KINDS[worst.severity], f"{said}: {worst.subject}: {worst.text}"


def is_typed(remedy: str) -> bool:
    """Whether a remedy is a command to type, and no sentence."""
    return remedy.startswith(("onebeat ", "redis-cli "))


def mended(done: Sequence[Repaired]) -> tuple[str, str]:
    """Say what became of a repair: the kind of notice, and its sentence."""
    number = Counter(one.check for one in done if one.is_done)
    said = ", ".join(f"{count:,} {check}" for check, count in number.items())
    left = sum(not one.is_done for one in done)
    if not done:
        return "good", "Nothing is damaged any more: it was mended meanwhile."
    if not left:
        return "good", f"Mended {said}."
    return "bad", f"Mended {said or 'nothing'}; {counted(left, 'thing')} could not be, and stands in the list again."
