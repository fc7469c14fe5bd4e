"""The groups of many queues, with their ages: a procedure for both inspectors. Nothing is written."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import replace
from itertools import groupby

from onebeat.broker import browse
from onebeat.errors import BrokerError
from onebeat.inspector.models import GroupInfo, GroupsFound
from onebeat.inspector.reading import names_of
from onebeat.inspector.showing import at
from onebeat.inspector.steps import Procedure, ask_each

MAX_QUEUES = 200
"""Queues that are looked into."""

MAX_GROUPS = 1000
"""Groups that are listed."""

AGES_STEP = 200
"""Groups whose ages one script reads."""


def groups_each(queues: object) -> Procedure[GroupsFound]:
    names = names_of(queues)
    wanted, cut = names[:MAX_QUEUES], set(names[MAX_QUEUES:])
    listed = yield from ask_each([browse.groups(name, "0") for name in wanted])
    staged = yield from ask_each([browse.staged(name, 0) for name in wanted])
    found: list[GroupInfo] = []
    failed: dict[str, str] = {}
    for queue, waits, sets in zip(wanted, listed, staged, strict=True):
        if isinstance(waits, BrokerError) or isinstance(sets, BrokerError):
            failed[queue] = str(waits if isinstance(waits, BrokerError) else sets)
            continue
        cursor, waiting = waits
        found += _of(queue, waiting, sets)
        if cursor != "0" or len(sets) >= browse.MAX_GROUPS:
            cut.add(queue)
    cut |= {info.queue for info in found[MAX_GROUPS:]}
    aged = yield from _aged(found[:MAX_GROUPS])
    return GroupsFound(groups=tuple(aged), cut=tuple(sorted(cut)), failed=failed)


def _of(queue: str, waiting: dict[str, int], sets: Iterable[tuple[str, int]]) -> list[GroupInfo]:
    staged: Counter[str] = Counter()
    for name, count in sets:
        staged[name] += count
    return [
        GroupInfo(queue=queue, name=name, size=waiting.get(name, 0), staged=staged[name])
        for name in sorted(waiting.keys() | staged.keys())
    ]


def _aged(found: list[GroupInfo]) -> Procedure[list[GroupInfo]]:
    """Say since when they wait; of those whose ages the store does not tell, nothing is said."""
    parts = [
        part[start : start + AGES_STEP]
        for _, infos in groupby(found, key=lambda info: info.queue)
        for part in [list(infos)]
        for start in range(0, len(part), AGES_STEP)
    ]
    answers = yield from ask_each([browse.group_ages(part[0].queue, [info.name for info in part]) for part in parts])
    aged: list[GroupInfo] = []
    for part, ages in zip(parts, answers, strict=True):
        if isinstance(ages, BrokerError):
            aged += part
            continue
        for info, (oldest, newest) in zip(part, ages, strict=True):
            aged.append(
                replace(
                    info,
                    oldest_at=None if oldest is None else at(oldest),
                    newest_at=None if newest is None else at(newest),
                )
            )
    return aged
