"""
Looks for damage: along the lists of every queue, and over all keys of the store.

What seems damaged is looked at once more, whole and in one step, before it is said to be (scripts/mend.lua); so what
moves meanwhile is no false alarm. How much is looked at has a bound; of a longer list both ends are.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator

from onebeat.broker.checkup import MEND_STEP, STEP, Checkup, Item, checkup, glance, mend, stray
from onebeat.errors import BrokerError
from onebeat.inspector.checks.facts import Facts
from onebeat.inspector.checks.gathering import Gathering
from onebeat.inspector.steps import At, Everywhere, Procedure, ask, command
from onebeat.wire import keys

SHARE = 2_000
"""Entries of one list that are looked at, at most, so that one long list leaves something for the others."""

SCAN = 500
"""Keys that one step over the store looks at."""

MAX_PENDING = 200_000
"""Ids of a list of pending tasks that are read to compare records with it."""

LIST_STEP = 5_000
"""Of them, in one command."""

MAX_UNLISTED = 100
"""Queues that no tool lists, and whose lists are looked at all the same."""

MAX_SET = 10_000
"""Tasks of a set that nobody knows."""

MAX_SUSPECTS = 10_000
"""Items of one kind that are looked at closely."""

_KEY = re.compile(rb"^asynq:\{([^{}]+)\}:(?:(t|g|unique):)?(.*)$", re.DOTALL)
_HOLDING = frozenset((b"pending", b"active", b"scheduled", b"retry", b"archived"))
"""Keys by which a queue is known to be one: others are left behind when asynq removes it."""


class Walk:
    """
    Fills in `Facts.wounds`.

    Args:
        gathering: Whose facts, which have their queues.

        only: Look at these queues; none: at all.
    """

    def __init__(self, gathering: Gathering, only: tuple[str, ...]) -> None:
        self._facts: Facts = gathering.facts
        self._budget = gathering.budget
        self._only = only
        self._names = set(self._facts.names)
        self._known: set[tuple[str, Item]] = set()
        self._pending: dict[str, list[bytes]] = {}
        self._seen = self._there = 0

    def along_lists(self) -> Procedure[None]:
        """Look at the entries of every queue's lists, sets and groups."""
        for queue in self._facts.queues:
            yield from self._along(queue)
        of = f"{self._seen:,} of {self._there:,}" if self._seen < self._there else f"{self._seen:,}"
        self._facts.looked.append(f"{of} entries of lists")

    def _along(self, queue: Checkup) -> Procedure[None]:
        suspects: list[Item] = []
        for place, count in _places(queue):
            self._there += count
            for start, limit in _ends(count, min(SHARE, self._budget - self._seen)):
                page = yield from ask(glance(queue.queue, place, start, limit))
                suspects += page.suspects
                self._seen += page.seen
        if queue.groups:
            yield from self._groups(queue.queue, suspects, min(SHARE, self._budget))
        yield from self._examine(queue.queue, suspects)

    def _groups(self, queue: str, suspects: list[Item], most: int) -> Procedure[None]:
        seen, cursor = 0, "0"
        while seen < most:
            page = yield from ask(glance(queue, "groups", cursor))
            suspects += page.suspects
            seen, cursor = seen + max(page.seen, 1), page.cursor
            if cursor == "0":
                break

    def _examine(self, queue: str, suspects: list[Item]) -> Procedure[None]:
        """Look closely, and note what is damaged."""
        fresh = [item for item in dict.fromkeys(suspects) if (queue, item) not in self._known][:MAX_SUSPECTS]
        self._known.update((queue, item) for item in fresh)
        for start in range(0, len(fresh), MEND_STEP):
            wounds = yield from ask(mend(queue, fresh[start : start + MEND_STEP], does=False))
            self._facts.wounds += [wound for wound in wounds if wound.problem and wound.problem != "error"]

    def over_keys(self) -> Procedure[None]:
        """Look at the keys of every node."""
        looked, there = 0, 0
        sizes = yield Everywhere(("DBSIZE",))
        for node, size in sizes.items():
            cursor, seen = "0", 0
            while seen < max(SCAN, self._budget // len(sizes)):
                found, page = yield At(node, ("SCAN", cursor, "MATCH", "asynq:{*", "COUNT", SCAN))
                cursor, seen = _text(found), seen + SCAN
                yield from self._of_keys(page)
                if cursor == "0":
                    break
            there += int(size)
            looked += min(seen, int(size))
        for queue, ids in self._pending.items():
            yield from self._of_pending(queue, ids)
        for queue in self._facts.unlisted[:MAX_UNLISTED]:  # nobody has looked at these yet
            answer = yield from ask(checkup([queue]))
            self._facts.queues += answer.queues
            for found in answer.queues:
                yield from self._along(found)
        yield from self._leave_to_sets()
        of = f"{looked:,} of {there:,}" if looked < there else f"{there:,}"
        self._facts.looked.append(f"{of} keys")

    def _leave_to_sets(self) -> Procedure[None]:
        """Leave out tasks of a set that nobody knows: they are in no list, and come back with the set."""
        theirs = set[tuple[str, bytes]]()
        for wound in self._facts.wounds:
            if wound.problem == "stale-set":
                members = yield from command("ZRANGE", wound.name, 0, MAX_SET - 1)
                theirs.update((wound.queue, member) for member in members)
        self._facts.wounds = [
            wound for wound in self._facts.wounds if wound.problem != "lost" or (wound.queue, wound.name) not in theirs
        ]

    def _of_keys(self, page: list[bytes]) -> Procedure[None]:
        found: dict[str, dict[bytes, list[bytes]]] = {}
        for key in page:
            match = _KEY.match(key)
            if match is None:
                continue
            queue, kind, rest = _text(match[1]), match[2] or b"", match[3]
            if self._only and queue not in self._only:
                continue
            if rest in _HOLDING and not kind and queue not in self._names:
                self._names.add(queue)
                self._facts.unlisted.append(queue)
            found.setdefault(queue, {}).setdefault(kind, []).append(key if kind == b"unique" else rest)
        for queue, kinds in found.items():
            try:
                yield from self._of_queue(queue, kinds)
            except BrokerError as error:
                self._facts.broken.setdefault(queue, str(error))

    def _of_queue(self, queue: str, kinds: dict[bytes, list[bytes]]) -> Procedure[None]:
        suspects: list[Item] = [("lock", key) for key in kinds.get(b"unique", [])]
        for name in kinds.get(b"g", []):
            suspects += [("group", name), ("set", f"{keys.root(queue)}g:".encode() + name)]
        ids = kinds.get(b"t", [])
        for start in range(0, len(ids), STEP):
            pending, strays = yield from ask(stray(queue, ids[start : start + STEP]))
            suspects += [("task", task_id) for task_id in strays]
            self._pending.setdefault(queue, []).extend(pending)
        yield from self._examine(queue, suspects)

    def _of_pending(self, queue: str, ids: list[bytes]) -> Procedure[None]:
        """Compare pending tasks with the list, which is read once; who was taken meanwhile is pending no more."""
        pending = f"{keys.root(queue)}pending"
        length = int((yield from command("LLEN", pending)))
        if length > MAX_PENDING:
            self._facts.looked.append(
                f"of queue {queue} no records of pending tasks: its list of {length:,} is too long to compare them"
            )
            return
        listed = Counter[bytes]()
        for start in range(0, length, LIST_STEP):
            listed.update((yield from command("LRANGE", pending, start, start + LIST_STEP - 1)))
        yield from self._examine(queue, [("task", task_id) for task_id, times in listed.items() if times > 1])
        missing = [task_id for task_id in dict.fromkeys(ids) if task_id not in listed]
        for start in range(0, len(missing), STEP):
            still, _ = yield from ask(stray(queue, missing[start : start + STEP]))
            yield from self._examine(queue, [("task", task_id) for task_id in still])


def _places(queue: Checkup) -> Iterator[tuple[str, int]]:
    for name in ("pending", "active", "scheduled", "retry", "archived", "completed"):
        yield name, getattr(queue, name)
    yield "lease", queue.leases
    yield "aggregation_sets", queue.sets


def _ends(count: int, most: int) -> Iterator[tuple[int, int]]:
    """Yield where to look, and at how many: all, or as much of both ends as may be."""
    if count <= most:
        parts = [(0, count)]
    else:
        half = max(0, most) // 2
        parts = [(0, half), (count - half, half)]
    for first, length in parts:
        for start in range(first, first + length, STEP):
            yield start, min(STEP, first + length - start)


def _text(value: bytes | str | int) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)
