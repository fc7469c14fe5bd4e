"""Flask: the application context of handlers, refusals, the command, and gunicorn that forks after the import."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from flask import Flask, current_app, g

from onebeat import BrokerUnavailable, ConfigurationError, DuplicateTask, Onebeat, SyncClient, TaskNotFound
from onebeat.broker import browse
from onebeat.integrations.flask import init_app
from tests.server.conftest import served_in_thread

EXAMPLE = Path(__file__).parents[2] / "examples" / "flask"


@pytest.fixture
def app(url: str) -> Onebeat[Any]:
    return Onebeat("web", url=url)


def test_handlers_run_in_the_application_context(app: Onebeat[Any]) -> None:
    """Of plain functions in their thread, teardown included, and of coroutines; the last application counts."""
    torn_down = []

    @app.task()
    def plain() -> list[str]:
        g.thread = threading.current_thread()
        return [current_app.name, threading.current_thread().name]

    @app.task()
    async def coroutine() -> str:
        return current_app.name

    for flask in (Flask("first"), second := Flask("second")):
        init_app(flask, app)
        flask.teardown_appcontext(lambda _error: torn_down.append((current_app.name, threading.current_thread().name)))
    with served_in_thread(app, concurrency=1):
        name, thread = plain.enqueue_sync().result(timeout=60)
        assert ("second", [("second", thread)]) == (name, torn_down)
        assert "second" == coroutine.enqueue_sync().result(timeout=60)
    assert app is second.extensions["onebeat"]


@pytest.mark.parametrize(
    ("error", "status"), [(TaskNotFound("x"), 404), (DuplicateTask("x"), 409), (BrokerUnavailable("secret"), 503)]
)
def test_refusals_are_http(app: Onebeat[Any], error: Exception, status: int) -> None:
    """And tell nothing of the inside."""
    flask = Flask("web")
    init_app(flask, app)

    @flask.get("/")
    def view() -> str:
        raise error

    answer = flask.test_client().get("/")
    assert status == answer.status_code
    assert "secret" not in answer.text


def test_what_is_no_application_is_refused(app: Onebeat[Any]) -> None:
    """As when the two are given the wrong way round."""
    with pytest.raises(ConfigurationError, match="give the Flask application, then the Onebeat"):
        init_app(app, Flask("web"))  # type: ignore[arg-type] # that is what is tested


def test_a_second_application_is_refused(app: Onebeat[Any]) -> None:
    """Its tasks would be enqueued and the first one's never served; joining the same one again changes nothing."""
    flask = Flask("web")
    for _ in range(2):
        init_app(flask, app)
    with pytest.raises(
        ConfigurationError, match=r"'web' has the Onebeat application 'web' already.*'other' on a Router"
    ):
        init_app(flask, Onebeat("other"))
    assert flask.extensions["onebeat"] is app


def test_the_store_may_stand_in_the_configuration(app: Onebeat[Any]) -> None:
    """ONEBEAT_URL of it wins; a bad one is refused when the two are joined."""
    flask = Flask("web")
    flask.config["ONEBEAT_URL"] = "redis://elsewhere/0"
    init_app(flask, app)
    assert "redis://elsewhere/0" == app.url
    flask.config["ONEBEAT_URL"] = "http://elsewhere"
    with pytest.raises(ConfigurationError, match="http"):
        init_app(flask, app)


def test_a_command_without_tasks_says_so(app: Onebeat[Any]) -> None:
    """One sentence and status 1."""
    flask = Flask("web")
    init_app(flask, app)
    done = flask.test_cli_runner().invoke(args=["onebeat", "run"])
    assert (1, "Error: application 'web' has no tasks: declare one with @app.task()\n") == (done.exit_code, done.output)


PRELOADED = """
from shop import app, create_app, send_welcome
send_welcome.options(task_id="parent").enqueue_sync(0)      # before the fork, so that there is something to inherit
app.enqueue_many_sync(send_welcome.bind(n) for n in range(10))
web = create_app()
"""


@pytest.mark.slow
def test_gunicorn_with_preload(tmp_path: Path, url: str) -> None:
    """Workers that were forked from a parent with open connections enqueue each task once, under ids of their own."""
    (tmp_path / "shop.py").write_text((EXAMPLE / "shop.py").read_text())
    (tmp_path / "preloaded.py").write_text(PRELOADED)
    words = [sys.executable, "-m", "gunicorn", "--preload", "-w", "2", "--threads", "4", "-b", "127.0.0.1:0"]
    server = subprocess.Popen(
        [*words, "preloaded:web"],
        cwd=tmp_path,
        env={**os.environ, "ONEBEAT_URL": url},
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert server.stderr is not None
        log = next(line for line in server.stderr if "Listening at" in line)
        address = log.split("Listening at: ")[1].split()[0]

        def sign_up(user_id: int) -> str:
            asked = urllib.request.Request(f"{address}/users/{user_id}", method="POST")  # noqa: S310 - our own server
            with urllib.request.urlopen(asked, timeout=60) as answer:  # noqa: S310 - likewise
                return str(answer.read())

        with ThreadPoolExecutor(8) as threads:
            ids = set(threads.map(sign_up, range(60)))
    finally:
        server.send_signal(signal.SIGTERM)
        server.communicate(timeout=60)
    assert 60 == len(ids)
    with SyncClient(url) as client:
        assert 71 == client.store.run(browse.stats("default")).pending


SIGNED_UP = "from shop import send_welcome; print(send_welcome.enqueue_sync(7).result(timeout=60))"


@pytest.mark.slow
def test_the_command_serves(url: str) -> None:
    """In the context of the application that Flask's command line makes, with its log shown; SIGTERM ends it with 0."""
    where: dict[str, Any] = {"cwd": EXAMPLE, "env": {**os.environ, "ONEBEAT_URL": url}, "text": True}
    words = [sys.executable, "-m", "flask", "--app", "shop", "onebeat", "run"]
    server = subprocess.Popen(words, **where, stderr=subprocess.PIPE)
    try:
        done = subprocess.run([sys.executable, "-c", SIGNED_UP], **where, stdout=subprocess.PIPE, check=True)
        assert "welcome, user 7\n" == done.stdout
    finally:
        server.terminate()
        said = server.communicate(timeout=60)[1]
        assert 0 == server.returncode
        assert ["serving", "stopping", "stopped"] == re.findall(r"INFO +onebeat.server: (\w+)", said)
