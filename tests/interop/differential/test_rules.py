"""Every declared difference is shown by an example and stands where one can read of it; golden sequences (§10.4–5)."""

from __future__ import annotations

import re
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from onebeat.scheduler.entry import entry
from onebeat.scheduler.scheduler import Scheduler
from onebeat.scheduler.triggers import Every
from onebeat.task import Task
from onebeat.wire.records import EntryRecord, ServerRecord, WorkerRecord
from tests.conftest import NOON
from tests.interop.differential.cases import Rule
from tests.interop.differential.pair import Pair
from tests.interop.differential.table import RULES

pytestmark = pytest.mark.interop

DOCS = Path(__file__).parents[3] / "docs"
PAGE = DOCS / "compatibility.md"
SOURCE = DOCS.parent / "src/onebeat"


def enqueue(pair: Pair, task_id: str = "a", **options: Any) -> Any:
    """Enqueue a task of type t in queue q."""
    return pair.do("enqueue", type="t", payload=b"x", options={"queue": "q", "task_id": task_id, **options})


def on(pair: Pair, do: str, task_id: str = "a", **more: Any) -> Any:
    return pair.do(do, queue="q", id=task_id, **more)


def in_queue(pair: Pair, do: str, **more: Any) -> Any:
    return pair.do(do, queue="q", **more)


def take(pair: Pair, task_id: str = "a", **options: Any) -> None:
    """Enqueue a task and have it taken."""
    enqueue(pair, task_id, **options)
    assert task_id == in_queue(pair, "dequeue")


def under_upkeep(pair: Pair, seconds: float) -> None:
    """Let time pass in steps in which recovery does not hold back."""
    in_queue(pair, "upkeep")
    while seconds > 0:
        pair.tick(min(5, seconds))
        in_queue(pair, "upkeep")
        seconds -= 5


def crash(pair: Pair, task_id: str = "a") -> None:
    """Have a task's server die, and the task be recovered."""
    assert task_id == in_queue(pair, "dequeue")
    under_upkeep(pair, 36)


# ---------------------------------------------------------------- one example for each rule


def ceil_scores(pair: Pair) -> None:
    pair.tick(0.25)
    take(pair)


def due_to_the_millisecond(pair: Pair) -> None:
    pair.tick(0.25)
    enqueue(pair, process_in=10)
    pair.tick(10.25)
    in_queue(pair, "upkeep")


def exact_time_shown(pair: Pair) -> None:
    enqueue(pair, process_in=10.5)
    on(pair, "info")


def conflict_leaves_no_lock(pair: Pair) -> None:
    enqueue(pair)
    assert "refused: conflict" == enqueue(pair, unique=60)


def timeout_rounded_up(pair: Pair) -> None:
    enqueue(pair, timeout=1.5)


def retention_rounded_up(pair: Pair) -> None:
    enqueue(pair, retention=2.5)


def lock_to_the_millisecond(pair: Pair) -> None:
    enqueue(pair, unique=2.5)


def pending_since_when_put_back(pair: Pair) -> None:
    take(pair)
    on(pair, "requeue")


def cancelled_ends_in_archive(pair: Pair) -> None:
    take(pair, unique=60)
    on(pair, "cancel")
    on(pair, "fail", kind="plain", error="stopped")


def lapsed_lease_still_counts(pair: Pair) -> None:
    take(pair)
    pair.tick(31)
    assert "applied" == on(pair, "succeed", result=b"")


def late_success_counts(pair: Pair) -> None:
    enqueue(pair, unique=600, retention=60)
    crash(pair)
    assert "applied" == on(pair, "succeed", result=b"done")


def sleeper_takes_its_task_back(pair: Pair) -> None:
    enqueue(pair)
    crash(pair)
    assert "ok" == on(pair, "extend")


def recovery_to_pending(pair: Pair) -> None:
    enqueue(pair)
    crash(pair)


def crashes_have_their_own_count(pair: Pair) -> None:
    enqueue(pair)
    crash(pair)
    crash(pair)
    under_upkeep(pair, 20)
    crash(pair)
    assert ["a"] == pair.ids("q", "archived")


def recovery_holds_back(pair: Pair) -> None:
    take(pair, max_retry=0)
    pair.tick(61)
    in_queue(pair, "upkeep")
    assert ["a"] == pair.ids("q", "active")


def forwarded_by_due_time(pair: Pair) -> None:
    take(pair)
    on(pair, "fail", kind="plain", error="later")
    enqueue(pair, "b", process_in=30)
    pair.tick(30)
    in_queue(pair, "upkeep")


def run_resets_retried(pair: Pair) -> None:
    take(pair)
    on(pair, "fail", kind="plain", error="once")
    on(pair, "run")
    in_queue(pair, "dequeue")
    on(pair, "fail", kind="skip", error="twice")
    on(pair, "run")


def archived_waits_no_more(pair: Pair) -> None:
    enqueue(pair)
    on(pair, "archive")


def delete_frees_the_lock(pair: Pair) -> None:
    enqueue(pair, unique=60)
    assert 1 == in_queue(pair, "delete_all", state="pending")


def lock_goes_along_with_the_payload(pair: Pair) -> None:
    enqueue(pair, unique=60, process_in=60)
    pair.tick(1)
    on(pair, "update", payload=b"y")


def payload_of_another_is_refused(pair: Pair) -> None:
    enqueue(pair, unique=60, process_in=60)
    pair.do("enqueue", type="t", payload=b"y", options={"queue": "q", "task_id": "b", "unique": 60})
    on(pair, "update", payload=b"y")


def removal_is_complete(pair: Pair) -> None:
    take(pair, unique=60)
    on(pair, "fail", kind="plain", error="no")
    in_queue(pair, "pause")
    in_queue(pair, "remove", force=True)


def removal_looks_at_all_tasks(pair: Pair) -> None:
    take(pair, retention=60)
    on(pair, "succeed", result=b"")
    in_queue(pair, "remove", force=False)


def queue_is_listed_again(pair: Pair) -> None:
    enqueue(pair)
    in_queue(pair, "remove", force=True)
    pair.tick(61)
    enqueue(pair)


def schedules_soonest_first(pair: Pair) -> None:
    enqueue(pair)
    task = Task("report", b"x", queue="q")
    schedules = [entry("often", Every(60), task, {}), entry("seldom", Every(90), task, {"max_retry": 3})]
    scheduler = Scheduler(entries=schedules)
    pair.ours.wait(scheduler.declare(pair.ours.async_store))
    shown = [
        EntryRecord(id="{q}:often", spec="@every 1m0s", task_type="report", task_payload=b"x",
                    next_enqueue_time=1_900_000_020 * 10**9, enqueue_options=['Queue("q")']),
        EntryRecord(id="{q}:seldom", spec="@every 1m30s", task_type="report", task_payload=b"x",
                    next_enqueue_time=1_900_000_080 * 10**9, enqueue_options=['Queue("q")', "MaxRetry(3)"]),
    ]  # fmt: skip
    in_queue(pair, "entries", scheduler=scheduler, entries=shown)
    pair.tick(20)
    more = {"schedule": "often", "tick": 1_900_000_020_000, "type": "report", "payload": b"x"}
    assert "pending" == in_queue(pair, "fire", **more)
    assert 2 == len(pair.ids("q"))


LIMITS = {"grace": 10, "max_delay": 0, "max_size": 0}


def stage(pair: Pair) -> tuple[str, str]:
    """Have what waits in the only group be staged; return the group and the id of the set."""
    pair.tick(10)
    in_queue(pair, "stage", **LIMITS)
    [(_, group, set_id)] = pair.sets()
    return group, set_id


def combine(pair: Pair, group: str, set_id: str) -> Any:
    order = {"type": "all", "payload": b"them", "options": {"queue": "q", "task_id": "combined"}}
    return in_queue(pair, "combine", group=group, set_id=set_id, **order)


def delayed_task_knows_its_group(pair: Pair) -> None:
    enqueue(pair, group="g", process_in=10)


def group_is_listed_when_joined(pair: Pair) -> None:
    enqueue(pair, group="g")
    stage(pair)
    under_upkeep(pair, 36)


def empty_group_is_not_listed(pair: Pair) -> None:
    enqueue(pair, group="g", process_in=10)
    in_queue(pair, "stage", **LIMITS)


def announced_group_stays_listed(pair: Pair) -> None:
    enqueue(pair, group="g", process_in=10)
    in_queue(pair, "delete_all", state="aggregating", group="g")


def group_task_records_its_lock(pair: Pair) -> None:
    enqueue(pair, group="g", unique=60)


def run_leaves_the_group(pair: Pair) -> None:
    enqueue(pair, group="g")
    on(pair, "run")


def staged_task_can_be_steered(pair: Pair) -> None:
    enqueue(pair, group="g")
    stage(pair)
    on(pair, "archive")


def members_free_their_locks(pair: Pair) -> None:
    enqueue(pair, group="g", unique=60)
    enqueue(pair, "b", group="g")
    assert "aggregated" == combine(pair, *stage(pair))
    assert ["combined"] == pair.ids("q")


def set_is_kept_while_its_server_lives(pair: Pair) -> None:
    enqueue(pair, group="g")
    stage(pair)
    pair.tick(5)
    in_queue(pair, "stage", **LIMITS)


def set_of_a_dead_server_goes_back(pair: Pair) -> None:
    enqueue(pair, group="g")
    stage(pair)
    under_upkeep(pair, 36)
    assert [] == pair.sets()


def reclaim_holds_back(pair: Pair) -> None:
    enqueue(pair, group="g")
    stage(pair)
    pair.tick(121)
    in_queue(pair, "upkeep")


def group_rests_after_a_failure(pair: Pair) -> None:
    enqueue(pair, group="g")
    stage(pair)
    under_upkeep(pair, 31)
    in_queue(pair, "stage", **LIMITS)


@pytest.mark.parametrize("name", [rule.name for rule in RULES])
def test_a_declared_difference_is_met(name: str, pair: Pair) -> None:
    """The example of its name shows it; a rule that claims nothing any more is stale."""
    pair.used = Counter()
    globals()[name](pair)
    assert name in pair.used or pair.has_stalled


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_a_rule_cites_what_declares_it(rule: Rule) -> None:
    """A row of the page on compatibility, one of its sharp edges among them, or a decision."""
    page = PAGE.read_text(encoding="utf-8")
    rows = re.findall(r"^\| ([^|]+?) \|", page, re.MULTILINE)
    decisions = [f"decision {path.name[:4]}" for path in (DOCS / "decisions").glob("[0-9]*.md")]
    assert rule.cites in {*rows, *decisions}, f"{rule.name} cites {rule.cites}, which declares nothing"


# ---------------------------------------------------------------- golden sequences


def fact(pair: Pair, key: str, part: str = "") -> Any:
    return pair.state.get((key, part))


def test_golden_sequence_a(pair: Pair) -> None:
    """§10.4 by both sides: a unique task fails, is retried, completes, and is deleted when its time is over."""
    root = "asynq:{default}:"
    task, lock = f"{root}t:job-1", f"{root}unique:t:9dd4e461268c8034f5c8564e155c67a6"
    one: dict[str, Any] = {"queue": "default", "id": "job-1"}
    options = {"queue": "default", "task_id": "job-1", "retention": 3600, "unique": 3600}
    pair.do("enqueue", type="t", payload=b"x", options=options)
    assert (("job-1",), "job-1") == (fact(pair, f"{root}pending"), fact(pair, lock))
    assert (NOON + 3600) * 1000 == fact(pair, lock, "ends") or pair.has_stalled
    pair.tick(5)
    pair.do("dequeue", queue="default")
    assert (NOON + 35, None) == (fact(pair, f"{root}lease", "job-1"), fact(pair, task, "pending_since"))
    pair.tick(5)
    pair.do("extend", **one)
    assert NOON + 40 == fact(pair, f"{root}lease", "job-1")
    pair.tick(2)
    pair.do("fail", **one, kind="plain", error="boom")
    assert (NOON + 32, "boom") == (fact(pair, f"{root}retry", "job-1"), fact(pair, task, "msg.error_msg"))
    assert (NOON + 12 + 7_776_000, "1") == (
        fact(pair, f"{root}failed:2030-03-17", "ends"), fact(pair, f"{root}failed")
    )  # fmt: skip
    assert "job-1" == fact(pair, lock)
    pair.tick(20)
    pair.do("upkeep", queue="default")
    assert f"{NOON + 32}000000000" == fact(pair, task, "pending_since")
    pair.tick(8)
    pair.do("dequeue", queue="default")
    pair.do("succeed", **one, result=b"ok")
    assert (NOON + 3640, "ok") == (fact(pair, f"{root}completed", "job-1"), fact(pair, task, "result"))
    assert (None, "boom", "2") == (
        fact(pair, lock), fact(pair, task, "msg.error_msg"), fact(pair, f"{root}processed")
    )  # fmt: skip
    pair.tick(3600)
    pair.do("upkeep", queue="default")
    assert [] == pair.ids("default")


def test_golden_group_of_sequence_b(pair: Pair) -> None:
    """§10.5 by both sides: a task joins its group."""
    pair.do("enqueue", type="t", payload=b"x", options={"queue": "low", "task_id": "g-1", "group": "grp"})
    task = "asynq:{low}:t:g-1"
    assert (NOON, True) == (fact(pair, "asynq:{low}:g:grp", "g-1"), fact(pair, "asynq:{low}:groups", "grp"))
    assert ("aggregating", "grp", "grp") == tuple(
        fact(pair, task, part) for part in ("state", "group", "msg.group_key")
    )


def test_golden_pause_of_sequence_b(pair: Pair) -> None:
    """§10.5 by both sides: a paused queue says since when, and gives nothing out."""
    pair.do("enqueue", type="t", payload=b"x", options={"queue": "low", "task_id": "a"})
    pair.do("pause", queue="low")
    assert str(NOON) == fact(pair, "asynq:{low}:paused")
    assert pair.do("dequeue", queue="low") is None


def test_golden_archive_of_sequence_b(pair: Pair) -> None:
    """§10.5 by both sides: a task without retries fails, and stays for a human."""
    pair.do("enqueue", type="t", payload=b"", options={"queue": "low", "task_id": "a-1", "max_retry": 0})
    pair.do("dequeue", queue="low")
    pair.do("fail", queue="low", id="a-1", kind="plain", error="dead")
    task = "asynq:{low}:t:a-1"
    assert NOON == fact(pair, "asynq:{low}:archived", "a-1")
    assert ("dead", NOON, "archived") == tuple(
        fact(pair, task, part) for part in ("msg.error_msg", "msg.last_failed_at", "state")
    )
    counters = ("processed", "failed", "processed:2030-03-17", "failed:2030-03-17")
    assert ["1"] * 4 == [fact(pair, f"asynq:{{low}}:{name}") for name in counters]


SERVER = ServerRecord(
    host="web-1", pid=42, server_id="6f1c6b0a-0000-4000-8000-000000000001", concurrency=10, queues={"default": 1},
    start_time=NOON * 10**9 + 123_456_789, active_worker_count=1,
)  # fmt: skip
WORKER = WorkerRecord(
    host="web-1", pid=42, server_id=SERVER.server_id, task_id="job-1", task_type="t", task_payload=b"{}",
    queue="default", start_time=NOON * 10**9, deadline=(NOON + 1800) * 10**9,
)  # fmt: skip


def test_golden_server_of_sequence_b(pair: Pair) -> None:
    """§10.5 by both sides: a server and what it runs are listed for ten seconds, and struck off at its end."""
    shown = {"server": (SERVER, [WORKER]), "queue": "default"}
    pair.do("show", **shown)
    listed = [key for key, _ in pair.state if key.startswith(("asynq:servers", "asynq:workers"))]
    assert 6 == len(listed)
    pair.do("show", server=(replace(SERVER, active_worker_count=0), []), queue="default")
    pair.do("show", **shown)
    pair.do("hide", **shown)
    assert not pair.state
