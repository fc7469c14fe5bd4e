"""
What stands in a database, as facts that can be compared one by one, and what must be true of them by themselves.

A fact is (key, part) → value: the score of one member, one field of a hash, one field of the message in it, the order
of a list. Times to live pass by the store's own clock, which no test can set; so after every operation they are
taken off their keys and noted as instants of the test's clock, by which `age` ends them.
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

LEDGER = "differential:ends"
GRAIN_MS = 500
"""Times to live in these tests are multiples of it, so that what has passed of one is rounded away."""

_READ = """
local ledger, now_ms, out = KEYS[1], tonumber(ARGV[1]), {}
for _, key in ipairs(redis.call("KEYS", "*")) do
  local kind, ttl = redis.call("TYPE", key).ok, redis.call("PTTL", key)
  local at = ""
  if string.find(key, "^asynq:{[^}]*}:processed") or string.find(key, "^asynq:{[^}]*}:failed") then
    local time = redis.call("TIME")
    at = ttl > 0 and string.format("%.0f", (time[1] * 1000 + time[2] / 1000 + ttl) / 1000) or ""
  elseif string.find(key, "^asynq:") then
    if ttl > 0 then
      local grain = tonumber(ARGV[2])
      redis.call("ZADD", ledger, now_ms + math.ceil(ttl / grain) * grain, key)
      redis.call("PERSIST", key)
    end
    at = redis.call("ZSCORE", ledger, key) or ""
  end
  local value
  if kind == "string" then
    value = redis.call("GET", key)
  elseif kind == "list" then
    value = redis.call("LRANGE", key, 0, -1)
  elseif kind == "hash" then
    value = redis.call("HGETALL", key)
  elseif kind == "set" then
    value = redis.call("SMEMBERS", key)
  else
    value = redis.call("ZRANGE", key, 0, -1, "WITHSCORES")
  end
  out[#out + 1] = { key, kind, at, value }
end
return out
"""

_AGE = """
for _, key in ipairs(redis.call("ZRANGEBYSCORE", KEYS[1], "-inf", ARGV[1])) do
  redis.call("DEL", key)
  redis.call("ZREM", KEYS[1], key)
end
for _, key in ipairs(redis.call("ZRANGE", KEYS[1], 0, -1)) do
  if redis.call("EXISTS", key) == 0 then
    redis.call("ZREM", KEYS[1], key)
  end
end
"""

_SETS = ("scheduled", "retry", "archived", "completed")


class Database:
    """One of the two databases."""

    def __init__(self, socket: str, number: int) -> None:
        self.number = number
        self.client = redis.Redis(unix_socket_path=socket, db=number)
        self._read = self.client.register_script(_READ)
        self._age = self.client.register_script(_AGE)

    def age(self, now_ms: int) -> None:
        """End whatever lapsed by now."""
        self._age(keys=[LEDGER], args=[now_ms])

    def read(self, now_ms: int) -> tuple[Facts, Facts]:
        """Return what is asynq's and what is private; and note when what has a time to live will end."""
        public: Facts = {}
        private: Facts = {}
        rows = cast("list[tuple[bytes, bytes, bytes, Any]]", self._read(keys=[LEDGER], args=[now_ms, GRAIN_MS]))
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
        at = other.client.zscore(LEDGER, key)
        if at is not None:
            self.client.zadd(LEDGER, {key: at})

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
