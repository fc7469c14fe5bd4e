"""Schedules: are they fired, once and in time?"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from onebeat.inspector.checks.facts import Check, Facts, Found
from onebeat.inspector.checks.finding import Severity
from onebeat.inspector.checks.words import all_of, instant, number, serve, some, span, typed
from onebeat.inspector.models import ScheduleEntry

LATE_S, GO_LATE_S = 15.0, 30.0
GONE_S = 120.0
"""An instance declares its schedules every few seconds; one that has not for two minutes is gone."""

STUCK_S = 60.0


def _unfired(facts: Facts) -> Iterator[Found]:
    has_servers = any(server.sheet is not None for server in facts.servers)
    for plan in facts.plans:
        if plan.state != "live" or plan.due is None:
            continue
        late = facts.now - plan.due
        if late >= LATE_S:
            yield Found(
                Severity.ERROR,
                f"schedule {plan.id}",
                f"its tick of {instant(plan.due)} was due {span(late)} ago and has not fired (queue {plan.queue}, "
                f"{plan.spec})",
                (serve(), "onebeat server ls"),
                plan.queue,
            )
        elif not has_servers and facts.now - plan.declared > GONE_S:
            yield Found(
                Severity.ERROR,
                f"schedule {plan.id}",
                f"nobody will fire its next tick, at {instant(plan.due)}: no server of Onebeat lives, and nobody has "
                f"declared it for {span(facts.now - plan.declared)} (queue {plan.queue}, {plan.spec})",
                (serve(),),
                plan.queue,
            )


def _stuck(facts: Facts) -> Iterator[Found]:
    for plan in facts.plans:
        if plan.state == "live" and plan.stuck is not None and facts.now - plan.stuck >= STUCK_S:
            yield Found(
                Severity.ERROR,
                f"schedule {plan.id}",
                f"its calendar ran out {span(facts.now - plan.stuck)} ago and nobody has written its next ticks: no "
                f"instance of application {plan.app!r} lives (queue {plan.queue}, {plan.spec})",
                (serve(),),
                plan.queue,
            )


def _missed(facts: Facts) -> Iterator[Found]:
    for plan in facts.plans:
        said = []
        if plan.missed:
            said.append(f"{number(plan.missed, 'tick')} came while nobody was there to fire")
        if plan.skipped:
            said.append(
                f"{number(plan.skipped, 'tick')} enqueued nothing, as the task of an earlier one held the lock or the "
                "queue was full"
            )
        if said:
            of = number(plan.missed + plan.skipped + plan.fired, "tick")
            yield Found(
                Severity.HINT,
                f"schedule {plan.id}",
                f"of {of} since it was declared, {all_of(said)}",
                (typed("onebeat", "schedule", "history", plan.id), "have two servers, so that one is always there"),
                plan.queue,
            )


def _parked(facts: Facts) -> Iterator[Found]:
    for plan in facts.plans:
        if plan.state == "error":
            yield Found(
                Severity.ERROR,
                f"schedule {plan.id}",
                "it fires no more, as its last fire failed: "
                f"{plan.error.removeprefix('error ') or 'no reason was written'}",
                (f"mend what it says, then have an instance of application {plan.app!r} declare it again: {serve()}",),
                plan.queue,
            )
        elif plan.state == "orphaned":
            yield Found(
                Severity.HINT,
                f"schedule {plan.id}",
                f"it is parked: no instance of application {plan.app!r} has it in its code any more, since about "
                f"{instant(plan.declared)}",
                ("if it is gone for good, nothing; else declare it again, in the application's code",),
                plan.queue,
            )


def kept_twice(entries: Iterable[ScheduleEntry]) -> list[list[ScheduleEntry]]:
    """Return the entries each of whose ticks fires more than once: schedulers of Go know nothing of each other."""
    kept: dict[tuple[str, str, bytes, tuple[str, ...]], list[ScheduleEntry]] = {}
    for entry in entries:
        if not any("Unique(" in option or "TaskID(" in option for option in entry.options):
            kept.setdefault((entry.spec, entry.task_type, entry.payload, entry.options), []).append(entry)
    return [found for found in kept.values() if len(found) > 1]


def _twice(facts: Facts) -> Iterator[Found]:
    for entries in kept_twice(facts.entries):
        spec, task_type = entries[0].spec, entries[0].task_type
        schedulers = sorted({entry.scheduler for entry in entries})
        who = (
            f"{len(schedulers)} schedulers keep it" if len(schedulers) > 1 else "one scheduler keeps it more than once"
        )
        yield Found(
            Severity.ERROR,
            f"schedule {spec} of {task_type}",
            f"each tick fires {len(entries)} times: {who}: {some(schedulers)}",
            (
                "stop all of these schedulers but one; or let Onebeat fire it, of which any number may run",
                typed("onebeat", "schedule", "ls"),
            ),
        )


def _go_late(facts: Facts) -> Iterator[Found]:
    for entry in facts.entries:
        late = 0.0 if entry.next_at is None else facts.now - entry.next_at.timestamp()
        if late >= GO_LATE_S:
            yield Found(
                Severity.WARNING,
                f"schedule {entry.spec} of {entry.task_type}",
                f"Go scheduler {entry.scheduler} was to fire it {span(late)} ago, and has not",
                ("look at that process: it lives, and does not fire; its clock may be wrong",),
            )


CHECKS = (
    Check(
        "schedule-unfired",
        ("schedules", "servers"),
        "Onebeat's schedules whose tick is past and has not fired, and those that nobody is there to fire.",
        "What should happen at that time does not happen.",
        "Start a server, or a scheduler: any one of them fires all schedules.",
        _unfired,
    ),
    Check(
        "schedule-stuck",
        ("schedules",),
        "Calendars whose ticks have run out and that nobody refills.",
        "Servers fire what is written; only an instance that has the schedule in its code can write more.",
        "Start the application that declares it.",
        _stuck,
    ),
    Check(
        "schedule-parked",
        ("schedules",),
        "Schedules that stand still: after an error, or as no instance has them any more.",
        "They are in the store, and do not fire.",
        "Mend what the error says; declare again what is still wanted.",
        _parked,
    ),
    Check(
        "schedule-missed",
        ("schedules",),
        "Schedules of which ticks were missed or skipped, ever.",
        "Something that should have happened did not, or not each time.",
        "Keep two servers running; let a task end before its schedule fires again.",
        _missed,
    ),
    Check(
        "schedule-twice",
        ("entries",),
        "Entries that Go schedulers keep more than once.",
        "Go's schedulers know nothing of each other: each of them fires each tick.",
        "Run one of them; or declare the schedule in Onebeat, where any number fire a tick once.",
        _twice,
    ),
    Check(
        "schedule-go-late",
        ("entries",),
        "Entries of Go schedulers whose next time is past.",
        "The scheduler gives signs of life, and does not fire.",
        "Look at its process and at its host's clock.",
        _go_late,
    ),
)
