"""What either side schedules the other's inspector shows, and the other's server runs (protocol §6)."""

from __future__ import annotations

from functools import partial

import pytest

from tests.interop import table
from tests.interop.conftest import Pair
from tests.interop.inspectors import SeenEntry
from tests.server.conftest import Bench, until

pytestmark = pytest.mark.interop
cell = partial(table.cell, "scheduler → inspector")
PAYLOAD = b'{"a":"\xc3\xa9"}'


async def fired(pair: Pair) -> SeenEntry:
    """
    Wait until the second side's inspector shows the first side's schedule, of every second, with a fire before.

    The next one is a second later, but where the machine stood still at the fire: then those that were missed lie
    between, until it has fired again.
    """
    found: list[SeenEntry] = []

    async def shows() -> bool:
        nonlocal found
        found = [entry for entry in await pair.second.inspector.entries() if entry.next - entry.prev == 1]
        return bool(found)

    await until(shows, 100)
    [entry] = found
    return entry


@cell("entry")
@cell("options")
@cell("next and previous")
@cell("history of fires")
@cell("its tasks")
async def test_a_schedule_shows(pair: Pair) -> None:
    """Its spec, task and options, when it fired and will, which tasks it enqueued, and those as they should be."""
    options = {"queue": "beat", "max_retry": 2, "timeout": 90, "retention": 3600}
    async with pair.first.scheduling("@every 1s", "tick", PAYLOAD, **options) as entry_id:
        entry = await fired(pair)
        events = await pair.second.inspector.events(entry_id)
        latest = await pair.second.inspector.events(entry_id, size=1)
        task = await pair.second.inspector.task(events[-1][0], "beat")
    assert (entry_id, "@every 1s", "tick", PAYLOAD) == (entry.id, entry.spec, entry.type, entry.payload)
    assert {'Queue("beat")', "MaxRetry(2)", "Timeout(1m30s)", "Retention(1h0m0s)"} == entry.options
    assert events[:1] == latest
    assert sorted((at for _, at in events), reverse=True) == [at for _, at in events]
    assert ("tick", PAYLOAD, "pending", 2, 90, 3600) == (
        task.type, task.payload, task.state, task.max_retry, task.timeout, task.retention,
    )  # fmt: skip


@cell("after its end")
async def test_when_a_scheduler_ends(pair: Pair, bench: Bench) -> None:
    """
    Go's is gone with its history. Ours is kept in the store, its history too, and any server of ours fires it.

    No server of Go's does.
    """
    async with pair.first.scheduling("@every 1s", "tick", PAYLOAD, queue="beat") as entry_id:
        await fired(pair)
    events = await pair.second.inspector.events(entry_id)
    before = await pair.second.inspector.counts("beat")
    async with pair.go.serving():
        await pair.go.enqueue("ok", process_in=2.5)  # two ticks would come meanwhile
        await bench.reaches(processed=1)
    assert before == await pair.second.inspector.counts("beat")
    if pair.first is pair.go:
        assert ([], []) == (events, await pair.second.inspector.entries())
        return
    assert events
    async with pair.python.serving():

        async def goes_on() -> bool:
            return len(await pair.second.inspector.events(entry_id)) > len(events)

        await until(goes_on)


@table.cell("scheduler → server", "what it fires runs")
async def test_the_other_side_runs_what_fires(pair: Pair) -> None:
    """With the payload as it was registered; the id is the one that the history names."""
    async with (
        pair.first.scheduling("@every 1s", "ok", PAYLOAD, queue="beat", headers={"x": "y"}) as entry_id,
        pair.second.serving(queues={"beat": 1}) as run,
    ):
        ran = await run.ran()

        async def is_noted() -> bool:
            return ran.id in [task_id for task_id, _ in await pair.second.inspector.events(entry_id)]

        await until(is_noted)
    assert (PAYLOAD, "y") == (ran.payload, ran.headers["x"])
    assert ("tick" in ran.headers) == (pair.first is pair.python)
