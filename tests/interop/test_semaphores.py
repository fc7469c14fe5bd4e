"""One semaphore for both sides: asynq's module x/rate, and ours (protocol §5.10)."""

from __future__ import annotations

import pytest

from onebeat.wire import keys
from tests.interop.conftest import Pair
from tests.interop.looks import is_heard
from tests.interop.table import cell
from tests.server.conftest import Bench, until

pytestmark = pytest.mark.interop
TABLE = "semaphore: holder → seeker"


@cell(TABLE, "one token for both")
@cell(TABLE, "free again")
async def test_a_token_is_one_sides_or_the_others(pair: Pair, bench: Bench) -> None:
    """While one side's task holds the only token, the other's finds none and waits; given back, it takes it."""

    async def is_free() -> bool:
        return not await bench.store.command("EXISTS", keys.semaphore("gate"))

    async with pair.first.serving(queues={"first": 1}) as first, pair.second.serving(queues={"second": 1}) as second:
        await bench.enqueue("token", b"gate", queue="first", task_id="holder")
        assert ["token", "token held"] == [(await first.ran()).type for _ in range(2)]

        await bench.enqueue("token", b"gate", queue="second", task_id="seeker")
        assert "token" == (await second.ran()).type
        await bench.reaches("second", retry=1, active=0)

        await until(lambda: is_heard(bench, 2))
        await pair.second.inspector.do("cancel", "holder", "first")
        await until(is_free)
        await pair.second.inspector.do("run", "seeker", "second")
        assert ["token", "token held"] == [(await second.ran()).type for _ in range(2)]
