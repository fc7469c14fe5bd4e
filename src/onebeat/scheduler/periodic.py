"""
Schedules from the user's own source, such as a table of a database: asked for again and again.

asynq: PeriodicTaskManager. There every server enqueues for itself; here what the sources of all servers say is
declared like schedules in code, so a tick fires once however many servers there are, and whoever still has an old
answer does no harm (docs/decisions/0004). Everything that decides what fires is compared, headers included (SE-30).
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from typing import Any, Unpack

from onebeat.errors import ConfigurationError, OnebeatError, shown
from onebeat.options import Duration, EnqueueOptions, seconds
from onebeat.scheduler.entry import Entry, check_task, entry, id_of
from onebeat.scheduler.triggers import Trigger, parse_spec
from onebeat.task import Task
from onebeat.upkeep import foreign
from onebeat.upkeep.foreign import is_async
from onebeat.upkeep.service import TroubleLog

log: logging.Logger = logging.getLogger("onebeat.scheduler")

SYNC_EVERY_S = 180.0
LIMIT_S = 30.0
"""How long a source is waited for."""

DIGITS = 16
"""Of the digest, in the id of a schedule that has none of its own."""


class PeriodicTask:
    """
    A schedule as a source gives it. asynq: `PeriodicTaskConfig`.

    Args:
        spec: A `Trigger`, five cron fields, a descriptor such as "@daily", or "@every 1.5s".

        task: What is enqueued at each tick.

        id: Names the schedule through all its changes, such as the key of a row. Default: the task's type and a digest
            of everything: a change is then another schedule, and the old one goes.

        tz: The zone of cron fields, an IANA name; default UTC.

        options: See `EnqueueOptions`; they override the task's own.
    """

    __slots__ = ("id", "options", "spec", "task", "tz")

    def __init__(
        self,
        spec: str | Trigger,
        task: Task[Any],
        *,
        id: str | None = None,
        tz: str | None = None,
        **options: Unpack[EnqueueOptions],
    ) -> None:
        self.spec: str | Trigger = spec
        self.task: Task[Any] = task
        self.id: str | None = id
        self.tz: str | None = tz
        self.options: Mapping[str, Any] = options

    def __repr__(self) -> str:
        named = "" if self.id is None else f", id={self.id!r}"
        return f"PeriodicTask({self.spec!r}, {self.task!r}{named})"

    def entry(self) -> Entry:
        """
        Check it and encode it.

        Raises:
            ConfigurationError, InvalidTask: A part of it cannot be used.
        """
        check_task(self.task)
        made = entry(
            self.id if self.id is not None else id_of(self.task.type),
            as_trigger(self.spec, self.tz),
            self.task,
            self.options,
            provided=True,
        )
        if self.id is not None:
            return made
        return replace(made, id=f"{made.id[: 99 - DIGITS]}-{made.rev[:DIGITS]}")


Provider = Callable[[], Iterable[PeriodicTask] | Awaitable[Iterable[PeriodicTask]]]
"""A user's function, async or plain, that gives all schedules of a source."""


def as_trigger(spec: str | Trigger, tz: str | None) -> Trigger:
    """Return the trigger that a spec and a zone name."""
    if isinstance(spec, str):
        return parse_spec(spec, tz)
    if tz is not None:
        raise ConfigurationError(f"tz is {shown(tz)} beside the trigger {shown(spec)}: give the zone to the trigger")
    return spec


class Source:
    """
    A user's function, and what it said last.

    Args:
        provider: Gives the schedules.

        every: Seconds between two calls.

    Attributes:
        entries: What is in force, by id; None as long as it has said nothing that can be used.

        was_asked: Whether it was asked yet.

        added, removed: What is new in `entries`, and what was there before; the store has not been told yet.

    Raises:
        ConfigurationError: It cannot be called, or the interval is none.
    """

    def __init__(self, provider: Provider, every: Duration = SYNC_EVERY_S) -> None:
        if not callable(provider):
            raise ConfigurationError(f"source of schedules is {shown(provider)}: give a function without arguments")
        self.name: str = getattr(provider, "__qualname__", None) or shown(provider)
        try:
            self.every: float = seconds("every", every, minimum=0.01)
        except OnebeatError as error:
            raise ConfigurationError(f"source {self.name}: {error}") from None
        self._provider = provider
        self.entries: dict[str, Entry] | None = None
        self.was_asked: bool = False
        self.added: dict[str, Entry] = {}
        self.removed: dict[str, Entry] = {}
        self._trouble = TroubleLog(f"source of schedules {self.name}", log)

    def copy(self) -> Source:
        """Return the same source as if it had not been asked yet."""
        return Source(self._provider, self.every)

    async def fetch(self, others: Mapping[str, Entry]) -> bool:
        """
        Ask it, and take over what it says; whether that is something else than before.

        Args:
            others: Schedules from elsewhere, whose ids are taken.

        Raises:
            ConfigurationError: It raised, took too long, or gave something that cannot be used: the message names it.
                What was in force is so still.
        """
        self.was_asked = True
        try:
            ask = self._provider if is_async(self._provider) else self._ask
            answer = await foreign.called(ask, limit=LIMIT_S)
            entries = await asyncio.to_thread(_checked, answer, others)  # there may be thousands
        except Exception as error:
            said = str(error) or type(error).__name__
            kept = "its last answer stays in force" if self.entries is not None else "it has given none yet"
            raise ConfigurationError(f"source of schedules {self.name}: {said}; {kept}") from error
        former, self.entries = self.entries or {}, entries
        added = {(item.id, item.rev) for item in self.added.values()}
        known = {(item.id, item.rev) for item in former.values()} - added
        self.added = {id_: item for id_, item in entries.items() if (id_, item.rev) not in known}
        before = {**self.removed, **former}
        self.removed = {id_: item for id_, item in before.items() if id_ not in entries}
        return _revisions(former) != _revisions(entries)

    def told(self, added: Mapping[str, Entry], removed: Mapping[str, Entry]) -> None:
        """Note that the store knows of these changes; there may be others by now."""
        self.added = {id_: item for id_, item in self.added.items() if added.get(id_) is not item}
        self.removed = {id_: item for id_, item in self.removed.items() if removed.get(id_) is not item}

    def _ask(self) -> object:
        """Ask a plain function, and have a generator do its work here, in a thread."""
        answer: object = self._provider()
        return list(answer) if isinstance(answer, Iterator) else answer

    async def fetch_if_it_can(self, others: Mapping[str, Entry]) -> bool:
        """Do the same, but only log what is wrong."""
        try:
            has_changed = await self.fetch(others)
        except ConfigurationError as error:
            self._trouble.trouble(error)
            return False
        self._trouble.over()
        return has_changed


def _checked(answer: object, others: Mapping[str, Entry]) -> dict[str, Entry]:
    if isinstance(answer, (str, bytes, Mapping)) or not isinstance(answer, Iterable):
        raise ConfigurationError(f"it gave {shown(answer)}; give a list of PeriodicTask")
    entries: dict[str, Entry] = {}
    for item in answer:
        if not isinstance(item, PeriodicTask):
            raise ConfigurationError(f"it gave {shown(item)} among its schedules; give PeriodicTask(…)")
        try:
            made = item.entry()
        except OnebeatError as error:
            raise ConfigurationError(f"{shown(item)} cannot be used: {error}") from error
        taken = others.get(made.id) or entries.get(made.id)
        if taken is not None and taken.rev != made.rev:
            raise ConfigurationError(f"{shown(item)} has an id that another schedule has; give one of them another id")
        entries[made.id] = made
    return {id_: made for id_, made in entries.items() if id_ not in others}


def _revisions(entries: Mapping[str, Entry]) -> dict[str, str]:
    return {id_: item.rev for id_, item in entries.items()}
