"""What a server records of its queues, minute by minute."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import pytest

from onebeat import Retry, RevokeTask, SkipRetry
from onebeat.broker.consume import Finished, Outcome
from onebeat.broker.maintain import Lost
from onebeat.broker.series import MAX_TYPES_OF_ALL, OTHER, Runs
from onebeat.broker.store import Store
from onebeat.clock import SystemClock
from onebeat.errors import BrokerUnavailable
from onebeat.inspector.inspector import Inspector
from onebeat.inspector.series_models import TypeSeries
from onebeat.server import series as module
from onebeat.server.context import Context
from onebeat.server.running import Running
from onebeat.server.series import Series
from onebeat.task import Task
from onebeat.wire.message import TaskMessage
from tests.server.conftest import Bench

Handler = Callable[[Context[None], Task[object]], Awaitable[None]]


async def types_of(bench: Bench, queue: str | None = None) -> dict[str, TypeSeries]:
    return {one.type: one for one in await Inspector(bench.store).types(queue)}


async def test_outcomes_are_counted_as_the_stores_counters_have_them(bench: Bench) -> None:
    """Successes and failures; what is put off without its counting is in neither."""

    @bench.mux.handle("fine")
    async def fine(ctx: Context[None], task: Task[object]) -> None:
        await asyncio.sleep(0)

    @bench.mux.handle("second")
    async def second(ctx: Context[None], task: Task[object]) -> None:
        if not ctx.retried:
            raise Retry("once more", delay=0.001)

    @bench.mux.handle("dead")
    async def dead(ctx: Context[None], task: Task[object]) -> None:
        raise SkipRetry("no use")

    @bench.mux.handle("revoked")
    async def revoked(ctx: Context[None], task: Task[object]) -> None:
        raise RevokeTask("never mind")

    soft = iter((True, False))

    @bench.mux.handle("soft")
    async def softly(ctx: Context[None], task: Task[object]) -> None:
        if next(soft):
            raise Retry("not yet", delay=0.001, counts=False)

    for type_ in ("fine", "fine", "second", "dead", "revoked", "soft"):
        await bench.enqueue(type_, retention=60 if type_ == "fine" else 0)
    async with bench.serving():
        await bench.reaches(processed=7, failed=2, retry=0, active=0)
    inspector = Inspector(bench.store)
    for found in (await inspector.series(), await inspector.series("default")):
        assert found.is_recorded
        assert (7, 2) == (found.processed, found.failed)
        assert 8 == found.waits.total
    types = await types_of(bench)
    counted = {name: (one.processed, one.failed, one.retried, one.runs.total) for name, one in types.items()}
    assert {
        "fine": (2, 0, 0, 2), "second": (2, 1, 1, 2), "dead": (1, 1, 0, 1), "revoked": (1, 0, 0, 1),
        "soft": (1, 0, 0, 1),
    } == counted  # fmt: skip
    assert counted.keys() == (await types_of(bench, "default")).keys()


async def test_it_is_written_while_the_server_runs(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every few seconds, not only at its end."""
    monkeypatch.setattr(module, "EVERY_S", 0.01)

    @bench.mux.handle("fine")
    async def fine(ctx: Context[None], task: Task[object]) -> None: ...

    inspector = Inspector(bench.store)
    async with bench.serving():
        await bench.enqueue("fine")
        async with asyncio.timeout(60):
            while not (await inspector.series()).processed:  # noqa: ASYNC110 - the store tells nobody
                await asyncio.sleep(0.005)


async def test_nothing_is_recorded_if_so_set(bench: Bench) -> None:
    """No key of a series is there, and a reader sees that nobody wrote."""

    @bench.mux.handle("fine")
    async def fine(ctx: Context[None], task: Task[object]) -> None: ...

    await bench.enqueue("fine")
    async with bench.serving(series=False):
        await bench.reaches(processed=1, active=0)
    found = await Inspector(bench.store).series()
    assert (False, 0, 60) == (found.is_recorded, found.processed, len(found.points))
    assert {"default": None} == await Inspector(bench.store).sparks()


async def test_a_queue_that_is_removed_takes_its_series_along(bench: Bench) -> None:
    """But what all queues did together stays true."""

    @bench.mux.handle("fine")
    async def fine(ctx: Context[None], task: Task[object]) -> None: ...

    await bench.enqueue("fine")
    async with bench.serving():
        await bench.reaches(processed=1, active=0)
    inspector = Inspector(bench.store)
    await inspector.remove_queue("default", force=True)
    assert not (await inspector.series("default")).is_recorded
    assert 1 == (await inspector.series()).processed


class Written(Series):
    """Keeps what would be written."""

    def __init__(self, store: Store) -> None:
        super().__init__(store)
        self.all: dict[str, Runs] = {}

    async def _write(self, queue: str | None, counts: module._Counts) -> None:
        if queue is None:
            self.all = {name: found.runs() for name, found in counts.types.items()}


def ended(type_: str, outcome: Outcome, blob: str = "") -> Running:
    attempt = Running("q", "a", "s:1", 0.0)
    attempt.message = TaskMessage(type=type_)
    attempt.finished = Finished("a", "s:1", outcome, blob=blob)
    return attempt


@pytest.mark.parametrize(
    ("outcome", "blob", "answer", "repeated", "expected"),
    [
        (Outcome.DONE, "", "applied", False, (1, 0, 0)),
        (Outcome.DONE, "", "gone", True, (1, 0, 0)),  # what was sent first took place
        (Outcome.DONE, "", "gone", False, None),
        (Outcome.DONE, "", "already", True, (1, 0, 0)),
        (Outcome.DONE, "", "lost", False, None),
        (Outcome.DONE, "", "error no", False, None),
        (Outcome.COMPLETED, "", "applied", False, (1, 0, 0)),
        (Outcome.RETRY, "failure", "applied", False, (1, 1, 1)),
        (Outcome.RETRY, "failure", "cancelled", False, (1, 1, 0)),
        (Outcome.RETRY, "soft 2", "applied", False, None),
        (Outcome.RETRY, "soft 2", "spent", False, (1, 1, 0)),
        (Outcome.RETRY, "waits", "applied", False, None),
        (Outcome.RETRY, "unknown", "applied", False, None),
        (Outcome.ARCHIVED, "", "applied", False, (1, 1, 0)),
        (Outcome.CANCELLED, "", "applied", False, (1, 1, 0)),
        (Outcome.PENDING, "", "applied", False, None),
        (Outcome.PENDING, "", "cancelled", False, (1, 1, 0)),
    ],
)
async def test_what_the_store_has_answered_counts(
    bench: Bench, outcome: Outcome, blob: str, answer: str, repeated: bool, expected: tuple[int, int, int] | None
) -> None:
    """Not what was asked for."""
    series = Written(bench.store)
    series.answered("q", [ended("t", outcome, blob)], [answer], repeated)
    await series.flush()
    found = series.all.get("t")
    assert expected == ((found.processed, found.failed, found.retried) if found else None)


async def test_a_task_that_died_with_its_server_counts_when_it_is_archived(bench: Bench) -> None:
    """As failed; nobody knows how long it ran. Those that run again count when they end."""
    series = Written(bench.store)
    series.lost("q", [Lost("archived", "a", "t", 0, "crashed 5 times"), Lost("front", "b", "t", 0, "")])
    await series.flush()
    found = series.all["t"]
    assert (1, 1, 0) == (found.processed, found.failed, sum(found.buckets))


async def test_a_process_keeps_count_of_so_many_types_only(bench: Bench) -> None:
    """However many names its tasks have."""
    series = Written(bench.store)
    for number in range(3 * MAX_TYPES_OF_ALL):
        series.answered("q", [ended(f"t{number}", Outcome.DONE)], ["applied"], False)
    await series.flush()
    assert MAX_TYPES_OF_ALL + 1 == len(series.all)
    assert 2 * MAX_TYPES_OF_ALL == series.all[OTHER].processed


async def test_what_is_refused_costs_nothing_but_itself(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    """A queue whose key is damaged: the others are recorded, and so are all together."""
    await bench.store.command("SET", "onebeat:{bad}:types", "no zset")
    series = Series(bench.store)
    for queue in ("bad", "good"):
        series.answered(queue, [ended("t", Outcome.DONE)], ["applied"], False)
    await series.flush()
    inspector = Inspector(bench.store)
    assert 1 == (await inspector.series("good")).processed
    assert 2 == (await inspector.series()).processed
    assert "recording series" in caplog.text


async def test_what_cannot_be_written_is_kept(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """And added at the next flush, of each queue and of all together."""
    series = Series(bench.store)

    async def away(call: object) -> None:
        raise BrokerUnavailable("away")

    with monkeypatch.context() as patch:
        patch.setattr(bench.store, "run", away)
        series.answered("q", [ended("t", Outcome.DONE)], ["applied"], False)
        await series.flush()
        series.answered("q", [ended("t", Outcome.DONE)], ["applied"], False)
        await series.flush()
    series.answered("r", [ended("t", Outcome.DONE)], ["applied"], False)
    await series.flush()
    inspector = Inspector(bench.store)
    assert (2, 1, 3) == tuple(
        [(await inspector.series(queue)).processed for queue in ("q", "r")] + [(await inspector.series()).processed]
    )


async def test_what_is_too_old_is_let_go(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """It would stand in a minute far from its own."""
    clock = FakeClock()
    series = Series(bench.store, clock=clock)

    async def away(call: object) -> None:
        raise BrokerUnavailable("away")

    with monkeypatch.context() as patch:
        patch.setattr(bench.store, "run", away)
        series.answered("q", [ended("t", Outcome.DONE)], ["applied"], False)
        await series.flush()
    clock.passed += module.KEPT_S + 1
    series.answered("q", [ended("t", Outcome.DONE)], ["applied"], False)
    await series.flush()
    assert 1 == (await Inspector(bench.store).series("q")).processed


class FakeClock(SystemClock):
    """A clock that a test moves."""

    passed = 0.0

    def monotonic(self) -> float:
        return 1000.0 + self.passed
