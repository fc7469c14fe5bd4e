"""
The differences that are declared, one rule each: what is claimed by none of them is a fault.

A rule looks at one differing fact in the light of the operation and of the state before it, which both sides shared,
and claims it only if our value is the one that was promised. `cites` is the row of docs/compatibility.md, or the
sharp edge of the protocol, that declares it.
"""

from __future__ import annotations

import math
from typing import Any

from tests.interop.differential.cases import ANSWER, Case, Difference, rule
from tests.interop.differential.go_side import DELAY_S
from tests.interop.differential.our_side import LEASE_S, MAX_CRASHES

# ---------------------------------------------------------------- instants


@rule("due times")
def ceil_scores(case: Case, it: Difference) -> bool:
    """A score that falls between two seconds is the later one."""
    exact = {
        "lease": case.now_us + LEASE_S * 1_000_000,
        "retry": case.now_us + DELAY_S * 1_000_000,
        "scheduled": case.due_us(),
    }.get(it.key.rpartition(":")[2])
    if exact is None or (it.part != case.id and case.do != "dequeue"):
        return False
    return (it.go, it.ours) == (exact // 1_000_000, -(-exact // 1_000_000))


@rule("due times")
def due_to_the_millisecond(case: Case, it: Difference) -> bool:
    """What is due within this second is forwarded in it, not at its end."""
    early = [i for i in case.forwarded() if case.exact(i) > case.now_s * 1000] if case.has_upkeep else []
    if it.key == case.key("pending"):
        return bool(early) and it.ours == pending_after_upkeep(case)
    if it.part in early and it.key in (case.key("scheduled"), case.key("retry")):
        return it.ours is None
    joined = {i: case.key(f"g:{case.group(i)}") for i in early if case.group(i)}
    if it.part in joined and it.key == joined[it.part]:
        return bool(it.ours == case.now_s)
    promised = {"state": "pending", "pending_since": f"{case.now_us}000"}
    if it.key.removeprefix(case.key("t:")) in joined:
        promised = {"state": "aggregating"}
    return it.key in map(case.task, early) and it.ours == promised.get(it.part)


@rule("due times")
def exact_time_shown(case: Case, it: Difference) -> bool:
    """The inspector shows when a task is due, not the second after."""
    if case.do != "info" or it.key != ANSWER or not isinstance(it.ours, list):
        return False
    shown = [index for index, (go, ours) in enumerate(zip(it.go, it.ours, strict=True)) if go != ours]
    return shown == [10] and it.ours[10] == case.exact(case.id) // 1000 == it.go[10] - 1


# ---------------------------------------------------------------- enqueueing


@rule("ids and locks")
def conflict_leaves_no_lock(case: Case, it: Difference) -> bool:
    """An id is checked before the lock, which a conflict then does not take (SE-06)."""
    if case.do != "enqueue" or case.answers[1] != "refused: conflict" or case.state() is None:
        return False
    return it.key == ANSWER or (":unique:" in it.key and it.ours == case.before.get((it.key, it.part)))


@rule("timeouts under a second")
def timeout_rounded_up(case: Case, it: Difference) -> bool:
    """A timeout with a fraction is the next whole second on the wire, never none."""
    given = case.option("timeout") or 0
    return it.part == "msg.timeout" and (it.go, it.ours) == (math.floor(given), math.ceil(given))


@rule("SE-37")
def retention_rounded_up(case: Case, it: Difference) -> bool:
    """A retention with a fraction is the next whole second."""
    given = case.option("retention") or 0
    return it.part == "msg.retention" and (it.go, it.ours) == (math.floor(given), math.ceil(given))


@rule("SE-37")
def lock_to_the_millisecond(case: Case, it: Difference) -> bool:
    """A lock lasts as long as was asked for, with its fraction of a second."""
    if case.do != "enqueue" or ":unique:" not in it.key or it.part != "ends" or None in (it.go, it.ours):
        return False
    promised = -(-case.due_us() // 1000) + round(case.option("unique") * 1000)
    return it.ours - promised in range(500) and 0 < it.ours - it.go <= 1000


# ---------------------------------------------------------------- running


@rule("cancelling a running task")
def cancelled_ends_in_archive(case: Case, it: Difference) -> bool:
    """A task that was cancelled while it ran is archived instead of retried or put back, and its lock is free."""
    if case.do not in ("fail", "requeue") or (case.task(), "ob_cancel") not in case.private_before:
        return False
    name = it.key.removeprefix(case.key(""))
    if name.startswith(("processed", "failed")) and it.part == "":
        return int(it.ours) == int(case.before.get((it.key, ""), 0)) + 1
    promised = {
        ("archived", case.id): case.now_s,
        (f"t:{case.id}", "state"): "archived",
        (f"t:{case.id}", "msg.error_msg"): "cancelled",
        (f"t:{case.id}", "msg.last_failed_at"): case.now_s,
        (f"t:{case.id}", "msg.retried"): case.old(f"t:{case.id}", "msg.retried"),
        ("retry", case.id): None,
        (f"t:{case.id}", "pending_since"): None,
        ("pending", ""): case.old("pending"),
    }
    if it.key == case.old(f"t:{case.id}", "msg.unique_key") or it.part == "ends":
        return it.ours is None or name.startswith(("processed:", "failed:"))
    return (name, it.part) in promised and it.ours == promised[name, it.part]


@rule("decision 0009")
def lapsed_lease_still_counts(case: Case, it: Difference) -> bool:
    """Who overslept its lease may still write, as long as nobody recovered the task: exactly what it would have."""
    return False  # noted by Pair, which has asynq write as if its lease were good and compares everything


@rule("decision 0009")
def late_success_counts(case: Case, it: Difference) -> bool:
    """A success that comes after the recovery still counts, as long as nobody has begun the task again."""
    if case.do != "succeed" or case.state() != "pending" or case.answers[1] != "applied":
        return False
    name = it.key.removeprefix(case.key(""))
    if name == "pending":
        return bool(it.ours == without(case.old("pending"), {case.id}))
    if name.startswith("processed") and it.part == "":
        return int(it.ours) == int(case.before.get((it.key, ""), 0)) + 1
    own = it.key == case.task() or it.key == case.old(f"t:{case.id}", "msg.unique_key")
    return own or it.key == ANSWER or name.startswith("processed:") or (name, it.part) == ("completed", case.id)


@rule("decision 0009")
def sleeper_takes_its_task_back(case: Case, it: Difference) -> bool:
    """Who only slept takes a recovered task back with its next extension, as long as nobody has begun it."""
    if case.do != "extend" or case.state() != "pending" or case.answers[1] != "ok":
        return False
    name = it.key.removeprefix(case.key(""))
    promised = {
        ("pending", ""): without(case.old("pending"), {case.id}),
        ("active", ""): (case.id, *(case.old("active") or ())),
        ("lease", case.id): math.ceil(case.now_us / 1_000_000) + LEASE_S,
        (f"t:{case.id}", "state"): "active",
        (f"t:{case.id}", "pending_since"): None,
    }
    return (name, it.part) in promised and it.ours == promised[name, it.part]


# ---------------------------------------------------------------- upkeep


def without(ids: tuple[str, ...] | None, gone: set[str]) -> tuple[str, ...] | None:
    """Take ids out of a list; a list without any is none."""
    return tuple(i for i in ids or () if i not in gone) or None


def pending_after_upkeep(case: Case) -> tuple[str, ...] | None:
    """Say how the queue must stand: what is due joined by its time, what was recovered is at the front."""
    front = [i for i in case.recovered() if case.new(f"t:{i}", "state") == "pending"]
    due = [i for i in case.forwarded() if not case.group(i)]
    return (*reversed(due), *(case.old("pending") or ()), *front) or None


@rule("who recovers Go's tasks")
def recovery_to_pending(case: Case, it: Difference) -> bool:
    """A task whose lease lapsed is pending at once, at the front, its retries and the counters untouched."""
    ids = case.recovered()
    name = it.key.removeprefix(case.key(""))
    if not ids:
        return False
    if name in ("pending", "active"):
        return bool(
            it.ours == (pending_after_upkeep(case) if name == "pending" else without(case.old("active"), set(ids)))
        )
    if name.startswith(("processed", "failed")):
        return it.ours == case.before.get((it.key, it.part)) and not _archived(case)
    task_id = it.part if it.part in ids else name.removeprefix("t:")
    if task_id not in ids or case.new(f"t:{task_id}", "state") != "pending":
        return False
    if name in ("lease", "retry", "archived"):
        return it.ours is None
    promised = {"state": "pending", "pending_since": f"{case.now_us}000"}
    return bool(it.ours == promised.get(it.part, case.before.get((it.key, it.part))))


@rule("a killed server's task")
def crashes_have_their_own_count(case: Case, it: Difference) -> bool:
    """From its second crash on a task waits, and in the end it is archived, by a count that is not `retried`."""
    ids = [i for i in case.recovered() if case.new(f"t:{i}", "state") != "pending"]
    name = it.key.removeprefix(case.key(""))
    if name.startswith(("processed", "failed")) and it.part == "":
        return int(it.ours or 0) == int(case.before.get((it.key, ""), 0)) + len(_archived(case))
    if name.startswith(("processed:", "failed:")):
        return bool(_archived(case))
    task_id = it.part if it.part in ids else name.removeprefix("t:")
    if task_id not in ids:
        return False
    archived = task_id in _archived(case)
    if name in ("lease", "pending", "active"):
        return it.ours is None
    if name == "retry":
        return (it.ours is None) if archived else it.ours > case.now_s
    if name == "archived":
        return bool(it.ours == (case.now_s if archived else None))
    promised: dict[str, Any] = {"state": "archived" if archived else "retry"}
    if archived:
        marked = (case.task(task_id), "ob_cancel") in case.private_before
        reason = "cancelled" if marked else f"crashed {MAX_CRASHES} times"
        promised |= {"msg.error_msg": reason, "msg.last_failed_at": case.now_s}
    return bool(it.ours == promised.get(it.part, case.before.get((it.key, it.part))))


@rule("a killed server's task")
def recovery_holds_back(case: Case, it: Difference) -> bool:
    """After an outage nothing is recovered for five seconds, so that whoever lives can say so first."""
    until = case.private.get((f"onebeat:{{{case.queue}}}:beat", "hold_until"), 0)
    if not case.has_upkeep or int(until) <= case.now_ms:
        return False
    lapsed = [i for i in case.ids_in("lease") if case.old("lease", i) <= case.now_s - 30]
    name = it.key.removeprefix(case.key(""))
    concerns = (
        it.part in lapsed or name.removeprefix("t:") in lapsed or name.startswith(("active", "processed", "failed"))
    )
    return bool(lapsed) and concerns and it.ours == case.before.get((it.key, it.part))


def _archived(case: Case) -> list[str]:
    return [i for i in case.recovered() if case.new(f"t:{i}", "state") == "archived"]


@rule("due times")
def forwarded_by_due_time(case: Case, it: Difference) -> bool:
    """What is due at once joins the queue by its time, not first all of `scheduled` and then all of `retry`."""
    return case.has_upkeep and it.key == case.key("pending") and it.ours == pending_after_upkeep(case)


# ---------------------------------------------------------------- what is shown


@rule("the same schedule on N servers")
def schedules_soonest_first(case: Case, it: Difference) -> bool:
    """The list of schedules begins with the one that fires next; asynq's ends with it."""
    is_list = case.do == "entries" and it.key == f"asynq:schedulers:{{{case.queue}}}" and it.part == ""
    return (
        is_list and it.ours == tuple(reversed(it.go)) and it.ours[0].next_enqueue_time < it.ours[-1].next_enqueue_time
    )
