"""Which event loop runs, how Ctrl-C ends it, and what is loaded before it is needed."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from pathlib import Path

import msgspec
import pytest

from onebeat.app.app import Onebeat
from onebeat.cli.loops import run_async
from onebeat.cli.processes.orders import Orders
from onebeat.cli.serving import where
from onebeat.errors import ConfigurationError
from tests.cli.conftest import SHOP, Tasks
from tests.cli.programs import Program, onebeat


@pytest.mark.slow
@pytest.mark.parametrize("words", [[], ["--processes", "2"]], ids=["alone", "spawned"])
@pytest.mark.parametrize(("loop", "module"), [("auto", "uvloop"), ("uvloop", "uvloop"), ("asyncio", "asyncio")])
def test_servers_run_on_the_loop_that_is_chosen(
    folder: Path, tasks: Tasks, words: list[str], loop: str, module: str
) -> None:
    """uvloop where it is installed, as it is here; spawned processes too."""
    command = ["run", "shop:app", "--url", tasks.url, "--loop", loop, *words]
    with onebeat(*command, cwd=folder) as program:
        program.expect("serving queues")
        task = tasks.enqueue("loop")
        tasks.reaches(task, "completed")
        assert f'"{module}"' == tasks.field(task, "result")
        program.send(signal.SIGTERM)
        assert 0 == program.ended(), program.said


def test_without_uvloop_it_is_asyncio(monkeypatch: pytest.MonkeyPatch) -> None:
    """And who insists on uvloop is told how to get it."""
    monkeypatch.setitem(sys.modules, "uvloop", None)
    seen: list[str] = []

    async def work() -> None:
        import asyncio

        seen.append(type(asyncio.get_running_loop()).__module__.partition(".")[0])

    run_async(work())
    assert ["asyncio"] == seen
    with pytest.raises(ConfigurationError, match="pip install uvloop"):
        run_async(work(), "uvloop")


SCRIPTS = {
    "an application": "import asyncio\nfrom shop import app\nasyncio.run(app.run(concurrency=2))\n",
    "a server": (
        "import asyncio\nfrom onebeat import Mux, Server\n"
        "import logging\nlogging.basicConfig(level='INFO')\nasyncio.run(Server().run(Mux()))\n"
    ),
}


@pytest.mark.slow
@pytest.mark.parametrize("script", SCRIPTS.values(), ids=SCRIPTS)
def test_ctrl_c_ends_a_script_cleanly(folder: Path, url: str, script: str) -> None:
    """Status 0 and no traceback."""
    (folder / "shop.py").write_text("import logging\nlogging.basicConfig(level='INFO')\n" + SHOP)
    (folder / "serve.py").write_text(script)
    with Program(["serve.py"], cwd=folder, env={"ONEBEAT_URL": url}, terminal=True) as program:
        program.expect("serving queues")
        program.press_ctrl_c()
        assert 0 == program.ended(), program.said
        assert "stopped" in program.said
        assert "Traceback" not in program.said


@pytest.mark.slow
def test_ctrl_c_ends_run_cleanly(folder: Path, url: str) -> None:
    """Status 0 and no traceback; the second one does not wait for what runs."""
    with onebeat("run", "shop:app", "--url", url, cwd=folder, terminal=True) as program:
        program.expect("serving queues")
        program.press_ctrl_c()
        assert 0 == program.ended(), program.said
        assert "Traceback" not in program.said


@pytest.mark.slow
def test_ctrl_c_before_it_serves_is_no_traceback_either(folder: Path, url: str) -> None:
    """Status 130, as shells count."""
    (folder / "shop.py").write_text("import time\nprint('imported')\ntime.sleep(3600)\n")
    with onebeat("run", "shop:app", "--url", url, cwd=folder, terminal=True) as program:
        program.expect("imported")
        program.press_ctrl_c()
        assert 130 == program.ended(), program.said
        assert "Traceback" not in program.said


def loaded(code: str) -> set[str]:
    """Return the modules that are loaded after running code in a new Python."""
    done = subprocess.run(
        [sys.executable, "-c", f"import json, sys\n{code}\nprint(json.dumps(list(sys.modules)))"],
        capture_output=True, check=True,
    )  # fmt: skip
    return set(json.loads(done.stdout.splitlines()[-1]))


def test_importing_the_package_loads_nothing_to_speak_of() -> None:
    """Neither asyncio nor redis."""
    assert set() == {"asyncio", "redis", "msgspec"} & loaded("import onebeat")


@pytest.mark.slow
def test_declaring_loads_no_redis() -> None:
    """It comes with the first store."""
    code = "from onebeat import Onebeat\napp = Onebeat()\n\n@app.task()\ndef work() -> None: ..."
    assert "redis" not in loaded(code)
    assert "redis" in loaded(f"{code}\nOnebeat(url='redis://127.0.0.1')")


def test_the_help_loads_what_it_needs() -> None:
    """So that it is quick: no event loop, no store, no tables."""
    heavy = {"asyncio", "redis", "rich", "msgspec", "watchfiles", "onebeat.app.app"}
    code = "from onebeat.cli.commands import cli\ncli(['--help'], standalone_mode=False)"
    assert set() == heavy & loaded(code)


def test_a_store_that_the_code_contradicts_is_warned_of(caplog: pytest.LogCaptureFixture) -> None:
    """Handlers enqueue where the code says, which is not where they run then; no password is shown."""
    app: Onebeat[None] = Onebeat(url="redis://code")
    orders = Orders(app="x:app", folder="/", url="redis://me:secret@told", fallback=None, settings={})
    assert "redis://me:secret@told" == where(app, orders)
    [message] = caplog.messages
    assert "names another store in its code than redis://***@told, which is served" in message
    assert "redis://code" == where(app, msgspec.structs.replace(orders, url=None))
    assert [message] == caplog.messages
