"""
A schedule as code declares it: when (`Trigger`), what (a task with options), under which id.

Everything that decides what fires goes into one digest, so that equal declarations on fifty servers are one
schedule, and any change is noticed, headers included (SE-30).
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import msgspec

from onebeat.errors import ConfigurationError, InvalidTask, shown
from onebeat.options import Unique, merge, seconds
from onebeat.preparing import prepare
from onebeat.scheduler.triggers import Cron, Every, Trigger, parse_spec
from onebeat.task import Task
from onebeat.wire import gotext
from onebeat.wire.message import decode, encode

MAX_GRACE_MS = 60_000
MAX_TEMPLATE = 64_000
TAPE = 32
"""Ticks of a calendar that are written ahead."""

_ID = re.compile(r"[A-Za-z0-9._-]{1,100}")
_REFUSED = ("task_id", "process_at", "deadline")


@dataclass(frozen=True, slots=True)
class Entry:
    """A schedule, checked and encoded. `definition` is what its hash in the store holds."""

    id: str
    type: str
    queue: str
    trigger: Trigger
    definition: Mapping[str, str | bytes]
    rev: str

    def tape(self, now_ms: int) -> list[int | None]:
        """The coming ticks, for a calendar; None after the last. Nothing for an interval, which is arithmetic."""
        return [] if isinstance(self.trigger, Every) else coming(self.trigger, now_ms)


def coming(trigger: Trigger, after_ms: int) -> list[int | None]:
    """Return the next ticks of a trigger, closed by None when there are no more."""
    ticks: list[int | None] = list(trigger.ticks_after(after_ms, TAPE))
    return ticks if len(ticks) == TAPE else [*ticks, None]


def id_of(task_type: str) -> str:
    """Make a schedule id of a task type: its characters, with dashes for those that an id cannot have."""
    return "".join(
        letter if letter.isascii() and (letter.isalnum() or letter in "._-") else "-" for letter in task_type
    )[:100]


def entry(
    schedule_id: object,
    trigger: Trigger,
    task: Task[Any],
    options: Mapping[str, Any] | None = None,
    *,
    provided: bool = False,
) -> Entry:
    """
    Check a schedule and encode it. Nothing is written.

    Args:
        provided: It comes from a source, and is forgotten a day after the source has it no more.

    Raises:
        ConfigurationError: The id or an option cannot be used on a schedule.
        InvalidTask: An option cannot be used at all.
    """
    if not isinstance(schedule_id, str) or not _ID.fullmatch(schedule_id):
        raise ConfigurationError(
            f'schedule id is {shown(schedule_id)}: give 1 to 100 letters, digits, dots, dashes or underscores (id="…")'
        )
    if not isinstance(trigger, (Every, Cron)):
        raise ConfigurationError(
            f"schedule {schedule_id}: its trigger is {shown(trigger)}; give Every(30) or Cron('0 3 * * *')"
        )
    check_task(task)
    merged = merge(task.options, options or {})
    _check_options(schedule_id, merged)
    prepared = prepare(task, merged)
    message = decode(prepared.new.message)
    message.ClearField("id")
    template = encode(message)
    if len(template) > MAX_TEMPLATE:
        raise ConfigurationError(
            f"schedule {schedule_id}: its task has {len(template)} bytes, the limit is {MAX_TEMPLATE}; "
            "keep the payload elsewhere and schedule its address"
        )
    definition: dict[str, str | bytes] = {
        "msg": template,
        "spec": trigger.spec,
        "timing": timing(trigger),
        "misfire": "once",
        "grace": str(_grace(trigger)),
        "options": msgspec.msgpack.encode(shown_options(merged, prepared.queue)),
    }
    if provided:
        definition["provided"] = "1"
    if isinstance(trigger, Every):
        definition["every"] = str(trigger.interval_ms)
    if prepared.new.due:
        definition["delay"] = str(round(float(prepared.new.due)))
    if prepared.new.unique_key:
        definition["unique_key"] = prepared.new.unique_key
        definition["unique_ms"] = str(prepared.new.unique_ms)
    if prepared.new.unique_until:
        definition["unique_until"] = prepared.new.unique_until
    if prepared.new.expires:
        definition["expires_ms"] = prepared.new.expires.removeprefix("+")
    if prepared.new.group:
        definition["group"] = prepared.new.group
    if prepared.new.timeout_ms:
        definition["timeout_ms"] = prepared.new.timeout_ms
    return Entry(schedule_id, task.type, prepared.queue, trigger, definition, _digest(prepared.queue, definition))


def check_task(task: object) -> None:
    """Refuse to schedule what is no task."""
    if not isinstance(task, Task):
        raise InvalidTask(f"task is {shown(task)}: give a Task, or what bind() returns")


def _check_options(schedule_id: str, options: Mapping[str, Any]) -> None:
    for name in _REFUSED:
        if options.get(name) is not None:
            raise ConfigurationError(
                f"schedule {schedule_id}: option {name} is the same at every tick and cannot be; leave it out"
            )
    if isinstance(options.get("expires"), datetime):
        raise ConfigurationError(
            f"schedule {schedule_id}: option expires is the same instant at every tick and cannot be; give seconds"
        )
    headers = options.get("headers")
    if isinstance(headers, Mapping) and "tick" in headers:
        raise ConfigurationError(
            f"schedule {schedule_id}: header tick is where Onebeat puts the tick; choose another name"
        )


def _grace(trigger: Trigger) -> int:
    """How late a tick may fire before it counts as missed: an interval, at most a minute."""
    if isinstance(trigger, Every):
        return min(trigger.interval_ms, MAX_GRACE_MS)
    ticks = trigger.ticks_after(0, 2)
    return min(ticks[1] - ticks[0], MAX_GRACE_MS) if len(ticks) == 2 else MAX_GRACE_MS


def timing(trigger: Trigger) -> str:
    """Say when a trigger fires, in a form from which any instance can rebuild it."""
    if isinstance(trigger, Cron):
        return msgspec.json.encode({"cron": trigger.spec, "gap": trigger.gap, "overlap": trigger.overlap}).decode()
    return msgspec.json.encode({"every": trigger.spec}).decode()


class _Timing(msgspec.Struct):
    every: str = ""
    cron: str = ""
    gap: str = "run_after"
    overlap: str = "first"


def rebuild(text: str) -> Trigger:
    """
    Make the trigger that `timing` described.

    Raises:
        ConfigurationError: It is of a newer Onebeat, or damaged.
    """
    try:
        stored = msgspec.json.decode(text, type=_Timing)
    except msgspec.DecodeError as error:
        raise ConfigurationError(f"timing of a schedule is {shown(text)}: {error}; declare it again") from None
    if stored.every:
        return parse_spec(stored.every)
    return Cron(stored.cron, gap=stored.gap, overlap=stored.overlap)  # type: ignore[arg-type] # Cron checks both words


def shown_options(options: Mapping[str, Any], queue: str) -> list[str]:
    """Write options as asynq's tools show them (protocol §6.4)."""
    shown = [gotext.option("Queue", queue)]
    for name, word in _SHOWN.items():
        value = options.get(name)
        if value is not None:
            duration = value.ttl if isinstance(value, Unique) else value
            shown.append(gotext.option(word, round(seconds(name, duration) * 1_000_000_000)))
    if options.get("max_retry") is not None:
        shown.append(gotext.option("MaxRetry", options["max_retry"]))
    if options.get("group") is not None:
        shown.append(gotext.option("Group", options["group"]))
    for header, value in (options.get("headers") or {}).items():
        written = gotext.header(header, value)
        if ")" not in written[:-1]:  # where Go's reader would end it
            shown.append(written)
    return shown


_SHOWN = {"timeout": "Timeout", "unique": "Unique", "process_in": "ProcessIn", "retention": "Retention"}


def _digest(queue: str, definition: Mapping[str, str | bytes]) -> str:
    digest = hashlib.sha256()
    for name, value in sorted({"queue": queue, **definition}.items()):
        for part in (name.encode(), value.encode() if isinstance(value, str) else value):
            digest.update(len(part).to_bytes(8, "big") + part)
    return digest.hexdigest()[:24]
