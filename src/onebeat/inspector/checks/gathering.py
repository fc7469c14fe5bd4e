"""
Gathers facts: each part by itself, so that one that the store refuses leaves the others.

Only `broken`, `wounds` and what is told of single queues depends on how many are looked at; the rest is one command per
node, server or scheduler.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

from onebeat.broker import browse, spoiled
from onebeat.broker.checkup import QUEUES_STEP, Checkup, checkup, plans
from onebeat.broker.dangers import asked_rights
from onebeat.broker.spoiled import Spoiled
from onebeat.errors import BrokerError
from onebeat.inspector import fleet, reading
from onebeat.inspector.checks.facts import Facts, Slow
from onebeat.inspector.checks.words import number
from onebeat.inspector.steps import Everywhere, Pause, Procedure, alone, ask, ask_each, command
from onebeat.options import DEFAULT_QUEUE
from onebeat.wire import keys

MAX_PLANS = 10_000

TYPES_STEP = 100
"""Queues the types of whose keys are asked for in one round trip."""

FEWEST_SAMPLES, MOST_SAMPLES = 2, 20
"""Tasks of each queue that are looked into: fewer, if there are thousands of queues."""

SLOW_ENTRIES, HOUR_S = 64, 3600
MAX_ENTRIES = 1000
"""Entries of asynq's list of servers that are compared with the store's clock."""

Gather = Callable[[], Procedure[None]]


class Gathering:
    """
    Fills in facts.

    Args:
        queues: Only these; none: all.

        budget: Queues, schedules, entries and keys that are looked at in each part, at most.

        seconds: Between two looks at each queue; 0: there is one look.

        is_spread: It is a cluster, in which a script sees one queue.

        clock: Gives seconds, to measure how long the store takes.
    """

    def __init__(
        self,
        *,
        queues: tuple[str, ...],
        budget: int,
        seconds: float,
        is_spread: bool,
        replicas: int,
        clock: Callable[[], float],
    ) -> None:
        self.facts: Facts = Facts(replicas=replicas)
        self.budget = budget
        self._only = queues
        self._seconds = seconds
        self.is_spread = is_spread
        self._clock = clock
        self._parts: dict[str, Gather] = {
            "store": self._store,
            "rights": self._rights,
            "slowlog": self._slow_log,
            "cluster": self._cluster,
            "types": self._types,
            "servers": self._servers,
            "queues": self._queues,
            "second look": self._second_look,
            "schedules": self._plans,
            "entries": self._entries,
        }

    def begin(self) -> Procedure[None]:
        """
        Ask for the time and the names of all queues: without these nothing can be said.

        Raises:
            BrokerError: The store does not tell.
        """
        trips = []
        for _ in range(3):
            asked = self._clock()
            self.facts.now = (yield from ask(browse.now(DEFAULT_QUEUE))) / 1_000_000
            trips.append(self._clock() - asked)
        self.facts.round_trip = min(trips)
        for queue in self._only:
            yield from alone(reading.check_queue(queue), [])
        try:
            self.facts.names = list(self._only) or (yield from reading.listed())
        except Spoiled as error:  # the rest can be judged
            self.facts.missing["queues"] = str(error)

    def gather(self, wanted: set[str]) -> Procedure[None]:
        """Gather parts, as far as the store lets us."""
        for name, part in self._parts.items():
            if name in wanted and name not in self.facts.missing:
                yield from self.tried(name, part)

    def tried(self, name: str, part: Gather) -> Procedure[None]:
        """Gather one part; one that fails is missing."""
        try:
            yield from part()
        except BrokerError as error:
            self.facts.missing[name] = str(error)

    def _store(self) -> Procedure[None]:
        self.facts.nodes = yield Everywhere(("INFO",))

    def _rights(self) -> Procedure[None]:
        self.facts.refused = yield Everywhere(asked_rights())

    def _slow_log(self) -> Procedure[None]:
        answers = yield Everywhere(("SLOWLOG", "GET", SLOW_ENTRIES))
        since = self.facts.now - HOUR_S
        found = {node: [_slow(entry) for entry in entries] for node, entries in answers.items()}
        self.facts.slow = {node: [one for one in slow if one.at >= since] for node, slow in found.items()}

    def _cluster(self) -> Procedure[None]:
        if not self.is_spread:
            return
        answers = yield Everywhere(("CLUSTER", "INFO"))
        self.facts.cluster = {node: _told(answer) for node, answer in answers.items()}
        holders: list[str] = [""] * keys.SLOTS
        for start, end, primary, *_ in (yield from command("CLUSTER", "SLOTS")):
            address = f"{_text(primary[0])}:{int(primary[1])}"
            holders[int(start) : int(end) + 1] = [address] * (int(end) + 1 - int(start))
        spread = Counter({address: 0 for address in holders if address})
        spread.update(holders[keys.slot(keys.root(name))] for name in self.facts.names)
        self.facts.spread = spread

    def _types(self) -> Procedure[None]:
        """Compare the types of keys with what they are to be: of the indexes, and of the queues that are looked at."""
        if not self._only:
            for key in spoiled.INDEXES:
                kind = spoiled.name_of((yield from command("TYPE", key)))
                if spoiled.is_foreign(key, kind):
                    self.facts.foreign.append(("", key, kind))
        yield from self._compare({queue: spoiled.of_queue(queue) for queue in self.facts.names[: self.budget]})
        if not self._only and keys.SERVERS not in {key for _, key, _ in self.facts.foreign}:
            listed = yield from command("ZRANGE", keys.SERVERS, 0, MAX_ENTRIES - 1)
            tags = [fleet.tag_of(_text(key)) for key in listed]
            yield from self._compare({tag: spoiled.of_server(tag) for tag in tags}, is_queue=False)

    def _compare(self, names: Mapping[str, list[str]], *, is_queue: bool = True) -> Procedure[None]:
        """Compare the types of the keys of queues, or of servers."""
        each = list(names.items())
        for start in range(0, len(each), TYPES_STEP):
            part = each[start : start + TYPES_STEP]
            answers = yield from ask_each([spoiled.types(tag, those) for tag, those in part])
            for (tag, those), kinds in zip(part, answers, strict=True):
                if isinstance(kinds, BrokerError):
                    raise kinds
                self.facts.foreign += [
                    (tag if is_queue else "", key, kind)
                    for key, kind in zip(those, kinds, strict=True)
                    if spoiled.is_foreign(key, kind)
                ]

    def _servers(self) -> Procedure[None]:
        self.facts.servers = yield from fleet.servers()
        self.facts.skews = yield from self._skews()
        self.facts.looked.append(number(len(self.facts.servers), "server"))

    def _skews(self) -> Procedure[dict[str, float]]:
        """
        Compare the servers' entries with what is left of their records' life: a server writes both at once, the one by
        its own clock, the other by the store's. So it shows also of one that is not listed, as its clock is behind.
        """
        listed = {
            f"{server.host}:{server.pid}:{server.id}" for server in self.facts.servers if server.sheet is not None
        }
        found: dict[str, float] = {}
        entries = yield from command("ZRANGE", keys.SERVERS, 0, MAX_ENTRIES - 1, "WITHSCORES")
        for key, score in _pairs(entries):
            tag = _text(key).removeprefix(keys.server("").removesuffix("{}")).strip("{}")
            if tag in listed:
                continue
            left_ms = int((yield from command("PTTL", key)))
            if left_ms > 0:
                found[tag.rpartition(":")[0]] = float(score) - self.facts.now - left_ms / 1000
        return found

    def _queues(self) -> Procedure[None]:
        facts = self.facts
        names = facts.names[: self.budget]
        facts.queues, facts.broken = yield from self._look(names)
        facts.looked.append(_part(len(names), len(facts.names), "queue"))

    def _look(self, names: list[str]) -> Procedure[tuple[list[Checkup], dict[str, str]]]:
        found: list[Checkup] = []
        broken: dict[str, str] = {}
        step = 1 if self.is_spread else QUEUES_STEP
        samples = max(FEWEST_SAMPLES, min(MOST_SAMPLES, self.budget // (4 * max(1, len(names)))))
        for start in range(0, len(names), step):
            part = names[start : start + step]
            try:
                answer = yield from ask(checkup(part, samples))
            except BrokerError as error:
                if step > 1:
                    raise
                broken[part[0]] = str(error)
                continue
            self.facts.now = answer.now
            found += answer.queues
            broken.update(answer.failed)
        return found, broken

    def _second_look(self) -> Procedure[None]:
        facts = self.facts
        if not self._seconds:
            facts.missing["second look"] = "it takes two looks: give the seconds between them, by `--for 10`"
            return
        yield Pause(self._seconds)
        began = facts.now
        facts.before = {queue.queue: (queue.pending, queue.processed) for queue in facts.queues}
        facts.queues, facts.broken = yield from self._look([queue.queue for queue in facts.queues])
        facts.interval = facts.now - began

    def _plans(self) -> Procedure[None]:
        facts = self.facts
        known = {_text(name) for name in (yield from command("SMEMBERS", keys.SCHEDULE_QUEUES))}
        total = 0
        for queue in sorted(known & set(facts.names) if self._only else known):
            offset = 0
            while total < min(self.budget, MAX_PLANS):
                seen, found = yield from ask(plans(queue, offset))
                facts.plans += found
                offset, total = offset + seen, total + seen
                if not seen:
                    break
        facts.looked.append(number(len(facts.plans), "schedule"))

    def _entries(self) -> Procedure[None]:
        found = yield from fleet.schedules()
        self.facts.entries = [entry for entry in found if not entry.scheduler.startswith("{")]
        if self.facts.entries:
            self.facts.looked.append(
                number(len(self.facts.entries), "entry of Go schedulers", "entries of Go schedulers")
            )


def _part(seen: int, there: int, thing: str) -> str:
    return number(there, thing) if seen == there else f"{seen:,} of {number(there, thing)}"


def _text(value: Any) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def _pairs(answer: Any) -> list[tuple[Any, Any]]:
    """Read members with scores, in either form of the protocol."""
    if answer and isinstance(answer[0], (list, tuple)):
        return [(item[0], item[1]) for item in answer]
    return list(zip(answer[::2], answer[1::2], strict=True))


def _told(answer: Any) -> dict[str, str]:
    """Read lines of `name:value`."""
    if isinstance(answer, dict):
        return {_text(name): _text(value) for name, value in answer.items()}
    return dict(line.split(":", 1) for line in _text(answer).splitlines() if ":" in line)


def _slow(entry: Any) -> Slow:
    """Read an entry of the slow log, as redis-py or the store has it."""
    if isinstance(entry, dict):
        at, took, words = entry["start_time"], entry["duration"], entry["command"]
        text = words if isinstance(words, (str, bytes)) else b" ".join(words)
    else:
        at, took, text = entry[1], entry[2], b" ".join(entry[3])
    return Slow(float(at), int(took) / 1_000_000, _short(_text(text)))


def _short(text: str) -> str:
    one_line = " ".join(text.split())
    return one_line if len(one_line) <= 80 else f"{one_line[:79]}…"
