"""A shop: its tasks, and a Flask application that enqueues them."""

from __future__ import annotations

from typing import Any

from flask import Flask, current_app, request
from flask.typing import ResponseReturnValue

from onebeat import Onebeat, TaskState
from onebeat.integrations.flask import init_app

app = Onebeat("shop")


@app.task("email:welcome", max_retry=3)
def send_welcome(user_id: int) -> str:
    return f"{current_app.config['GREETING']}, user {user_id}"


def create_app(**config: Any) -> Flask:
    flask = Flask(__name__)
    flask.config.update(GREETING="welcome", **config)
    init_app(flask, app)

    @flask.post("/users/<int:user_id>")
    def sign_up(user_id: int) -> ResponseReturnValue:
        process_in = request.args.get("in", 0.0, float)
        handle = send_welcome.options(process_in=process_in).enqueue_sync(user_id)
        return {"id": handle.id}, 202

    @flask.get("/welcomes/<task_id>")
    def welcome(task_id: str) -> ResponseReturnValue:
        handle = send_welcome.handle_sync(task_id)
        info = handle.info()
        return {"state": info.state, "receipt": handle.result() if info.state is TaskState.COMPLETED else None}

    return flask
