"""Looking at all queues for metrics: what is found, what it costs, and what becomes of it when something is wrong."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator

import pytest

from onebeat import Task
from onebeat.broker import figures
from onebeat.broker.figures import QueueFigures
from onebeat.broker.store import BlockingStore
from onebeat.errors import ConfigurationError
from onebeat.inspector.blocking import SyncInspector
from onebeat.observe import sweep as module
from onebeat.observe.sweep import Sweep
from onebeat.sync import SyncClient
from onebeat.wire.records import ServerRecord


@pytest.fixture
def raw(url: str) -> Iterator[BlockingStore]:
    store = BlockingStore.open(url)
    yield store
    store.close()


@pytest.fixture
def sweep(url: str) -> Iterator[Sweep]:
    sweep = Sweep(url, max_age=60)
    yield sweep
    sweep.close()


@pytest.fixture
def client(url: str) -> Iterator[SyncClient]:
    with SyncClient(url) as client:
        yield client


def test_it_finds_what_the_inspector_finds(url: str, client: SyncClient, sweep: Sweep) -> None:
    """Of each queue, whatever state its tasks are in."""
    for queue, delay, group in (("a", 0, None), ("a", 60, None), ("b", 0, "g"), ("b", 0, None)):
        more = {"group": group} if group else {}
        client.enqueue(Task("t", b""), queue=queue, process_in=delay, **more)  # type: ignore[arg-type]
    with SyncInspector(url) as inspector:
        inspector.archive_all("b", "pending")
        expected = {name: inspector.stats(name) for name in ("a", "b")}
    found = sweep.read()
    assert (True, "", 0) == (found.is_up, found.error, found.unread)
    for name, stats in expected.items():
        for field in ("pending", "active", "scheduled", "retry", "archived", "aggregating", "staged", "groups"):
            assert getattr(stats, field) == getattr(found.figures[name], field), field


def test_a_queue_at_rest_keeps_its_counters(raw: BlockingStore, sweep: Sweep) -> None:
    """Those of all time."""
    raw.commands([("SADD", "asynq:queues", "q"), ("SET", "asynq:{q}:processed", 7), ("SET", "asynq:{q}:failed", 2)])
    assert {"q": QueueFigures(processed=7, failed=2)} == sweep.read().figures


def test_what_asynq_does_not_tell(raw: BlockingStore, sweep: Sweep) -> None:
    """A lapsed lease, an overdue task, an overdue schedule, and since when it is paused."""
    commands: list[tuple[str | int, ...]] = [
        ("SADD", "asynq:queues", "q"),
        ("LPUSH", "asynq:{q}:active", "x"),
        ("ZADD", "asynq:{q}:lease", 1000, "x"),
        ("ZADD", "asynq:{q}:retry", 1000, "y"),
        ("SET", "asynq:{q}:paused", 1234),
        ("ZADD", "onebeat:{q}:due", 1000_000, "nightly", 9_999_999_999_000, "later"),
        ("ZADD", "onebeat:{q}:stuck", 1000_000, "calendar"),
    ]
    raw.commands(commands)
    found = sweep.read().figures["q"]
    assert (1, 1, 1234, 3) == (found.lapsed, found.overdue, found.paused_since, found.schedules)
    assert found.schedule_overdue_ms > 1_000_000_000


def test_tasks_of_too_many_groups_are_estimated(
    raw: BlockingStore, sweep: Sweep, monkeypatch: pytest.MonkeyPatch
) -> None:
    """From those that were counted, so that no script is long."""
    monkeypatch.setattr(figures, "MAX_GROUPS", 5)
    raw.commands([("SADD", "asynq:queues", "q"), ("SADD", "asynq:{q}:groups", *map(str, range(20)))])
    raw.commands([("ZADD", f"asynq:{{q}}:g:{group}", 1, "a", 2, "b") for group in range(20)])
    found = sweep.read().figures["q"]
    assert (40, 20) == (found.aggregating, found.groups)


@pytest.mark.one_store
def test_a_sweep_has_a_budget_and_the_next_goes_on(
    raw: BlockingStore, sweep: Sweep, monkeypatch: pytest.MonkeyPatch
) -> None:
    """However many queues there are; all are seen in the end, and the age tells how long that took."""
    monkeypatch.setattr(module, "SCRIPTS", 2)
    monkeypatch.setattr(figures, "MAX_COMMANDS", 100)
    raw.commands([("SADD", "asynq:queues", f"q{i}") for i in range(300)])
    raw.commands([("LPUSH", f"asynq:{{q{i}}}:pending", "x") for i in range(300)])
    found = sweep.read(0)
    seen = len(found.figures)
    budget = 4 + 2 + 10  # what there is, scripts, samples of memory
    assert 0 < seen < 100
    for _ in range(300 // seen + 1):
        found = sweep.read(0)
        assert found.commands <= budget
    assert 300 == len(found.figures)
    assert found.oldest < found.at - found.seconds


@pytest.mark.one_store
def test_one_script_looks_at_many_queues_at_rest(raw: BlockingStore, sweep: Sweep) -> None:
    """A sweep over a thousand costs fewer than ten commands."""
    raw.commands([("SADD", "asynq:queues", *(f"q{i}" for i in range(1000)))])
    found = sweep.read()
    assert 1000 == len(found.figures)
    assert found.commands < 10


def test_a_damaged_queue_hides_no_other(raw: BlockingStore, client: SyncClient, sweep: Sweep) -> None:
    """It is left out, counted, and named in the error."""
    client.enqueue(Task("t", b""), queue="fine")
    raw.commands([("SADD", "asynq:queues", "bad"), ("SET", "asynq:{bad}:pending", "no list")])
    found = sweep.read()
    assert ["fine"] == list(found.figures)
    assert (True, 1) == (found.is_up, found.unread)
    assert "queue 'bad' is damaged" in found.error


def test_a_removed_queue_is_forgotten(raw: BlockingStore, client: SyncClient, sweep: Sweep) -> None:
    """With the next sweep."""
    for queue in ("a", "b"):
        client.enqueue(Task("t", b""), queue=queue)
    assert ["a", "b"] == sorted(sweep.read(0).figures)
    raw.commands([("SREM", "asynq:queues", "a")])
    assert ["b"] == list(sweep.read(0).figures)


def test_who_asks_at_once_shares_a_sweep(client: SyncClient, sweep: Sweep) -> None:
    """Any number of threads."""
    client.enqueue(Task("t", b""))
    found: list[float] = []
    threads = [threading.Thread(target=lambda: found.append(sweep.read().at)) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert 16 == len(found)
    assert 1 == len(set(found))


async def test_no_event_loop_is_blocked(url: str) -> None:
    """What is known is returned; a thread finds out more meanwhile."""
    with SyncClient(url) as client:
        await asyncio.to_thread(client.enqueue, Task("t", b""))
        sweep = Sweep(url, max_age=60)
        assert {} == sweep.read().figures
        while not sweep.read().at:  # noqa: ASYNC110 - nobody tells that a sweep has ended
            await asyncio.sleep(0.01)
        assert ["default"] == list(sweep.read().figures)
        sweep.close()


def test_a_store_that_is_away_is_said_once(caplog: pytest.LogCaptureFixture) -> None:
    """In the log; the snapshot says it each time, and nothing is raised."""
    sweep = Sweep("redis://127.0.0.1:1")
    for _ in range(3):
        found = sweep.read(0)
        assert (False, {}) == (found.is_up, found.figures)
        assert "127.0.0.1:1" in found.error
    assert 1 == len(caplog.records)


def test_servers_are_told(raw: BlockingStore, sweep: Sweep) -> None:
    """Those whose record is there and not past."""
    record = ServerRecord(host="h", pid=1, server_id="s", concurrency=5, queues={"q": 1}, start_time=0)
    raw.commands([("SET", "asynq:servers:{h:1:s}", record.encode())])
    raw.commands([("ZADD", "asynq:servers", 9_999_999_999, "asynq:servers:{h:1:s}", 1, "asynq:servers:{gone}")])
    assert [("h", 5)] == [(server.host, server.concurrency) for server in sweep.read().servers]


def test_memory_is_sampled_in_turns(client: SyncClient, url: str, raw: BlockingStore) -> None:
    """Of few queues a sweep; one that holds nothing takes none, and is not asked for."""
    for queue in ("a", "b", "c"):
        client.enqueue(Task("t", b"x" * 500), queue=queue)
    raw.commands([("SADD", "asynq:queues", "empty")])
    sweep = Sweep(url, memory_queues=1)
    assert ["a", "empty"] == sorted(sweep.read(0).memory)
    assert ["a", "b", "empty"] == sorted(sweep.read(0).memory)
    memory = sweep.read(0).memory
    assert ["a", "b", "c", "empty"] == sorted(memory)
    assert 0 == memory["empty"]
    assert memory["a"] > 500
    sweep.close()


def test_a_store_that_tells_no_memory_is_asked_once(
    client: SyncClient, raw: BlockingStore, url: str, caplog: pytest.LogCaptureFixture, topology: object
) -> None:
    """All else is found, and the log says it once."""
    client.enqueue(Task("t", b""))
    user = ("ACL", "SETUSER", "default", "-memory|usage")
    everywhere(topology, *user)
    try:
        sweep = Sweep(url)
        for _ in range(2):
            found = sweep.read(0)
            assert (True, {}) == (found.is_up, found.memory)
            assert ["default"] == list(found.figures)
        sweep.close()
    finally:
        everywhere(topology, "ACL", "SETUSER", "default", "+memory|usage")
    assert 1 == sum("refuses MEMORY USAGE" in record.message for record in caplog.records)


def everywhere(topology: object, *words: str) -> None:
    for node in topology.nodes:  # type: ignore[attr-defined]
        node.client.execute_command(*words)


@pytest.mark.parametrize(
    "settings", [{"max_age": -1}, {"max_age": "10"}, {"memory_queues": -1}, {"memory_queues": 1.5}]
)
def test_settings_that_cannot_work_are_refused(settings: dict[str, object]) -> None:
    """Before anything is asked."""
    with pytest.raises(ConfigurationError, match=next(iter(settings))):
        Sweep("redis://127.0.0.1:1", **settings)  # type: ignore[arg-type]
