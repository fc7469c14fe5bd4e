"""
Random histories of everything that touches a queue, checked after every step (protocol §1.6; rules 1 to 8, 17, 20).

Clients, servers, Go servers, operators and upkeep work on one queue in any order, some tasks in a group that is
aggregated; answers are lost and asked for again, or never; servers die; stored answers and whole records are dropped;
the clock jumps both ways. After each step every task must be where its state says and nowhere else, a task in a group
in just one place of it, nothing accepted may be missing, nobody may end a task or a set that another holds, no member
may be aggregated twice, and the counters must be what the answers add up to.
"""

from __future__ import annotations

import os
from collections import Counter
from dataclasses import dataclass, field
from typing import Any, ClassVar

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from onebeat.broker import admin, browse, groups
from onebeat.broker.call import Call
from onebeat.broker.connection import endpoint
from onebeat.broker.consume import Finished, Outcome, Taken, extend, finish, take
from onebeat.broker.groups import Aggregating, GroupSet, Rule
from onebeat.broker.maintain import maintain
from onebeat.broker.produce import NewTask, Placed, enqueue
from onebeat.broker.store import BlockingStore
from onebeat.errors import QueueNotEmpty, TaskNotFound, WrongState
from onebeat.inspector import removing, steering, updating
from onebeat.inspector.steps import follow_blocking
from onebeat.server.outcome import LAST_FAILED_AT
from onebeat.states import TaskState
from onebeat.wire.message import TaskMessage, around, encode
from tests.anywhere import everywhere_blocking, keys_of
from tests.conftest import NOON, NOW_KEYS

GIVEN = os.environ.get("ONEBEAT_MACHINE_EXAMPLES")
EXAMPLES = int(GIVEN or "200")
STEPS = 50
POOL = [f"t{number}" for number in range(9)]
CLIENTS, SERVERS = ["c1", "c2"], ["s1", "s2", "s3"]
LEASE_MS = 15_000
SETS = ("scheduled", "retry", "archived", "completed")
RARELY = st.sampled_from([True] + [False] * 9)
"""Whether what ends or moves everything is really done: else no history would come far."""
SUCCESSES = (Outcome.DONE, Outcome.COMPLETED)
RULES = [Rule("g", 2000, 10_000, 3)]
MOST = 2


def text(data: bytes) -> str:
    return data.decode()


@dataclass
class Client:
    """A producer, and the batch whose answer it did not get."""

    sequence: int = 0
    unanswered: tuple[Call[list[Placed]], list[Placed]] | None = None


@dataclass
class Server:
    """A consumer: what it believes to hold, the fetch and the outcomes whose answers it did not get."""

    sequence: int = 0
    unanswered: tuple[Call[Taken], list[str]] | None = None
    held: list[tuple[str, str]] = field(default_factory=list)
    outcomes: list[Finished] = field(default_factory=list)
    sets: dict[str, list[tuple[str, bytes]]] = field(default_factory=dict)
    """The aggregation sets that it has read, with their members then."""


class Machine(RuleBasedStateMachine):
    """One queue of a store, and what must be true of it."""

    url = ""
    seen: ClassVar[Counter[str]] = Counter()

    def __init__(self) -> None:
        super().__init__()
        self.store = BlockingStore(endpoint(self.url), injected_clock=True)
        self.now_s = float(NOON)
        everywhere_blocking(self.store, "FLUSHALL")
        self.tick(0)
        self.clients = {name: Client() for name in CLIENTS}
        self.servers = {name: Server() for name in SERVERS}
        self.alive: set[str] = set()  # accepted and not ended
        self.damaged: set[str] = set()
        self.holder: dict[str, str] = {}  # id → the token that took it last, or "go"
        self.recovered_from: dict[str, str] = {}
        self.marked: set[str] = set()  # cancelled while they ran
        self.counts: Counter[str] = Counter()
        self.go_runs: list[str] = []
        self.upkeep_at, self.held_back_until = 0.0, 0.0
        self.combined = 0
        self.go_sets: dict[str, list[str]] = {}

    def teardown(self) -> None:
        self.store.close()

    def command(self, *words: str | int) -> Any:
        [answer] = self.store.commands([words])
        return answer

    @property
    def believes(self) -> list[str]:
        """The servers that believe to hold something."""
        return [name for name, server in self.servers.items() if server.held]

    # -------------------------------------------------------------- time and damage

    @initialize()
    def begin(self) -> None:
        """Some tasks are there from the start, and somebody looks after the queue."""
        self.enqueue("c1", POOL[:4], "", "", "", False)
        self.enqueue("c2", POOL[4:], "", "", "g", False)
        self.time_passes_under_upkeep(2)

    @rule(seconds=st.sampled_from([0.2, 1.0, 3.0, 4.9, 6.0, 16.0, 50.0, -20.0]))
    def tick(self, seconds: float) -> None:
        """Let time pass, or the clock jump."""
        self.now_s += seconds
        for key in NOW_KEYS if self.store.endpoint.is_cluster else NOW_KEYS[:1]:
            self.command("SET", key, str(round(self.now_s * 1_000_000)))

    @precondition(lambda self: self.alive)
    @rule(data=st.data())
    def lose_a_record(self, data: st.DataObject) -> None:
        """A task's hash is evicted or deleted by hand."""
        task_id = data.draw(st.sampled_from(sorted(self.alive)))
        self.command("DEL", f"asynq:{{q}}:t:{task_id}")
        self.alive.discard(task_id)
        self.damaged.add(task_id)

    @rule(name=st.sampled_from(CLIENTS + SERVERS))
    def forget_an_answer(self, name: str) -> None:
        """A stored answer expires: whoever wanted to ask for it again has waited too long, and gives up."""
        self.command("DEL", f"onebeat:{{q}}:c:{name}", f"onebeat:{{q}}:f:{name}")
        if name in self.clients:
            self.clients[name].unanswered = None
        else:
            self.servers[name].unanswered = None

    # -------------------------------------------------------------- producers

    @rule(
        name=st.sampled_from(CLIENTS),
        ids=st.lists(st.sampled_from(POOL), min_size=1, max_size=3),
        due=st.sampled_from(["", "+700", "+5000", "+60000"]),
        lock=st.sampled_from(["", "", "k1"]),
        group=st.sampled_from(["", "g", "g"]),
        is_lost=st.sampled_from([False, False, True]),
    )
    def enqueue(self, name: str, ids: list[str], due: str, lock: str, group: str, is_lost: bool) -> None:
        client = self.clients[name]
        if client.unanswered is not None:
            return
        client.sequence += 1
        key = f"asynq:{{q}}:unique:t:{lock}" if lock else ""
        tasks = [
            NewTask(
                i,
                encode(TaskMessage(type="t", id=i, queue="q", retry=3, timeout=60, unique_key=key, group_key=group)),
                due,
                key,
                3_600_000 if key else 0,
                group=group,
            )
            for i in ids
            if i not in self.damaged
        ]
        if not tasks:
            return
        call = enqueue("q", client=name, sequence=client.sequence, tasks=tasks)
        placed = self.store.run(call)
        for task, answer in zip(tasks, placed, strict=True):
            if answer.status in ("pending", "scheduled", "aggregating"):
                self.seen[answer.status] += 1
                assert task.id not in self.alive, "an id that lives was accepted again"
                self.alive.add(task.id)
                for known in (self.holder, self.recovered_from):
                    known.pop(task.id, None)
            else:
                assert answer.status in ("conflict", "duplicate")
        client.unanswered = (call, placed) if is_lost else None

    @precondition(lambda self: any(client.unanswered for client in self.clients.values()))
    @rule(name=st.sampled_from(CLIENTS))
    def enqueue_again(self, name: str) -> None:
        """The lost answer is asked for: it is the same, and nothing is written."""
        client = self.clients[name]
        if client.unanswered is None:
            return
        (call, placed), client.unanswered = client.unanswered, None
        before = self.everything()
        assert placed == self.store.run(call)
        assert before == self.everything()

    # -------------------------------------------------------------- consumers

    @rule(name=st.sampled_from(SERVERS), limit=st.integers(1, 4), is_lost=st.sampled_from([False, False, True]))
    def take(self, name: str, limit: int, is_lost: bool) -> None:
        server = self.servers[name]
        if server.unanswered is not None:
            return
        server.sequence += 1
        call = take("q", server=name, sequence=server.sequence, limit=limit, lease_ms=LEASE_MS)
        ids = self.hand_out(self.store.run(call))
        if is_lost:
            server.unanswered = (call, ids)
        else:
            server.held += [(task_id, f"{name}:{server.sequence}") for task_id in ids]

    def hand_out(self, taken: Taken) -> list[str]:
        for task in taken.tasks:
            assert task.id in self.alive, "a task was handed out that does not exist"
            assert task.id not in self.holder, "a task was handed out that somebody holds"
            self.holder[task.id] = taken.token
            self.recovered_from.pop(task.id, None)
            self.marked.discard(task.id)
        return [task.id for task in taken.tasks]

    @precondition(lambda self: any(server.unanswered for server in self.servers.values()))
    @rule(name=st.sampled_from(SERVERS))
    def take_again(self, name: str) -> None:
        """The lost batch is handed out again, but for what others got meanwhile; nothing new comes with it."""
        server = self.servers[name]
        if server.unanswered is None:
            return
        (call, ids), server.unanswered = server.unanswered, None
        taken = self.store.run(call)
        if not ids:  # nothing is stored of a fetch that found nothing, so that its repeat is as good as a new one
            self.hand_out(taken)
        assert [i for i in ids or self.holder if self.holder.get(i) == taken.token and i in self.alive] == [
            t.id for t in taken.tasks
        ]
        server.held += [(task.id, taken.token) for task in taken.tasks]

    @precondition(lambda self: self.believes)
    @rule(
        outcome=st.sampled_from(list(Outcome)),
        kind=st.sampled_from(["failure", "soft", "unknown", "apart"]),
        is_lost=st.sampled_from([False, False, True]),
        data=st.data(),
    )
    def finish(self, outcome: Outcome, kind: str, is_lost: bool, data: st.DataObject) -> None:
        """Outcomes of some of what a server believes to hold, in one batch."""
        server = self.servers[data.draw(st.sampled_from(self.believes))]
        chosen = data.draw(st.lists(st.sampled_from(server.held), min_size=1, max_size=3, unique=True))
        batch = [self.outcome(task_id, token, outcome, kind) for task_id, token in chosen]
        server.held = [item for item in server.held if item not in chosen]
        self.write(batch)
        if is_lost:
            server.outcomes += batch

    @precondition(lambda self: self.believes)
    @rule(outcome=st.sampled_from(SUCCESSES), data=st.data())
    def succeed_late(self, outcome: Outcome, data: st.DataObject) -> None:
        """A server sleeps over its leases, and then writes a success."""
        self.time_passes_under_upkeep(6)
        self.finish(outcome, "failure", False, data)

    @precondition(lambda self: any(server.outcomes for server in self.servers.values()))
    @rule(name=st.sampled_from(SERVERS))
    def finish_again(self, name: str) -> None:
        """Outcomes whose answer was lost are written again: what had been applied is, and nothing else changes."""
        server = self.servers[name]
        batch, server.outcomes = server.outcomes, []
        if batch:
            before = self.everything()
            answers = self.store.run(finish("q", batch))
            assert "applied" not in answers
            assert before == self.everything()

    def outcome(self, task_id: str, token: str, outcome: Outcome, kind: str) -> Finished:
        key = text(self.command("HGET", f"asynq:{{q}}:t:{task_id}", "unique_key") or b"")
        message = TaskMessage(type="t", id=task_id, queue="q", retry=3, timeout=60, unique_key=key, retention=60)
        head, tail = around(message, LAST_FAILED_AT)
        number = {Outcome.COMPLETED: 60, Outcome.RETRY: 2_000}.get(outcome, 0)
        blob = {Outcome.RETRY: kind, Outcome.COMPLETED: "result"}.get(outcome, "")
        return Finished(task_id, token, outcome, False, key, head, tail, number, blob)

    def write(self, batch: list[Finished]) -> None:
        answers = self.store.run(finish("q", batch))
        for item, answer in zip(batch, answers, strict=True):
            is_holder = self.holder.get(item.id) == item.token and item.id in self.alive
            was_holder = self.recovered_from.get(item.id) == item.token and item.outcome in SUCCESSES
            self.seen["late success" if was_holder else answer] += 1
            if answer == "applied":
                assert is_holder or was_holder, f"{item} was applied though {self.holder.get(item.id)} holds the task"
                self.applied(item)
            else:
                assert answer in ("gone", "lost", "already"), answer
                assert not is_holder, f"{item} was refused ({answer}) though its writer holds the task"

    def applied(self, item: Finished) -> None:
        outcome = item.outcome
        if item.id in self.marked and outcome in (Outcome.RETRY, Outcome.PENDING):
            outcome = Outcome.CANCELLED
        self.holder.pop(item.id, None)
        self.recovered_from.pop(item.id, None)
        if outcome in SUCCESSES:
            self.alive.discard(item.id)
            self.counts["processed"] += 1
        elif outcome in (Outcome.ARCHIVED, Outcome.CANCELLED) or (outcome is Outcome.RETRY and item.blob == "failure"):
            self.counts["processed"] += 1
            self.counts["failed"] += 1
        if outcome is Outcome.CANCELLED or outcome in SUCCESSES:
            self.marked.discard(item.id)

    @precondition(lambda self: self.believes)
    @rule(data=st.data())
    def extend(self, data: st.DataObject) -> None:
        """A server extends all it believes to hold: what it does hold, and nothing else."""
        held = self.servers[data.draw(st.sampled_from(self.believes))].held
        answers = self.store.run(extend("q", held, lease_ms=LEASE_MS))
        for (task_id, token), answer in zip(held, answers, strict=True):
            if self.recovered_from.get(task_id) == token and task_id in self.alive and answer == "ok":
                self.holder[task_id] = self.recovered_from.pop(task_id)  # its owner only slept
                self.seen["taken back"] += 1
            elif self.holder.get(task_id) == token and task_id in self.alive:
                assert ("cancel" if task_id in self.marked else "ok") == answer
            else:
                assert answer in ("lost", "gone")

    @precondition(lambda self: self.believes)
    @rule(name=st.sampled_from(SERVERS))
    def die(self, name: str) -> None:
        """A server is killed; another comes up under a new name, so its token is never used again."""
        self.servers[name] = Server(sequence=self.servers[name].sequence + 100)

    # -------------------------------------------------------------- others

    @rule()
    def go_takes(self) -> None:
        """asynq: rdb.go Dequeue, which knows nothing of our fields."""
        front = self.command("LINDEX", "asynq:{q}:pending", -1)
        if front is None or text(front) in self.damaged:
            return
        task_id = text(self.command("RPOPLPUSH", "asynq:{q}:pending", "asynq:{q}:active"))
        self.command("HSET", f"asynq:{{q}}:t:{task_id}", "state", "active")
        self.command("HDEL", f"asynq:{{q}}:t:{task_id}", "pending_since")
        self.command("ZADD", "asynq:{q}:lease", int(self.now_s) + 30, task_id)
        assert task_id not in self.holder
        self.holder[task_id] = "go"
        self.recovered_from.pop(task_id, None)
        self.go_runs.append(task_id)

    @precondition(lambda self: self.go_runs)
    @rule(succeeds=st.booleans())
    def go_ends(self, succeeds: bool) -> None:
        """asynq: rdb.go Done and Retry; refused, as by its scripts, if the task is not active any more."""
        task_id = self.go_runs.pop()
        if self.holder.get(task_id) != "go" or task_id not in self.alive:
            return
        self.command("LREM", "asynq:{q}:active", 0, task_id)
        self.command("ZREM", "asynq:{q}:lease", task_id)
        del self.holder[task_id]
        if not succeeds:
            self.command("ZADD", "asynq:{q}:retry", int(self.now_s) + 20, task_id)
            self.command("HSET", f"asynq:{{q}}:t:{task_id}", "state", "retry")
            return
        lock = self.command("HGET", f"asynq:{{q}}:t:{task_id}", "unique_key")
        if lock and self.command("GET", text(lock)) == task_id.encode():
            self.command("DEL", text(lock))
        self.command("DEL", f"asynq:{{q}}:t:{task_id}")
        self.alive.discard(task_id)
        self.marked.discard(task_id)

    @rule(name=st.sampled_from(SERVERS), at_once=st.integers(0, 2))
    def stage(self, name: str, at_once: int) -> None:
        """A server that aggregates looks: its sets are its own, however often it asks."""
        server = self.servers[name]
        found = self.look(Aggregating(name, LEASE_MS, at_once, "0", RULES, MOST, 1000))
        for key in found:
            if key not in server.sets:
                server.sets[key] = self.store.run(groups.members(GroupSet("q", key), name))
                self.seen["staged"] += 1

    @precondition(lambda self: any(server.sets for server in self.servers.values()))
    @rule(end=st.sampled_from(["aggregate", "spoil", "spoil", "fail", "stop"]), data=st.data())
    def end_a_set(self, end: str, data: st.DataObject) -> None:
        """A server has combined a set, or has not: it counts if the set is its own still, and as it was."""
        name = data.draw(st.sampled_from([name for name, server in self.servers.items() if server.sets]))
        key = data.draw(st.sampled_from(sorted(self.servers[name].sets)))
        was, of = self.servers[name].sets.pop(key), GroupSet("q", key)
        if end == "spoil" and (left := self.command("ZRANGE", key, 0, 0)):
            self.cancel(text(left[0]))  # by an operator, after it was read (SE-65)
        before = {text(id_) for id_ in self.command("ZRANGE", key, 0, -1)}
        is_own = (self.command("HGET", "onebeat:{q}:sets", key) or b"").endswith(b" " + name.encode())
        if end in ("aggregate", "spoil"):
            new = NewTask(of.id, encode(TaskMessage(type="c", id=of.id, queue="q")), "+3600000")
            locks = [(id_, text(self.command("HGET", f"asynq:{{q}}:t:{id_}", "unique_key") or b"")) for id_, _ in was]
            call = groups.aggregate(of, name, len(was), new, "q", [lock for lock in locks if lock[1]])
            answer = self.store.run(call)
            self.seen[f"set {answer}"] += 1
            assert (answer == "aggregated") == (is_own and len(before) == len(was) > 0)
            if answer == "aggregated":
                assert before <= self.alive | self.damaged, "a member was aggregated that had ended"
                assert "already" == self.store.run(call)
                self.command("ZREM", "asynq:{q}:scheduled", of.id)  # the combined task is of no interest
                self.command("ZREM", "onebeat:{q}:exact", of.id)
                self.command("DEL", f"asynq:{{q}}:t:{of.id}")
                self.alive -= before
                self.combined += len(before)
            return
        reason = "boom" if end == "fail" else ""
        call_back = groups.restore(of, name, reason=reason, most=MOST, backoff_ms=1000, frees=False)
        returned = self.store.run(call_back)
        assert (returned is not None) == is_own
        self.seen[f"set {end}"] += 1
        if returned is not None and returned.archived:
            self.seen["member archived"] += 1

    @precondition(lambda self: any(server.sets for server in self.servers.values()))
    @rule(is_run=st.booleans(), data=st.data())
    def take_a_member_out(self, is_run: bool, data: st.DataObject) -> None:
        """An operator runs or cancels a task that is being aggregated (SE-65)."""
        task_id = data.draw(st.sampled_from(POOL))
        if self.command("HGET", f"asynq:{{q}}:t:{task_id}", "state") != b"aggregating":
            return
        if is_run:
            self.run(task_id)
        else:
            self.cancel(task_id)

    @rule()
    def go_stages(self) -> None:
        """asynq: rdb.go AggregationCheck, all members, by a Go server beside ours."""
        members = self.command("ZRANGE", "asynq:{q}:g:g", 0, -1)
        if not members:
            return
        key = f"asynq:{{q}}:g:g:go{len(self.go_sets)}-{self.now_s}"
        for id_ in members:
            score = self.command("ZSCORE", "asynq:{q}:g:g", id_)
            self.command("ZADD", key, int(float(score)), id_)
        self.command("DEL", "asynq:{q}:g:g")
        self.command("SREM", "asynq:{q}:groups", "g")
        self.command("ZADD", "asynq:{q}:aggregation_sets", int(self.now_s) + 30, key)
        self.go_sets[key] = [text(id_) for id_ in members]

    @rule()
    def go_reclaims(self) -> None:
        """asynq: rdb.go ReclaimStaleAggregationSets, which does not list the group."""
        stale = self.command("ZRANGEBYSCORE", "asynq:{q}:aggregation_sets", "-inf", int(self.now_s))
        for key in map(text, stale):
            for id_ in self.command("ZRANGE", key, 0, -1):
                score = self.command("ZSCORE", key, id_)
                self.command("ZADD", "asynq:{q}:g:g", int(float(score)), id_)
            self.command("DEL", key)
        self.command("ZREMRANGEBYSCORE", "asynq:{q}:aggregation_sets", "-inf", int(self.now_s))

    @precondition(lambda self: self.go_sets)
    @rule()
    def go_aggregates(self) -> None:
        """asynq: rdb.go DeleteAggregationSet; it keeps no lock of ours, so that it lapses as under asynq."""
        key = min(self.go_sets)
        del self.go_sets[key]
        for id_ in map(text, self.command("ZRANGE", key, 0, -1)):
            lock = self.command("HGET", f"asynq:{{q}}:t:{id_}", "unique_key")
            if lock and self.command("GET", text(lock)) == id_.encode():
                self.command("DEL", text(lock))  # by its time to live, as the invariant would have it
            self.command("DEL", f"asynq:{{q}}:t:{id_}")
            self.alive.discard(id_)
            self.seen["aggregated by go"] += 1
        self.command("DEL", key)
        self.command("ZREM", "asynq:{q}:aggregation_sets", key)

    @rule()
    def upkeep(self) -> None:
        """Somebody without aggregators looks."""
        self.look(Aggregating(most=MOST, backoff_ms=1000))

    def look(self, aggregating: Aggregating) -> list[str]:
        """Forward, recover, expire, sweep; after an outage or a jump owners have five seconds to speak first."""
        if self.now_s - self.upkeep_at > 5 or self.now_s < self.upkeep_at:
            self.held_back_until = self.now_s + 5
        self.upkeep_at = self.now_s
        done = self.store.run(maintain("q", max_crashes=4, aggregating=aggregating))
        for one in done.returned:
            self.seen["set of go" if ":go" in one.key else "set of the dead"] += 1
            self.seen["member archived" if one.archived else "member returned"] += 1
        assert [] == done.errors
        assert [] == done.recovered or self.now_s >= self.held_back_until - 0.001
        for place, task_id in done.recovered:
            self.seen[f"recovered to {place}"] += 1
            if task_id in self.damaged:
                continue
            owner = self.holder.pop(task_id)
            if owner != "go" and place != "archived":
                self.recovered_from[task_id] = owner
            if place == "archived":
                self.counts["processed"] += 1
                self.counts["failed"] += 1
                self.marked.discard(task_id)
        return list(done.sets)

    @rule(times=st.sampled_from([2, 6, 18]))
    def time_passes_under_upkeep(self, times: int) -> None:
        """Three seconds between its calls, so that leases lapse and are seen to, with no outage in between."""
        for _ in range(times):
            self.tick(3)
            self.upkeep()

    @rule(task_id=st.sampled_from(POOL))
    def run(self, task_id: str) -> None:
        [answer] = self.store.run(browse.run("q", [task_id]))
        if answer == "pending":
            self.seen["ran"] += 1
            self.alive.add(task_id)  # a completed one lives again
            self.recovered_from.pop(task_id, None)
        else:
            assert answer in ("gone", "already pending", "already active")

    @rule(task_id=st.sampled_from(POOL))
    def cancel(self, task_id: str) -> None:
        [answer] = self.store.run(browse.cancel("q", [task_id]))
        if answer == "deleted":
            self.alive.remove(task_id)
            self.recovered_from.pop(task_id, None)
        elif answer == "stopping":
            assert task_id in self.holder
            self.marked.add(task_id)
        else:
            assert answer in ("gone", "ended")

    # -------------------------------------------------------------- the inspector

    @rule(action=st.sampled_from(["archive", "delete"]), task_id=st.sampled_from(POOL))
    def steer(self, action: str, task_id: str) -> None:
        [answer] = self.store.run(admin.steer("q", action, [task_id]))
        if answer in ("archived", "deleted"):
            self.steered(answer, task_id)
        else:
            assert answer in ("gone", "already archived", "already active")
            assert (answer == "already active") == (task_id in self.holder and task_id not in self.damaged)

    def steered(self, answer: str, task_id: str) -> None:
        assert task_id not in self.holder or task_id in self.damaged, "a task was moved that somebody holds"
        self.seen[answer] += 1
        self.recovered_from.pop(task_id, None)
        if answer == "deleted":
            self.alive.discard(task_id)
        elif task_id not in self.damaged:
            self.alive.add(task_id)  # a completed one lives again

    @rule(action=st.sampled_from(["run", "archive", "delete"]), is_meant=RARELY, data=st.data())
    def bulk(self, action: str, is_meant: bool, data: st.DataObject) -> None:
        """All of a state: those that were there and have a record."""
        if not is_meant:
            return
        states = [state for state in steering.STATES[action] if state is not TaskState.AGGREGATING]
        state = data.draw(st.sampled_from(states))
        range_ = "LRANGE" if state is TaskState.PENDING else "ZRANGE"
        ids = [text(task_id) for task_id in self.command(range_, f"asynq:{{q}}:{state}", 0, -1)]
        whole = [task_id for task_id in ids if self.command("EXISTS", f"asynq:{{q}}:t:{task_id}")]
        step = self.store.run(admin.bulk("q", action, state, "", skip=0, limit=100))
        assert (len(ids), len(ids), len(whole), 0, "") == (step.there, step.looked, step.moved, step.left, step.why)
        for task_id in whole:
            self.steered({"run": "ran", "archive": "archived", "delete": "deleted"}[action], task_id)

    @rule(
        task_id=st.sampled_from(POOL),
        change=st.sampled_from(
            [{"payload": b"p"}, {"max_retry": 2}, {"process_in": 0}, {"process_in": 2}, {"process_in": 90}]
        ),
    )
    def update(self, task_id: str, change: dict[str, Any]) -> None:
        """A task that waits is changed; one that runs is left to who holds it."""
        state, group = self.command("HMGET", f"asynq:{{q}}:t:{task_id}", "state", "group")
        is_staged = state == b"aggregating" and self.command("ZSCORE", f"asynq:{{q}}:g:{text(group)}", task_id) is None
        try:
            new = follow_blocking(self.store, updating.update("q", task_id, change))
        except (TaskNotFound, WrongState):
            assert is_staged or state in (None, b"active", b"completed", b"archived")
            return
        assert task_id in self.alive
        assert task_id not in self.holder
        if state == b"pending" and new.state is TaskState.SCHEDULED:
            self.recovered_from.pop(task_id, None)

    @rule(name=st.sampled_from(SERVERS))
    def pause(self, name: str) -> None:
        """A paused queue hands out nothing."""
        assert self.store.run(admin.pause("q", "pause"))
        server = self.servers[name]
        if server.unanswered is None:
            server.sequence += 1
            call = take("q", server=name, sequence=server.sequence, limit=4, lease_ms=LEASE_MS)
            assert [] == self.store.run(call).tasks
        assert self.store.run(admin.pause("q", "resume"))

    @rule(is_meant=RARELY)
    def remove_queue(self, is_meant: bool) -> None:
        """All of it goes, or, while tasks run, nothing."""
        if not is_meant:
            return
        self.command("SADD", "asynq:queues", "q")
        before = self.everything()
        try:
            follow_blocking(self.store, removing.remove_queue("q", is_forced=True))
        except QueueNotEmpty:
            assert self.command("LLEN", "asynq:{q}:active")
            assert before == self.everything()
            return
        self.seen["removed"] += 1
        assert set() == self.everything().keys() - set(NOW_KEYS)
        assert set() == self.alive & self.holder.keys()
        for known in (self.alive, self.damaged, self.holder, self.recovered_from, self.marked, self.counts):
            known.clear()
        for client in self.clients.values():
            client.unanswered = None
        for server in self.servers.values():
            server.unanswered = None
        self.upkeep_at = 0.0

    # -------------------------------------------------------------- what must be true

    def everything(self) -> dict[str, Any]:
        keys = [text(key) for key in keys_of(self.store, "*")]
        return dict(zip(keys, self.store.commands([("DUMP", key) for key in keys]), strict=True))

    @invariant()
    def every_task_is_where_its_state_says(self) -> None:
        lists = ("pending", "active")
        found = self.store.commands(
            [("LRANGE", f"asynq:{{q}}:{name}", 0, -1) for name in lists]
            + [("ZRANGE", f"asynq:{{q}}:{name}", 0, -1) for name in (*SETS, "lease")]
            + [("HMGET", f"asynq:{{q}}:t:{task_id}", "state", "msg") for task_id in POOL]
        )
        in_groups = self.in_groups()
        places = {name: Counter(map(text, ids)) for name, ids in zip((*lists, *SETS, "lease"), found, strict=False)}
        for task_id, (state, message) in zip(POOL, found[len(places) :], strict=True):
            if task_id in self.damaged:
                continue
            where = {name: count[task_id] for name, count in places.items() if count[task_id]}
            if in_groups[task_id]:
                where["aggregating"] = in_groups[task_id]
            if state is None:
                assert {} == where, f"{task_id} has no record but stands in {where}"
                assert task_id not in self.alive, f"{task_id} was accepted, did not end, and is gone"
                continue
            expected = {"active": 1, "lease": 1} if state == b"active" else {text(state): 1}
            assert expected == where, f"{task_id} is {state!r} and stands in {where}"
            assert message
            assert (task_id in self.holder) == (state == b"active")
            assert task_id in self.alive or state == b"completed"

    def in_groups(self) -> Counter[str]:
        """Count where each task stands in the group, and in the sets that were made of it."""
        keys = ["asynq:{q}:g:g", *map(text, self.command("ZRANGE", "asynq:{q}:aggregation_sets", 0, -1))]
        found = self.store.commands([("ZRANGE", key, 0, -1) for key in keys])
        return Counter(text(id_) for ids in found for id_ in ids)

    @invariant()
    def a_group_with_members_is_found(self) -> None:
        """It is listed, or, if a Go server did not list it, upkeep knows when to look."""
        if self.command("EXISTS", "asynq:{q}:g:g") and not self.command("SISMEMBER", "asynq:{q}:groups", "g"):
            known = self.command("ZSCORE", "onebeat:{q}:groups", "g"), self.command("HLEN", "onebeat:{q}:sets")
            assert any(known) or self.now_s != self.upkeep_at, "nobody will look after the group"

    @invariant()
    def locks_belong_to_tasks_that_live(self) -> None:
        holder = self.command("GET", "asynq:{q}:unique:t:k1")
        assert holder is None or text(holder) in self.alive | self.damaged

    @invariant()
    def counters_add_up(self) -> None:
        found = [int(self.command("GET", f"asynq:{{q}}:{name}") or 0) for name in ("processed", "failed")]
        assert [self.counts["processed"], self.counts["failed"]] == found


@pytest.mark.slow
@pytest.mark.one_store  # the same scripts give the same histories on any node
@pytest.mark.timeout(900 if GIVEN is None else 3600)
def test_random_histories_keep_every_promise(engine: str) -> None:
    """400 histories of fifty steps, always the same; `make proof-machine` runs thousands of new ones."""
    Machine.url = engine
    run_state_machine_as_test(
        Machine,
        settings=settings(
            max_examples=EXAMPLES,
            stateful_step_count=STEPS,
            deadline=None,
            derandomize=GIVEN is None,
            database=None,
            phases=[Phase.generate],  # a history is short enough to be read; shrinking it may take minutes
            suppress_health_check=list(HealthCheck),
        ),
    )
    print(dict(Machine.seen))
    rare = {
        "recovered to front",
        "recovered to retry",
        "recovered to archived",
        "late success",
        "lost",
        "gone",
        "aggregating",
        "staged",
        "set aggregated",
        "set changed",
        "set lost",
        "set fail",
        "set stop",
        "set of the dead",
        "set of go",
        "aggregated by go",
        "member archived",
        "archived",
        "deleted",
        "ran",
        "removed",
    }
    if GIVEN is not None:  # in less than one of a hundred; tests/server/test_fence.py has it by itself
        rare.add("taken back")
    assert rare <= Machine.seen.keys(), "the histories do not reach what they are there for"
