"""
Would the comparison notice? Faults are put into our scripts, one at a time, and each must make the two sides differ.

Run by `make proof-differential`, not with the tests.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import pytest
from hypothesis import HealthCheck, Phase, seed, settings
from hypothesis.stateful import run_state_machine_as_test

from onebeat.broker import call
from tests.interop.differential.machine import Machine
from tests.interop.differential.pair import Pair

pytestmark = pytest.mark.interop


@dataclass(frozen=True)
class Mutant:
    """A fault: in one script file, text that becomes another."""

    says: str
    path: str
    text: str
    becomes: str


MUTANTS = [
    Mutant("the lease stays", "finish.lua", 'redis.call("ZREM", lease, id)', ""),
    Mutant(
        "a task is put back to the wrong end",
        "finish.lua",
        '"RPUSH", asynq .. "pending"',
        '"LPUSH", asynq .. "pending"',
    ),
    Mutant("a soft failure counts", "finish.lua", 'if kind == "failure" then', 'if kind ~= "unknown" then'),
    Mutant("the failures of the day are forgotten", "lib/counters.lua", 'count_daily("failed", failed)', ""),
    Mutant("counters live a day too long", "lib/counters.lua", "now_s + 7776000", "now_s + 7862400"),
    Mutant("the lock stays", "lib/unlock.lua", 'redis.call("DEL", unique_key)', ""),
    Mutant("the lock of another is freed", "lib/unlock.lua", 'redis.call("GET", unique_key) == id', "true"),
    Mutant("the lock counts from now", "lib/place.lua", "tonumber(lock_ms) + delay", "tonumber(lock_ms)"),
    Mutant("the newest runs first", "lib/place.lua", '"LPUSH", KEYS[1] .. "pending"', '"RPUSH", KEYS[1] .. "pending"'),
    Mutant("scores are cut", "lib/place.lua", "math.ceil(at / 1000)", "math.floor(at / 1000)"),
    Mutant("what runs waits, too", "take.lua", '"HDEL", task, "pending_since",', '"HDEL", task,'),
    Mutant("expired tasks leave their records", "lib/expire.lua", 'redis.call("DEL", KEYS[1] .. "t:" .. id)', ""),
    Mutant("the exact time stays", "lib/forward.lua", 'redis.call("ZREM", KEYS[2] .. "exact", id)', ""),
    Mutant("an empty group is listed", "lib/ungroup.lua", 'redis.call("SREM", KEYS[1] .. "groups", group)', ""),
]


NOTICED = "undeclared difference|records and places disagree|exact times are not those shown|and no task"


@contextmanager
def inside(mutant: Mutant) -> Iterator[None]:
    """Have the fault in every script that is loaded meanwhile."""
    read = call._read

    def faulty(path: str) -> str:
        text = read(path)
        if path != mutant.path:
            return text
        assert mutant.text in text, f"{path} has no {mutant.text!r} any more: choose another fault"
        return text.replace(mutant.text, mutant.becomes)

    call._read = faulty
    call.load.cache_clear()
    try:
        yield
    finally:
        call._read = read
        call.load.cache_clear()


@pytest.mark.timeout(300)
@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.says)
def test_a_fault_is_noticed(mutant: Mutant, databases: Pair) -> None:
    """A few random sequences are enough to make the two sides differ."""
    Machine.pair = databases
    chosen = settings(
        max_examples=200,
        stateful_step_count=40,
        deadline=None,
        database=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
        report_multiple_bugs=False,
    )
    with inside(mutant), pytest.raises(AssertionError, match=NOTICED):
        run_state_machine_as_test(seed(26)(Machine), settings=chosen)
