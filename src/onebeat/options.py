"""
What a task may be told when it is enqueued: asynq's options, checked before anything is written.

Durations are seconds or `timedelta`, instants aware datetimes. The wire keeps whole seconds; a timeout
with a fraction is rounded up there and kept exactly beside it, so nothing is ever cut to "off" (SE-37).
"""

from __future__ import annotations

import difflib
import math
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any, Literal, TypedDict

from onebeat.errors import ConfigurationError, InvalidTask, is_number, shown

Duration = float | timedelta
"""Seconds, or a `timedelta`."""

DEFAULT_QUEUE = "default"
DEFAULT_MAX_RETRY = 25
DEFAULT_TIMEOUT_S = 1800
MAX_INT32 = 2**31 - 1
MAX_SECONDS = 2**63 // 10**9 - 1
"""The longest duration that Go can hold: about 292 years."""


@dataclass(frozen=True, slots=True)
class Unique:
    """
    How long a task is the only one of its kind in its queue: no other of its type and payload is accepted meanwhile.

    Args:
        ttl: At most so long, counted from when the task is due: seconds, or a `timedelta`.

        until: What ends it before: "done" (its success or cancellation; asynq's rule, and what a plain number
            means), "start" (some server begins it: from then on another one is accepted, so that a change that comes
            while it runs is not missed), or "ttl" (nothing: at most one is accepted in that time).

        key: Stands for the payload: tasks of one type with the same key exclude each other, whatever they carry.

    Raises:
        InvalidTask: One of these cannot be used.
    """

    ttl: Duration
    until: Literal["done", "start", "ttl"] = "done"
    key: str | None = None

    def __post_init__(self) -> None:
        seconds("unique", self.ttl, minimum=0.001)
        if self.until not in ("done", "start", "ttl"):
            raise InvalidTask(f'option unique: until is {shown(self.until)}; give "done", "start" or "ttl"')
        if self.key is not None:
            text("option unique: key", self.key)


class EnqueueOptions(TypedDict, total=False):
    """The keywords of `enqueue`, `options` and `Task`; asynq: the `Option` values of client.go."""

    queue: str
    group: str
    task_id: str
    max_retry: int
    timeout: Duration
    deadline: datetime
    unique: Duration | Unique
    process_at: datetime
    process_in: Duration
    expires: Duration | datetime
    retention: Duration
    headers: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Resolved:
    """Options in the wire's own units, ready to be written."""

    queue: str = DEFAULT_QUEUE
    task_id: str = ""
    max_retry: int = DEFAULT_MAX_RETRY
    timeout_s: int = DEFAULT_TIMEOUT_S
    timeout_ms: str = ""
    """The exact timeout where whole seconds cannot hold it."""
    deadline_s: int = 0
    unique_ms: int = 0
    unique_until: str = ""
    """"" or "start" or "ttl"."""
    unique_on: str = ""
    """Its own key, in place of the payload."""
    due: str = ""
    """"" now, "+ms" from the store's now, "ms" since 1970."""
    expires: str = ""
    """"" never, "+ms" from when it is due, "ms" since 1970."""
    retention_s: int = 0
    group: str = ""
    """Where it waits to be aggregated."""
    headers: Mapping[str, str] = field(default_factory=dict)


def seconds(option: str, value: object, *, minimum: float = 0.0) -> float:
    """Return a duration in seconds, or say why the value is none."""
    if isinstance(value, timedelta):
        value = value.total_seconds()
    if not is_number(value):
        raise InvalidTask(f"option {option} is {shown(value)}: give seconds as a number, or a timedelta")
    if not minimum <= value <= MAX_SECONDS:
        raise InvalidTask(f"option {option} is {shown(value)} seconds: give a value from {minimum:g} to {MAX_SECONDS}")
    return float(value)


def instant(option: str, value: object) -> float:
    """Return an aware datetime as seconds since 1970, or say why the value is none."""
    if not isinstance(value, datetime):
        raise InvalidTask(f"option {option} is {shown(value)}: give an aware datetime")
    if value.tzinfo is None or value.utcoffset() is None:
        raise InvalidTask(
            f"option {option} is {value!r}, which has no time zone: write datetime.now(UTC) or .astimezone()"
        )
    return value.timestamp()


def text(option: str, value: object, *, refusal: type[InvalidTask | ConfigurationError] = InvalidTask) -> str:
    """Return a string that the wire can hold, or say why the value is none."""
    if not isinstance(value, str) or not value.strip():
        raise refusal(f"{option} is {shown(value)}: give a string with at least one visible character")
    try:
        value.encode()
    except UnicodeEncodeError as error:
        raise refusal(f"{option} is {shown(value)}, which UTF-8 cannot hold: {error.reason}; clean the text") from error
    return value


def check_queue(name: object) -> str:
    """
    Return a queue name that Redis Cluster, Go and every tool can use.

    Braces are refused: the name stands in a hash tag, and one at its start breaks every script (protocol §1.5).
    So is a NUL, which parts a queue from an id where both are told.
    """
    queue = text("queue name", name)
    if "{" in queue or "}" in queue:
        raise InvalidTask(
            f"queue name is {shown(queue)}: leave out braces, which mark the cluster slot of a queue's keys"
        )
    if "\0" in queue:
        raise InvalidTask(f"queue name is {shown(queue)}: leave out the NUL, which ends a queue's name in messages")
    return queue


def _max_retry(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value > MAX_INT32:
        raise InvalidTask(f"option max_retry is {shown(value)}: give a whole number from 0 to {MAX_INT32}")
    if value < 0:
        raise InvalidTask(f"option max_retry is {shown(value)}: give 0 for no retry")
    return value


def _mapping(value: object) -> Mapping[str, str]:
    if not isinstance(value, Mapping):
        raise InvalidTask(f"option headers is {shown(value)}: give a mapping of strings to strings")
    return value


def _headers(value: object) -> Mapping[str, str]:
    for key, content in _mapping(value).items():
        text("header name", key)
        if not isinstance(content, str):
            raise InvalidTask(f"header {shown(key)} is {shown(content)}: give a string")
        if content.strip():
            text(f"header {shown(key)}", content)
    return dict(_mapping(value))


def _deadline(value: object) -> int:
    deadline = math.floor(instant("deadline", value))
    if deadline < 1:
        raise InvalidTask(f"option deadline is {shown(value)}: give an instant after 1970; the wire's 0 means none")
    return deadline


def _timeout(values: Mapping[str, Any]) -> tuple[int, str]:
    if values.get("timeout") is None:
        return (0 if values.get("deadline") is not None else DEFAULT_TIMEOUT_S), ""
    limit = seconds("timeout", values["timeout"])
    if limit == 0:
        return (0 if values.get("deadline") is not None else DEFAULT_TIMEOUT_S), ""
    limit_ms = max(math.ceil(limit * 1000 - 1e-6), 1)
    return math.ceil(limit_ms / 1000), str(limit_ms) if limit_ms % 1000 else ""


def _due(values: Mapping[str, Any]) -> str:
    if values.get("process_at") is not None:
        return str(math.ceil(instant("process_at", values["process_at"]) * 1000))
    if values.get("process_in") is not None:
        delay = seconds("process_in", values["process_in"])
        return f"+{delay * 1000:.3f}" if delay else ""
    return ""


def _expires(value: object) -> str:
    if isinstance(value, datetime):
        return str(math.floor(instant("expires", value) * 1000))
    return f"+{math.ceil(seconds('expires', value, minimum=0.001) * 1000)}"


def _unique(value: object) -> Unique:
    return value if isinstance(value, Unique) else Unique(value)  # type: ignore[arg-type] # it looks for itself


def merge(*layers: Mapping[str, Any]) -> dict[str, Any]:
    """
    Lay options over one another; a later one wins, `process_at` and `process_in` count as one kind.

    Raises:
        InvalidTask: Headers that are no mapping cannot be laid over others.
    """
    merged: dict[str, Any] = {}
    for layer in layers:
        if "process_at" in layer:
            merged.pop("process_in", None)
        if "process_in" in layer:
            merged.pop("process_at", None)
        headers = merged.get("headers")
        if layer.get("headers") is not None:
            headers = {**(headers or {}), **_mapping(layer["headers"])}
        merged.update(layer)
        merged["headers"] = headers
    return merged


ELSEWHERE = {
    "countdown": "process_in", "delay": "process_in", "eta": "process_at", "run_at": "process_at", "ttl": "expires",
    "retries": "max_retry", "max_retries": "max_retry", "time_limit": "timeout", "job_id": "task_id",
    "result_ttl": "retention", "keep_result": "retention", "queue_name": "queue", "batch": "group",
}  # fmt: skip
"""What other libraries call an option."""


def unknown_option(name: str, known: Collection[str]) -> str:
    """Say that an option is unknown, and which was probably meant."""
    near = [ELSEWHERE[name]] if ELSEWHERE.get(name) in known else difflib.get_close_matches(name, known, 1)
    hint = f"did you mean {near[0]}? Choose" if near else "choose"
    return f"option {name} is unknown: {hint} from {', '.join(sorted(known))}"


def resolve(values: Mapping[str, Any]) -> Resolved:
    """
    Check merged options and put them into the wire's units.

    Raises:
        InvalidTask: An option is unknown or its value cannot be used; the sentence names both.
    """
    unknown = values.keys() - EnqueueOptions.__annotations__.keys()
    if unknown:
        raise InvalidTask(unknown_option(min(unknown, key=str), EnqueueOptions.__annotations__))
    if values.get("process_at") is not None and values.get("process_in") is not None:
        raise InvalidTask("options process_at and process_in exclude each other: give one")
    timeout_s, timeout_ms = _timeout(values)
    given = {name: value for name, value in values.items() if value is not None}
    unique = _unique(given["unique"]) if "unique" in given else None
    return Resolved(
        queue=check_queue(given.get("queue", DEFAULT_QUEUE)),
        task_id=text("task id", given["task_id"]) if "task_id" in given else "",
        max_retry=_max_retry(given.get("max_retry", DEFAULT_MAX_RETRY)),
        timeout_s=timeout_s,
        timeout_ms=timeout_ms,
        deadline_s=_deadline(given["deadline"]) if "deadline" in given else 0,
        unique_ms=math.ceil(seconds("unique", unique.ttl) * 1000) if unique else 0,
        unique_until=unique.until if unique and unique.until != "done" else "",
        unique_on=unique.key or "" if unique else "",
        due=_due(values),
        expires=_expires(given["expires"]) if "expires" in given else "",
        retention_s=math.ceil(seconds("retention", given.get("retention", 0))),
        group=text("group", given["group"]) if "group" in given else "",
        headers=_headers(given["headers"]) if "headers" in given else {},
    )
