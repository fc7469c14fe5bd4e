"""What is wrong, and was mended."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Literal, Self

import msgspec

from onebeat.documents.values import Instant

if TYPE_CHECKING:
    from onebeat.inspector.checks.facts import Check
    from onebeat.inspector.checks.finding import Diagnosis, Finding, Repaired

Level = Literal["error", "warning", "hint"]


class FindingDocument(msgspec.Struct, frozen=True, kw_only=True):
    """
    Something that is wrong.

    Attributes:
        check: The check that found it.

        severity: How bad it is.

        subject: What it is about.

        queue: The queue that it is about; "" if it is about none.

        text: What is so.

        why: Why that matters.

        remedies: What to do: commands to type, and sentences.

        repair: What `doctor --repair` would do; "" if it can do nothing.

        heals: How it mends itself; "" if it does not.
    """

    check: str
    severity: Level
    subject: str
    queue: str
    text: str
    why: str
    remedies: list[str]
    repair: str
    heals: str

    @classmethod
    def of(cls, one: Finding) -> Self:
        return cls(
            check=one.check,
            severity=one.severity.value,
            subject=one.subject,
            queue=one.queue,
            text=one.text,
            why=one.why,
            remedies=list(one.remedies),
            repair=one.repair,
            heals=one.heals,
        )


class NotCheckedDocument(msgspec.Struct, frozen=True, kw_only=True):
    """A check that could not be made, and why."""

    check: str
    why: str


class DiagnosisDocument(msgspec.Struct, frozen=True, kw_only=True, tag="diagnosis", tag_field="kind"):
    """
    What `onebeat doctor` found.

    Attributes:
        store: Which store.

        at: When, by the store's clock.

        is_well: Nothing worse than a hint was found.

        verdict: The whole in a sentence.

        findings: What is wrong, the worst first.

        checked: The checks that were made.

        not_checked: Those that could not be made.

        looked: What was looked at, and what of it only in part.
    """

    store: str
    at: Instant
    is_well: bool
    verdict: str
    findings: list[FindingDocument]
    checked: list[str]
    not_checked: list[NotCheckedDocument]
    looked: list[str]

    @classmethod
    def of(cls, found: Diagnosis) -> Self:
        return cls(
            store=found.store,
            at=found.at,
            is_well=found.is_well,
            verdict=found.verdict,
            findings=[FindingDocument.of(one) for one in found.findings],
            checked=list(found.checked),
            not_checked=[NotCheckedDocument(check=one.check, why=one.why) for one in found.not_checked],
            looked=list(found.looked),
        )


class RepairedDocument(msgspec.Struct, frozen=True, kw_only=True):
    """
    Something that was damaged.

    Attributes:
        check: The check that found it.

        queue, name: What.

        deed: What was done, or would be, in a word.

        is_done: It was done.
    """

    check: str
    queue: str
    name: str
    deed: str
    is_done: bool

    @classmethod
    def of(cls, one: Repaired) -> Self:
        return cls(check=one.check, queue=one.queue, name=one.name, deed=one.deed, is_done=one.is_done)


class RepairDocument(msgspec.Struct, frozen=True, kw_only=True, tag="repair", tag_field="kind"):
    """What `onebeat doctor --repair` did, or would do."""

    dry_run: bool
    repaired: list[RepairedDocument]

    @classmethod
    def of(cls, found: Iterable[Repaired], *, dry_run: bool) -> Self:
        return cls(dry_run=dry_run, repaired=[RepairedDocument.of(one) for one in found])


class CheckDocument(msgspec.Struct, frozen=True, kw_only=True):
    """
    A check.

    Attributes:
        id: Its name.

        looks: What it looks at.

        why: Why that matters.

        mend: How to mend it.

        can_repair: `doctor --repair` mends it.

        is_named_only: It does so only if it is named.
    """

    id: str
    looks: str
    why: str
    mend: str
    can_repair: bool
    is_named_only: bool


class ChecksDocument(msgspec.Struct, frozen=True, kw_only=True, tag="checks", tag_field="kind"):
    """What `onebeat doctor --list` lists."""

    checks: list[CheckDocument]

    @classmethod
    def of(cls, checks: Iterable[Check]) -> Self:
        return cls(
            checks=[
                CheckDocument(
                    id=one.id,
                    looks=one.looks,
                    why=one.why,
                    mend=one.mend,
                    can_repair=one.can_repair,
                    is_named_only=one.can_repair and not one.is_safe,
                )
                for one in checks
            ]
        )
