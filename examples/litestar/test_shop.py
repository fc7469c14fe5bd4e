"""The shop under Litestar's test client, with the real engine behind it."""

from __future__ import annotations

import pytest
from litestar.testing import AsyncTestClient
from shop import api, app, send_welcome


@pytest.fixture
async def client(tmp_path, monkeypatch):
    """Run the application, its lifespan too, on a store of its own."""
    monkeypatch.setattr(app, "url", f"embedded://{tmp_path}")
    async with AsyncTestClient(api) as client:
        yield client


async def test_a_sign_up_is_accepted_and_can_be_asked_for(client):
    """202 at once; the receipt when the task is done, by a server in the same process."""
    accepted = await client.post("/users/42?locale=uk")
    assert 202 == accepted.status_code
    task_id = accepted.json()["id"]
    assert "welcome, user 42, in uk" == await send_welcome.handle(task_id).result(timeout=10)
    answer = await client.get(f"/welcomes/{task_id}")
    assert {"state": "completed", "receipt": "welcome, user 42, in uk"} == answer.json()
    await app.aclose()


async def test_refusals_and_health(client):
    """Onebeat's refusals are HTTP's; the plugin has mounted the health checks."""
    assert 404 == (await client.get("/welcomes/nothing")).status_code
    assert {"status": "ok", "store": "ok", "serving": "ok"} == (await client.get("/tasks/health")).json()
