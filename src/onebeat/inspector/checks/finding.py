"""What a diagnosis says."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum


class Severity(StrEnum):
    """How bad a finding is."""

    ERROR = "error"
    """Tasks are not run, are lost, or soon will be."""

    WARNING = "warning"
    """It will go wrong, or goes badly."""

    HINT = "hint"
    """It does no harm by itself, and is good to know."""


RANK: Mapping[Severity, int] = {Severity.ERROR: 0, Severity.WARNING: 1, Severity.HINT: 2}


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    """
    Something that is wrong, or will be.

    Attributes:
        check: The check that found it; its id stays the same from version to version.

        severity: How bad it is.

        subject: What it is about: "store", "queue mail", "server web-1:42", "schedule nightly".

        text: What is so, with its values.

        why: Why that matters.

        remedies: What to do, each a command to type or a sentence.

        queue: The queue that it is about, if it is about one.

        repair: What `repair` would do about it; "" if it cannot.

        heals: How it mends itself, if it does.
    """

    check: str
    severity: Severity
    subject: str
    text: str
    why: str
    remedies: tuple[str, ...]
    queue: str = ""
    repair: str = ""
    heals: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class NotChecked:
    """
    A check that could not be made.

    Attributes:
        check: Which.

        why: What kept it, such as a right that the store's user does not have.
    """

    check: str
    why: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Diagnosis:
    """
    What was found, and what was looked at.

    Attributes:
        store: Which store.

        at: When, by the store's clock.

        findings: What is wrong, the worst first.

        checked: The checks that were made.

        not_checked: Those that could not be made.

        looked: What was looked at, and what of it only in part.
    """

    store: str
    at: datetime
    findings: tuple[Finding, ...]
    checked: tuple[str, ...]
    not_checked: tuple[NotChecked, ...]
    looked: tuple[str, ...]

    @property
    def is_well(self) -> bool:
        """Whether nothing worse than a hint was found."""
        return all(finding.severity is Severity.HINT for finding in self.findings)

    @property
    def verdict(self) -> str:
        """The whole in one sentence."""
        counts = {severity: sum(one.severity is severity for one in self.findings) for severity in Severity}
        said = [f"{count} {name}{'' if count == 1 else 's'}" for name, count in counts.items() if count]
        total = len(self.checked) + len(self.not_checked)
        missing = f", {len(self.not_checked)} of them not made" if self.not_checked else ""
        of = f"{total} check{'' if total == 1 else 's'}{missing}"
        if not said:
            return f"All is well: nothing was found by {of}."
        is_wrong = bool(counts[Severity.ERROR])
        lead = "Something is wrong" if is_wrong else "All is well" if self.is_well else "It works, with warnings"
        return f"{lead}: {', '.join(said)} by {of}."


@dataclass(frozen=True, slots=True, kw_only=True)
class Repaired:
    """
    Something that was damaged and is right again, or would be.

    Attributes:
        check: The check that found it.

        queue: Where.

        name: Of what: the id of a task, the name of a group, a key.

        deed: What was done, or would be: "pending", "dropped", "freed".

        is_done: It was done; false of a dry run, or when it was refused.
    """

    check: str
    queue: str
    name: str
    deed: str
    is_done: bool
