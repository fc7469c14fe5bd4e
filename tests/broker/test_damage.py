"""Foreign bytes and broken records: nothing of them stops a queue (mechanism-rules 17, 26; SE-13, SE-14)."""

from __future__ import annotations

from onebeat.broker import browse
from onebeat.broker.maintain import Surveyed, maintain
from onebeat.broker.maintain import look as look_at
from onebeat.broker.produce import NewTask, enqueue
from onebeat.broker.store import Store
from tests.anywhere import everywhere
from tests.broker.test_scripts_consume import grab, ids, message, put
from tests.broker.test_scripts_maintain import beating, delay, look, pending
from tests.conftest import NOON, Clock


async def test_entries_that_belong_to_nothing_are_swept_in_chunks(store: Store, clock: Clock) -> None:
    """600 old entries are gone after two sweeps, 15 s apart; those of waiting tasks stay."""
    await delay(store, a="+900000", b="+16000")
    for number in range(600):
        await store.command("ZADD", "onebeat:{q}:exact", NOON * 1000 + 800_000, f"old{number}")
    assert 499 == (await look(store)).mended
    assert 0 == (await look(store)).mended
    await clock.advance(14.9)
    assert 0 == (await look(store)).mended
    await clock.advance(0.2)
    assert 101 == (await look(store)).mended
    await clock.advance(1)
    await look(store)
    assert [b"a"] == await store.command("ZRANGE", "onebeat:{q}:exact", 0, -1)
    assert ["b"] == await pending(store)


async def test_a_sweep_begins_again_at_the_end(store: Store, clock: Clock) -> None:
    """700 true entries take two turns; what went stale in the first part is found in the third."""
    tasks = [NewTask(f"t{n}", message(f"t{n}"), f"+{900_000 + n}") for n in range(700)]
    await store.run(enqueue("q", client="d", sequence=1, tasks=tasks))
    for _ in range(2):
        assert 0 == (await look(store)).mended
        await clock.advance(15)
    await store.command("DEL", "asynq:{q}:t:t0")
    assert 1 == (await look(store)).mended


async def test_an_active_id_without_a_lease_is_recovered(store: Store, clock: Clock) -> None:
    """It gets a lease that lapses half a minute later, as a Go server's would; then it runs again."""
    await put(store, "a")
    await grab(store)
    await store.command("DEL", "asynq:{q}:lease")
    assert 1 == (await look(store)).mended
    await beating(store, clock, 36)
    assert ["a"] == await pending(store)


async def test_active_ids_of_no_active_task_are_dropped(store: Store, clock: Clock) -> None:
    """An id without a record, or whose task is elsewhere, leaves `active`; the task itself is untouched."""
    await delay(store, b="+900000")
    await store.command("LPUSH", "asynq:{q}:active", "nobody", "b")
    assert 2 == (await look(store)).mended
    assert [] == await store.command("LRANGE", "asynq:{q}:active", 0, -1)
    assert b"scheduled" == await store.command("HGET", "asynq:{q}:t:b", "state")


async def test_ids_without_records_do_not_hide_the_queue(store: Store, clock: Clock) -> None:
    """In every list and set: they are dropped, not handed out, and the tasks behind them come."""
    await put(store, "a")
    await store.command("RPUSH", "asynq:{q}:pending", "ghost1", "ghost2")
    for state in ("scheduled", "retry", "completed", "lease"):
        await store.command("ZADD", f"asynq:{{q}}:{state}", NOON - 60, f"ghost-{state}")
    assert ["a"] == ids(await grab(store, limit=3))
    await beating(store, clock, 8)
    for state in ("scheduled", "retry", "completed"):
        assert 0 == await store.command("ZCARD", f"asynq:{{q}}:{state}")
    assert [b"a"] == await store.command("ZRANGE", "asynq:{q}:lease", 0, -1)
    assert [b"asynq:{q}:t:a"] == await everywhere(store, "KEYS", "asynq:{q}:t:*")


async def test_an_id_that_stands_in_the_list_twice_is_handed_out_once(store: Store, clock: Clock) -> None:
    """In one fetch or in two: a task that runs is not given to a second handler."""
    await put(store, "a", "b")
    await store.command("RPUSH", "asynq:{q}:pending", "a")
    assert ["a"] == ids(await grab(store, limit=1))
    await store.command("LPUSH", "asynq:{q}:pending", "b")
    assert ["b"] == ids(await grab(store, sequence=2, limit=10))
    assert ([], [b"b", b"a"]) == (
        await store.command("LRANGE", "asynq:{q}:pending", 0, -1),
        await store.command("LRANGE", "asynq:{q}:active", 0, -1),
    )


async def test_a_record_in_no_list_is_brought_back_by_run(store: Store, clock: Clock) -> None:
    """A task whose lists were lost, whatever its state says, is pending again when an operator runs it."""
    for state in ("pending", "active", "retry", "archived"):
        await store.command("HSET", f"asynq:{{q}}:t:{state}", "msg", message(state), "state", state)
    lost = ["pending", "active", "retry", "archived"]
    assert ["pending"] * 4 == await store.run(browse.run("q", lost))
    assert lost == await pending(store)
    assert ["already pending"] * 4 == await store.run(browse.run("q", lost))


async def test_a_hash_without_a_message_is_no_task(store: Store, clock: Clock) -> None:
    """What Go leaves after a late write of a result (SE-14) is neither shown, run, cancelled nor handed out."""
    await store.command("HSET", "asynq:{q}:t:a", "result", "late")
    assert None is await store.run(browse.info("q", "a"))
    assert ["gone"] == await store.run(browse.run("q", ["a"]))
    assert ["gone"] == await store.run(browse.cancel("q", ["a"]))
    await store.command("LPUSH", "asynq:{q}:pending", "a")
    assert [] == ids(await grab(store))


async def test_the_survey_tells_which_queues_are_not_at_rest(store: Store, clock: Clock) -> None:
    """Work, running tasks, due times and foreign types are seen; empty and paused queues are not work."""
    await put(store, "a", queue="work")
    await put(store, "b", queue="paused")
    await store.command("SET", "asynq:{paused}:paused", "1")
    await put(store, "c", queue="runs")
    await grab_of(store, "runs")
    due = [NewTask("d", message("d"), "+7000")]
    await store.run(enqueue("due", client="c", sequence=1, tasks=due))
    await store.command("ZADD", "asynq:{go}:retry", NOON + 9, "x")
    await store.command("SET", "asynq:{odd}:scheduled", "no zset")
    await store.command("ZADD", "onebeat:{stuck}:stuck", 1, "s")
    names = ["empty", "work", "paused", "runs", "due", "go", "odd", "stuck"]
    seen: list[Surveyed] = []
    await look_at(store, names, seen.append)
    found = {item.queue: (item.has_work, item.due_in_ms) for item in seen}
    assert {
        "work": (True, None),
        "paused": (False, None),
        "runs": (False, 0),
        "due": (False, 7000),
        "go": (False, 9000),
        "odd": (False, 0),
        "stuck": (False, 0),
    } == found


async def grab_of(store: Store, queue: str) -> None:
    from onebeat.broker.consume import take

    await store.run(take(queue, server="s", sequence=1, limit=1, lease_ms=30_000))


async def test_a_survey_writes_nothing(store: Store, clock: Clock) -> None:
    """However often: it is no write for replicas or the append-only file."""
    await put(store, "a")
    before = await changes(store)
    await look_at(store, ["q", "r"], lambda _: None)
    assert before == await changes(store)


async def changes(store: Store) -> int:
    answers = await store.everywhere("INFO", "persistence")
    return sum(answer["rdb_changes_since_last_save"] for answer in answers.values())


async def test_a_queue_at_rest_says_so(store: Store, clock: Clock) -> None:
    """`maintain` tells whether tasks run, so that a queue without any need not be called again."""
    assert not (await look(store)).is_busy
    await put(store, "a")
    await grab(store)
    assert (await store.run(maintain("q", max_crashes=5))).is_busy
