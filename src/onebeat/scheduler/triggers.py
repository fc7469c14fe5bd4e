"""
When a schedule fires: every so often, or by a calendar. Pure: a trigger knows no clock and keeps no state.

Ticks are milliseconds since 1970. They depend on the trigger alone, so all instances agree on them.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import timedelta
from fractions import Fraction
from itertools import islice
from typing import Protocol, get_args

from onebeat.errors import ConfigurationError, shown
from onebeat.scheduler import zones
from onebeat.scheduler.cron import Calendar, Gap, Overlap, parse
from onebeat.wire import gotext

MIN_INTERVAL_MS = 10
MAX_INTERVAL_MS = 100 * 366 * 86_400_000


class Trigger(Protocol):
    """What any kind of trigger can do."""

    @property
    def spec(self) -> str:
        """The trigger in words, as asynq's tools show it."""
        ...

    def ticks_after(self, after_ms: int, count: int) -> list[int]:
        """Return the next ticks, rising, all greater than `after_ms`; fewer only when no more will ever come."""
        ...


@dataclass(frozen=True, init=False)
class Every:
    """
    Fires at every multiple of an interval since 1970, so neither restarts nor added servers shift it.

    Args:
        interval: Seconds or a `timedelta`, whole milliseconds, at least 10 of them.

    Raises:
        ConfigurationError: It is not such an interval.
    """

    interval_ms: int

    def __init__(self, interval: float | timedelta) -> None:
        object.__setattr__(self, "interval_ms", _interval_ms(interval))

    @property
    def spec(self) -> str:
        return f"@every {gotext.duration(self.interval_ms * 1_000_000)}"

    def ticks_after(self, after_ms: int, count: int) -> list[int]:
        first = (after_ms // self.interval_ms + 1) * self.interval_ms
        return [first + n * self.interval_ms for n in range(count)]


def _interval_ms(interval: object) -> int:
    if isinstance(interval, timedelta):
        exact = Fraction(interval // timedelta(microseconds=1), 1000)
    elif isinstance(interval, (int, float)) and not isinstance(interval, bool) and abs(interval) < 1e12:
        exact = Fraction(str(interval)) * 1000
    else:
        raise ConfigurationError(f"interval is {shown(interval)}: give seconds as a number, or a timedelta")
    nearest = max(round(exact), MIN_INTERVAL_MS)
    if not MIN_INTERVAL_MS <= exact <= MAX_INTERVAL_MS:
        raise ConfigurationError(f"interval is {shown(interval)}: give at least 0.01 s and at most 100 years")
    if exact != nearest:
        raise ConfigurationError(
            f"interval is {interval!r}: ticks are whole milliseconds; the nearest is {nearest / 1000:g} s"
        )
    return nearest


@dataclass(frozen=True)
class Cron:
    """
    Fires at the times of five cron fields or a descriptor, in a zone of its own.

    Args:
        expression: As asynq reads it, a `CRON_TZ=Zone ` in front included.

        tz: The zone, an IANA name; default UTC.

        gap: When to fire for a time that the clock jumps over: "run_after" the jump, "skip" it, or "shift" it by as
            much.

        overlap: When to fire for a time that comes twice: "first", "second" or "both".

    Raises:
        ConfigurationError: The expression, the zone or a rule cannot be used.
    """

    expression: str
    tz: str | None = None
    gap: Gap = "run_after"
    overlap: Overlap = "first"
    _calendar: Calendar = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if not isinstance(self.expression, str):
            raise ConfigurationError(
                f"cron expression is {shown(self.expression)}: give a string such as '0 3 * * MON-FRI'"
            )
        for name, value, known in (
            ("gap", self.gap, get_args(Gap)),
            ("overlap", self.overlap, get_args(Overlap)),
        ):
            if value not in known:
                raise ConfigurationError(f"cron rule {name} is {shown(value)}: give one of {', '.join(known)}")
        tz, fields = _split_zone(self.expression, self.tz)
        object.__setattr__(self, "expression", " ".join(fields.split()))
        object.__setattr__(self, "tz", tz)
        object.__setattr__(self, "_calendar", Calendar(parse(fields), zones.zone(tz), self.gap, self.overlap))

    @property
    def spec(self) -> str:
        return self.expression if self.tz == "UTC" else f"CRON_TZ={self.tz} {self.expression}"

    def ticks_after(self, after_ms: int, count: int) -> list[int]:
        return [second * 1000 for second in islice(self._calendar.after(after_ms // 1000), count)]


def _split_zone(expression: str, tz: str | None) -> tuple[str, str]:
    """Take the zone off the front of an expression."""
    stripped = expression.strip()
    for prefix in ("CRON_TZ=", "TZ="):
        if stripped.startswith(prefix):
            named, _, fields = stripped.removeprefix(prefix).partition(" ")
            if tz is not None and tz != named:
                raise ConfigurationError(
                    f"cron expression {shown(expression)} names zone {named!r}, and tz= {shown(tz)}: give one of them"
                )
            return named, fields
    return "UTC" if tz is None else tz, stripped


def parse_spec(spec: str, tz: str | None = None) -> Trigger:
    """
    Read a trigger as asynq writes it: "@every 1.5s" (kept to the millisecond here), a descriptor, or five fields.

    Raises:
        ConfigurationError: It is none of these.
    """
    if not isinstance(spec, str):
        raise ConfigurationError(f"spec is {shown(spec)}: give a string such as '@every 30s' or '0 3 * * *'")
    if not spec.strip().startswith("@every "):
        return Cron(spec, tz)
    if tz is not None:
        raise ConfigurationError(
            f"spec {shown(spec)} is an interval, which has no zone, and tz is {shown(tz)}: leave tz out"
        )
    try:
        ns = gotext.parse_duration(spec.strip().removeprefix("@every "))
    except ValueError:
        raise ConfigurationError(
            f"spec {shown(spec)}: write numbers with units, such as 1h30m, 1.5s or 250ms"
        ) from None
    if not MIN_INTERVAL_MS * 1_000_000 <= ns <= MAX_INTERVAL_MS * 1_000_000:
        raise ConfigurationError(f"spec {shown(spec)}: give an interval of at least 10ms and at most 100 years")
    try:
        return Every(timedelta(microseconds=ns / 1000))
    except ConfigurationError as error:
        raise ConfigurationError(f"spec {shown(spec)}: {error}") from None


def latest(trigger: Trigger, after_ms: int, until_ms: int) -> int | None:
    """
    Return the last tick that is later than one instant and no later than another; None if there is none.

    Found by halving, so that a year of a calendar of minutes costs a few dozen looks.
    """
    found, low, high = None, after_ms, until_ms
    while low < high:
        middle = (low + high) // 2 if found is not None else low
        following = trigger.ticks_after(middle, 1)
        if following and following[0] <= until_ms:
            found = low = following[0]
        elif found is None:
            return None
        else:
            high = middle
    return found
