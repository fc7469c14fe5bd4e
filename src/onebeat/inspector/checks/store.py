"""The store: will it keep what it is given, has it room, is it fast?"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial

from onebeat.broker.dangers import find_dangers, refusal
from onebeat.inspector.checks.facts import Check, Facts, Found, server_name
from onebeat.inspector.checks.finding import Severity
from onebeat.inspector.checks.words import number, size, some, span, typed

HIGH, FULL = 0.80, 0.95
SLOW_S, SLOW_ROUND_TRIP_S = 0.1, 0.05
VERY_SLOW_S, OFTEN = 1.0, 5
"""One command of some 100 ms may be a machine that was busy; one of a second, or several, is a warning."""

_REMEDIES = {
    "eviction": (typed("redis-cli", "CONFIG", "SET", "maxmemory-policy", "noeviction"),),
    "persistence": (typed("redis-cli", "CONFIG", "SET", "appendonly", "yes"),),
    "disk": (typed("redis-cli", "INFO", "persistence"), "see the store's log, and the disk of its machine: df -h"),
    "version": ("update the store to Redis 7.2, Valkey 8 or newer; 6.2 is the oldest that will do",),
    "role": ("name its primary in the URL, or the sentinels: redis+sentinel://host:26379/0?master=name",),
    "rights": (),
}
_SEVERITY = {"persistence": Severity.WARNING, "replicas": Severity.WARNING}


def _danger(kind: str, facts: Facts) -> Iterator[Found]:
    for node, info in facts.nodes.items():
        for danger in find_dangers(info, replicas=facts.replicas):
            if danger.id == kind:
                severity = _SEVERITY.get(kind, Severity.ERROR)
                yield Found(severity, f"store {node}", danger.text, _REMEDIES.get(kind) or (_replicas(danger.remedy),))


def _replicas(remedy: str) -> str:
    if remedy.startswith("set min-replicas"):
        return typed("redis-cli", "CONFIG", "SET", "min-replicas-to-write", "1")
    return remedy


def _rights(facts: Facts) -> Iterator[Found]:
    for node, refused in facts.refused.items():
        if refused:
            danger = refusal(refused)
            yield Found(Severity.ERROR, f"store {node}", danger.text, (danger.remedy,))


def _memory(facts: Facts) -> Iterator[Found]:
    for node, info in facts.nodes.items():
        used, most = int(info.get("used_memory", 0)), int(info.get("maxmemory", 0))
        machine = int(info.get("total_system_memory", 0))
        limit = most or machine
        if not limit or used < HIGH * limit:
            continue
        of = "its maxmemory" if most else "its machine's memory (it has no maxmemory)"
        more = size(limit * 2)
        raise_it = typed("redis-cli", "CONFIG", "SET", "maxmemory", str(limit * 2))
        yield Found(
            Severity.ERROR if used >= FULL * limit else Severity.WARNING,
            f"store {node}",
            f"it uses {size(used)}, {used / limit:.0%} of {of}, {size(limit)}",
            (
                "onebeat stats",
                f"{raise_it}  (to {more}, if its machine has that)" if most else "give its machine more memory",
            ),
        )


def _slow(facts: Facts) -> Iterator[Found]:
    for node, slow in facts.slow.items():
        long = sorted((one for one in slow if one.seconds >= SLOW_S), key=lambda one: -one.seconds)
        if long:
            worst = long[0]
            times = number(len(long), "command")
            is_heavy = worst.seconds >= VERY_SLOW_S or len(long) >= OFTEN
            yield Found(
                Severity.WARNING if is_heavy else Severity.HINT,
                f"store {node}",
                f"in the last hour {times} held it up for {span(SLOW_S)} or longer, the longest for "
                f"{span(worst.seconds)}: {worst.command}",
                (typed("redis-cli", "SLOWLOG", "GET", "20"), typed("redis-cli", "LATENCY", "DOCTOR")),
            )


def _far(facts: Facts) -> Iterator[Found]:
    trips = [(server, server.sheet.round_trip) for server in facts.servers if server.sheet and server.sheet.round_trip]
    far = sorted(((trip.total_seconds(), server) for server, trip in trips if trip), key=lambda one: -one[0])
    far = [(seconds, server) for seconds, server in far if seconds >= SLOW_ROUND_TRIP_S]
    if far:
        names = some(f"{server_name(server)} ({span(seconds)})" for seconds, server in far)
        yield Found(
            Severity.WARNING,
            "store",
            f"it takes long to answer {number(len(far), 'server')}: {names}",
            (typed("redis-cli", "--latency"), "run servers in the store's network, or look at what holds it up"),
        )
    if facts.round_trip >= SLOW_ROUND_TRIP_S:
        yield Found(
            Severity.HINT,
            "store",
            f"it took {span(facts.round_trip)} to answer from here",
            (typed("redis-cli", "--latency"),),
        )


def _cluster(facts: Facts) -> Iterator[Found]:
    for node, told in facts.cluster.items():
        assigned, fine = int(told.get("cluster_slots_assigned", 16384)), int(told.get("cluster_slots_ok", 16384))
        if told.get("cluster_state", "ok") != "ok" or fine < 16384:
            yield Found(
                Severity.ERROR,
                f"store {node}",
                f"it says that the cluster is {told.get('cluster_state', '?')}: of 16,384 slots {assigned:,} are "
                f"assigned and {fine:,} are served",
                (typed("redis-cli", "--cluster", "check", node), typed("redis-cli", "--cluster", "fix", node)),
            )
            return
    total = sum(facts.spread.values())
    fullest = max(facts.spread, key=lambda node: facts.spread[node], default="")
    if len(facts.spread) > 1 and total >= 10 and facts.spread[fullest] > 0.8 * total:
        yield Found(
            Severity.HINT,
            f"store {fullest}",
            f"it holds {facts.spread[fullest]:,} of {number(total, 'queue')}: the others help little",
            (typed("redis-cli", "--cluster", "rebalance", fullest), "or spread the work over more queues"),
        )


CHECKS = (
    Check(
        "store-version",
        ("store",),
        "The version of the store.",
        "Scripts need commands of Redis 6.2 (ZRANGE BYSCORE, BLMOVE): an older store fails in the midst of asynq's.",
        "Update the store.",
        partial(_danger, "version"),
    ),
    Check(
        "store-eviction",
        ("store",),
        "What the store does when its memory is full.",
        "Any policy but noeviction deletes keys to make room: tasks vanish, locks open, queues lose ids.",
        "Set `maxmemory-policy noeviction`, at once and in the configuration; then a full store refuses new tasks, and "
        "nothing is lost.",
        partial(_danger, "eviction"),
    ),
    Check(
        "store-persistence",
        ("store",),
        "Whether the store keeps an append-only file.",
        "Whoever enqueued these tasks was told that they are kept: nobody enqueues them again.",
        "Set `appendonly yes`, at once and in the configuration.",
        partial(_danger, "persistence"),
    ),
    Check(
        "store-disk",
        ("store",),
        "Whether the store's last writes to its disk went well.",
        "A store that cannot write loses all it is given when it ends, and after a failed snapshot refuses writes.",
        "Make room on its disk, or mend it, and have it write again: `BGREWRITEAOF`, `BGSAVE`.",
        partial(_danger, "disk"),
    ),
    Check(
        "store-memory",
        ("store",),
        "How much of its memory the store uses: a warning from 80 %, an error from 95 %.",
        "A full store refuses every new task, and every schedule waits.",
        "Raise `maxmemory`, delete what is retained or archived, and see which queue grows.",
        _memory,
    ),
    Check(
        "store-role",
        ("store",),
        "Whether the store is a primary.",
        "A replica refuses writes: nothing can be enqueued or taken.",
        "Name the primary, or the sentinels that know it.",
        partial(_danger, "role"),
    ),
    Check(
        "store-replicas",
        ("store",),
        "Whether a primary with replicas stops when it is cut off from them, and has as many as are to confirm.",
        "A primary that is cut off goes on to accept tasks, and loses them when a replica is promoted.",
        "Set `min-replicas-to-write 1` on every node; or start as many replicas as `durability=` asks for.",
        partial(_danger, "replicas"),
    ),
    Check(
        "store-rights",
        ("rights",),
        "Whether the store's user may do all that Onebeat does.",
        "What is refused fails in the middle of work, perhaps only in the one hour in which it is needed.",
        "Allow it, by `ACL SETUSER`, in the words that the finding has.",
        _rights,
    ),
    Check(
        "store-slow",
        ("slowlog",),
        "Commands of the last hour that held the store up for 100 ms or longer; five, or one of a second, are a "
        "warning.",
        "The store does one thing at a time: while one command runs, no task is taken and no lease extended.",
        "See what the slow log names. Long scripts of asynq's tools are those that act on all tasks of a state.",
        _slow,
    ),
    Check(
        "store-far",
        ("store", "servers"),
        "How long the store takes to answer each server, and who asks: 50 ms are long.",
        "A server takes tasks in one round trip and ends them in another; a far store makes each of them slow.",
        "Run servers near the store; see whether it is busy, and its network.",
        _far,
    ),
    Check(
        "cluster-slots",
        ("cluster",),
        "Of a cluster, whether every slot is served, and how the queues are spread.",
        "Queues whose slot nobody serves stand still.",
        "Bring the missing node back, or have the others take its slots.",
        _cluster,
    ),
)
