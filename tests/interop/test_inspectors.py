"""Either side's inspector looks at what either side wrote, and steers it (protocol §3.6)."""

from __future__ import annotations

import os
import time
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial

import pytest

from tests.interop import table
from tests.interop.conftest import Pair
from tests.interop.inspectors import SeenServer, SeenWorker
from tests.interop.looks import is_heard
from tests.interop.populated import ARCHIVABLE, DELETABLE, PAYLOAD, RUNNABLE, stock
from tests.interop.sides import RefusedError
from tests.interop.soundness import flaws
from tests.server.conftest import Bench, until

pytestmark = pytest.mark.interop
cell = partial(table.cell, "inspector → tasks of")
BECOMES = {"run": "pending", "archive": "archived", "delete": ""}
ACTS = [("run", RUNNABLE), ("archive", ARCHIVABLE), ("delete", DELETABLE)]


async def state_of(pair: Pair, task_id: str) -> str:
    """Return a task's state, as the first side's inspector tells it; "" if there is none."""
    try:
        return (await pair.first.inspector.task(task_id)).state
    except RefusedError:
        return ""


@cell("queues")
async def test_queues(pair: Pair) -> None:
    """Those in which the owner ever enqueued."""
    for queue in ("default", "low:é"):
        await pair.second.enqueue("ok", queue=queue)
    assert {"default", "low:é"} == await pair.first.inspector.queues()


@cell("counts")
@cell("days")
async def test_counts_and_days(pair: Pair, bench: Bench) -> None:
    """Tasks by state, attempts in all and today."""
    await stock(bench, pair.second, pending=4, scheduled=3, retry=2, archived=1, completed=2)
    for group in ("g", "h"):
        await pair.second.enqueue("part", group=group)
    await pair.second.inspector.pause()
    counts = await pair.first.inspector.counts()
    assert counts == {
        "pending": 4, "active": 0, "scheduled": 3, "retry": 2, "archived": 1, "completed": 2, "aggregating": 2,
        "processed": 5, "failed": 3, "paused": 1,
    }  # fmt: skip
    today, *others = await pair.first.inspector.history()
    assert (datetime.now(UTC).date().isoformat(), 5, 3) == today
    assert [(0, 0)] * 9 == [(processed, failed) for _, processed, failed in others]


@cell("pages")
@pytest.mark.parametrize("state", ["pending", "scheduled", "completed"])
async def test_pages(pair: Pair, bench: Bench, state: str) -> None:
    """The odd numbers too (protocol §10.9)."""
    await stock(bench, pair.second, **{state: 5})
    if state == "completed":  # they end within one second, in which order is nobody's promise
        for number in range(1, 6):
            await bench.store.command("ZINCRBY", "asynq:{default}:completed", number, f"completed-{number}")
    expected = {
        (2, 1): [1, 2],
        (2, 3): [5],
        (2, 0): [4, 5],
        (0, 1): [1, 2, 3, 4, 5],
        (2, 9): [],
        (30, 1): [1, 2, 3, 4, 5],
    }
    for (size, page), numbers in expected.items():
        found = await pair.first.inspector.page(state, page=page, size=size)
        assert [f"{state}-{number}" for number in numbers] == [task.id for task in found], (size, page)


@cell("one task")
async def test_one_task(pair: Pair, bench: Bench) -> None:
    """All its facts in each state, alone and in its list, and as the owner's own inspector tells them."""
    await stock(bench, pair.second, pending=1, scheduled=1, retry=1, archived=1, completed=1)
    await pair.second.enqueue("part", b"x", group="g", task_id="aggregating-1", headers={"a": "b"}, max_retry=7)
    for state in (*DELETABLE, "aggregating"):
        began = time.monotonic()
        ours = await pair.first.inspector.task(f"{state}-1")
        theirs = await pair.second.inspector.task(f"{state}-1")
        between = time.monotonic() - began
        [listed] = await pair.first.inspector.page(state, group="g" if state == "aggregating" else "")
        assert state == ours.state
        assert abs(ours.next - theirs.next) < 2 + between  # of a pending one it is now
        assert replace(ours, next=0.0) == replace(theirs, next=0.0)
        assert replace(ours, next=0.0, result=b"") == replace(listed, next=0.0, result=b"")


@pytest.mark.parametrize(("act", "states"), [pytest.param(*act, marks=cell(act[0])) for act in ACTS])
async def test_one(pair: Pair, bench: Bench, act: str, states: tuple[str, ...]) -> None:
    """One task is moved, its neighbour of the same state is not, and all keys are as they should be."""
    await stock(bench, pair.second, **dict.fromkeys(states, 2))
    for state in states:
        await pair.first.inspector.do(act, f"{state}-1")
        assert BECOMES[act] == await state_of(pair, f"{state}-1")
        assert state == await state_of(pair, f"{state}-2")
    assert [] == await flaws(bench.store)


@cell("delete")
async def test_a_deleted_task_frees_its_lock(pair: Pair) -> None:
    """Either side may enqueue it again."""
    await pair.second.enqueue("ok", b"x", unique=600, task_id="a", process_in=600)
    await pair.first.inspector.do("delete", "a")
    await pair.second.enqueue("ok", b"x", unique=600)


@pytest.mark.parametrize(
    ("act", "state"),
    [pytest.param(act, state, marks=cell(f"{act} all")) for act, states in ACTS for state in states],
)
async def test_all(pair: Pair, bench: Bench, act: str, state: str) -> None:
    """All tasks of a state are moved, and only those."""
    other = "scheduled" if state != "scheduled" else "retry"
    await stock(bench, pair.second, **{state: 3, other: 1})
    assert 3 == await pair.first.inspector.do_all(act, state)
    counts = await pair.first.inspector.counts()
    assert (0, 1) == (counts[state], counts[other])
    if BECOMES[act]:
        assert 3 == counts[BECOMES[act]]
    assert [] == await flaws(bench.store)


@cell("run, and it runs")
async def test_what_is_run_runs(pair: Pair, bench: Bench) -> None:
    """At its owner's server; a task that was deleted or archived does not."""
    await stock(bench, pair.second, scheduled=3, retry=1, archived=1)
    for state in RUNNABLE:
        await pair.first.inspector.do("run", f"{state}-1")
    await pair.first.inspector.do("delete", "scheduled-2")
    await pair.first.inspector.do("archive", "scheduled-3")
    async with pair.second.serving() as run:
        assert {f"{state}-1" for state in RUNNABLE} == {(await run.ran()).id for _ in RUNNABLE}
        await bench.reaches(completed=1, retry=1, archived=2, pending=0, active=0, scheduled=0)
    assert [] == await flaws(bench.store)


@cell("cancel")
async def test_cancel(pair: Pair, bench: Bench) -> None:
    """What the owner's server runs is stopped; the end is its own rule (SE-24)."""
    await pair.second.enqueue("hold", task_id="a")
    async with pair.second.serving() as run:
        await run.ran()
        await until(lambda: is_heard(bench))
        await pair.first.inspector.do("cancel", "a")
        await bench.reaches("default", active=0, **({"retry": 1} if pair.second is pair.go else {"archived": 1}))


@cell("update payload")
async def test_a_payload_is_updated(pair: Pair) -> None:
    """Of a task that is scheduled; it runs with the new one, and keeps everything else."""
    await pair.second.enqueue("ok", b"old", task_id="a", process_in=600, headers={"a": "b"}, max_retry=7)
    await pair.first.inspector.update("a", b"new \xff")
    await pair.first.inspector.do("run", "a")
    async with pair.second.serving() as run:
        ran = await run.ran()
    assert (b"new \xff", {"a": "b"}, 7) == (ran.payload, ran.headers, ran.max_retry)


@cell("pause and resume")
async def test_a_paused_queue_is_left_alone(pair: Pair, bench: Bench) -> None:
    """By the owner's server, which goes on with its other queues; and it is served again when it is resumed."""
    await pair.second.enqueue("ok", task_id="waits")
    await pair.first.inspector.pause()
    with pytest.raises(RefusedError, match="already paused"):
        await pair.first.inspector.pause()
    async with pair.second.serving(queues={"default": 9, "low": 1}) as run:
        for number in range(3):
            await pair.second.enqueue("ok", queue="low", task_id=f"low-{number}")
            assert f"low-{number}" == (await run.ran()).id
        assert 1 == (await pair.first.inspector.counts())["pending"]
        await pair.first.inspector.resume()
        assert "waits" == (await run.ran()).id
    with pytest.raises(RefusedError, match="not paused"):
        await pair.first.inspector.resume()


@cell("remove a queue")
async def test_a_queue_is_removed(pair: Pair, bench: Bench) -> None:
    """Only by force while it has tasks; then neither side knows it, until it is used again."""
    await stock(bench, pair.second, pending=1, scheduled=1, retry=1, archived=1)
    with pytest.raises(RefusedError, match=r"not empty|holds"):
        await pair.first.inspector.remove()
    await pair.first.inspector.remove(force=True)
    for side in pair.both:
        assert set() == await side.inspector.queues()
    assert [] == await bench.store.command("KEYS", "asynq:{default}:t:*")


async def group_of(pair: Pair, *ids: str) -> None:
    """Let the owner put tasks into group "g"."""
    for task_id in ids:
        await pair.second.enqueue("part", PAYLOAD, group="g", task_id=task_id)


@cell("groups")
@cell("aggregating tasks")
async def test_groups(pair: Pair) -> None:
    """Their names and sizes, and the tasks in them, by pages."""
    await group_of(pair, "a", "b", "c")
    await pair.second.enqueue("part", group="h:é")
    assert {"g": 3, "h:é": 1} == await pair.first.inspector.groups()
    assert {"a", "b", "c"} == {task.id for task in await pair.first.inspector.page("aggregating", group="g")}
    assert 1 == len(await pair.first.inspector.page("aggregating", group="g", page=2, size=2))


@pytest.mark.parametrize("act", [pytest.param(act, marks=cell(f"{act} of a group's")) for act in BECOMES])
async def test_one_of_a_group(pair: Pair, bench: Bench, act: str) -> None:
    """It leaves its group, and the last one closes it."""
    await group_of(pair, "a", "b")
    await pair.first.inspector.do(act, "a")
    assert (BECOMES[act], "aggregating") == (await state_of(pair, "a"), await state_of(pair, "b"))
    assert {"g": 1} == await pair.first.inspector.groups()
    await pair.first.inspector.do(act, "b")
    assert {} == await pair.first.inspector.groups()
    assert [] == await flaws(bench.store)


@pytest.mark.parametrize("act", [pytest.param(act, marks=cell(f"{act} all of a group")) for act in BECOMES])
async def test_all_of_a_group(pair: Pair, bench: Bench, act: str) -> None:
    """All leave their group, another one stays."""
    await group_of(pair, "a", "b", "c")
    await pair.second.enqueue("part", group="h")
    assert 3 == await pair.first.inspector.do_all(act, "aggregating", "g")
    assert {"h": 1} == await pair.first.inspector.groups()
    assert {BECOMES[act]} == {await state_of(pair, task_id) for task_id in "abc"}
    assert [] == await flaws(bench.store)


@cell("servers")
@cell("workers")
async def test_servers_and_workers(pair: Pair) -> None:
    """The owner's server with its settings and what it runs; none once it has stopped."""
    await pair.second.enqueue("hold", PAYLOAD, task_id="a", timeout=100)
    async with pair.second.serving(queues={"default": 5, "low": 2}, concurrency=3, strict=True) as run:
        await run.ran()
        found: list[SeenServer] = []

        async def shows_its_worker() -> bool:
            nonlocal found
            found = await pair.first.inspector.servers()
            return any(server.workers for server in found)

        await until(shows_its_worker, 100)
    [server] = found
    assert ({"default": 5, "low": 2}, 3, True, "active") == (
        server.queues, server.concurrency, server.strict, server.status,
    )  # fmt: skip
    assert (server.pid == os.getpid()) == (pair.second is pair.python)
    assert [SeenWorker("a", "hold", PAYLOAD, "default", 100)] == [
        replace(server.workers[0], time=round(server.workers[0].time))
    ]
    assert [] == await pair.first.inspector.servers()


@cell("refusals")
async def test_what_cannot_be_done_is_refused(pair: Pair, bench: Bench) -> None:
    """A task in the wrong state, a task or a queue that is not there; and nothing is changed."""
    await stock(bench, pair.second, pending=1, archived=1)
    await pair.second.enqueue("hold", task_id="held", queue="other")
    async with pair.second.serving(queues={"other": 1}) as run:
        await run.ran()
        before = [await pair.first.inspector.counts(queue) for queue in ("default", "other")]
        for act, task_id, queue in [
            ("run", "pending-1", "default"), ("archive", "archived-1", "default"), ("run", "none", "default"),
            ("archive", "none", "default"), ("delete", "none", "default"), ("run", "a", "nowhere"),
            ("run", "held", "other"), ("archive", "held", "other"), ("delete", "held", "other"),
        ]:  # fmt: skip
            with pytest.raises(RefusedError):
                await pair.first.inspector.do(act, task_id, queue)
        with pytest.raises(RefusedError):
            await pair.first.inspector.remove("other", force=True)
        assert before == [await pair.first.inspector.counts(queue) for queue in ("default", "other")]
