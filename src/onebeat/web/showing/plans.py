"""How schedules stand, in words: pure, from what the store holds of them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, tzinfo

from onebeat.errors import ConfigurationError
from onebeat.inspector.models import ScheduleEntry
from onebeat.inspector.schedule_models import ScheduleInfo, ScheduleState
from onebeat.scheduler.outlook import ClockChange, clock_changes
from onebeat.scheduler.triggers import Cron, Every, parse_spec
from onebeat.scheduler.wording import in_words
from onebeat.web.showing.fleets import Standing
from onebeat.web.showing.redaction import Redaction
from onebeat.web.showing.signs import quoted
from onebeat.web.showing.words import counted
from onebeat.wire import gotext

OVERDUE = timedelta(seconds=5)
"""For so long a tick may be past before it is called overdue: upkeep looks every second, and clocks differ."""

GO_OVERDUE = timedelta(seconds=30)
LATE = timedelta(seconds=10)
"""The lateness that stands out."""


def trigger_of(entry: ScheduleEntry) -> Cron | Every | None:
    """Read the spec of an entry of Go's; None: it cannot be read here. Without a zone in it, it is taken for UTC."""
    try:
        found = parse_spec(entry.spec)
    except ConfigurationError:
        return None
    return found if isinstance(found, (Cron, Every)) else None


def when(trigger: Cron | Every | None, spec: str) -> str:
    """Say when something fires: "08:00 on weekdays, Europe/Berlin"; the spec itself where it cannot be read."""
    return spec if trigger is None else in_words(trigger)


def shortly(at: datetime, now: datetime, place: tzinfo) -> str:
    """Write an instant on the viewer's clock, in few letters: "08:00", "08:00:34" of today, "Fri 27 Nov 08:00" else."""
    there, today = at.astimezone(place), now.astimezone(place)
    clock = f"{there:%H:%M:%S}" if there.second else f"{there:%H:%M}"
    if there.date() == today.date():
        return clock
    year = "" if there.year == today.year else f" {there.year}"
    return f"{there:%a} {there.day} {there:%b}{year} {clock}"


def standing(info: ScheduleInfo, now: datetime, served: Mapping[str, int]) -> Standing:
    """
    Say how a schedule stands, the worst that is to be said of it.

    Args:
        served: How many servers take tasks from each queue.
    """
    if info.state is ScheduleState.ERROR:
        return Standing("bad", "error", f"cannot fire: {info.reason}")
    if info.state is ScheduleState.LIVE and info.next_at is not None and now - info.next_at > OVERDUE:
        return Standing("bad", "overdue", "has a tick that is past and did not fire: nobody is there to fire it")
    if info.state is ScheduleState.PAUSED:
        return Standing("warn", "paused", "is paused: an operator said so")
    if info.state is ScheduleState.ORPHANED:
        return Standing("warn", "orphaned", f"rests: {info.reason}")
    if info.state is ScheduleState.WAITING:
        return Standing("warn", "waiting", f"waits: {info.reason}")
    if info.state is ScheduleState.DONE:
        return Standing("", "done", "has no more ticks")
    if not served.get(info.queue):
        return Standing("bad", "no workers", f"enqueues into queue {quoted(info.queue)}, which has no workers")
    return Standing("good", "live")


def go_standing(entry: ScheduleEntry, now: datetime, twice: int) -> Standing:
    """
    Say how an entry of a scheduler of Go stands.

    Args:
        twice: How many entries are the same; 1: it is alone.
    """
    if twice > 1:
        return Standing("bad", f"fires {twice} times", f"each tick fires {twice} times: as many schedulers keep it")
    if entry.next_at is not None and now - entry.next_at > GO_OVERDUE:
        return Standing("warn", "overdue", "its scheduler gives signs of life, and did not fire it")
    return Standing("good", "live")


def options_seen(options: Iterable[str], rules: Redaction) -> list[str]:
    """Write options in Go's text form, what is secret in them hidden: headers are among them."""
    return [_option(rules, option) for option in options]


def _option(rules: Redaction, option: str) -> str:
    read = gotext.parse_option(option)
    if read is not None and read[0] == "Header":
        name, value = read[1]
        return gotext.header(name, rules.header(name, value))
    return rules.text(option)


@dataclass(frozen=True, slots=True)
class Firers:
    """
    Who fires a schedule.

    Attributes:
        words: In a few words.

        names: Their names, "host:pid".
    """

    words: str
    names: tuple[str, ...]


def firers(names: Collection[str], declared_at: datetime | None, application: str, now: datetime) -> Firers:
    """
    Say who fires a schedule of Onebeat: whichever comes first of all servers, and of schedulers without one.

    Args:
        names: Servers of Onebeat that live.

        declared_at: When an instance of its application declared it last.
    """
    if names:
        told = next(iter(names)) if len(names) == 1 else f"any of {len(names):,} servers"
        return Firers(told, tuple(names))
    if declared_at is not None and now - declared_at < timedelta(seconds=60):
        return Firers(f"a scheduler of {application}", ())
    return Firers("nobody", ())


def verdict(
    standings: Sequence[tuple[str, Standing]], twice: Sequence[Sequence[ScheduleEntry]], go: int
) -> tuple[str, str]:
    """
    Return the kind and the sentence that stand first.

    Args:
        standings: Of each schedule of Onebeat.

        twice: Entries of Go's that fire more than once.

        go: How many entries Go's schedulers keep.
    """
    bad = [(name, found) for name, found in standings if found.kind == "bad"]
    warned = [(name, found) for name, found in standings if found.kind == "warn"]
    if bad:
        more = len(bad) - 1 + len(warned) + len(twice)
        return "bad", f"Schedule {quoted(bad[0][0])} {bad[0][1].sentence}{_more(more)}"
    if twice:
        first = twice[0]
        sentence = f"Each tick of {first[0].spec} of {first[0].task_type} fires {len(first)} times: {_keepers(first)}"
        return "bad", f"{sentence}{_more(len(twice) - 1 + len(warned))}"
    if warned:
        return "warn", f"Schedule {quoted(warned[0][0])} {warned[0][1].sentence}{_more(len(warned) - 1)}"
    if not standings and not go:
        return "", "No schedule is known here"
    live = sum(found.word == "live" for _, found in standings)
    if not live and not go:
        return "", f"{counted(len(standings), 'schedule')}, and no more ticks"
    also = f"{counted(go, 'entry', 'entries')} of Go's"
    if not live:
        return "good", f"All is well: {also} fire{'s' if go == 1 else ''}"
    return "good", f"All is well: {counted(live, 'schedule')} fire{'s' if live == 1 else ''}{f', {also}' if go else ''}"


def _more(count: int) -> str:
    return f" · {count:,} more to look at" if count else ""


def _keepers(entries: Sequence[ScheduleEntry]) -> str:
    schedulers = {entry.scheduler for entry in entries}
    return f"{len(schedulers)} schedulers keep it" if len(schedulers) > 1 else "one scheduler keeps it more than once"


def clocks(info: ScheduleInfo, now: datetime) -> list[tuple[datetime, str]]:
    """Say what becomes of a calendar's ticks on the days of the coming year on which clocks change."""
    trigger = info.trigger
    if trigger is None or info.gap is None or info.overlap is None:
        return []
    changes = clock_changes(trigger, int(now.timestamp()) // 86_400, 366)
    return [(datetime.fromtimestamp(one.at_s, UTC), _change(one, info.gap, info.overlap)) for one in changes]


def _change(one: ClockChange, gap: str, overlap: str) -> str:
    times = f"{', '.join(one.times[:3])}{' …' if len(one.times) > 3 else ''}"
    several = len(one.times) > 1
    if one.is_gap:
        fate = {
            "run_after": f"fire{'' if several else 's'} once, at {one.after}",
            "skip": "are left out" if several else "is left out",
            "shift": "fire as much later" if several else "fires as much later",
        }[gap]
        is_not = "do not exist" if several else "does not exist"
        return f"clocks jump from {one.before} to {one.after}: {times} {is_not}, and {fate}"
    fate = {"first": "the first time", "second": "the second time", "both": "both times"}[overlap]
    return (
        f"clocks go back from {one.before} to {one.after}: {times} come{'' if several else 's'} twice, "
        f"and fire{'' if several else 's'} {fate}"
    )
