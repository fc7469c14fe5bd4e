"""What each check finds in facts that are broken in its way, and that it finds nothing in those that are well."""

from __future__ import annotations

import re
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from onebeat.broker.checkup import Checkup, Plan, Sample, Wound
from onebeat.inspector.checks.catalog import CHECKS
from onebeat.inspector.checks.facts import Facts, Slow
from onebeat.inspector.checks.finding import Severity
from onebeat.inspector.models import ScheduleEntry, ServerInfo, ServerSheet, WorkerInfo

NOW = 1_900_000_000.0
ERROR, WARNING, HINT = Severity.ERROR, Severity.WARNING, Severity.HINT

INFO: dict[str, Any] = {
    "redis_version": "7.0.15", "role": "master", "maxmemory": 1000, "maxmemory_policy": "noeviction", "aof_enabled": 1,
    "aof_last_write_status": "ok", "rdb_last_bgsave_status": "ok", "used_memory": 500, "connected_slaves": 0,
}  # fmt: skip


def sheet(**fields: Any) -> ServerSheet:
    values: dict[str, Any] = {
        "version": "0.5", "application": "shop", "patterns": ("mail:",), "groups": (), "is_cut": False,
        "takes_all": False, "is_draining": False, "given_up": 0, "clock_ahead": timedelta(milliseconds=3),
        "round_trip": timedelta(milliseconds=1), "loop_lag": timedelta(0), "loop_blocked": timedelta(0),
        "lease": timedelta(seconds=30), "archive_size": 9999, "archive_age_s": 7_776_000,
    }  # fmt: skip
    return ServerSheet(**{**values, **fields})


def worker(late: float = -10.0) -> WorkerInfo:
    return WorkerInfo(
        server_id="id", host="web", pid=7, queue="q", task_id="a", task_type="mail:send", payload=b"",
        started_at=at(-100), deadline=at(-late),
    )  # fmt: skip


def at(seconds: float) -> datetime:
    return datetime.fromtimestamp(NOW + seconds, UTC)


def server(name: str = "web", says: ServerSheet | None = None, *, is_go: bool = False, **fields: Any) -> ServerInfo:
    values: dict[str, Any] = {
        "id": "id", "host": name, "pid": 7, "concurrency": 10, "queues": {"q": 1}, "strict_priority": False,
        "status": "active", "started_at": at(-100), "active_workers": 0, "workers": (),
        "sheet": None if is_go else says or sheet(),
    }  # fmt: skip
    return ServerInfo(**{**values, **fields})


def queue(name: str = "q", **fields: Any) -> Checkup:
    counts = dict.fromkeys(
        ("pending", "active", "scheduled", "retry", "archived", "completed", "groups", "sets", "processed", "failed",
         "leases", "lapsed", "long_lapsed", "schedules", "stuck"), 0,
    )  # fmt: skip
    nothing = dict.fromkeys(
        ("paused_at", "oldest_since", "oldest_lease", "latest_lease", "seen", "declared", "schedule_due", "stuck_since",
         "first_scheduled", "first_retry", "first_completed", "first_set", "archive_size"),
    )  # fmt: skip
    values: dict[str, Any] = {"latest_is_ours": True, "waiting": (), "failing": (), **counts, **nothing}
    return Checkup(queue=name, **{**values, **fields})


def sample(type: str = "mail:send", error: str = "", id: str = "a") -> Sample:
    return Sample(id, type, error, False)


def plan(**fields: Any) -> Plan:
    values: dict[str, Any] = {
        "id": "nightly", "queue": "q", "state": "live", "error": "", "spec": "@daily", "app": "shop", "missed": 0,
        "skipped": 0, "fired": 3, "declared": NOW - 5, "due": NOW + 60, "stuck": None,
    }  # fmt: skip
    return Plan(**{**values, **fields})


def entry(number: int, **fields: Any) -> ScheduleEntry:
    values: dict[str, Any] = {
        "id": f"e{number}", "spec": "@every 30s", "task_type": "t", "payload": b"", "options": ('Queue("q")',),
        "next_at": at(20), "last_at": None, "scheduler": f"host:{number}:uuid",
    }  # fmt: skip
    return ScheduleEntry(**{**values, **fields})


def well(**fields: Any) -> Facts:
    values: dict[str, Any] = {
        "now": NOW, "nodes": {"db": INFO}, "servers": [server()], "names": ["q"],
        "queues": [queue(pending=2, oldest_since=NOW - 1, waiting=(sample(),))],
        "plans": [plan()], "entries": [entry(1)], "round_trip": 0.001,
        "before": {"q": (3, 0)}, "interval": 5.0, "cluster": {"n1": {"cluster_state": "ok"}},
        "spread": {"n1": 10, "n2": 9}, "slow": {"db": [Slow(NOW, 0.01, "GET")]}, "refused": {"db": []},
    }  # fmt: skip
    return Facts(**{**values, **fields})


def told(**fields: Any) -> Facts:
    """Of a node, told otherwise than it should be."""
    return well(nodes={"db": {**INFO, **fields}})


def hurt(problem: str, deed: str = "dropped") -> Facts:
    return well(wounds=[Wound("q", "task", b"lost-1", problem, deed)])


def holds(**fields: Any) -> Facts:
    """Of a queue that holds something else."""
    return well(queues=[queue(**fields)])


def serves(*servers: ServerInfo, **fields: Any) -> Facts:
    return well(servers=list(servers), **fields)


STORM = tuple(sample("mail:send", f"ConnectionError: 10.0.0.1:{port}", f"t{port}") for port in range(20))

BROKEN: list[tuple[str, Severity, Facts, str]] = [
    ("store-version", ERROR, told(redis_version="6.0.9"), "it is version 6.0.9"),
    ("store-eviction", ERROR, told(maxmemory_policy="allkeys-lru"), r"it evicts keys \(allkeys-lru\)"),
    ("store-persistence", WARNING, told(aof_enabled=0), "it keeps no append-only file"),
    ("store-disk", ERROR, told(aof_last_write_status="err"), "last write to the append-only file failed"),
    ("store-disk", ERROR, told(rdb_last_bgsave_status="err"), "last snapshot failed"),
    ("store-memory", WARNING, told(used_memory=850), "85% of its maxmemory"),
    ("store-memory", ERROR, told(used_memory=960), "96% of its maxmemory"),
    ("store-memory", WARNING, told(used_memory=850, maxmemory=0, total_system_memory=1000), "its machine's memory"),
    ("store-role", ERROR, told(role="slave"), "it is a replica"),
    ("store-replicas", WARNING, told(connected_slaves=1), "cut off from its replicas"),
    ("store-replicas", WARNING, well(replicas=2), "it has 0 replicas, and 2 are to confirm"),
    ("store-rights", ERROR, well(refused={"db": [b"BLMOVE a b RIGHT RIGHT 5"]}), "its user may not BLMOVE a"),
    ("store-slow", WARNING, well(slow={"db": [Slow(NOW, 2.0, "EVALSHA x")]}), "longest for 2.0 s: EVALSHA x"),
    ("store-slow", WARNING, well(slow={"db": [Slow(NOW, 0.2, "EVALSHA x")] * 5}), "5 commands held it up"),
    ("store-slow", HINT, well(slow={"db": [Slow(NOW, 0.2, "EVALSHA x")]}), "1 command held it up"),
    ("store-far", WARNING, serves(server(says=sheet(round_trip=timedelta(seconds=0.2)))), r"web:7 \(200 ms\)"),
    ("store-far", HINT, well(round_trip=0.3), "it took 300 ms to answer from here"),
    (
        "cluster-slots",
        ERROR,
        well(cluster={"n1": {"cluster_state": "fail", "cluster_slots_assigned": "16384", "cluster_slots_ok": "10923"}}),
        "16,384 are assigned and 10,923 are served",
    ),
    ("cluster-slots", HINT, well(spread={"n1": 19, "n2": 1}), "it holds 19 of 20 queues"),
    ("queue-without-server", ERROR, serves(), "it has 2 pending tasks, and no server lives"),
    ("queue-without-server", ERROR, serves(server(queues={"other": 1})), "none of 1 server serves it"),
    ("queue-without-server", ERROR, serves(server(status="stopped")), "take nothing more: web:7"),
    (
        "queue-without-server",
        WARNING,
        well(servers=[], queues=[queue(scheduled=2, first_scheduled=int(NOW) + 3600)]),
        "2 tasks will be due in it, the first in 60 min",
    ),
    (
        "type-without-handler",
        ERROR,
        holds(pending=1, waiting=(sample("report:make"),)),
        "handler for type 'report:make'",
    ),
    ("type-without-handler", ERROR, holds(retry=1, failing=(sample("x"),)), r"shop \(handles mail:\)"),
    ("clock-skew", WARNING, serves(server(says=sheet(clock_ahead=timedelta(seconds=90)))), "90 s ahead of the store's"),
    (
        "clock-skew",
        ERROR,
        serves(server(says=sheet(clock_ahead=timedelta(seconds=-90))), server("go", is_go=True)),
        "90 s behind the store's",
    ),
    ("clock-skew", ERROR, serves(server("go", is_go=True), skews={"go:7": 45.0}), "45 s ahead"),
    (
        "clock-skew",
        WARNING,
        holds(latest_lease=int(NOW) + 80, latest_is_ours=False),
        "ahead of the store's by about 50 s",
    ),
    ("loop-blocked", ERROR, serves(server(says=sheet(loop_blocked=timedelta(seconds=9)))), "no turn for 9.0 s"),
    ("loop-blocked", WARNING, serves(server(says=sheet(loop_lag=timedelta(seconds=2)))), "2.0 s late"),
    ("handlers-given-up", WARNING, serves(server(says=sheet(given_up=2))), "2 handlers of its 10 slots"),
    ("handlers-given-up", ERROR, serves(server(says=sheet(given_up=5))), "5 handlers of its 10 slots"),
    ("server-versions", HINT, serves(server(), server("b", sheet(version="0.4"))), "0.4 on b:7; 0.5 on web:7"),
    ("archive-limits", WARNING, serves(server(), server("b", sheet(archive_size=50))), "50 tasks for 90 days by b:7"),
    ("archive-limits", WARNING, serves(server(says=sheet(archive_size=0)), server("go", is_go=True)), "Go's, fixed"),
    ("paused-with-backlog", WARNING, holds(pending=3, paused_at=int(NOW) - 60), "since 2030-03-17 17:45:40 UTC"),
    ("backlog-old", WARNING, holds(pending=9, oldest_since=NOW - 600), "has waited for 10 min; 1 server with 10 slots"),
    ("backlog-old", ERROR, holds(pending=9, oldest_since=NOW - 7200), "has waited for 2 h"),
    ("backlog-growing", WARNING, holds(pending=103, processed=40), "about 140 tasks came and 40 were processed"),
    ("task-overdue", WARNING, serves(server(workers=(worker(late=120.0),))), "should have ended 2 min ago"),
    ("lease-lapsed", ERROR, holds(lapsed=2, oldest_lease=int(NOW) - 60), "2 tasks lost their server"),
    ("lease-lapsed", ERROR, well(servers=[], queues=[queue(lapsed=1, long_lapsed=1)]), "1 task lost its server"),
    ("upkeep-late", ERROR, holds(scheduled=1, first_scheduled=int(NOW) - 60), "due 60 s ago has not become pending"),
    ("upkeep-late", HINT, well(servers=[], queues=[queue(completed=1, first_completed=int(NOW) - 600)]), "10 min ago"),
    ("archive-nearly-full", WARNING, holds(archived=9_500), "9,500 of the 9,999 tasks that it keeps: once it is full"),
    ("archive-nearly-full", WARNING, holds(archived=50, archive_size=50), "each that is archived now deletes"),
    ("retry-storm", WARNING, holds(retry=1204, failing=STORM), "of 20 that were looked at 20 are mail:send"),
    ("key-damaged", ERROR, well(broken={"q": "WRONGTYPE"}), "it cannot be read: WRONGTYPE"),
    ("message-unreadable", WARNING, holds(pending=1, waiting=(sample(""),)), "no message of asynq's: a"),
    ("schedule-unfired", ERROR, well(plans=[plan(due=NOW - 60)]), "was due 60 s ago and has not fired"),
    ("schedule-unfired", ERROR, well(servers=[], plans=[plan(declared=NOW - 600)]), "nobody will fire its next tick"),
    ("schedule-stuck", ERROR, well(plans=[plan(due=None, stuck=NOW - 300)]), "its calendar ran out 5 min ago"),
    ("schedule-parked", ERROR, well(plans=[plan(state="error", error="OOM")]), "its last fire failed: OOM"),
    ("schedule-parked", ERROR, well(plans=[plan(state="error", error="error WRONGTYPE")]), "fire failed: WRONGTYPE"),
    ("schedule-parked", HINT, well(plans=[plan(state="orphaned", due=None)]), "it is parked: no instance of"),
    (
        "schedule-missed",
        HINT,
        well(plans=[plan(missed=2, skipped=1)]),
        "of 6 ticks since it was declared, 2 ticks came",
    ),
    ("schedule-twice", ERROR, well(entries=[entry(1), entry(2)]), "each tick fires 2 times: 2 schedulers keep it"),
    ("schedule-go-late", WARNING, well(entries=[entry(1, next_at=at(-60))]), "was to fire it 60 s ago"),
    ("dangling-id", WARNING, hurt("dangling"), "1 id stands in a list without a task: lost-1"),
    ("lost-record", ERROR, hurt("lost", "pending"), "1 task has a record and is in no list: lost-1"),
    ("misfiled-task", WARNING, hurt("misfiled", "retry"), "1 task stands elsewhere than its record says"),
    ("active-without-lease", WARNING, hurt("unleased", "leased"), "1 active task has no lease"),
    ("lease-without-active", WARNING, hurt("unlisted", "active"), "has a lease and is not in `active`"),
    ("group-unlisted", ERROR, hurt("unlisted-group", "listed"), "has tasks and is not listed"),
    ("group-empty", HINT, hurt("empty-group", "unlisted"), "is listed and has no tasks"),
    ("group-set-stale", ERROR, hurt("stale-set", "returned"), "was left by its server and not returned"),
    ("score-fractional", WARNING, hurt("fractional-score", "rounded"), "has a score that is no whole number"),
    ("endless-lock", ERROR, hurt("endless-lock", "freed -1 gone"), "the first, of gone, has no end"),
    ("stale-lock", HINT, hurt("stale-lock", "freed 90 gone"), "the first, of gone, ends in 90 s"),
    ("queue-unlisted", WARNING, well(unlisted=["mail"]), "is not in asynq:queues"),
    ("queue-name", ERROR, well(names=["}x"]), "no common slot"),
    ("queue-name", HINT, well(names=["a/b"]), "asynqmon cannot open its page"),
]
BY_ID = {check.id: check for check in CHECKS}


@pytest.mark.parametrize(("name", "severity", "facts", "said"), BROKEN, ids=lambda value: str(value)[:40])
def test_what_is_broken_is_found(name: str, severity: Severity, facts: Facts, said: str) -> None:
    """One finding, as bad as it is, that names its object and value and says what to type."""
    [found] = BY_ID[name].judge(facts)
    assert severity is found.severity
    assert re.search(said, found.text), found.text
    assert all(found.remedies)
    assert found.remedies


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.id)
def test_what_is_well_is_left_in_peace(check: Any) -> None:
    """By every check."""
    assert [] == list(check.judge(well()))


def test_every_check_has_a_system_that_is_broken_in_its_way() -> None:
    """Above."""
    assert {check.id for check in CHECKS} == {name for name, *_ in BROKEN}


def test_nothing_is_claimed_of_what_a_go_server_may_handle() -> None:
    """It does not say what it handles; nor does a server that has more patterns than it shows."""
    unknown = holds(pending=1, waiting=(sample("x"),))
    for one in (server(is_go=True), server(says=sheet(is_cut=True)), server(says=sheet(takes_all=True))):
        unknown.servers = [server(), one]
        assert [] == list(BY_ID["type-without-handler"].judge(unknown))


def test_a_queue_that_catches_up_does_not_grow() -> None:
    """Nor does one that gained less than a tenth of what came."""
    for pending, processed in ((3, 100), (2, 0), (8, 200)):
        facts = holds(pending=pending, processed=processed)
        assert [] == list(BY_ID["backlog-growing"].judge(facts))


def test_errors_that_differ_by_numbers_are_one_storm_and_others_are_none() -> None:
    """Ports, ids and addresses do not count; words do."""
    various = tuple(sample("mail:send", f"{'abcdefghij'[number % 10]} failed") for number in range(20))
    assert [] == list(BY_ID["retry-storm"].judge(holds(retry=1000, failing=various)))
    assert [] == list(BY_ID["retry-storm"].judge(holds(retry=10, failing=STORM[:10])))


def test_an_entry_that_go_keeps_unique_does_not_fire_twice() -> None:
    """Two schedulers with a lock or a task id are a way to have one that fires."""
    entries = [entry(number, options=('Queue("q")', "Unique(30s)")) for number in (1, 2)]
    assert [] == list(BY_ID["schedule-twice"].judge(well(entries=entries)))


def test_damage_says_what_repair_would_do_and_who_would_mend_it_anyway() -> None:
    """Who is on call may then wait."""
    [found] = BY_ID["active-without-lease"].judge(hurt("unleased", "leased"))
    assert "1: it gets a lease: its server goes on with it, or it is recovered" == found.repair
    assert "does the same by itself" in found.heals
    alone = replace_servers(hurt("unleased", "leased"))
    [found] = BY_ID["active-without-lease"].judge(alone)
    assert "" == found.heals


def replace_servers(facts: Facts) -> Facts:
    return replace(facts, servers=[])
