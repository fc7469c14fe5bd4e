"""Looking at the past: attempts, series of queues and types, sparks."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from onebeat import InvalidTask, TaskNotFound
from onebeat.broker.consume import Finished, Outcome, finish, take
from onebeat.broker.store import Store
from onebeat.inspector.series_models import Attempt, Distribution, Spark, bounds
from onebeat.wire.attempts import AttemptRecord
from tests.broker.test_scripts_series import note, runs
from tests.conftest import NOON, Clock
from tests.inspector.conftest import Face, put


def at(seconds: float) -> datetime:
    return datetime.fromtimestamp(NOON + seconds, UTC)


async def test_an_attempt_is_told_as_it_was_kept(inspector: Face, store: Store) -> None:
    """In time, with all that its server said of it."""
    await put(store, "a")
    taken = await store.run(take("q", server="h:1:s", sequence=1, limit=1, lease_ms=15_000))
    about = AttemptRecord(NOON * 1000, NOON * 1000 + 1500, 20, "h:1:s", "no such order", "ValueError", "Traceback")
    done = Finished("a", taken.token, Outcome.ARCHIVED, blob="spoiled")
    await store.run(finish("q", [done], [(1, about.encode().decode())]))
    expected = Attempt(
        number=1,
        outcome="archived",
        started_at=at(0),
        ended_at=at(1.5),
        waited=timedelta(milliseconds=20),
        server="h:1:s",
        error="no such order",
        error_type="ValueError",
        traceback="Traceback",
    )
    assert [expected] == await inspector.attempts("q", "a")
    assert timedelta(seconds=1.5) == expected.ran


async def test_a_task_that_never_failed_has_none(inspector: Face, store: Store) -> None:
    """And one that is not there is said to be gone."""
    await put(store, "a")
    assert [] == await inspector.attempts("q", "a")
    with pytest.raises(TaskNotFound, match="'b' is not in queue 'q'"):
        await inspector.attempts("q", "b")


async def test_series_of_several_queues_are_added_up(inspector: Face, store: Store, clock: Clock) -> None:
    """Slot by slot; those of all are read as such."""
    await note(store, "a", 2, 1, t=runs(2, 1, 1, 30, _3=2), only=runs(_0=1))
    await note(store, "b", 3, t=runs(3, 0, 0, 70, _4=3))
    await note(store, None, 9, t=runs(9, _0=9))
    found = await inspector.series(["a", "b"])
    assert (timedelta(minutes=1), 60, at(-NOON % -60)) == (found.step, len(found.points), found.points[-1].at)
    assert (5, 1, 5) == (found.points[-1].processed, found.points[-1].failed, found.points[-1].waits.total)
    assert (5, 1, 5) == (found.processed, found.failed, found.waits.total)
    first, second = await inspector.types(["a", "b"])
    assert ("t", 5, 1, 1, timedelta(milliseconds=100), 5) == (
        first.type, first.processed, first.failed, first.retried, first.spent, first.runs.total
    )  # fmt: skip
    assert ("only", 1) == (second.type, second.processed)
    assert 9 == (await inspector.series()).processed
    assert [("t", 9)] == [(one.type, one.processed) for one in await inspector.types()]
    assert 2 == (await inspector.series("a")).processed


async def test_nothing_written_is_told_from_nothing_done(inspector: Face, store: Store, clock: Clock) -> None:
    """A queue of Go's servers has no series; one at rest has zeros."""
    await note(store, "ours")
    await clock.advance(3600)
    assert (True, 0) == (lambda found: (found.is_recorded, found.processed))(await inspector.series("ours", minutes=30))
    assert (False, 0) == (lambda found: (found.is_recorded, found.processed))(await inspector.series("gos"))
    sparks = await inspector.sparks(["ours", "gos"])
    assert {"ours": Spark((0,) * 60, (0,) * 60), "gos": None} == sparks
    assert [] == (await inspector.types("gos"))


async def test_sparks_are_of_all_queues_unless_told(inspector: Face, store: Store, clock: Clock) -> None:
    """By name, sorted."""
    for queue in ("b", "a"):
        await put(store, "x", queue=queue)
    await note(store, "a", 4, 1)
    assert {"a": Spark((0, 4), (0, 1)), "b": None} == await inspector.sparks(minutes=2)
    assert {} == await inspector.sparks([])


async def test_a_thousand_queues_take_four_scripts(
    inspector: Face, store: Store, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In one round trip; where they are spread, one each, all the same in one per node."""
    asked: list[int] = []
    kind = type(inspector.real.store)
    real = kind.run_each

    def run_each(self: Any, calls: Any) -> Any:
        asked.append(len(calls))
        return real(self, calls)

    monkeypatch.setattr(kind, "run_each", run_each)
    names = [f"q{number}" for number in range(1000)]
    assert names == list(await inspector.sparks(names))
    assert [1000 if store.is_spread else 4] == asked


@pytest.mark.parametrize("minutes", [0, 1441, True, "60", 1.5])
async def test_a_window_is_at_most_a_day(inspector: Face, minutes: object) -> None:
    """The error names the value and what may be given."""
    for call in (inspector.series, inspector.types):
        with pytest.raises(InvalidTask, match=r"minutes is .*: give a whole number from 1 to 1440"):
            await call(minutes=minutes)


async def test_names_are_checked(inspector: Face) -> None:
    """Before anything is asked."""
    with pytest.raises(InvalidTask, match="queues is 7"):
        await inspector.series(7)
    with pytest.raises(InvalidTask, match="minutes is 61"):
        await inspector.sparks(minutes=61)


def test_a_percentile_lies_within_its_bucket() -> None:
    """As far along it as its share is among those in it."""
    counts = [0] * 24
    counts[0], counts[4], counts[23] = 50, 40, 10  # below 1 ms, 8 to 16 ms, from 70 minutes on
    found = Distribution(tuple(counts))
    assert 100 == found.total
    assert timedelta(milliseconds=0.5) == found.percentile(0.25)
    assert timedelta(milliseconds=1) == found.percentile(0.5)
    assert timedelta(milliseconds=12) == found.percentile(0.7)
    assert timedelta(milliseconds=16) == found.percentile(0.9)
    assert bounds(23)[0] == found.percentile(0.99)
    assert None is Distribution().percentile(0.5)
    assert found == Distribution.of([found, Distribution()])


def test_buckets_double() -> None:
    """From a millisecond on."""
    ms = timedelta(milliseconds=1)
    assert [(0 * ms, 1 * ms), (1 * ms, 2 * ms), (2 * ms, 4 * ms)] == [bounds(n) for n in range(3)]
    assert (2**22 * ms, None) == bounds(23)
