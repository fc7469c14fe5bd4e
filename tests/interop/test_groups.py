"""Groups: either side's client fills them, either side's server makes one task of each (protocol §3.4)."""

from __future__ import annotations

from functools import partial

import pytest

from tests.interop import table
from tests.interop.conftest import Pair
from tests.interop.sides import RefusedError
from tests.interop.soundness import flaws
from tests.server.conftest import Bench

pytestmark = pytest.mark.interop
cell = partial(table.cell, "client → server")
MANY = 1000


@cell("group by size")
async def test_a_full_group_is_aggregated(pair: Pair, bench: Bench) -> None:
    """Its members in the order in which they came; they are gone, and the one task runs in their place."""
    for number in (1, 2, 3):
        await pair.first.enqueue("part", str(number).encode(), group="g:é", task_id=f"p{number}")
        assert "aggregating" == (await pair.second.inspector.task(f"p{number}")).state
    async with pair.second.serving(group_size=3) as run:
        made = await run.aggregated()
        assert ("g:é", {b"1", b"2", b"3"}) == (made.group, set(made.payloads))
        assert b",".join(made.payloads) == (await run.ran()).payload
        await bench.reaches(completed=1, aggregating=0, pending=0, active=0)
    assert 0 == await bench.store.command("EXISTS", "asynq:{default}:groups", "asynq:{default}:aggregation_sets")
    assert [] == await flaws(bench.store)


@cell("group by grace")
async def test_a_quiet_group_is_aggregated(pair: Pair, bench: Bench) -> None:
    """Two groups, each by itself, once nobody has joined for the grace period."""
    for group in ("a", "b"):
        await pair.first.enqueue("part", group.encode(), group=group)
    async with pair.second.serving(group_size=MANY) as run:
        await bench.reaches(completed=2, aggregating=0)
        seen = [await run.next() for _ in range(4)]
    assert {b"a", b"b"} == {one.payload for one in seen if hasattr(one, "payload")}


@cell("delayed group task")
async def test_a_delayed_task_joins_its_group(pair: Pair, bench: Bench) -> None:
    """Ours does so when it is due, whoever forwards it; Go's is not marked as one, and runs by itself (SE-02)."""
    await pair.first.enqueue("ok", b"later", group="g", process_in=1, task_id="a")
    async with pair.second.serving(group_size=MANY) as run:
        if pair.first is pair.go:
            assert ("a", b"later") == ((ran := await run.ran()).id, ran.payload)
        elif pair.second is pair.python:
            assert [b"later"] == (await run.aggregated()).payloads
        else:
            await bench.reaches(scheduled=0, active=0, pending=0, processed=0)
            assert "aggregating" == (await pair.second.inspector.task("a")).state


@cell("aggregate runs at either")
async def test_the_one_task_runs_at_the_other(pair: Pair, bench: Bench) -> None:
    """The first side's server makes it, while the second's waits for it in the same queue or takes it later."""
    await pair.second.enqueue("part", b"x", group="g")
    await bench.store.command("SET", "asynq:{default}:paused", "1")
    async with pair.first.serving(group_size=1) as run:
        assert [b"x"] == (await run.aggregated()).payloads
        await bench.reaches(pending=1, aggregating=0)
    await bench.store.command("DEL", "asynq:{default}:paused")
    async with pair.second.serving() as run:
        assert ("whole", b"x") == ((ran := await run.ran()).type, ran.payload)
        await bench.reaches(completed=1)


@cell("unique group task")
async def test_a_lock_holds_for_group_tasks(pair: Pair) -> None:
    """Either side refuses a second one of its kind, in the group or not."""
    await pair.first.enqueue("part", b"x", group="g", unique=60)
    for side in pair.both:
        for options in ({"group": "g"}, {"group": "h"}, {}):
            with pytest.raises(RefusedError, match="duplicate"):
                await side.enqueue("part", b"x", unique=60, **options)
