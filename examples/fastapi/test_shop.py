"""The shop under FastAPI's TestClient, with the real engine behind it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from fastapi.testclient import TestClient
from shop import api, app, send_welcome


@pytest.fixture
def client() -> Iterator[TestClient]:
    """Run the web application, its lifespan too; tasks go to a private store and run when they are waited for."""
    with app.testing(), TestClient(api) as client:
        yield client


def finished(client: TestClient, task_id: str) -> dict[str, str | None]:
    """Wait for a task then ask as a browser does."""
    send_welcome.handle_sync(task_id).result(timeout=10)
    return client.get(f"/welcomes/{task_id}").json()


def test_a_sign_up_is_accepted_and_can_be_asked_for(client: TestClient) -> None:
    """202 at once; the receipt when the task is done, by a server in the same process."""
    accepted = client.post("/users/42?locale=uk")
    assert 202 == accepted.status_code
    assert {"state": "completed", "receipt": "welcome, user 42, in uk", "error": ""} == finished(
        client, accepted.json()["id"]
    )


def test_a_failure_is_told(client: TestClient) -> None:
    """What went wrong stands in the status."""
    task_id = client.post("/users/0").json()["id"]
    with pytest.raises(Exception, match="user 0 does not exist"):
        finished(client, task_id)
    assert {"state": "archived", "receipt": None, "error": "user 0 does not exist"} == client.get(
        f"/welcomes/{task_id}"
    ).json()


def test_an_unknown_task_is_not_found(client: TestClient) -> None:
    """Onebeat's refusals are HTTP's."""
    assert 404 == client.get("/welcomes/nothing").status_code


def test_health_and_the_own_lifespan(client: TestClient) -> None:
    """The mounted health check sees the store and the server; the shop's own lifespan ran as well."""
    assert {"status": "ok", "store": "ok", "serving": "ok"} == client.get("/tasks/health").json()
    assert {"tea": 4} == client.get("/prices").json()
