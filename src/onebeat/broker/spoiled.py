"""Keys of a foreign type: which type each key has, and what is said of one that another program has spoiled."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Sequence
from typing import Any

from onebeat.broker.call import Call, texts
from onebeat.errors import BrokerError, shown
from onebeat.wire import keys

_WORDS = {
    "string": "a string", "list": "a list", "hash": "a hash", "set": "a set", "zset": "a sorted set",
    "stream": "a stream", "none": "absent",
}  # fmt: skip

_WHOLE = {
    keys.QUEUES: "set", keys.SERVERS: "zset", keys.WORKERS: "zset", keys.SCHEDULERS: "zset", keys.SCHEDULES: "hash",
    keys.SCHEDULE_QUEUES: "set", keys.AUDIT: "stream", keys.JOBS: "zset", keys.JOB_TURNS: "string",
    keys.VIEWS: "hash",
}  # fmt: skip

_ASYNQ = {
    **dict.fromkeys(("pending", "active"), "list"),
    **dict.fromkeys(("lease", "scheduled", "retry", "archived", "completed", "aggregation_sets"), "zset"),
    **dict.fromkeys(("paused", "processed", "failed"), "string"),
    "groups": "set",
}
_OWN = {
    **dict.fromkeys(("exact", "due", "stuck", "declared", "groups", "retired", "types"), "zset"),
    **dict.fromkeys(("joined", "sets", "out", "limits", "beat"), "hash"),
}
_KINDS = (
    (re.compile(r"asynq:\{.*\}:t:"), "hash"),
    (re.compile(r"asynq:\{.*\}:g:"), "zset"),
    (re.compile(r"asynq:\{.*\}:unique:"), "string"),
    (re.compile(r"asynq:\{.*\}:(processed|failed):"), "string"),
    (re.compile(r"asynq:servers:\{"), "string"),
    (re.compile(r"asynq:workers:\{"), "hash"),
    (re.compile(r"asynq:schedulers:"), "list"),
    (re.compile(r"asynq:scheduler_history:"), "zset"),
    (re.compile(r"onebeat:\{.*\}:(d|seen):"), "hash"),
    (re.compile(r"onebeat:\{.*\}:tape:"), "list"),
    (re.compile(r"onebeat:\{.*\}:(order|sheet)$"), "string"),
    (re.compile(r"onebeat:(\{.*\}|series:\{all\}):(rate|wait|run):"), "string"),
    (re.compile(r"onebeat:(job|sessions|views:\{all\}:of):"), "hash"),
)
_NAMED = re.compile(r"(asynq|onebeat):\{.*\}:([a-z_]+)$")

INDEXES = tuple(_WHOLE)
"""Keys of no queue, each of which all pages, servers or schedulers share."""

MAX_NAMED = 20
"""Words of an operation that may be names in keys."""


def wanted(key: str) -> str:
    """Return the type that a key has by right; "" if none is known."""
    if key in _WHOLE:
        return _WHOLE[key]
    for pattern, kind in _KINDS:
        if pattern.match(key):
            return kind
    named = _NAMED.match(key)
    return (_ASYNQ if named[1] == "asynq" else _OWN).get(named[2], "") if named is not None else ""


def is_foreign(key: str, kind: str) -> bool:
    """Whether a key is of another type than it has by right."""
    right = wanted(key)
    return kind != "none" and bool(right) and kind != right


def of_queue(queue: str) -> list[str]:
    """Return the keys of a queue that are known without looking."""
    return [keys.root(queue) + name for name in _ASYNQ] + [keys.own_root(queue) + name for name in _OWN]


def of_server(tag: str) -> list[str]:
    """Return the keys that a server writes; the tag is "<host>:<pid>:<server id>"."""
    return [keys.server(tag), keys.workers(tag), keys.sheet(tag)]


def away(key: str) -> str:
    """Return the name that a key is moved away to: in the same slot of a cluster."""
    return f"moved:{key}" if "{" in key else f"moved:{{{key}}}"


def remedy(key: str) -> str:
    """Return the command that moves a key out of the way and loses nothing."""
    return shlex.join(("redis-cli", "RENAMENX", key, away(key)))


def told(key: str, kind: str) -> str:
    """Say of which type a key is, and of which it is to be."""
    return f"{key} is {_WORDS.get(kind, kind)}, where {_WORDS[wanted(key)]} belongs"


class Spoiled(BrokerError):  # noqa: N818 - see errors.InvalidTask
    """
    Some keys are of a foreign type.

    Args:
        what: What could not be read, or done.

        found: The type of each such key.

        rest: What could be read all the same.
    """

    def __init__(self, what: str, found: Mapping[str, str], rest: Any = None) -> None:
        each = "; ".join(told(key, kind) for key, kind in found.items())
        first = next(iter(found))
        super().__init__(f"{what}: {each} (WRONGTYPE). Once you know who wrote it, move it away: {remedy(first)}")
        self.found: dict[str, str] = dict(found)
        self.rest = rest


def subject(queue: str, names: Sequence[str]) -> str:
    """Say what is spoiled with some keys of a queue."""
    if names[0].startswith(keys.server("").removesuffix("{}")):
        return f"server {queue} cannot be read"
    if queue and any(f":{{{queue}}}:" in name for name in names):
        return f"queue {shown(queue)} cannot be read whole"
    return f"key {names[0]} cannot be read"


def types(queue: str, names: Sequence[str]) -> Call[list[str]]:
    """Ask of which type keys of a queue are, "none" where there is no such key."""
    return Call("types", queue, list(names), texts)


def types_at(names: Sequence[str]) -> Call[list[str]]:
    """Ask of which type the keys of an operation are that is about no queue."""
    return Call("types", "", list(names), texts, keys=tuple(names))


def name_of(answer: Any) -> str:
    """Read what TYPE says."""
    return answer.decode() if isinstance(answer, bytes) else str(answer)


def candidates(call: Call[Any]) -> list[str]:
    """Return the keys that an operation may have met: those of its queue, and those that its words name."""
    if call.keys:
        return list(dict.fromkeys(call.keys))
    if call.script == "attendance":
        return of_server(call.queue)
    root, own = keys.root(call.queue), keys.own_root(call.queue)
    said = [word for word in call.arguments if isinstance(word, str) and 0 < len(word) <= 500][:MAX_NAMED]
    named = [f"{start}{word}" for word in said for start in (f"{root}t:", f"{root}", f"{own}d:", f"{own}seen:")]
    return list(dict.fromkeys([*of_queue(call.queue), *named]))
