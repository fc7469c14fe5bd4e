"""The groups of many queues, with their ages."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from onebeat.broker.store import Store
from onebeat.client import Client
from onebeat.errors import InvalidTask
from onebeat.inspector import grouping
from onebeat.task import Task
from tests.conftest import NOON, Clock
from tests.inspector.conftest import Face


def at(seconds: float) -> datetime:
    return datetime.fromtimestamp(NOON + seconds, UTC)


async def join(store: Store, queue: str, group: str) -> None:
    async with Client(store) as client:
        await client.enqueue(Task("t"), queue=queue, group=group)


async def test_groups_of_several_queues_come_with_their_ages(inspector: Face, store: Store, clock: Clock) -> None:
    """By queue and name: when the first of those that wait joined, and the last."""
    await join(store, "mail", "b")
    await clock.advance(5)
    await join(store, "mail", "b")
    await join(store, "mail", "a")
    await join(store, "push", "b")
    found = await inspector.groups_each(["mail", "push", "nothing"])
    assert [
        ("mail", "a", 1, 0, at(5), at(5)),
        ("mail", "b", 2, 0, at(0), at(5)),
        ("push", "b", 1, 0, at(5), at(5)),
    ] == [(one.queue, one.name, one.size, one.staged, one.oldest_at, one.newest_at) for one in found.groups]
    assert ((), {}) == (found.cut, found.failed)


async def test_a_group_that_is_all_staged_has_no_age(inspector: Face, store: Store) -> None:
    """Its tasks are being aggregated, and nobody waits."""
    await store.command("ZADD", "asynq:{mail}:g:a:0f", NOON, "one")
    await store.command("ZADD", "asynq:{mail}:aggregation_sets", NOON + 60, "asynq:{mail}:g:a:0f")
    (found,) = (await inspector.groups_each(["mail"])).groups
    assert ("a", 0, 1, None, None) == (found.name, found.size, found.staged, found.oldest_at, found.newest_at)


async def test_what_is_left_out_is_said(inspector: Face, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of queues beyond those that are looked into, and of groups beyond those that are listed."""
    monkeypatch.setattr(grouping, "MAX_QUEUES", 2)
    monkeypatch.setattr(grouping, "MAX_GROUPS", 2)
    for queue, group in (("a", "1"), ("b", "1"), ("b", "2"), ("c", "1")):
        await join(store, queue, group)
    found = await inspector.groups_each(["a", "b", "c"])
    assert [("a", "1"), ("b", "1")] == [(one.queue, one.name) for one in found.groups]
    assert ("b", "c") == found.cut


async def test_a_damaged_queue_does_not_hide_the_others(inspector: Face, store: Store) -> None:
    """It is named, with why."""
    await store.command("SET", "asynq:{bad}:groups", "no set")
    await join(store, "mail", "a")
    found = await inspector.groups_each(["bad", "mail"])
    assert ["mail"] == [one.queue for one in found.groups]
    assert ["bad"] == list(found.failed)


@pytest.mark.parametrize("queues", ["mail", None, 3, [""]])
async def test_what_is_no_list_of_queues_is_refused(inspector: Face, queues: object) -> None:
    """Before anything is asked."""
    with pytest.raises(InvalidTask):
        await inspector.groups_each(queues)
