"""How a server behaves: frozen settings, all of them checked at once."""

from __future__ import annotations

import logging
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TypeGuard

from onebeat.broker.groups import MAX_SET
from onebeat.broker.maintain import MAX_AGE_S, MAX_SIZE, ArchiveLimits
from onebeat.errors import ConfigurationError, InvalidTask, is_number, shown
from onebeat.options import MAX_INT32, MAX_SECONDS, Duration, check_queue, seconds

MIN_LEASE_S = 15.0
MAX_CONCURRENCY = 10_000
LEVELS = {
    "debug": logging.DEBUG, "info": logging.INFO, "warning": logging.WARNING, "warn": logging.WARNING,
    "error": logging.ERROR, "critical": logging.CRITICAL, "fatal": logging.CRITICAL,
}  # fmt: skip
"""asynq's names and Python's."""

KEEPS = ("failures", "all", "none")
"""Which attempts are kept."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServerConfig:
    """
    Settings of one server process.

    Attributes:
        concurrency: Worker slots: how many tasks run at the same time. Default 64 (a coroutine waits more
            than it computes; asynq's default, the number of cores, is for other handlers).

        queues: Queue → weight, 1 or more. With weights 6, 3, 1 and work everywhere, ten slots take 6, 3
            and 1 tasks. Default: only "default".

        strict: Serve a queue only while those of higher weight are empty.

        lease: Seconds for which a taken task is ours without an extension, and so how long the tasks of a
            killed server wait to be run again. Default 30, at least 15: code that holds Python's
            interpreter lock silences the keeper for as long as it runs.

        shutdown_timeout: Seconds that running tasks are given to end before they are stopped and put back.
            Default 8, as asynq's.

        grace: Seconds that a stopped handler is given to clean up. Default 5.

        stall_limit: Seconds after the grace period after which a handler that still runs is given up: its
            outcome is written, and its slot stays taken until it ends. When half of the slots are lost so,
            the server stops; when not even its event loop can do this, the process is ended. Default 60.

        block_limit: Seconds without a turn of the event loop after which the process counts as dead for those who probe
            it (`/livez`). Default 30; it is not ready after 5.

        max_crashes: A task whose process died this often is archived. Default 5.

        group_grace: Seconds without a new member after which a group is aggregated. Default 60, as asynq's; from
            0.001, where asynq wants a second.

        group_max_delay: Seconds after which a group is aggregated though members still come, counted from its oldest.
            Default 0: no limit.

        group_max_size: Members with which a group is aggregated at once, up to 1,000; a larger group is cut. Default 0:
            no limit but 1,000 members or 4 MB at a time.

        group_timeout: Seconds that an aggregator may take. Default 120.

        group_max_failures: A task whose group could not be aggregated this often is archived. Default 5.

        group_backoff: Seconds that a group rests after a failure, twice as long after each further one, at most ten
            minutes. Default 5.

        release_unique_on_archive: Free the unique lock of a task that is archived. Default: keep it until
            it expires, as asynq does, or the archive drops the task.

        archive_max_size: How many tasks the archive of a queue keeps; the oldest go first. Default 9,999, as asynq's;
            0 or None: any number.

        archive_max_age: For how long it keeps each, seconds or `timedelta`. Default 90 days, as asynq's; 0 or None:
            for ever. Servers of one queue should agree on both; where they do not, the strictest has its way.

        max_soft_failures: How often a task may fail without its counting (`is_failure`, `Retry(counts=False)`) before
            it is archived all the same. Default 10,000; 0: any number.

        hook_timeout: Seconds that a hook is waited for. Default 5.

        health_interval: Seconds between two calls of `health_check`. Default 15, as asynq's.

        log_level: The level of Onebeat's loggers while the server runs: "debug", "info", "warning", "error",
            "critical" or a number of `logging`. Default: as `logging` is configured.

        log_sample: Which share of the tasks that succeed is logged at INFO, 0 to 1: 0.01 is one of a hundred. Default
            0: each is logged at DEBUG alone.

        attempts: Which attempts at a task its record keeps, for `Inspector.attempts`: "failures" (the default), those
            that failed or whose server died; "all", those as well that were put back, or that succeeded, if the task is
            retained; or "none". At most 20 of each task, and 16 kB.

        series: Record what is done, minute by minute, for `Inspector.series` and the console. Default True.

        allow_short_lease: Let tests use leases under 15 s.
    """

    concurrency: int = 64
    queues: Mapping[str, int] = field(default_factory=lambda: {"default": 1})
    strict: bool = False
    lease: float = 30.0
    shutdown_timeout: float = 8.0
    grace: float = 5.0
    stall_limit: float = 60.0
    block_limit: float = 30.0
    max_crashes: int = 5
    group_grace: float = 60.0
    group_max_delay: float = 0.0
    group_max_size: int = 0
    group_timeout: float = 120.0
    group_max_failures: int = 5
    group_backoff: float = 5.0
    release_unique_on_archive: bool = False
    archive_max_size: int | None = MAX_SIZE
    archive_max_age: Duration | None = MAX_AGE_S
    max_soft_failures: int = 10_000
    hook_timeout: float = 5.0
    health_interval: float = 15.0
    log_level: str | int | None = None
    log_sample: float = 0.0
    attempts: str = "failures"
    series: bool = True
    allow_short_lease: bool = False

    def __post_init__(self) -> None:
        problems = [*self._numbers(), *self._groups(), *self._limits(), *self._switches(), *self._queues()]
        if problems:
            raise ConfigurationError("; ".join(problems))

    def _numbers(self) -> list[str]:
        problems = []
        if not _is_int(self.concurrency) or not 1 <= self.concurrency <= MAX_CONCURRENCY:
            problems.append(
                f"concurrency is {shown(self.concurrency)}: give a whole number from 1 to {MAX_CONCURRENCY}"
            )
        if not _is_int(self.max_crashes) or self.max_crashes < 1:
            problems.append(f"max_crashes is {shown(self.max_crashes)}: give a whole number from 1")
        shortest = 1.0 if self.allow_short_lease else MIN_LEASE_S
        if not is_number(self.lease) or not shortest <= self.lease <= 86_400:
            problems.append(f"lease is {shown(self.lease)} s: give {shortest:g} to 86400")
        for name in ("hook_timeout", "health_interval", "block_limit"):
            value = getattr(self, name)
            if not is_number(value) or not 0 < value <= 86_400:
                problems.append(f"{name} is {shown(value)} s: give more than 0, at most 86400")
        if not is_number(self.log_sample) or not 0 <= self.log_sample <= 1:
            problems.append(f"log_sample is {shown(self.log_sample)}: give a share from 0 to 1")
        for name in ("shutdown_timeout", "grace", "stall_limit"):
            value = getattr(self, name)
            if not is_number(value) or not 0 <= value <= 86_400:
                problems.append(f"{name} is {shown(value)} s: give 0 to 86400")
        return problems

    def _groups(self) -> list[str]:
        problems = []
        lowest = {"group_grace": 0.001, "group_max_delay": 0, "group_timeout": 0.001, "group_backoff": 0.001}
        for name, least in lowest.items():
            value = getattr(self, name)
            if not is_number(value) or not least <= value <= MAX_SECONDS:
                problems.append(f"{name} is {shown(value)} s: give {least:g} to {MAX_SECONDS}")
        for name, (least, most) in {"group_max_size": (0, MAX_SET), "group_max_failures": (1, MAX_INT32)}.items():
            value = getattr(self, name)
            if not _is_int(value) or not least <= value <= most:
                problems.append(f"{name} is {shown(value)}: give a whole number from {least} to {most}")
        return problems

    def _limits(self) -> list[str]:
        problems = []
        for name in ("archive_max_size", "max_soft_failures"):
            value = getattr(self, name)
            if value is None and name != "max_soft_failures":
                continue
            if not _is_int(value) or value < 0:
                problems.append(f"{name} is {shown(value)}: give a whole number from 1, or 0 for no limit")
        try:
            seconds("archive_max_age", 0 if self.archive_max_age is None else self.archive_max_age)
        except InvalidTask:
            problems.append(
                f"archive_max_age is {shown(self.archive_max_age)}: give seconds or a timedelta, or 0 for no limit"
            )
        if self.attempts not in KEEPS:
            problems.append(f"attempts is {shown(self.attempts)}: give {', '.join(map(repr, KEEPS))}")
        if self.log_level is not None and level(self.log_level) is None:
            problems.append(f"log_level is {shown(self.log_level)}: give one of {', '.join(LEVELS)}, or a number")
        return problems

    def _switches(self) -> list[str]:
        names = ("strict", "release_unique_on_archive", "series", "allow_short_lease")
        found = [(name, getattr(self, name)) for name in names]
        return [f"{name} is {shown(value)}: give True or False" for name, value in found if not isinstance(value, bool)]

    def _queues(self) -> list[str]:
        queues: object = self.queues
        if not isinstance(queues, Mapping) or not queues:
            return [f"queues is {shown(queues)}: give a mapping of queue names to weights, such as {{'default': 1}}"]
        problems = []
        for name, weight in self.queues.items():
            try:
                check_queue(name)
            except InvalidTask as error:
                problems.append(str(error))
            if not _is_int(weight) or not 1 <= weight <= MAX_INT32:
                problems.append(
                    f"weight of queue {shown(name)} is {shown(weight)}: give a whole number from 1 to {MAX_INT32}"
                )
        return problems

    @property
    def archive(self) -> ArchiveLimits:
        """What the archives of its queues keep."""
        return ArchiveLimits(
            self.archive_max_size or 0, math.ceil(seconds("archive_max_age", self.archive_max_age or 0))
        )

    @property
    def lease_ms(self) -> int:
        return int(self.lease * 1000)

    @property
    def longest_stop(self) -> float:
        """Seconds that a stop takes at most while the event loop turns: fetcher, handlers, outcomes."""
        return 3 * max(self.shutdown_timeout, 1.0) + self.grace

    @property
    def keeper_period(self) -> float:
        """Seconds between extensions: six chances within a lease, and never more than 3 s (mechanism-rules 3)."""
        return min(self.lease / 6, 3.0)


def level(name: str | int) -> int | None:
    """Return a log level as `logging` knows it; None if there is none of that name."""
    if isinstance(name, str):
        return LEVELS.get(name.lower())
    return name if _is_int(name) and name >= 0 else None


def _is_int(value: object) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool)
