"""The shop under Flask's test client, with the real engine behind it, in a time that the test moves."""

from __future__ import annotations

from shop import app, create_app


def test_a_sign_up_is_accepted_and_can_be_asked_for() -> None:
    """202 at once; the receipt when the task is done, in the context of the Flask application."""
    client = create_app(TESTING=True).test_client()
    with app.testing() as t:
        accepted = client.post("/users/42?in=60")
        assert 202 == accepted.status_code
        path = f"/welcomes/{accepted.json['id']}"
        assert {"state": "scheduled", "receipt": None} == client.get(path).json
        t.advance(60)
        assert {"state": "completed", "receipt": "welcome, user 42"} == client.get(path).json


def test_an_unknown_task_is_not_found() -> None:
    """Onebeat's refusals are HTTP's."""
    client = create_app(TESTING=True).test_client()
    with app.testing():
        assert 404 == client.get("/welcomes/nothing").status_code
