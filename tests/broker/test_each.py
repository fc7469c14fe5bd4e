"""Many scripts at once: how many round trips they take, and what one that fails costs the others."""

from __future__ import annotations

from collections.abc import Awaitable
from contextlib import closing
from typing import Any

import pytest

from onebeat.broker import browse, driver
from onebeat.broker.blocking_store import BlockingStore
from onebeat.broker.store import Store
from onebeat.errors import BrokerError
from onebeat.wire import keys

QUEUES = [f"q{number}" for number in range(20)]
CALLS = [browse.stats(name) for name in QUEUES]


class Trips:
    """Counts what is awaited of the driver."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.count = 0
        real = driver.awaited

        async def counted(answer: Awaitable[Any]) -> Any:
            self.count += 1
            return await real(answer)

        monkeypatch.setattr(driver, "awaited", counted)


@pytest.mark.one_store
async def test_a_store_that_has_forgotten_the_script_is_told_once(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two round trips, however many operations there are; one from then on."""
    await store.command("SCRIPT", "FLUSH")
    trips = Trips(monkeypatch)
    assert [0] * 20 == [found.size for found in await store.run_each(CALLS) if not isinstance(found, BrokerError)]
    assert 2 == trips.count
    await store.run_each(CALLS)
    assert 3 == trips.count


@pytest.mark.one_store
async def test_what_fails_costs_the_others_no_round_trip(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    """A damaged queue has its error in the place of its answer."""
    await store.run_each(CALLS)
    await store.command("SET", keys.root("q7") + "pending", "no list")
    trips = Trips(monkeypatch)
    found = await store.run_each(CALLS)
    assert ["q7"] == [name for name, one in zip(QUEUES, found, strict=True) if isinstance(one, BrokerError)]
    assert 1 == trips.count


async def test_a_thread_is_answered_the_same(store: Store, url: str) -> None:
    """The blocking twin: what fails stands where its answer would."""
    await store.command("SET", keys.root("q7") + "pending", "no list")
    with closing(BlockingStore.open(url)) as blocking:
        found = blocking.run_each(CALLS)
    assert ["q7"] == [name for name, one in zip(QUEUES, found, strict=True) if isinstance(one, BrokerError)]
