"""What either side enqueues the other runs: every option, and every payload (protocol §4.1)."""

from __future__ import annotations

import time
from typing import Any

import pytest

from onebeat.wire import keys
from tests.interop.conftest import Pair
from tests.interop.looks import shown
from tests.interop.sides import RefusedError, at
from tests.interop.table import cell
from tests.server.conftest import Bench

pytestmark = pytest.mark.interop
TABLE = "client → server"


@cell(TABLE, "queue")
async def test_a_task_runs_from_its_queue(pair: Pair, bench: Bench) -> None:
    """It is listed under that queue alone, and its handler is told so."""
    await pair.first.enqueue("ok", queue="low:1", task_id="a")
    assert {b"low:1"} == await bench.store.command("SMEMBERS", keys.QUEUES)
    assert ("low:1", "pending") == await shown(pair, "queue", "state", queue="low:1")
    async with pair.second.serving(queues={"low:1": 2, "default": 1}) as run:
        assert "low:1" == (await run.ran()).queue
        await bench.reaches("low:1", processed=1)


@cell(TABLE, "max_retry")
@pytest.mark.parametrize("retries", [None, 0, 3, 2**31 - 1])
async def test_max_retry_is_told(pair: Pair, retries: int | None) -> None:
    """Whatever number; unless given it is 25 on both sides."""
    options = {} if retries is None else {"max_retry": retries}
    expected = 25 if retries is None else retries
    await pair.first.enqueue("ok", task_id="a", **options)
    assert (expected,) == await shown(pair, "max_retry")
    async with pair.second.serving() as run:
        assert expected == (await run.ran()).max_retry


@cell(TABLE, "timeout")
@pytest.mark.parametrize(("given", "stored"), [({}, (1800, 0)), ({"timeout": 90}, (90, 0))])
async def test_a_timeout_is_kept(pair: Pair, bench: Bench, given: dict[str, Any], stored: tuple[int, int]) -> None:
    """In seconds; unless given, and without a deadline, it is half an hour."""
    await pair.first.enqueue("ok", task_id="a", retention=60, **given)
    assert stored == await shown(pair, "timeout", "deadline")
    async with pair.second.serving():
        await bench.reaches(completed=1)
    assert stored == await shown(pair, "timeout", "deadline")


@cell(TABLE, "deadline")
@pytest.mark.parametrize("timeout", [0, 90])
async def test_a_deadline_is_kept(pair: Pair, bench: Bench, timeout: int) -> None:
    """In whole seconds, cut off; beside a timeout both are kept, else no timeout is invented."""
    deadline = time.time() + 100.9
    given = {"deadline": at(deadline), **({"timeout": timeout} if timeout else {})}
    await pair.first.enqueue("ok", task_id="a", retention=60, **given)
    assert (timeout, int(deadline)) == await shown(pair, "timeout", "deadline")
    async with pair.second.serving():
        await bench.reaches(completed=1)
    assert (timeout, int(deadline)) == await shown(pair, "timeout", "deadline")


@cell(TABLE, "unique")
@pytest.mark.parametrize("payload", [None, b"", b'{"a":1}', b"\x00\xff", "é".encode()])
async def test_a_lock_refuses_both_until_its_task_is_done(pair: Pair, bench: Bench, payload: bytes | None) -> None:
    """Same type, payload and queue are the same lock to both; whoever ends the task frees it for both."""
    await pair.first.enqueue("ok", payload, unique=60)
    for side in pair.both:
        with pytest.raises(RefusedError, match="duplicate"):
            await side.enqueue("ok", payload, unique=60)
    async with pair.second.serving() as run:
        await run.ran()
        await bench.reaches(processed=1)
        assert [] == await bench.store.command("KEYS", "asynq:{default}:unique:*")
    await pair.second.enqueue("ok", payload, unique=60)
    with pytest.raises(RefusedError, match="duplicate"):
        await pair.first.enqueue("ok", payload, unique=60)


@cell(TABLE, "process_in")
async def test_a_delayed_task_is_not_early(pair: Pair) -> None:
    """It is scheduled, and runs when it is due; what Go wrote is due at the whole second before (SE-33)."""
    before = time.time()
    await pair.first.enqueue("ok", task_id="a", process_in=1.2)
    assert ("scheduled",) == await shown(pair, "state")
    async with pair.second.serving() as run:
        ran = await run.ran()
    due = before + 1.2
    assert ran.at >= (int(due) if pair.first is pair.go else due)


@cell(TABLE, "process_at")
async def test_a_task_of_an_instant_is_not_early(pair: Pair) -> None:
    """Both inspectors show the instant; what Go wrote is due at its whole second."""
    due = time.time() + 2.2
    await pair.first.enqueue("ok", task_id="a", process_at=at(due))
    shown_by_go = (await pair.go.inspector.task("a")).next
    shown_by_us = (await pair.python.inspector.task("a")).next
    if pair.first is pair.go:
        assert (int(due), int(due)) == (shown_by_go, shown_by_us)
    else:
        assert int(due) + 1 == shown_by_go
        assert abs(due - shown_by_us) < 0.002
    async with pair.second.serving() as run:
        assert (await run.ran()).at >= (int(due) if pair.first is pair.go else due)


@cell(TABLE, "retention")
async def test_a_retained_task_stays(pair: Pair, bench: Bench) -> None:
    """Both show for how long, when it ended, and the same result."""
    await pair.first.enqueue("ok", task_id="a", retention=60)
    before = int(time.time())
    async with pair.second.serving():
        await bench.reaches(completed=1)
    state, retention, completed_at, result = await shown(pair, "state", "retention", "completed_at", "result")
    assert ("completed", 60, b"ran a") == (state, retention, result)
    assert before <= completed_at <= time.time() + 1
    [score] = await bench.store.command("ZMSCORE", "asynq:{default}:completed", "a")
    assert completed_at + 60 == float(score)


@cell(TABLE, "task_id")
async def test_an_id_is_taken_for_both(pair: Pair) -> None:
    """Its handler is told the id, spaces, colons and all; while the task is there, both refuse another one."""
    task_id = "a: é {1}"
    await pair.first.enqueue("ok", task_id=task_id, retention=60)
    for side in pair.both:
        with pytest.raises(RefusedError, match="conflict"):
            await side.enqueue("other", task_id=task_id)
    async with pair.second.serving() as run:
        assert task_id == (await run.ran()).id


@cell(TABLE, "headers")
@pytest.mark.parametrize("kind", ["ok", "flaky"])
async def test_headers_arrive(pair: Pair, bench: Bench, kind: str) -> None:
    """Every one, empty values too, at each attempt; and both inspectors show them."""
    headers = {"trace-id": "abc", "é": "ü<&>", "empty": ""}
    await pair.first.enqueue(kind, b"x", task_id="a", headers=headers, retention=60)
    async with pair.second.serving() as run:
        for _ in range(2 if kind == "flaky" else 1):
            assert headers == (await run.ran()).headers
        await bench.reaches(completed=1)
    assert (headers,) == await shown(pair, "headers")


@pytest.mark.parametrize(
    "payload",
    [
        pytest.param(None, marks=cell(TABLE, "payload nil"), id="nil"),
        pytest.param(b"", marks=cell(TABLE, "payload empty"), id="empty"),
        pytest.param(bytes(range(256)), marks=cell(TABLE, "payload binary"), id="binary"),
        pytest.param('{"ключ":"é\u2028\U0001f41d"}'.encode(), marks=cell(TABLE, "payload unicode"), id="unicode"),
    ],
)
async def test_a_payload_arrives_as_it_is(pair: Pair, payload: bytes | None) -> None:
    """Byte for byte, to the handler and to both inspectors; nothing and empty are the same there."""
    await pair.first.enqueue("ok", payload, task_id="a", retention=60)
    assert (payload or b"",) == await shown(pair, "payload")
    async with pair.second.serving() as run:
        assert (payload or b"") == (await run.ran()).payload
