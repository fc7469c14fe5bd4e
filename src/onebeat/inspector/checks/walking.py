"""
Looks for damage: along the lists of every queue, and over all keys of the store.

What seems damaged is looked at once more, whole and in one step, before it is said to be (scripts/mend.lua); so what
moves meanwhile is no false alarm. How much is looked at has a bound; of a longer list both ends are.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

from onebeat.broker.checkup import MEND_STEP, STEP, Checkup, Item, Record, Stretch, checkup, glance, mend, stray
from onebeat.errors import BrokerError
from onebeat.inspector.checks.facts import Facts
from onebeat.inspector.checks.gathering import FEWEST_SAMPLES, Gathering
from onebeat.inspector.steps import At, Everywhere, Procedure, ask, command
from onebeat.wire import keys

T = TypeVar("T")

LEAST, MOST = 20, 10_000
"""Entries of one list that are looked at, so that a long list leaves something for the others."""

SCAN = 500
"""Keys that one step over the store looks at."""

MAX_PENDING = 200_000
"""Ids of a list of pending tasks that are read to compare records with it."""

HELD = 100_000
"""Records of a cluster that are met before it is asked of them, since each queue takes a question of its own."""

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
        self._is_spread = gathering.is_spread
        self._only = only
        self._names = set(self._facts.names)
        self._known: set[tuple[str, Item]] = set()
        self._waiting: dict[str, list[bytes]] = {}
        self._records: list[Record] = []
        self._seen = 0

    def along_lists(self) -> Procedure[None]:
        """Look at the entries of every queue's lists, sets and groups."""
        lists = [
            (queue.queue, place, count) for queue in self._facts.queues for place, count in _places(queue) if count
        ]
        there = sum(count for _, _, count in lists)
        yield from self._along(lists)
        for queue in self._facts.queues:
            if queue.groups:
                yield from self._groups(queue.queue, min(MOST, self._budget))
        of = f"{self._seen:,} of {there:,}" if self._seen < there else f"{self._seen:,}"
        self._facts.looked.append(f"{of} entries of lists")

    def _along(self, lists: list[tuple[str, str, int]]) -> Procedure[None]:
        """Look at lists: at as much of each as leaves something for the others."""
        share = max(LEAST, min(MOST, self._budget // max(1, len(lists))))
        left = self._budget
        stretches: list[Stretch] = []
        for queue, place, count in lists:
            for start, limit in _ends(count, min(share, left)):
                stretches.append(Stretch(queue, place, start, limit))
                left -= limit
        for part in self._parts(stretches, lambda one: one.queue, lambda one: one.limit):
            suspects: dict[str, list[Item]] = {}
            for page in (yield from ask(glance(part))):
                suspects.setdefault(page.queue, []).extend(page.suspects)
                self._seen += page.seen
            for queue, items in suspects.items():
                yield from self._examine(queue, items)

    def _parts(self, items: Sequence[T], queue: Callable[[T], str], weight: Callable[[T], int]) -> Iterator[list[T]]:
        """Put into one call as much as is one step: in a cluster of one queue."""
        part: list[T] = []
        total = 0
        for item in items:
            is_other = self._is_spread and part and queue(part[-1]) != queue(item)
            if part and (is_other or total + weight(item) > STEP):
                yield part
                part, total = [], 0
            part.append(item)
            total += weight(item)
        if part:
            yield part

    def _groups(self, queue: str, most: int) -> Procedure[None]:
        seen, cursor = 0, "0"
        while seen < most:
            [page] = yield from ask(glance([Stretch(queue, "groups", cursor, STEP)]))
            yield from self._examine(queue, page.suspects)
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
        suspects: dict[str, list[Item]] = {}
        yield from self._of_records(suspects)
        for queue, items in suspects.items():
            yield from self._examine(queue, items)
        for queue, ids in self._waiting.items():
            yield from self._of_pending(queue, ids)
        yield from self._of_unlisted()
        yield from self._leave_to_sets()
        of = f"{looked:,} of {there:,}" if looked < there else f"{there:,}"
        self._facts.looked.append(f"{of} keys")

    def _of_unlisted(self) -> Procedure[None]:
        """Look at queues that no tool lists, which nobody has looked at yet."""
        for queue in self._facts.unlisted[:MAX_UNLISTED]:
            found = (yield from ask(checkup([queue], FEWEST_SAMPLES))).queues
            self._facts.queues += found
            yield from self._along(
                [(one.queue, place, count) for one in found for place, count in _places(one) if count]
            )
            for one in found:
                if one.groups:
                    yield from self._groups(queue, min(MOST, self._budget))

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
        suspects: dict[str, list[Item]] = {}
        records: list[Record] = []
        for key in page:
            match = _KEY.match(key)
            queue = _text(match[1]) if match is not None else ""
            if match is None or (self._only and queue not in self._only):
                continue
            kind, rest = match[2], match[3]
            if kind == b"t":
                records.append((queue, rest))
            elif kind == b"unique":
                suspects.setdefault(queue, []).append(("lock", key))
            elif kind == b"g":
                suspects.setdefault(queue, []).extend([("group", rest), ("set", key)])
            elif rest in _HOLDING and queue not in self._names:
                self._names.add(queue)
                self._facts.unlisted.append(queue)
        self._records += records
        if not self._is_spread or len(self._records) >= HELD:
            yield from self._of_records(suspects)
        for queue, items in suspects.items():
            try:
                yield from self._examine(queue, items)
            except BrokerError as error:
                self._facts.broken.setdefault(queue, str(error))

    def _of_records(self, suspects: dict[str, list[Item]]) -> Procedure[None]:
        """See which of the records that were met are not where they say."""
        records, self._records = sorted(self._records), []
        for part in self._parts(records, lambda one: one[0], lambda _one: 1):
            strays, waiting = yield from ask(stray(part))
            for queue, task_id in strays:
                suspects.setdefault(queue, []).append(("task", task_id))
            for queue, task_id in waiting:
                self._waiting.setdefault(queue, []).append(task_id)

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
            part = [(queue, task_id) for task_id in missing[start : start + STEP]]
            strays, waiting = yield from ask(stray(part))
            yield from self._examine(queue, [("task", task_id) for _, task_id in (*strays, *waiting)])


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
