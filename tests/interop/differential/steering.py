"""What operators do otherwise than under asynq: the rules of it. See `rules`."""

from __future__ import annotations

from hashlib import md5

from tests.interop.differential.cases import ANSWER, Case, Difference, rule

RUNS = ("run", "run_all")


def is_lock(case: Case, it: Difference) -> bool:
    """Whether this is a unique lock of the queue that was a task's own, or when it ends."""
    return it.key.startswith(case.key("unique:"))


def of_a_task(case: Case, it: Difference) -> str | None:
    """Say of which task this is a field, if of any."""
    return it.key.removeprefix(case.key("t:")) if it.key.startswith(case.key("t:")) else None


@rule("SE-40")
def pending_since_when_put_back(case: Case, it: Difference) -> bool:
    """Whatever makes a task pending notes since when it waits."""
    if case.do not in ("requeue", *RUNS) or it.part != "pending_since":
        return False
    return of_a_task(case, it) is not None and bool(it.ours == f"{case.now_us}000")


@rule("SE-40")
def archived_waits_no_more(case: Case, it: Difference) -> bool:
    """What is archived while it was pending has no time since when it waits, which would be a lie when it is run."""
    archives = case.do in ("archive", "archive_all")
    return archives and it.part == "pending_since" and it.ours is None and of_a_task(case, it) is not None


@rule('"run" of an archived task')
def run_resets_retried(case: Case, it: Difference) -> bool:
    """A task that had ended has all its retries again."""
    task_id = of_a_task(case, it)
    if case.do not in RUNS or it.part != "msg.retried" or task_id is None:
        return False
    return case.state(task_id) in ("archived", "completed") and bool(it.ours == 0)


@rule("SE-11")
def delete_frees_the_lock(case: Case, it: Difference) -> bool:
    """Whatever deletes a task frees its lock, also all pending tasks at once."""
    if case.do not in ("delete", "delete_all", "cancel") or not is_lock(case, it) or it.ours is not None:
        return False
    holder = case.before.get((it.key, ""))
    return holder is not None and case.state(holder) is not None and (case.task(holder), "state") not in case.ours


@rule("SE-12")
def lock_goes_along_with_the_payload(case: Case, it: Difference) -> bool:
    """A task whose payload is changed holds the lock of the new one, for as long as it held the other."""
    if case.do != "update" or case.answers[1] != "ok":
        return False
    old = case.old(f"t:{case.id}", "msg.unique_key")
    payload = case.order["payload"]
    digest = md5(payload, usedforsecurity=False).hexdigest() if payload else ""
    new = f"{case.key('unique:')}{case.old(f't:{case.id}', 'msg.type')}:{digest}"
    if it.part in ("msg.unique_key", "unique_key"):
        return bool(old) and bool(it.ours == new)
    if not old or not is_lock(case, it) or case.before.get((old, "")) != case.id:
        return False
    return (it.key == old and it.ours is None) or bool(it.key == new and it.ours == case.before.get((old, it.part)))


@rule("SE-12")
def payload_of_another_is_refused(case: Case, it: Difference) -> bool:
    """A payload that another task is unique for is refused, and nothing is changed."""
    if case.do != "update" or case.answers[1] != "refused: duplicate":
        return False
    return it.key == ANSWER or bool(it.key == case.task() and it.ours == case.before.get((it.key, it.part)))


@rule("SE-08")
def removal_is_complete(case: Case, it: Difference) -> bool:
    """A removed queue leaves nothing behind."""
    return case.do == "remove" and case.answers[1] == "ok" and it.key.startswith(case.key("")) and it.ours is None


@rule("SE-08")
def removal_looks_at_all_tasks(case: Case, it: Difference) -> bool:
    """A queue that holds completed or aggregating tasks is not empty."""
    if case.do != "remove" or case.order["force"] or case.answers != ("ok", "refused: not empty"):
        return False
    return it.key == ANSWER or bool(it.ours == case.before.get((it.key, it.part)))


@rule("SE-07")
def queue_is_listed_again(case: Case, it: Difference) -> bool:
    """A client lists a queue again once a minute, as somebody may have removed it."""
    return case.do == "enqueue" and (it.key, it.part) == ("asynq:queues", case.queue) and it.ours is True
