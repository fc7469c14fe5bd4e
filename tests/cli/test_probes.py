"""
The truth table of probes, asked of real processes: one alone, and two under a parent.

                     /livez   /readyz
starting             200      503
at work              200      200
store away           200      503
event loop blocked   503      503
told to stop         200      503
"""

from __future__ import annotations

import json
import os
import signal
import socket
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.cli.conftest import Tasks
from tests.cli.programs import PATIENCE_S, Program, onebeat, until
from tests.engines import Process

pytestmark = pytest.mark.slow

SHOP = """
import asyncio
import time
from contextlib import asynccontextmanager
from pathlib import Path

from onebeat import Onebeat


@asynccontextmanager
async def lifespan():
    print("it starts")
    while not Path("open").exists():
        await asyncio.sleep(0.01)
    yield


app = Onebeat("shop", lifespan=lifespan)


@app.task("block")
async def block() -> None:
    print("it begins")
    while not Path("go").exists():
        time.sleep(0.01)


@app.task("wait")
async def wait() -> str:
    print("it begins")
    while not Path("go").exists():
        await asyncio.sleep(0.01)
    return "done"
"""


@pytest.fixture
def shop(tmp_path: Path) -> Path:
    """Return a project whose application starts when the file "open" is there, and is."""
    (tmp_path / "shop.py").write_text(SHOP)
    (tmp_path / "pyproject.toml").write_text("")
    (tmp_path / "open").touch()
    return tmp_path


@pytest.fixture(params=[[], ["--processes", "2"]], ids=["alone", "two"])
def words(request: pytest.FixtureRequest) -> list[str]:
    """Return how many processes are wanted, as the command line is told."""
    return list(request.param)


class Served:
    """A command at work, and where it answers."""

    def __init__(self, program: Program) -> None:
        self.program = program
        self.at = program.expect(r"answering at (http://\S+): /livez, /readyz").group(1)

    def probe(self, path: str) -> tuple[int, Any]:
        """Return the status, and the report."""
        try:
            with urllib.request.urlopen(f"{self.at}{path}", timeout=60) as answer:  # noqa: S310 - http is what is served
                return answer.status, json.load(answer)
        except urllib.error.HTTPError as error:
            with error:
                return error.code, json.load(error)

    def table(self) -> tuple[int, int]:
        """Return both statuses."""
        return self.probe("/livez")[0], self.probe("/readyz")[0]

    def becomes(self, live: int, ready: int) -> None:
        """Wait until the probes answer so."""
        until(lambda: self.table() == (live, ready))

    def whys(self) -> str:
        """Return all reasons that are told, of all processes."""
        report = self.probe("/readyz")[1]
        checks = report["checks"] + [check for process in report["processes"] for check in process["checks"]]
        return "; ".join(check["why"] for check in checks if check["why"])


@pytest.fixture
def impatient(shop: Path) -> None:
    """Let a second without a turn of the loop be too long, which a busy machine takes now and then by itself."""
    (shop / "shop.py").write_text(SHOP.replace("lifespan=lifespan", 'lifespan=lifespan, server={"block_limit": 1}'))


@pytest.fixture
def served(shop: Path, url: str, words: list[str]) -> Iterator[Served]:
    """Return a command on an empty store, that gives running tasks a minute to end."""
    words += ["--shutdown-timeout", "60"]
    with onebeat("run", "shop:app", "--url", url, "--metrics-port", "0", *words, cwd=shop) as program:
        yield Served(program)


@pytest.fixture
def tasks(url: str) -> Iterator[Tasks]:
    """Return a client of the store."""
    tasks = Tasks(url)
    yield tasks
    tasks.close()


def test_starting(shop: Path, url: str, words: list[str]) -> None:
    """Live and not ready, until the application has begun; then both."""
    (shop / "open").unlink()
    with onebeat("run", "shop:app", "--url", url, "--metrics-port", "0", *words, cwd=shop) as program:
        served = Served(program)
        program.expect("it starts")
        assert (200, 503) == served.table()
        assert "starting" == served.probe("/readyz")[1]["state"]
        (shop / "open").touch()
        served.becomes(200, 200)


@pytest.mark.parametrize(
    ("end", "begin"), [(Process.kill, Process.start), (Process.freeze, Process.thaw)], ids=["away", "hanging"]
)
def test_a_store_in_trouble(
    shop: Path, words: list[str], tmp_path: Path, end: Callable[[Process], None], begin: Callable[[Process], None]
) -> None:
    """Live all the time, as a new process would find the same store; ready again by itself once it is back."""
    store = Process(tmp_path)
    url = f"redis://{store.address}"
    try:
        with onebeat("run", "shop:app", "--url", url, "--metrics-port", "0", *words, cwd=shop) as program:
            served = Served(program)
            served.becomes(200, 200)
            end(store)
            served.becomes(200, 503)
            until(lambda: store.address in served.whys())
            begin(store)
            served.becomes(200, 200)
    finally:
        store.end()


@pytest.mark.usefixtures("impatient")
def test_a_handler_that_blocks_the_event_loop(shop: Path, served: Served, tasks: Tasks) -> None:
    """Neither live nor ready after `block_limit`, and it is said; both again once it has ended."""
    served.becomes(200, 200)
    tasks.enqueue("block")
    served.program.expect("it begins")
    served.becomes(503, 503)
    until(lambda: "a handler blocks it" in served.whys())
    (shop / "go").touch()
    served.becomes(200, 200)


def test_told_to_stop(shop: Path, served: Served, tasks: Tasks) -> None:
    """Not ready at once, live while a running task is given its time; then it ends with status 0."""
    served.becomes(200, 200)
    task = tasks.enqueue("wait")
    served.program.expect("it begins")
    served.program.send(signal.SIGTERM)
    until(lambda: served.probe("/readyz")[1]["state"] == "stopping")
    served.becomes(200, 503)
    (shop / "go").touch()
    assert 0 == served.program.ended(), served.program.said
    assert "completed" == tasks.field(task, "state")


def test_a_process_that_was_killed_shows(shop: Path, url: str) -> None:
    """The other is ready meanwhile; how often it was started again, and how it ended last, is told."""
    with onebeat("run", "shop:app", "--url", url, "--metrics-port", "0", "-p", "2", cwd=shop) as program:
        served = Served(program)
        until(lambda: [True, True] == [process["ready"] for process in served.probe("/readyz")[1]["processes"]])
        victim = served.probe("/readyz")[1]["processes"][1]
        assert (2, 0, "") == (victim["number"], victim["restarts"], victim["last_end"])
        (shop / "open").unlink()  # its successor begins, and no more, until it is there again
        os.kill(victim["pid"], signal.SIGKILL)
        until(lambda: served.probe("/readyz")[1]["processes"][1]["last_end"] == "signal SIGKILL")
        served.becomes(200, 200)
        assert not served.probe("/readyz")[1]["processes"][1]["ready"]
        (shop / "open").touch()
        until(lambda: served.probe("/readyz")[1]["processes"][1]["ready"])
        again = served.probe("/readyz")[1]["processes"][1]
        assert (1, False) == (again["restarts"], again["pid"] == victim["pid"])


def test_a_process_that_answers_nothing_shows(shop: Path, url: str) -> None:
    """As one that is frozen, or whose interpreter lock is held: first not ready, then not live."""
    with onebeat("run", "shop:app", "--url", url, "--metrics-port", "0", "-p", "2", cwd=shop) as program:
        served = Served(program)
        until(lambda: [True, True] == [process["ready"] for process in served.probe("/readyz")[1]["processes"]])
        victim = served.probe("/readyz")[1]["processes"][1]["pid"]
        os.kill(victim, signal.SIGSTOP)
        until(lambda: not served.probe("/readyz")[1]["processes"][1]["ready"])
        served.becomes(200, 200)
        frozen = served.probe("/readyz")[1]["processes"][1]
        assert ("serving", True, False) == (frozen["state"], frozen["live"], frozen["ready"])
        assert "it has not answered for" in frozen["checks"][0]["why"]
        os.kill(victim, signal.SIGCONT)
        until(lambda: served.probe("/readyz")[1]["processes"][1]["ready"])


def test_a_port_in_use_is_said_before_anything_starts(shop: Path, served: Served, url: str) -> None:
    """One sentence, status 1."""
    port = served.at.rpartition(":")[2]
    with onebeat("run", "shop:app", "--url", url, "--metrics-port", port, cwd=shop) as second:
        assert 1 == second.ended()
    said = f"onebeat: metrics port {port} of host '127.0.0.1' cannot be had (address already in use): give another port"
    assert second.said.startswith(said)
    assert "Traceback" not in second.said


def test_systemd_hears_of_a_command(shop: Path, url: str, words: list[str], tmp_path: Path) -> None:
    """When it is ready, that it lives, and that it stops; its processes inherit no word of it."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as systemd:
        systemd.bind(str(tmp_path / "notify"))
        systemd.settimeout(PATIENCE_S)
        env = {"NOTIFY_SOCKET": str(tmp_path / "notify"), "WATCHDOG_USEC": "1000000"}
        with onebeat("run", "shop:app", "--url", url, *words, cwd=shop, env=env) as program:
            for word in ("READY=1", "WATCHDOG=1"):
                while systemd.recv(4096).decode() != word:
                    pass
            for pid in program.children():
                environment = Path(f"/proc/{pid}/environ")
                until(lambda: b"NOTIFY_SOCKET" not in environment.read_bytes())  # noqa: B023 - it is its parent's at first
            program.send(signal.SIGTERM)
            while systemd.recv(4096).decode() != "STOPPING=1":
                pass
            assert 0 == program.ended(), program.said


def test_sigterm_ends_a_command_that_imports(shop: Path, url: str, tmp_path: Path) -> None:
    """Before there is an event loop to stop: the first process of a container would else not hear it."""
    (shop / "shop.py").write_text('import time\n\nprint("it imports")\ntime.sleep(60)\n')
    with onebeat("run", "shop:app", "--url", url, cwd=shop) as program:
        program.expect("it imports")
        program.send(signal.SIGTERM)
        assert 128 + signal.SIGTERM == program.ended(), program.said
        assert "Traceback" not in program.said
