"""The shop under Litestar's test client, with the real engine behind it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from litestar.testing import TestClient
from shop import api, app, send_welcome


@pytest.fixture
def client() -> Iterator[TestClient]:
    """Run the web application, its lifespan too; tasks go to a private store and run when they are waited for."""
    with app.testing(), TestClient(api) as client:
        yield client


def test_a_sign_up_is_accepted_and_can_be_asked_for(client: TestClient) -> None:
    """202 at once; the receipt when the task is done."""
    accepted = client.post("/users/42?locale=uk")
    assert 202 == accepted.status_code
    task_id = accepted.json()["id"]
    assert "welcome, user 42, in uk" == send_welcome.handle_sync(task_id).result(timeout=10)
    answer = client.get(f"/welcomes/{task_id}")
    assert {"state": "completed", "receipt": "welcome, user 42, in uk"} == answer.json()


def test_refusals_and_health(client: TestClient) -> None:
    """Onebeat's refusals are HTTP's; the plugin has mounted the health checks."""
    assert 404 == client.get("/welcomes/nothing").status_code
    assert {"status": "ok", "store": "ok", "serving": "ok"} == client.get("/tasks/health").json()
