"""The pytest plugin, in runs of their own: beside pytest-asyncio, anyio and xdist, and where nobody wants it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

ANYIO = """
import pytest

pytestmark = pytest.mark.anyio

@pytest.fixture
def anyio_backend():
    return "asyncio"

@pytest.fixture
"""

pytestmark = pytest.mark.slow  # each starts pytest anew

APP = """
from onebeat import Context, Onebeat

app = Onebeat[str]("shop", url="unix:///nowhere/at/all.sock")

@app.task("send", max_retry=1)
async def send(ctx: Context[str], user_id: int) -> str:
    if user_id < 0:
        raise ValueError("no such user")
    return f"{ctx.state} {user_id}"

@app.every(60)
@app.task("tick")
def tick() -> None: ...
"""

CONFTEST = """
import pytest
from shop import app

@pytest.fixture
def onebeat_app():
    return app

@pytest.fixture
def onebeat_settings():
    return {"state": "fake"}
"""

ASYNC_BODY = """
async def test_async(t):
    handle = await send.enqueue(1)
    assert send.bind(1) in t.enqueued(send)
    assert (await t.advance(60)).of("tick")
    assert "fake 1" == await handle.result()
"""


def run_pytest(folder: Path, *words: str, **files: str) -> subprocess.CompletedProcess[str]:
    """Run pytest on files, as a project of its own, with warnings as errors."""
    for name, text in {"shop": APP, "conftest": CONFTEST, **files}.items():
        (folder / f"{name}.py").write_text(text)
    (folder / "pytest.ini").write_text("[pytest]\nfilterwarnings = error\npythonpath = .\n")
    if "no:asyncio" not in words:
        words = (*words, "-o", "asyncio_default_fixture_loop_scope=function")  # what pytest-asyncio asks for
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *words]
    kept = {**os.environ, "PYTHONDONTWRITEBYTECODE": ""}  # what pytest makes of its plugins, for the next run
    return subprocess.run(command, cwd=folder, env=kept, capture_output=True, text=True, check=False)


def test_a_blocking_test_needs_no_more_than_the_fixture(tmp_path: Path) -> None:
    """`onebeat_testing` is entered, with the settings of the fixture."""
    done = run_pytest(
        tmp_path,
        test_it="""
from shop import send

def test_it(onebeat_testing):
    send.enqueue_sync(1)
    assert "fake 1" == onebeat_testing.drain().attempts[0].result
""",
    )
    assert "1 passed" in done.stdout, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("words", "head"),
    [
        (["-o", "asyncio_mode=auto"], "import pytest\n@pytest.fixture\n"),
        (
            ["-o", "asyncio_mode=strict"],
            "import pytest, pytest_asyncio\npytestmark = pytest.mark.asyncio\n@pytest_asyncio.fixture\n",
        ),
        (
            ["-p", "no:asyncio"],
            ANYIO,
        ),
    ],
    ids=["asyncio-auto", "asyncio-strict", "anyio"],
)
def test_async_tests_work_with_each_plugin(tmp_path: Path, words: list[str], head: str) -> None:
    """A fixture of four lines around `onebeat_kit`."""
    fixture = "async def t(onebeat_kit):\n    async with onebeat_kit as t:\n        yield t\n"
    done = run_pytest(tmp_path, *words, test_it=f"from shop import send\n{head}{fixture}{ASYNC_BODY}")
    assert "1 passed" in done.stdout, done.stdout + done.stderr


def test_many_workers_have_an_engine_each(tmp_path: Path) -> None:
    """With pytest-xdist, tests do not meet."""
    done = run_pytest(
        tmp_path,
        *("-n", "2", "-o", "asyncio_mode=auto"),
        test_it="""
import os
import pytest
from shop import app, send

@pytest.mark.parametrize("number", range(12))
async def test_it(number):
    async with app.testing(state="fake") as t:
        assert [] == t.tasks()
        await app.enqueue_many(send.bind(number) for _ in range(20))
        assert 20 == (await t.drain()).completed
        print(os.environ["PYTEST_XDIST_WORKER"], t.store.shown)
""",
    )
    assert "12 passed" in done.stdout, done.stdout + done.stderr


def test_the_plain_form_gets_a_store(tmp_path: Path) -> None:
    """By its URL, on real time."""
    done = run_pytest(
        tmp_path,
        test_it="""
from onebeat import SyncClient
from onebeat.task import Task

def test_it(onebeat_url):
    with SyncClient(onebeat_url) as client:
        assert client.enqueue(Task("t")).due_ms is None
""",
    )
    assert "1 passed" in done.stdout, done.stdout + done.stderr


def test_a_missing_application_is_asked_for(tmp_path: Path) -> None:
    """By a sentence, in place of a riddle."""
    done = run_pytest(tmp_path, conftest="", test_it="def test_it(onebeat_testing): ...\n")
    assert "fixture onebeat_app is not defined: write one in conftest.py" in done.stdout


def test_a_run_that_does_not_use_it_loads_nothing_of_onebeat(tmp_path: Path) -> None:
    """But the plugin itself."""
    done = run_pytest(
        tmp_path,
        conftest="",
        test_it="""
import sys

def test_it(request):
    assert request.config.pluginmanager.has_plugin("onebeat")
    ours = {name for name in sys.modules if name.partition(".")[0] == "onebeat"}
    assert {"onebeat", "onebeat.testing", "onebeat.testing.plugin"} == ours
    assert not {"redis", "msgspec", "google.protobuf"} & sys.modules.keys()
""",
    )
    assert "1 passed" in done.stdout, done.stdout + done.stderr
