"""The page Health: what is wrong, and mending it."""

from __future__ import annotations

import httpx2
import pytest

from onebeat.broker.store import Store
from onebeat.client import Client
from onebeat.inspector.auditing import AuditOutcome
from onebeat.inspector.inspector import Inspector
from onebeat.task import Task
from onebeat.web import User
from onebeat.web.pages import health
from tests.anywhere import calls
from tests.conftest import Clock
from tests.engines import Topology
from tests.inspector.conftest import check_places, everything, put
from tests.web.managed import managed
from tests.web.test_redis import asking, words


@pytest.fixture
async def damaged(store: Store, clock: Clock) -> Store:
    """Return a store with two ids in a list that no task has."""
    await put(store, "a")
    await store.command("LPUSH", "asynq:{q}:pending", "ghost", "shade")
    return store


async def test_a_finding_has_what_is_so_why_it_matters_and_what_to_type(
    web: httpx2.AsyncClient, client: Client
) -> None:
    """And the worst one is in the first sentence."""
    await client.enqueue(Task("t"), queue="reports")
    said = words(await web.get("/health"))
    assert "queue reports: it has 1 pending task, and no server lives" in said.partition("errors")[0]
    assert "They wait for ever, and nobody says so" in said
    assert "onebeat run module:app --queue reports" in said
    assert "46 checks made · looked at 0 servers, 1 queue" in said


async def test_a_repair_is_shown_before_it_is_done(
    web: httpx2.AsyncClient, damaged: Store, inspector: Inspector
) -> None:
    """The page that asks changes nothing; the form mends, and the audit knows."""
    assert "Repair…" in words(await web.get("/health"))
    before = await everything(damaged)
    said = words(await web.get("/health/repair", params={"check": "dangling-id"}))
    assert "2 things would be mended; nothing was done yet" in said
    assert "dangling-id q ghost dropped" in said
    assert before == await everything(damaged)
    answer = await web.post("/health/repair", data={"check": "dangling-id"})
    assert (303, "/health") == (answer.status_code, answer.headers["location"])
    said = words(await web.get("/health"))
    assert "Mended 2 dangling-id." in said
    assert "Repair…" not in said
    await check_places(damaged)
    [record] = (await inspector.audit()).records
    assert ("health.repair", "dangling-id", AuditOutcome.DONE, 2) == (
        record.action, record.about, record.outcome, record.count
    )  # fmt: skip


async def test_all_that_is_safe_is_mended_at_once(web: httpx2.AsyncClient, damaged: Store) -> None:
    """Without naming a check; a second time there is nothing left."""
    assert "Repair all that is safe" in words(await web.get("/health"))
    for notice in ("Mended 2 dangling-id.", "Nothing is damaged any more: it was mended meanwhile."):
        await web.post("/health/repair", data={"check": ""})
        assert notice in words(await web.get("/health"))
    assert "Nothing is damaged that this would mend" in words(await web.get("/health/repair"))


@pytest.mark.parametrize("check", ["clock-skew", "nonsense", "<b>"])
async def test_what_cannot_be_mended_is_refused(web: httpx2.AsyncClient, damaged: Store, check: str) -> None:
    """Both when asked for and when sent."""
    for answer in (
        await web.get("/health/repair", params={"check": check}),
        await web.post("/health/repair", data={"check": check}),
    ):
        assert 400 == answer.status_code
        assert "finds nothing that can be mended" in answer.text
        assert "<b>" not in answer.text.partition("<main")[2].partition("finds nothing")[0][-20:]


async def test_who_may_not_repair_is_offered_none(damaged: Store) -> None:
    """And is refused if it is sent all the same; to look is allowed."""
    bob = User("bob", "operate")
    async with asking(damaged, auth=lambda _request: bob) as web:
        assert "Repair…" not in words(await web.get("/health"))
        assert "You may not repair here" in words(await web.get("/health/repair"))
        assert 403 == (await web.post("/health/repair", data={"check": "dangling-id"})).status_code
    assert 3 == await damaged.command("LLEN", "asynq:{q}:pending")


async def test_a_viewer_is_told_of_his_queues_only(store: Store, client: Client) -> None:
    """How many findings are left out is said, and nothing of what they are."""
    for queue in ("mail", "secret"):
        await client.enqueue(Task("t"), queue=queue)
    bob = User("bob", None, {"mail": "view"})
    async with asking(store, auth=lambda _request: bob) as web:
        said = words(await web.get("/health"))
    assert "queue mail" in said
    assert "secret" not in said
    assert "of what you may not look at" in said


async def test_checks_that_could_not_be_made_are_named(topology: Topology, client: Client, store: Store) -> None:
    """With the store's own reason, as where a managed store forbids the slow log."""
    await client.enqueue(Task("t"))
    async with managed(topology) as (limited, _), asking(limited) as web:
        answer = await web.get("/health")
    assert 200 == answer.status_code
    said = words(answer)
    assert "Checks that could not be made store-slow –" in said
    assert "permission" in said
    assert "queue-without-server" in said


async def test_ten_viewers_cost_one_look(
    web: httpx2.AsyncClient, client: Client, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """For some seconds what was found is good for all."""
    monkeypatch.setattr(health, "KEPT_S", 3600.0)  # ten pages may take longer
    await client.enqueue(Task("t"))
    before = await calls(store)
    for _ in range(10):
        await web.get("/health")
    assert len(store.primaries()) == (await calls(store) - before)["slowlog|get"]


async def test_a_look_that_takes_too_long_is_given_up(
    web: httpx2.AsyncClient, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And the page says what a terminal can do."""
    monkeypatch.setattr(health, "PATIENCE_S", 0.0)
    answer = await web.get("/health")
    assert 503 == answer.status_code
    assert "onebeat doctor --budget 1000" in answer.text
