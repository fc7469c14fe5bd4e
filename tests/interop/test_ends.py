"""How a task of either side's client ends at either side's server, as both inspectors tell it (protocol §3.5)."""

from __future__ import annotations

import re
import time

import pytest

from tests.interop.conftest import Pair
from tests.interop.inspectors import RefusedError
from tests.interop.looks import is_heard, shown
from tests.interop.sides import at
from tests.interop.table import cell
from tests.server.conftest import Bench, until

pytestmark = pytest.mark.interop
TABLE = "client → server"
LEFT = {
    b"asynq:queues", b"asynq:{default}:processed", b"asynq:{default}:failed", b"onebeat:{default}:beat",
}  # fmt: skip
"""What may be left when every task is gone, beside the counters of the day and our answers kept for repeats."""


async def left(bench: Bench) -> set[bytes]:
    """List the keys that should not be there when every task is gone."""
    found: list[bytes] = await bench.store.command("KEYS", "*")
    passing = (
        b"onebeat:{default}:c:",
        b"onebeat:{default}:f:",
        b"asynq:{default}:processed:",
        b"asynq:{default}:failed:",
        *(b"onebeat:{default}:" + name for name in (b"rate:", b"wait:", b"run:", b"types")),  # series, with an expiry
        b"onebeat:series:{all}:",
    )
    return {key for key in found if not key.startswith(passing)} - LEFT


@cell(TABLE, "done")
async def test_a_task_that_is_done_is_gone(pair: Pair, bench: Bench) -> None:
    """No key of it is left; it counts as processed; neither inspector finds it."""
    await pair.first.enqueue("ok", b"x", task_id="a", unique=60)
    async with pair.second.serving():
        await bench.reaches(processed=1, failed=0, active=0)
    for side in pair.both:
        with pytest.raises(RefusedError):
            await side.inspector.task("a")
    assert set() == await left(bench)


@cell(TABLE, "completed with result")
async def test_a_result_is_for_both(pair: Pair, bench: Bench) -> None:
    """Bytes as the handler gave them; the task is completed once, with no failure."""
    await pair.first.enqueue("ok", b"x", task_id="a", retention=60)
    async with pair.second.serving():
        await bench.reaches(completed=1, processed=1, failed=0)
    assert ("completed", b"ran a", 0, "") == await shown(pair, "state", "result", "retried", "error")


@cell(TABLE, "retried, then done")
async def test_a_failure_is_retried(pair: Pair, bench: Bench) -> None:
    """The second attempt knows of the first; counted are both, and the error's text stays (SE-59)."""
    await pair.first.enqueue("flaky", task_id="a", retention=60)
    async with pair.second.serving() as run:
        assert [0, 1] == [(await run.ran()).retried for _ in range(2)]
        await bench.reaches(completed=1, processed=2, failed=1, retry=0)
    state, retried, error = await shown(pair, "state", "retried", "error")
    assert ("completed", 1) == (state, retried)
    assert error.endswith("not yet")


@cell(TABLE, "retries exhausted")
async def test_exhausted_retries_end_in_the_archive(pair: Pair, bench: Bench) -> None:
    """After one retry of one the task is archived, when and why is told."""
    await pair.first.enqueue("always", task_id="a", max_retry=1)
    async with pair.second.serving():
        await bench.reaches(archived=1, processed=2, failed=2, retry=0)
    state, retried, error, failed_at = await shown(pair, "state", "retried", "error", "failed_at")
    assert ("archived", 1) == (state, retried)
    assert error.endswith("says no")
    assert abs(failed_at - time.time()) < 20


@cell(TABLE, "SkipRetry")
async def test_a_hopeless_task_is_archived_at_once(pair: Pair, bench: Bench) -> None:
    """No retry is spent."""
    await pair.first.enqueue("skip", task_id="a")
    async with pair.second.serving():
        await bench.reaches(archived=1, processed=1, failed=1)
    state, retried, error = await shown(pair, "state", "retried", "error")
    assert ("archived", 0) == (state, retried)
    assert error.startswith("hopeless")


@cell(TABLE, "RevokeTask")
async def test_a_revoked_task_is_gone(pair: Pair, bench: Bench) -> None:
    """Even one that was to be retained; it counts as a success, and its lock is free."""
    await pair.first.enqueue("revoke", task_id="a", retention=60, unique=60)
    async with pair.second.serving():
        await bench.reaches(processed=1, failed=0, active=0, completed=0)
    assert set() == await left(bench)


@cell(TABLE, "panic")
async def test_a_panic_is_a_failure(pair: Pair, bench: Bench) -> None:
    """The server lives on, and the task waits in retry for as long as its back-off says."""
    await pair.first.enqueue("panic", task_id="a")
    await pair.first.enqueue("ok", task_id="b")
    async with pair.second.serving():
        await bench.reaches(retry=1, processed=2, failed=1)
    state, retried, error = await shown(pair, "state", "retried", "error")
    assert ("retry", 1) == (state, retried)
    assert "in the handler" in error
    for side in pair.both:
        assert abs((await side.inspector.task("a")).next - time.time() - 3600) < 20


@cell(TABLE, "timed out")
async def test_a_task_whose_time_is_over_is_retried(pair: Pair, bench: Bench) -> None:
    """Its handler is stopped; the error is asynq's text on both sides."""
    async with pair.second.serving() as run:
        await pair.first.enqueue("hold", task_id="a", timeout=1)
        await run.ran()
        await bench.reaches(retry=1, failed=1)
    assert ("retry", 1, "context deadline exceeded") == await shown(pair, "state", "retried", "error")


@cell(TABLE, "past its deadline")
async def test_a_deadline_stops_a_task(pair: Pair, bench: Bench) -> None:
    """The earlier of deadline and timeout counts."""
    async with pair.second.serving() as run:
        deadline = at(time.time() + 4)  # it must have begun before, where the machine stands still meanwhile too
        await pair.first.enqueue("hold", task_id="a", deadline=deadline, timeout=600, max_retry=0)
        await run.ran()
        await bench.reaches(archived=1, failed=1)
    assert ("archived", 0, "context deadline exceeded") == await shown(pair, "state", "retried", "error")


async def cancelled(pair: Pair, bench: Bench, by: str) -> None:
    """Cancel what the second side runs, from an inspector; how it ends is the rule of who runs it (SE-24)."""
    await pair.first.enqueue("hold", task_id="a")
    async with pair.second.serving() as run:
        await run.ran()
        await until(lambda: is_heard(bench))
        await getattr(pair, by).inspector.do("cancel", "a")
        if pair.second is pair.go:
            await bench.reaches(retry=1, failed=1)
            assert ("retry", 1, "context canceled") == await shown(pair, "state", "retried", "error")
        else:
            await bench.reaches(archived=1)
            assert ("archived", 0, "cancelled") == await shown(pair, "state", "retried", "error")


@cell(TABLE, "cancelled by Go")
async def test_go_cancels(pair: Pair, bench: Bench) -> None:
    """CancelProcessing stops the handler wherever it runs."""
    await cancelled(pair, bench, "go")


@cell(TABLE, "cancelled by Python")
async def test_python_cancels(pair: Pair, bench: Bench) -> None:
    """So does our cancel, a Go handler too."""
    await cancelled(pair, bench, "python")


async def test_a_cut_line_is_mended_before_the_next_cancellation(pair: Pair, bench: Bench) -> None:
    """Whoever serves listens again after its subscription was killed, and asynq's word is then heard."""
    await pair.first.enqueue("hold", task_id="a")
    async with pair.second.serving() as run:
        await run.ran()
        await until(lambda: is_heard(bench))
        lines = await listeners(bench)
        await bench.store.command("CLIENT", "KILL", "TYPE", "pubsub")

        async def are_others() -> bool:
            return not lines & await listeners(bench) and await is_heard(bench)

        await until(are_others)
        await pair.go.inspector.do("cancel", "a")
        await bench.reaches(active=0, processed=1)


async def listeners(bench: Bench) -> set[bytes]:
    """List the connections that subscribe to anything."""
    found: bytes = await bench.store.command("CLIENT", "LIST", "TYPE", "pubsub")
    return set(re.findall(rb"^id=\d+", found, re.MULTILINE))
