"""Random sequences of everything that can be done to a queue, for both sides."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any, ClassVar

from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, precondition, rule

from tests.interop.differential.pair import Pair

QUEUES = st.sampled_from(["q", "q", "q", "r"])
POOL = st.sampled_from("abcdef")
KINDS = st.sampled_from(["plain", "plain", "soft", "skip", "revoke"])
BULKS = [
    *(("run_all", state) for state in ("scheduled", "retry", "archived")),
    *(("archive_all", state) for state in ("pending", "scheduled", "retry")),
    *(("delete_all", state) for state in ("pending", "scheduled", "retry", "archived", "completed")),
]
GROUPS = st.sampled_from(["g", "g:h"])
WHICH = st.integers(0, 5)
STATES = ("pending", "active", "scheduled", "retry", "archived", "completed")
ON_ONE = ("info", "run", "run", "cancel", "archive", "delete")


class Machine(RuleBasedStateMachine):
    """Two databases, and whatever may be done to them."""

    pair: ClassVar[Pair]

    def __init__(self) -> None:
        super().__init__()
        self.pair.begin()
        self.has_fractions = False
        self.limits: dict[str, int] = {}

    def tasks(self, *states: str) -> list[dict[str, str]]:
        """List the tasks that are in one of these states."""
        return [{"queue": queue, "id": task_id} for queue in "qr" for task_id in self.pair.ids(queue, *states)]

    def one(self, which: int, *states: str) -> dict[str, str]:
        """Choose a task by number."""
        tasks = self.tasks(*states)
        return tasks[which % len(tasks)]

    # -------------------------------------------------------------- time

    @initialize(
        has_fractions=st.sampled_from([False, False, False, True]),
        limits=st.fixed_dictionaries(
            {
                "grace": st.sampled_from([1, 10]),
                "max_delay": st.sampled_from([0, 5]),
                "max_size": st.sampled_from([0, 1, 2]),
            }
        ),
    )
    def begin(self, has_fractions: bool, limits: dict[str, int]) -> None:
        """Most sequences know whole seconds only: then asynq's scores and ours are the same."""
        self.has_fractions, self.limits = has_fractions, limits
        self.pair.do("upkeep", queue="q")

    @precondition(lambda self: self.tasks())
    @rule(seconds=st.sampled_from([1, 3, 10, 30, 61, 86_400]))
    def time_passes(self, seconds: int) -> None:
        self.pair.tick(seconds)

    @precondition(lambda self: self.has_fractions)
    @rule(seconds=st.sampled_from([0.25, 0.5, 1.75]))
    def a_moment_passes(self, seconds: float) -> None:
        self.pair.tick(seconds)

    @precondition(lambda self: self.tasks())
    @rule(queue=QUEUES)
    def upkeep(self, queue: str) -> None:
        self.pair.do("upkeep", queue=queue)

    @precondition(lambda self: self.tasks())
    @rule(queue=QUEUES, seconds=st.sampled_from([6, 31, 66]))
    def time_passes_under_upkeep(self, queue: str, seconds: int) -> None:
        """Upkeep comes twice within five seconds, so that recovery does not hold back."""
        self.pair.tick(seconds - 5)
        self.pair.do("upkeep", queue=queue)
        self.pair.tick(5)
        self.pair.do("upkeep", queue=queue)

    # -------------------------------------------------------------- clients

    @rule(
        queue=QUEUES,
        task_id=POOL,
        type=st.sampled_from(["t", "u"]),
        payload=st.sampled_from([b"", b"x"]),
        max_retry=st.sampled_from([0, 1, 25]),
        lasting=st.fixed_dictionaries(
            {},
            optional={
                "timeout": st.sampled_from([30, 1.5]),
                "deadline": st.integers(0, 600),
                "retention": st.sampled_from([60, 3600, 2.5]),
                "group": GROUPS,
                "headers": st.sampled_from([{"k": "v"}, {"a": "1", "ü": "x y"}]),
            },
        ),
        unique=st.sampled_from([None, None, 5, 60, 90.5]),
        due=st.sampled_from([None, None, 10, 10.5, 120, -3]),
    )
    def enqueue(
        self,
        queue: str,
        task_id: str,
        type: str,
        payload: bytes,
        max_retry: int,
        lasting: dict[str, Any],
        unique: float | None,
        due: float | None,
    ) -> None:
        options = {"queue": queue, "task_id": task_id, "max_retry": max_retry, **lasting}
        if "deadline" in lasting:
            options["deadline"] = self.at(lasting["deadline"])
        if not self.has_fractions:
            options |= {name: int(options[name]) for name in ("timeout", "retention") if name in options}
            unique, due = int(unique) if unique else None, int(due) if due else None
        if unique:
            options["unique"] = unique
        if due is not None and due < 0:
            options["process_at"] = self.at(due)
        elif due is not None:
            options["process_in"] = due
        self.pair.do("enqueue", type=type, payload=payload, options=options)

    @rule(queue=QUEUES, first=WHICH, unique=st.sampled_from([None, 60]), due=st.sampled_from([None, None, 10]))
    def enqueue_some(self, queue: str, first: int, unique: int | None, due: int | None) -> None:
        """Three tasks of one kind, so that there is something to do."""
        for number in range(3):
            options: dict[str, Any] = {
                "queue": queue,
                "task_id": "abcdef"[(first + number) % 6],
                "retention": 60 * number,
            }
            options |= {"unique": unique} if unique else {}
            options |= {"process_in": due} if due else {}
            self.pair.do("enqueue", type="t", payload=b"%d" % number, options=options)

    def at(self, seconds: float) -> datetime:
        return datetime.fromtimestamp(self.pair.now_us / 1_000_000 + seconds, UTC)

    # -------------------------------------------------------------- servers

    @precondition(lambda self: self.tasks("pending"))
    @rule(queue=QUEUES)
    def dequeue(self, queue: str) -> None:
        self.pair.do("dequeue", queue=queue)

    @precondition(lambda self: self.tasks("pending"))
    @rule(queue=QUEUES, do=st.sampled_from(["succeed", "fail", "requeue", "cancel"]), kind=KINDS)
    def work(self, queue: str, do: str, kind: str) -> None:
        """A task is taken and ends at once, or is cancelled meanwhile and does not succeed."""
        if task_id := self.pair.do("dequeue", queue=queue):
            one = {"queue": queue, "id": task_id}
            if do == "cancel":
                self.pair.do("cancel", **one)
                do = "requeue" if kind == "soft" else "fail"
            self.pair.do(do, **one, kind=kind, error="böse", result=b"result")

    @precondition(lambda self: self.tasks("active"))
    @rule(which=WHICH, result=st.sampled_from([b"", b"result"]))
    def succeed(self, which: int, result: bytes) -> None:
        self.pair.do("succeed", **self.one(which, "active"), result=result)

    @precondition(lambda self: self.tasks("active"))
    @rule(which=WHICH, kind=KINDS)
    def fail(self, which: int, kind: str) -> None:
        self.pair.do("fail", **self.one(which, "active"), kind=kind, error="böse")

    @precondition(lambda self: self.tasks("active"))
    @rule(which=WHICH)
    def requeue(self, which: int) -> None:
        self.pair.do("requeue", **self.one(which, "active"))

    @precondition(lambda self: self.tasks("active"))
    @rule(which=WHICH)
    def extend(self, which: int) -> None:
        self.pair.do("extend", **self.one(which, "active"))

    @precondition(lambda self: self.pair.ours.held)
    @rule(which=WHICH, do=st.sampled_from(["succeed", "fail", "requeue", "extend"]))
    def whoever_it_is(self, which: int, do: str) -> None:
        """A worker writes about a task that it may have lost."""
        held = sorted(self.pair.ours.held)
        queue, task_id = held[which % len(held)]
        self.pair.do(do, queue=queue, id=task_id, kind="plain", error="late", result=b"late")

    @precondition(lambda self: self.tasks("scheduled", "retry", "archived", "completed"))
    @rule(which=WHICH, kind=st.sampled_from(["plain", "skip"]))
    def run_and_fail(self, which: int, kind: str) -> None:
        """What waits or has ended is run by hand, and whatever is in front of the queue fails."""
        one = self.one(which, "scheduled", "retry", "archived", "completed")
        self.pair.do("run", **one)
        if task_id := self.pair.do("dequeue", queue=one["queue"]):
            self.pair.do("fail", queue=one["queue"], id=task_id, kind=kind, error="again")

    @precondition(lambda self: self.tasks("active"))
    @rule(queue=QUEUES, do=st.sampled_from(["succeed", "extend", "dequeue", "cancel"]))
    def servers_sleep(self, queue: str, do: str) -> None:
        """Servers stand still until their tasks are recovered; then one of them goes on."""
        self.time_passes_under_upkeep(queue, 36)
        if waiting := [task_id for where, task_id in self.pair.ours.held if where == queue]:
            self.pair.do(do, queue=queue, id=min(waiting), result=b"late")

    # -------------------------------------------------------------- operators

    @precondition(lambda self: self.tasks())
    @rule(do=st.sampled_from(ON_ONE), which=WHICH)
    def steer(self, do: str, which: int) -> None:
        """Something is done to a task, whatever state it is in."""
        self.pair.do(do, **self.one(which))

    @precondition(lambda self: self.tasks())
    @rule(do=st.sampled_from(ON_ONE), queue=QUEUES, task_id=POOL)
    def steer_what_may_not_be_there(self, do: str, queue: str, task_id: str) -> None:
        self.pair.do(do, queue=queue, id=task_id)

    @precondition(lambda self: self.tasks("scheduled", "active", "completed"))
    @rule(which=WHICH, payload=st.sampled_from([b"", b"x", b"y"]))
    def update(self, which: int, payload: bytes) -> None:
        """asynq changes scheduled tasks only; that we change all that wait is no difference but an addition."""
        self.pair.do("update", **self.one(which, "scheduled", "active", "completed"), payload=payload)

    @precondition(lambda self: len(self.tasks()) > 2)
    @rule(queue=QUEUES, what=st.sampled_from(BULKS))
    def steer_all(self, queue: str, what: tuple[str, str]) -> None:
        self.pair.do(what[0], queue=queue, state=what[1])

    @precondition(lambda self: self.tasks("aggregating"))
    @rule(queue=QUEUES, do=st.sampled_from(["run_all", "archive_all", "delete_all"]), group=GROUPS)
    def steer_a_group(self, queue: str, do: str, group: str) -> None:
        self.pair.do(do, queue=queue, state="aggregating", group=group)

    # -------------------------------------------------------------- groups

    @rule(queue=QUEUES, first=WHICH, group=GROUPS, unique=st.sampled_from([None, 60]), due=st.sampled_from([None, 10]))
    def enqueue_a_group(self, queue: str, first: int, group: str, unique: int | None, due: int | None) -> None:
        for number in range(3):
            options: dict[str, Any] = {"queue": queue, "task_id": "abcdef"[(first + number) % 6], "group": group}
            options |= {"unique": unique} if unique else {}
            options |= {"process_in": due} if due and number else {}
            self.pair.do("enqueue", type="t", payload=b"%d" % number, options=options)

    @precondition(lambda self: self.tasks("aggregating"))
    @rule(queue=QUEUES, seconds=st.sampled_from([0, 1, 5]))
    def stage(self, queue: str, seconds: int) -> None:
        """Groups that are due are cut into sets; no outage is just over, and all groups are listed (SE-03)."""
        self.pair.tick(seconds)
        self.time_passes_under_upkeep(queue, 6)
        self.pair.do("stage", queue=queue, **self.limits)
        if ("asynq:queues", queue) in self.pair.state:
            self.pair.do("groups", queue=queue)

    @rule(queue=QUEUES, group=GROUPS, task_id=POOL)
    def aggregate(self, queue: str, group: str, task_id: str) -> None:
        """A group fills, rests, is staged, and becomes one task."""
        self.enqueue_a_group(queue, 0, group, None, None)
        self.stage(queue, 10)
        if self.pair.sets():
            self.combine(0, task_id)

    @precondition(lambda self: self.pair.sets())
    @rule(which=WHICH, task_id=POOL)
    def combine(self, which: int, task_id: str) -> None:
        sets = self.pair.sets()
        queue, group, set_id = sets[which % len(sets)]
        order = {"type": "all", "payload": b"them", "options": {"queue": queue, "task_id": task_id}}
        self.pair.do("combine", queue=queue, group=group, set_id=set_id, **order)

    # -------------------------------------------------------------- queues

    @precondition(lambda self: len(self.tasks()) > 2)
    @rule(queue=QUEUES, do=st.sampled_from(["pause", "resume", "resume"]))
    def pause_or_resume(self, queue: str, do: str) -> None:
        self.pair.do(do, queue=queue)

    @precondition(lambda self: len(self.tasks()) > 2)
    @rule(queue=QUEUES, force=st.booleans())
    def remove(self, queue: str, force: bool) -> None:
        """Who enqueues next has just started: a client remembers for a while, or for ever, that it listed a queue."""
        self.pair.do("remove", queue=queue, force=force)
        self.pair.do("new_client")

    @precondition(lambda self: self.tasks())
    @rule(queue=QUEUES, state=st.sampled_from(STATES), page=st.integers(-1, 3), size=st.integers(-1, 3))
    def look(self, queue: str, state: str, page: int, size: int) -> None:
        """Whoever looks sees the same, in the same order and on the same page."""
        self.pair.do("list", queue=queue, state=state, page=page, size=size)
        self.pair.do("stats", queue=queue)
        self.pair.do("history", queue=queue, size=2)
        self.pair.do("queues")
