"""
What stands in a database, as facts that can be compared one by one, and what must be true of them by themselves.

A fact is (key, part) → value: the score of one member, one field of a hash, one field of the message in it, the order
of a list. Times to live pass by the store's own clock, which no test can set; so each is put beyond all dates as soon
as it is read, at an instant of the test's clock, by which the next reading ends it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, cast

import redis

from onebeat.wire.asynq_pb2 import TaskMessage
from onebeat.wire.records import EnqueueEventRecord, EntryRecord, ServerRecord, WorkerRecord

Part = tuple[str, str]
Facts = dict[Part, Any]

GRAIN_MS = 500
"""Times to live in these tests are multiples of it, so that what has passed of one is rounded away."""

STEP_MS = 250
"""So are the instants that the test's clock shows, of this."""

BEYOND_MS = 4_102_444_800_000
"""The year 2100. What is to end at an instant of the test's clock expires so long after, by the store's."""

_READ = """
local now_ms, grain, step, beyond = tonumber(ARGV[1]), tonumber(ARGV[2]), tonumber(ARGV[3]), tonumber(ARGV[4])
local time, out = redis.call("TIME"), {}
local real_ms = time[1] * 1000 + math.floor(time[2] / 1000)

local function ends(key)
  local ttl = redis.call("PTTL", key)
  local at = real_ms + ttl
  if ttl <= 0 or not string.find(key, "^asynq:") then
    return ""
  elseif string.find(key, "}:processed:") or string.find(key, "}:failed:") then
    return string.format("%.0f", at / 1000)
  elseif at < beyond then
    at = now_ms + math.ceil(ttl / grain) * grain
    redis.call("PEXPIREAT", key, string.format("%.0f", beyond + at))
  else
    at = math.floor((at - beyond) / step + 0.5) * step
    if at <= now_ms then
      redis.call("DEL", key)
    end
  end
  return string.format("%.0f", at)
end

for _, key in ipairs(redis.call("KEYS", "*")) do
  local at, kind, value = ends(key), redis.call("TYPE", key).ok, nil
  if kind == "string" then
    value = redis.call("GET", key)
  elseif kind == "list" then
    value = redis.call("LRANGE", key, 0, -1)
  elseif kind == "hash" then
    value = redis.call("HGETALL", key)
  elseif kind == "set" then
    value = redis.call("SMEMBERS", key)
  elseif kind == "zset" then
    value = redis.call("ZRANGE", key, 0, -1, "WITHSCORES")
  end
  if value then
    out[#out + 1] = { key, kind, at, value }
  end
end
return out
"""

_SETS = ("scheduled", "retry", "archived", "completed")


class Database:
    """One of the two databases."""

    def __init__(self, socket: str, number: int) -> None:
        self.number = number
        self.client = redis.Redis(unix_socket_path=socket, db=number)
        self._read = self.client.register_script(_READ)

    def read(self, now_ms: int) -> tuple[Facts, Facts]:
        """Return what is asynq's and what is private; what has a time to live ends by the test's clock from now on."""
        public: Facts = {}
        private: Facts = {}
        rows = cast("list[tuple[bytes, bytes, bytes, Any]]", self._read(args=[now_ms, GRAIN_MS, STEP_MS, BEYOND_MS]))
        for raw, kind, at, value in rows:
            key = raw.decode()
            if key.startswith("asynq:"):
                _take_in(public, private, key, kind.decode(), value)
                if at:
                    public[key, "ends"] = int(float(at))
            elif key.startswith("onebeat:"):
                _take_in(private, private, key, kind.decode(), value)
        return public, private

    def copy(self, key: str, other: Database) -> None:
        """Make a key what it is in another database, without what is private there."""
        self.client.delete(key)
        other.client.copy(key, key, destination_db=str(self.number), replace=True)
        if key.startswith("asynq:{") and self.client.type(key) == b"hash":
            own = [field for field in cast("list[bytes]", self.client.hkeys(key)) if field.startswith(b"ob_")]
            if own:
                self.client.hdel(key, *own)

    def close(self) -> None:
        self.client.close()


def _take_in(public: Facts, private: Facts, key: str, kind: str, value: Any) -> None:
    if kind == "string":
        public[key, ""] = ServerRecord.decode(value) if key.startswith("asynq:servers:") else text(value)
    elif kind == "list":
        shows = key.startswith("asynq:schedulers:")
        public[key, ""] = tuple(EntryRecord.decode(item) if shows else text(item) for item in value)
    elif kind == "set":
        for item in value:
            public[key, text(item)] = True
    elif kind == "zset":
        fires = key.startswith("asynq:scheduler_history:")
        for item, score in zip(value[::2], value[1::2], strict=True):
            public[key, repr(EnqueueEventRecord.decode(item)) if fires else text(item)] = float(score)
    else:
        for name, content in zip(value[::2], value[1::2], strict=True):
            _take_in_field(private if name.startswith(b"ob_") else public, key, text(name), content)


def _take_in_field(facts: Facts, key: str, name: str, content: bytes) -> None:
    if name == "msg" and ":t:" in key:
        facts.update({(key, f"msg.{field}"): value for field, value in fields_of(content).items()})
    elif key.startswith("asynq:workers:"):
        facts[key, name] = WorkerRecord.decode(content)
    else:
        facts[key, name] = text(content)


def fields_of(message: bytes) -> Mapping[str, Any]:
    """Decode a message into its fields."""
    read = TaskMessage.FromString(message)
    values = {field.name: getattr(read, field.name) for field in TaskMessage.DESCRIPTOR.fields}
    return {name: dict(value) if name == "headers" else value for name, value in values.items()}


def text(data: bytes) -> str:
    return data.decode("utf-8", "backslashreplace")


def check(public: Facts, private: Facts) -> None:
    """Every task is where its state says, once, and nowhere else (protocol §1.6); what is private belongs to it."""
    places: dict[Part, list[str]] = {}
    for (key, part), value in public.items():
        if not key.startswith("asynq:{"):
            continue
        queue, _, name = key.removeprefix("asynq:{").partition("}:")
        if name in ("pending", "active"):
            for task_id in value:
                places.setdefault((queue, task_id), []).append(name)
        elif part != "ends" and (name in (*_SETS, "lease") or name.startswith("g:")):
            places.setdefault((queue, part), []).append("aggregating" if name.startswith("g:") else name)
    states = _states(public)
    expected = {task: ["active", "lease"] if state == "active" else [state] for task, state in states.items()}
    found = {task: sorted(where) for task, where in places.items()}
    assert expected == found, f"records and places disagree: {expected} {found}"
    _check_private(public, private, states)


def _states(public: Facts) -> dict[Part, str]:
    states: dict[Part, str] = {}
    for key, part in public:
        if part == "msg.id":
            queue, _, name = key.removeprefix("asynq:{").partition("}:t:")
            states[queue, name] = public[key, "state"]
    return states


def _check_private(public: Facts, private: Facts, states: Mapping[Part, str]) -> None:
    waiting = {task: state for task, state in states.items() if state in ("scheduled", "retry")}
    exact: dict[Part, float] = {}
    for (key, part), value in private.items():
        if key.startswith("onebeat:{") and key.endswith("}:exact"):
            exact[key.removeprefix("onebeat:{").removesuffix("}:exact"), part] = value
        elif key.startswith("asynq:{"):
            queue, _, name = key.removeprefix("asynq:{").partition("}:t:")
            assert (queue, name) in states, f"{key} holds {part} and no task"
    scores = {task: public[f"asynq:{{{task[0]}}}:{state}", task[1]] for task, state in waiting.items()}
    if any(key.startswith("onebeat:") for key, _ in private):
        assert scores == {task: math.ceil(ms / 1000) for task, ms in exact.items()}, "exact times are not those shown"
