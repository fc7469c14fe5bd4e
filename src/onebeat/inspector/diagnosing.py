"""What is wrong with a system, and putting right what can be: procedures for both inspectors (docs/decisions/0026)."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator
from datetime import UTC, datetime

from onebeat.broker.checkup import MEND_STEP, Wound, mend
from onebeat.broker.store import BlockingStore, Store
from onebeat.clock import SystemClock
from onebeat.errors import BrokerError, ConfigurationError, is_number, shown
from onebeat.inspector.checks.catalog import chosen
from onebeat.inspector.checks.facts import Check, Facts
from onebeat.inspector.checks.finding import RANK, Diagnosis, Finding, NotChecked, Repaired
from onebeat.inspector.checks.gathering import Gathering
from onebeat.inspector.checks.walking import Walk
from onebeat.inspector.checks.words import MOST, number, some
from onebeat.inspector.steps import Procedure, ask, command
from onebeat.options import text
from onebeat.wire import keys

BUDGET = 100_000
"""Queues, entries and keys that are looked at, each, unless told otherwise."""

MAX_SECONDS = 3600.0

DAMAGE, KEYS, SECOND_LOOK = "entries of queues", "keys", "second look"


class Doctor:
    """
    One visit.

    Raises:
        ConfigurationError: A check is none, or the budget or the seconds are.
        InvalidTask: A queue's name is none.
    """

    def __init__(
        self,
        store: Store | BlockingStore,
        *,
        checks: object = (),
        queues: object = (),
        budget: object = BUDGET,
        seconds: object = 0.0,
    ) -> None:
        self._store = store.endpoint.shown
        self._checks = chosen(checks)
        wait = _seconds(seconds)
        if not wait and not checks:  # it takes two looks, and nobody asked for them
            self._checks = tuple(check for check in self._checks if SECOND_LOOK not in check.needs)
        self._only = _names(queues)
        self._parts = {need for check in self._checks for need in check.needs}
        if self._parts & {DAMAGE, KEYS}:
            self._parts |= {"queues", "servers"}  # who mends itself is told, too
        if "types" in self._parts:
            self._parts |= {"queues"}  # some queues fail for other reasons
        self._gathering = Gathering(
            queues=self._only,
            budget=_budget(budget),
            seconds=wait,
            is_spread=store.is_spread,
            replicas=store.endpoint.replicas,
            clock=SystemClock().monotonic,
        )

    def diagnose(self) -> Procedure[Diagnosis]:
        """Gather, and judge."""
        facts = yield from self._gathered()
        findings: list[Finding] = []
        skipped: list[NotChecked] = []
        for check in self._checks:
            missing = next((facts.missing[need] for need in check.needs if need in facts.missing), None)
            if missing is None:
                findings += _judged(check, facts)
            else:
                skipped.append(NotChecked(check=check.id, why=missing))
        names = {one.check for one in skipped}
        return Diagnosis(
            store=self._store,
            at=datetime.fromtimestamp(facts.now, UTC),
            findings=tuple(sorted(findings, key=lambda finding: RANK[finding.severity])),
            checked=tuple(check.id for check in self._checks if check.id not in names),
            not_checked=tuple(skipped),
            looked=tuple(facts.looked),
        )

    def repair(self, *, dry_run: bool) -> Procedure[list[Repaired]]:
        """Look for damage, and mend what was found; each item only if it is still damaged at that moment."""
        facts = yield from self._gathered()
        refused = [facts.missing[part] for part in (DAMAGE, KEYS) if part in facts.missing and part in self._parts]
        if refused:
            raise BrokerError(f"store {self._store} cannot be repaired: {refused[0]}")
        done: list[Repaired] = []
        for check in self._checks:
            wounds = [wound for wound in facts.wounds if wound.problem in check.problems]
            done += yield from self._mended(check, wounds, dry_run=dry_run)
            if check.id == "queue-unlisted":
                done += yield from self._listed(check, facts.unlisted, dry_run=dry_run)
        return done

    def _gathered(self) -> Procedure[Facts]:
        gathering = self._gathering
        yield from gathering.begin()
        yield from gathering.gather(self._parts)
        if "queues" in gathering.facts.missing:  # without their names nothing can be told from a leftover
            gathering.facts.missing |= dict.fromkeys((DAMAGE, KEYS), gathering.facts.missing["queues"])
            return gathering.facts
        walk = Walk(gathering, self._only)
        if DAMAGE in self._parts:
            yield from gathering.tried(DAMAGE, walk.along_lists)
        if KEYS in self._parts:
            yield from gathering.tried(KEYS, walk.over_keys)
        return gathering.facts

    def _mended(self, check: Check, wounds: list[Wound], *, dry_run: bool) -> Procedure[list[Repaired]]:
        done = []
        by_queue: dict[str, list[Wound]] = {}
        for wound in wounds:
            by_queue.setdefault(wound.queue, []).append(wound)
        for queue, items in by_queue.items():
            for start in range(0, len(items), MEND_STEP):
                part = [(wound.kind, wound.name) for wound in items[start : start + MEND_STEP]]
                found = yield from ask(mend(queue, part, does=not dry_run))
                done += [
                    _repaired(check, wound, dry_run=dry_run)
                    for wound in found
                    if wound.problem in check.problems or wound.problem == "error"
                ]
        return done

    def _listed(self, check: Check, queues: list[str], *, dry_run: bool) -> Procedure[list[Repaired]]:
        for queue in queues:
            if not dry_run:
                yield from command("SADD", keys.QUEUES, queue)
        return [
            Repaired(check=check.id, queue=queue, name=queue, deed="listed", is_done=not dry_run) for queue in queues
        ]


def _repaired(check: Check, wound: Wound, *, dry_run: bool) -> Repaired:
    is_refused = wound.problem == "error"
    deed = f"left alone: {wound.deed}" if is_refused else wound.deed.partition(" ")[0]
    return Repaired(
        check=check.id, queue=wound.queue, name=wound.shown, deed=deed, is_done=not dry_run and not is_refused
    )


def _judged(check: Check, facts: Facts) -> Iterator[Finding]:
    """Tell what a check finds; of very many the first, and how many more."""
    rest: list[Finding] = []
    for place, found in enumerate(check.judge(facts)):
        finding = Finding(
            check=check.id,
            severity=found.severity,
            subject=found.subject,
            text=found.text,
            why=check.why,
            remedies=found.remedies,
            queue=found.queue,
            repair=found.repair,
            heals=found.heals,
        )
        if place < MOST:
            yield finding
        else:
            rest.append(finding)
    if rest:
        worst = min((one.severity for one in rest), key=lambda severity: RANK[severity])
        yield Finding(
            check=check.id,
            severity=worst,
            subject=number(len(rest), "other"),
            text=f"the same is so of {number(len(rest), 'other')}: {some(one.subject for one in rest)}",
            why=check.why,
            remedies=(f"onebeat doctor {check.id} --json", "mend the others first"),
        )


def repairable(checks: Collection[str]) -> tuple[str, ...]:
    """
    Return what is repaired: what is named, or all that is safe.

    Raises:
        ConfigurationError: A check is none, or finds what cannot be repaired.
    """
    named = chosen(checks)
    for check in named if checks else ():
        if not check.can_repair:
            can = ", ".join(one.id for one in chosen(()) if one.can_repair)
            raise ConfigurationError(f"check {check.id!r} finds what cannot be repaired from here: choose from {can}")
    return tuple(check.id for check in named if check.can_repair and (checks or check.is_safe))


def _names(queues: object) -> tuple[str, ...]:
    if isinstance(queues, str) or not isinstance(queues, (list, tuple, set, frozenset)):
        raise ConfigurationError(f"queues is {shown(queues)}: give a list of names, none for all")
    return tuple(text("queue name", name) for name in queues)


def _budget(value: object) -> int:
    if not isinstance(value, int) or isinstance(value, bool) or value < 1:
        raise ConfigurationError(f"budget is {shown(value)}: give a whole number from 1, of what is looked at")
    return value


def _seconds(value: object) -> float:
    if not is_number(value) or not 0 <= value <= MAX_SECONDS or math.isnan(value):
        raise ConfigurationError(f"seconds is {shown(value)}: give 0 to {MAX_SECONDS:g}")
    return float(value)
