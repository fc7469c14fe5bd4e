"""What about a store can lose tasks, said at the start, each with its remedy (mechanism-rules 28)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from onebeat.broker.opening import MINIMUM_VERSION, version_of
from onebeat.broker.store import Store
from onebeat.errors import BrokerUnavailable

RIGHTS = (
    "~asynq:* ~onebeat:* &asynq:* &onebeat:* "
    "+@read +@write +@blocking +@pubsub +@scripting +@connection +info +role +time"
)
"""What a user needs, in the words of ACL SETUSER; in a cluster also +cluster|slots."""

_NEEDED = (
    "HSET asynq:{q}:t:id f v",
    "HSET onebeat:{q}:d:id f v",
    "BLMOVE asynq:{q}:pending asynq:{q}:pending RIGHT RIGHT 5",
    "SADD asynq:queues q",
    "ZADD asynq:servers 1 server",
    "HSET onebeat:schedules id q",
    "PUBLISH onebeat:wake q",
    "PUBLISH onebeat:reply:id id",
    "SUBSCRIBE onebeat:wake",
    "SUBSCRIBE onebeat:cancel",
    "SUBSCRIBE onebeat:reply:id",
    "SUBSCRIBE asynq:cancel",
)

# From 7.0 on a script may ask what its user is allowed to; that needs no rights, unlike ACL DRYRUN.
_ASK = """
local refused = {}
for i, words in ipairs(redis.acl_check_cmd and ARGV or {}) do
  local command = {}
  for word in string.gmatch(words, "%S+") do
    command[#command + 1] = word
  end
  if not redis.acl_check_cmd(unpack(command)) then
    refused[#refused + 1] = words
  end
end
return refused
"""


@dataclass(frozen=True, slots=True)
class Danger:
    """
    Something about a store that can lose tasks, or will.

    Attributes:
        id: What it is, in a word that stays.

        text: What is so, after the node's name.

        remedy: What to do.
    """

    id: str
    text: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.text}: {self.remedy}"


async def dangers(store: Store) -> list[str]:
    """Look at the settings of all primaries, as far as they show them, and say what is dangerous."""
    found: dict[str, list[str]] = {}
    for node, info in (await store.everywhere("INFO")).items():
        for danger in find_dangers(info, replicas=store.endpoint.replicas):
            found.setdefault(str(danger), []).append(node)
    for node, refused in (await _refusals(store)).items():
        for text in refused:
            found.setdefault(text, []).append(node)
    where = store.endpoint.seeds
    return [f"{', '.join(nodes)}: {danger}" if where else danger for danger, nodes in found.items()]


def find_dangers(info: Mapping[str, Any], *, replicas: int = 0) -> list[Danger]:
    """
    Judge the answer of INFO; a field that is missing is not judged.

    Args:
        replicas: How many are to confirm what is accepted.
    """
    found = []
    policy = info.get("maxmemory_policy", "noeviction")
    if policy != "noeviction" and int(info.get("maxmemory", 0)):
        evicts = f"its memory once full, it evicts keys ({policy}), and tasks with them"
        found.append(Danger("eviction", evicts, "set maxmemory-policy noeviction"))
    if info.get("aof_enabled") == 0 and info.get("role", "master") == "master":
        loses = "it keeps no append-only file, so a crash loses all since its last snapshot"
        found.append(Danger("persistence", loses, "set appendonly yes"))
    if info.get("aof_last_write_status", "ok") != "ok":
        failed = "its last write to the append-only file failed"
        found.append(Danger("disk", failed, "look at the disk of its machine"))
    if info.get("rdb_last_bgsave_status", "ok") != "ok":
        failed = "its last snapshot failed, after which it may refuse writes"
        found.append(Danger("disk", failed, "look at the disk of its machine"))
    if "redis_version" in info and version_of(info) < MINIMUM_VERSION:
        old = f"it is version {info['redis_version']}, too old for the scripts"
        found.append(Danger("version", old, "update it to 6.2 or newer"))
    if info.get("role", "master") != "master":
        return [*found, Danger("role", "it is a replica, and refuses writes", "name its primary")]
    return found + _replication(info, replicas)


def _replication(info: Mapping[str, Any], replicas: int) -> list[Danger]:
    connected = int(info.get("connected_slaves", 0))
    if "connected_slaves" in info and connected < replicas:
        count = f"it has {connected} replicas, and {replicas} are to confirm what is accepted"
        text = f"{count}, so all is reported as not replicated"
        return [Danger("replicas", text, "start more, or ask for fewer by durability=")]
    if connected and "min_slaves_good_slaves" not in info:
        cut_off = "cut off from its replicas it accepts tasks that a fail-over loses"
        return [Danger("replicas", cut_off, "set min-replicas-to-write 1")]
    return []


def asked_rights() -> tuple[str | int, ...]:
    """Return the command that asks a node which of our rights are missing; see `refusal`."""
    return "EVAL", _ASK, 0, *_NEEDED


async def _refusals(store: Store) -> dict[str, list[str]]:
    """Ask each primary whether our user may do what is done there."""
    try:
        answers = await store.everywhere(*asked_rights())
    except BrokerUnavailable as error:
        return {store.endpoint.shown: [f"its user may run no scripts ({error}): allow it {RIGHTS}, by ACL SETUSER"]}
    return {node: [str(refusal(refused))] for node, refused in answers.items() if refused}


def refusal(refused: list[bytes]) -> Danger:
    """Say what a node's user may not, of what it answered to `asked_rights`."""
    words = [text.decode().split(" ") for text in refused]
    shown = ", ".join(f"{command} {target}" for command, target, *_ in words[:3])
    more = f" and {len(words) - 3} more" if len(words) > 3 else ""
    return Danger("rights", f"its user may not {shown}{more}", f"allow it {RIGHTS}, by ACL SETUSER")
