"""Damage of any kind at once: after a repair every task is where it belongs, and none is lost."""

from __future__ import annotations

import random

import pytest

from onebeat.broker.store import Store
from onebeat.inspector.diagnosing import Doctor
from onebeat.inspector.steps import follow
from tests.anywhere import everywhere
from tests.conftest import NOON, Clock
from tests.inspector.conftest import check_places, everything, put_in

ROOT = "asynq:{q}:"
STATES = ("pending", "active", "scheduled", "retry", "archived", "completed", "aggregating")
LISTS = ("pending", "active")
SETS = ("lease", "scheduled", "retry", "archived", "completed", "g:g")


async def hurt(store: Store, dice: random.Random, ids: list[str]) -> None:
    """Do one bad thing."""
    task_id, place = dice.choice([*ids, "ghost"]), dice.choice([*LISTS, *SETS])
    match dice.randrange(8):
        case 0 | 1 if place in LISTS:
            await store.command("LREM", ROOT + place, 0, task_id)
        case 0 | 1:
            await store.command("ZREM", ROOT + place, task_id)
        case 2 if place in LISTS:
            await store.command(dice.choice(["LPUSH", "RPUSH"]), ROOT + place, task_id)
        case 2:
            await store.command("ZADD", ROOT + place, NOON + dice.randrange(-100, 1000), task_id)
        case 3:
            await store.command("HSET", f"{ROOT}t:{task_id}", "state", dice.choice([*STATES, "odd"]))
        case 4:
            await store.command("DEL", ROOT + place)
        case 5:
            await store.command("ZREM", "onebeat:{q}:exact", task_id)
        case 6:
            await store.command(dice.choice(["SADD", "SREM"]), ROOT + "groups", "g")
        case _:
            await store.command("HDEL", f"{ROOT}t:{task_id}", "group")


async def ids_with_message(store: Store) -> set[bytes]:
    found = set()
    for key in await everywhere(store, "KEYS", ROOT + "t:*"):
        if await store.command("HEXISTS", key, "msg"):
            found.add(key.removeprefix(f"{ROOT}t:".encode()))
    return found


async def ids_that_stay(store: Store) -> set[bytes]:
    """Return what does not say that it is completed: of these some are over, as their message says no retention."""
    found = set()
    for task_id in await ids_with_message(store):
        if await store.command("HGET", f"{ROOT}t:".encode() + task_id, "state") != b"completed":
            found.add(task_id)
    return found


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(60))
async def test_whatever_was_done_it_is_right_after_a_repair(store: Store, clock: Clock, seed: int) -> None:
    """
    All records are listed once, where their state says, and a second repair finds nothing.

    Only what claims to be archived or completed and would not be kept may be deleted.
    """
    dice = random.Random(seed)
    ids = [f"{state}-{number}" for state in STATES for number in range(3)]
    for task_id in ids:
        await put_in(store, task_id.partition("-")[0], task_id)
    for _ in range(dice.randrange(1, 25)):
        await hurt(store, dice, ids)
    before, kept = await ids_with_message(store), await ids_that_stay(store)
    for _ in range(3):
        await follow(store, Doctor(store).repair(dry_run=False))
    assert [] == await follow(store, Doctor(store).repair(dry_run=False)), "there is always something to repair"
    await check_places(store)
    after = await ids_with_message(store)
    assert kept <= after <= before
    whole = await everything(store)
    await follow(store, Doctor(store).diagnose())
    assert whole == await everything(store)
