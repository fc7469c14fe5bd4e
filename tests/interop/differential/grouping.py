"""What groups and their aggregation do otherwise than under asynq: the rules of it. See `rules`."""

from __future__ import annotations

from tests.interop.differential.cases import ON_ONE, Case, Difference, rule
from tests.interop.differential.steering import RUNS, is_lock, of_a_task


def sets(case: Case) -> dict[str, float]:
    """List the aggregation sets there were, and until when."""
    index = case.key("aggregation_sets")
    return {part: score for (key, part), score in case.before.items() if key == index}


def members(case: Case, set_key: str) -> list[str]:
    return [part for key, part in case.before if key == set_key]


@rule("SE-02")
def delayed_task_knows_its_group(case: Case, it: Difference) -> bool:
    """A delayed task has its group in its record, and the group is listed, so that any server finds it when due."""
    group = case.option("group")
    if case.do not in ("enqueue", "combine") or not group or case.new(f"t:{case.id}", "state") != "scheduled":
        return False
    is_listed = (it.key, it.part) == (case.key("groups"), group) and it.ours is True
    return is_listed or ((it.key, it.part) == (case.task(), "group") and bool(it.ours == group))


@rule("SE-11")
def group_task_records_its_lock(case: Case, it: Difference) -> bool:
    """A task of a group has its lock in its record like any other."""
    if case.do != "enqueue" or (it.key, it.part) != (case.task(), "unique_key"):
        return False
    return case.option("group") is not None and bool(it.ours == case.new(f"t:{case.id}", "msg.unique_key"))


@rule("SE-03")
def group_is_listed_when_joined(case: Case, it: Difference) -> bool:
    """A group that a delayed task joins, or that a set returns to, is listed."""
    return case.has_upkeep and it.key == case.key("groups") and it.ours is True and it.go is None


@rule("SE-03")
def empty_group_is_not_listed(case: Case, it: Difference) -> bool:
    """A group that was listed before its first task is due is listed no longer once a server finds it empty."""
    is_it = case.has_upkeep and it.key == case.key("groups") and it.ours is None
    return is_it and not any(key == case.key(f"g:{it.part}") for key, _ in case.ours)


@rule("SE-02")
def announced_group_stays_listed(case: Case, it: Difference) -> bool:
    """Where a group is listed and has no members yet, there is nothing to be done to all of them, and it stays so."""
    is_it = case.do.endswith("_all") and (it.key, it.part) == (case.key("groups"), case.order.get("group"))
    return is_it and it.ours is True and not members(case, case.key(f"g:{it.part}"))


@rule("SE-22")
def run_leaves_the_group(case: Case, it: Difference) -> bool:
    """A task that is run by hand leaves its group for good."""
    return case.do in RUNS and it.part == "group" and it.ours is None and of_a_task(case, it) is not None


@rule("SE-65")
def staged_task_can_be_steered(case: Case, it: Difference) -> bool:
    """A task that is being aggregated can be run, archived and deleted all the same."""
    staged = [key for key in sets(case) if case.id in members(case, key)] if case.do in ON_ONE else []
    if not staged or case.answers[1] != "ok" or not str(case.answers[0]).startswith("refused"):
        return False
    return it.ours is None or it.key in ("the answer", case.task(), *map(case.key, ("pending", "archived")))


@rule("SE-11")
def members_free_their_locks(case: Case, it: Difference) -> bool:
    """The locks of tasks that have become one are free."""
    if case.do != "combine" or not is_lock(case, it) or it.ours is not None:
        return False
    holder = case.before.get((it.key, ""))
    return holder in members(case, f"{case.key('g:')}{case.order['group']}:{case.order['set_id']}")


@rule("SE-21")
def set_is_kept_while_its_server_lives(case: Case, it: Difference) -> bool:
    """However long aggregation takes, nobody else takes a set from a server that lives."""
    kept = case.do == "stage" and it.key == case.key("aggregation_sets") and it.part in sets(case)
    return kept and bool(it.ours == case.now_s + 120)


def gone(case: Case) -> list[str]:
    """List the sets whose server did not show up in time."""
    records = {key: str(case.private_before.get((f"onebeat:{{{case.queue}}}:sets", key), "")) for key in sets(case)}
    late = [key for key, text in records.items() if text and int(text.split()[0]) < case.now_ms]
    return [key for key in late if (case.key("aggregation_sets"), key) not in case.ours]


@rule("SE-21")
def set_of_a_dead_server_goes_back(case: Case, it: Difference) -> bool:
    """A set whose server is gone returns to its group when its lease lapses, not two minutes after."""
    for set_key in gone(case) if case.has_upkeep else []:
        group = set_key.rpartition(":")[0]
        if it.key == set_key or (it.key, it.part) == (case.key("aggregation_sets"), set_key):
            return it.ours is None
        if it.key == group and it.part in members(case, set_key):
            return bool(it.ours == case.before[set_key, it.part])
    return False


@rule("SE-21")
def reclaim_holds_back(case: Case, it: Difference) -> bool:
    """After an outage no set is returned for five seconds, so that its server can speak first."""
    until = case.private.get((f"onebeat:{{{case.queue}}}:beat", "hold_until"), 0)
    if not case.has_upkeep or int(until) <= case.now_ms:
        return False
    past = [key for key, score in sets(case).items() if score <= case.now_s]
    tasks = {task_id for key in past for task_id in members(case, key)}
    concerns = it.key in past or it.part in past or it.part in tasks
    return concerns and bool(it.ours == case.before.get((it.key, it.part)))


@rule("SE-21")
def group_rests_after_a_failure(case: Case, it: Difference) -> bool:
    """A group whose aggregation failed, as when its server died, is not staged again at once."""
    if case.do != "stage":
        return False
    root = f"onebeat:{{{case.queue}}}:joined"
    resting = [part for (key, part), text in case.private.items() if key == root and int(text.split()[3]) > case.now_ms]
    keys = [case.key(f"g:{group}") for group in resting]
    if it.key == case.key("groups") and it.part in resting:
        return it.ours is True
    if any(it.key == key or it.part.startswith(f"{key}:") or it.key.startswith(f"{key}:") for key in keys):
        return it.go is None or it.ours is not None or it.key not in keys
    return False
