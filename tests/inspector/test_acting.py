"""Doing something to what a filter found: what moved meanwhile is left alone, and what is said of it is true."""

from __future__ import annotations

import json
from typing import Any

import pytest

from onebeat.broker.call import Call
from onebeat.broker.store import Store
from onebeat.errors import InvalidTask, PayloadError
from onebeat.inspector.acting import Pace, batches
from onebeat.inspector.found import Chosen, Selection
from onebeat.inspector.inspector import Inspector
from onebeat.states import TaskState
from onebeat.task import TaskInfo
from tests.conftest import Clock
from tests.inspector.conftest import STATES, Face, check_places, everything, grab, put, put_in
from tests.inspector.test_searching import write

ROOT = "asynq:{q}:"
AFTER = {"run": "pending", "archive": "archived"}
ALLOWED = {
    "run": {"scheduled", "retry", "archived", "completed", "aggregating"},
    "archive": {"pending", "scheduled", "retry", "aggregating"},
    "delete": {"pending", "scheduled", "retry", "archived", "completed", "aggregating"},
    "cancel": {"pending", "active", "scheduled", "retry", "aggregating"},
    "update": {"pending", "scheduled", "retry", "archived", "aggregating"},
}


def numbers(report: Any) -> tuple[int, int, int, int]:
    return report.done, report.skipped, report.failed, report.left


@pytest.mark.parametrize("action", list(ALLOWED))
async def test_each_action_takes_the_states_that_it_is_for(inspector: Face, store: Store, action: str) -> None:
    """And does it to all of them; nothing before `apply`."""
    for state in STATES:
        await put_in(store, state, state, {"n": 1})
    before = await everything(store)
    selection = await inspector.select(action, "payload.n=1")
    assert before == await everything(store)
    assert ALLOWED[action] == {task.id for task in selection.tasks} == {info.id for info in selection.first}
    assert {("q", TaskState(state)): 1 for state in ALLOWED[action]} == selection.counts
    changes = {"changes": {"max_retry": 7}} if action == "update" else {}
    reports = await inspector.apply(selection, **changes)
    assert (len(selection.tasks), 0, 0, 0) == numbers(reports[-1])
    left = [info async for part in Inspector(store).search() for info in part.tasks]
    if action in AFTER:
        assert ALLOWED[action] <= {info.id for info in left if info.state == AFTER[action]}
    elif action == "update":
        assert ALLOWED[action] == {info.id for info in left if info.max_retry == 7}
    else:
        assert ALLOWED[action] - {"active"} == set(STATES) - {info.id for info in left}
    await check_places(store)


@pytest.mark.parametrize("action", list(ALLOWED))
async def test_what_moved_or_changed_meanwhile_is_skipped(inspector: Face, store: Store, action: str) -> None:
    """Whatever it is by then: run, failed anew, updated or gone."""
    for name in ("runs", "ran", "updated", "gone", "stays"):
        await put_in(store, "retry", name, {"n": 1})
    selection = await inspector.select(action, "state:retry")
    await inspector.run("q", "runs")
    await grab(store, "runs")
    await inspector.run("q", "ran")
    await inspector.update("q", "updated", payload={"n": 2})
    await inspector.delete("q", "gone")
    before = {name: await store.command("DUMP", f"{ROOT}t:{name}") for name in ("runs", "ran", "updated")}
    changes = {"changes": {"payload": {"n": 9}}} if action == "update" else {}
    [report] = await inspector.apply(selection, **changes)
    assert (1, 4, 0, 0) == numbers(report)
    assert before == {name: await store.command("DUMP", f"{ROOT}t:{name}") for name in before}


async def test_it_goes_in_steps_and_says_how_far_it_is(inspector: Face, store: Store, scripts: list[Call[Any]]) -> None:
    """Of a hundred tasks of one queue; what is not tried yet is left."""
    await write(store, 250, "archived", every=1)
    await write(store, 30, "archived", every=1, queue="low")
    heard: list[tuple[int, int]] = []
    selection = await inspector.select("run", "error:refused", progress=lambda *numbers: heard.append(numbers))
    assert (30, 280) == heard[0]
    assert (280, 280) == heard[-1]
    assert (280, True) == (len(selection.tasks), selection.is_whole)
    before = len(scripts)
    reports = await inspector.apply(selection)
    assert [(30, 250), (130, 150), (230, 50), (280, 0)] == [(report.done, report.left) for report in reports]
    assert ["steer"] * 4 == [call.script for call in scripts[before:]]


async def test_who_stops_iterating_stops_it(store: Store) -> None:
    """Between two steps: the rest is as it was."""
    await write(store, 250, "archived", every=1)
    inspector = Inspector(store)
    selection = await inspector.select("delete", "")
    async for report in inspector.apply(selection):
        assert (100, 0, 0, 150) == numbers(report)
        break
    assert 150 == (await inspector.stats("q")).archived


async def test_a_limit_takes_the_first(inspector: Face, store: Store) -> None:
    """And says that there may be more."""
    await write(store, 50, "archived")
    selection = await inspector.select("delete", "type:mail", limit=7)
    assert (7, 7, False) == (len(selection.tasks), len(selection.first), selection.is_whole)


def test_a_rate_makes_steps_small_and_even() -> None:
    """A quarter of a second's, of one queue each; what came late is not made up for."""
    tasks = tuple(Chosen("a" if number < 15 else "b", f"{number}", TaskState.RETRY, "") for number in range(30))
    selection = Selection(action="run", filter="", tasks=tasks, first=(), scanned=30, is_whole=True)
    assert [10, 5, 10, 5] == [len(batch) for batch in batches(selection, 40)]
    assert [1] * 30 == [len(batch) for batch in batches(selection, 0.5)]
    assert [15, 15] == [len(batch) for batch in batches(selection, None)]
    now = 100.0
    pace = Pace(40, lambda: now)
    assert [0, 0.25] == [pace.wait(10), pace.wait(10)]
    now = 100.5
    assert 0 == pace.wait(10)
    now = 200.0
    assert [0, 0.25] == [pace.wait(10), pace.wait(10)]
    assert [0, 0] == [Pace(None, lambda: now).wait(10) for _ in range(2)]


async def test_it_waits_for_its_rate(inspector: Face, store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """Before each step, as long as the rate says."""
    monkeypatch.setattr(Pace, "wait", lambda self, count: 0.001)
    await write(store, 40, "archived")
    reports = await inspector.apply(await inspector.select("run", ""), rate=40)
    assert [10, 20, 30, 40] == [report.done for report in reports]


async def test_an_update_may_be_made_of_each_task(inspector: Face, store: Store, clock: Clock) -> None:
    """From the payload that it has in the same step."""
    for number in range(3):
        await put_in(store, "archived", f"{number}", {"n": number})

    def more(info: TaskInfo) -> Any:
        return {"payload": {"n": json.loads(info.payload)["n"] + 10}}

    [report] = await inspector.apply(await inspector.select("update", "state:archived"), changes=more)
    assert (3, 0, 0, 0) == numbers(report)
    assert [b'{"n":10}', b'{"n":11}', b'{"n":12}'] == [
        info.payload for info in await inspector.tasks("q", state="archived")
    ]


async def test_what_fails_is_counted_and_the_first_reason_told(inspector: Face, store: Store) -> None:
    """The others are done."""
    await put(store, "a", {"n": 1}, unique=60)
    await put(store, "b", {"n": 2}, unique=60)
    selection = await inspector.select("update", "id:a,b")
    [report] = await inspector.apply(selection, changes={"payload": {"n": 1}})
    assert (1, 0, 1, 0) == numbers(report)
    assert "holds the lock of the new payload" in report.why


async def test_changes_that_cannot_be_made_of_one_task_fail_for_it_alone(inspector: Face, store: Store) -> None:
    """As when its payload is none that they can be made of."""
    for number in range(3):
        await put_in(store, "archived", f"{number}", {"n": number})

    def change(info: TaskInfo) -> Any:
        if info.id == "1":
            raise PayloadError("payload of task '1' is odd")
        return {"max_retry": 9}

    [report] = await inspector.apply(await inspector.select("update", ""), changes=change)
    assert ((2, 0, 1, 0), True) == (numbers(report), report.why.endswith("payload of task '1' is odd"))


async def test_a_bulk_moves_tasks_to_another_queue(inspector: Face, store: Store) -> None:
    """One by one, as `update` does."""
    for number in range(3):
        await put(store, f"{number}")
    [report] = await inspector.apply(await inspector.select("update", "queue:q"), changes={"move_to": "low"})
    assert (3, 0, 0, 0) == numbers(report)
    assert 3 == (await inspector.stats("low")).pending


async def test_what_cannot_be_is_refused_before_anything_is_done(inspector: Face, store: Store) -> None:
    """An action that is none, states that it is not for, changes that cannot be used, a rate that is none."""
    await put_in(store, "archived", "a", {"n": 1})
    with pytest.raises(InvalidTask, match="action is 'burn'"):
        await inspector.select("burn", "")
    with pytest.raises(InvalidTask, match=r"archive cannot be done to what filter 'state:archived' finds"):
        await inspector.select("archive", "state:archived")
    selection = await inspector.select("update", "")
    before = await everything(store)
    for changes, error in ((None, InvalidTask), ({}, InvalidTask), ({"payload": object()}, PayloadError)):
        with pytest.raises(error):
            await inspector.apply(selection, changes=changes)
    with pytest.raises(InvalidTask, match="leave changes="):
        await inspector.apply(await inspector.select("run", ""), changes={"max_retry": 1})
    with pytest.raises(InvalidTask, match="rate is 0"):
        await inspector.apply(selection, rate=0)
    assert before == await everything(store)
