"""`onebeat run --processes`: real processes, real signals."""

from __future__ import annotations

import os
import re
import signal
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.cli.conftest import SHOP, Tasks
from tests.cli.programs import Program, is_gone, onebeat, until

pytestmark = pytest.mark.slow


def started(program: Program, count: int = 2) -> list[int]:
    """Wait until all serve; return their process ids."""
    for _ in range(count):
        program.expect(r"serving queues")
    return program.children()


def run(folder: Path, tasks: Tasks, *words: str, terminal: bool = False) -> Program:
    return onebeat("run", "shop:app", "--url", tasks.url, "--processes", "2", *words, cwd=folder, terminal=terminal)


def test_they_serve_and_stop_together(folder: Path, tasks: Tasks) -> None:
    """SIGTERM to the parent stops all; status 0; every line of theirs carries its process's number."""
    with run(folder, tasks) as program:
        assert 2 == len(started(program))
        program.send(signal.SIGTERM)
        assert 0 == program.ended(), program.said
        assert {"[1]", "[2]"} == set(re.findall(r"^(\[\d\]) .*: stopped$", program.said, re.MULTILINE))


@pytest.mark.parametrize(("number", "how"), [(signal.SIGKILL, "signal SIGKILL"), (signal.SIGTERM, "status 0")])
def test_a_process_that_ended_is_started_again(folder: Path, tasks: Tasks, number: int, how: str) -> None:
    """After a moment, whether it was killed or told to stop; the other goes on."""
    with run(folder, tasks) as program:
        victim, other = started(program)
        os.kill(victim, number)
        place = program.expect(rf"process (\d) ended \({how}\): started again in").group(1)
        program.expect(rf"\[{place}\] .*serving queues")
        assert other in program.children()
        program.send(signal.SIGTERM)
        assert 0 == program.ended(), program.said


HELD = """
import sys, time
from pathlib import Path

if "onebeat.cli.processes.child" in sys.orig_argv:
    print("it is held")
    while not Path("go").exists():
        time.sleep(0.01)  # a file tells nobody
"""


@pytest.mark.parametrize("place", ["first/sitecustomize.py", "shop.py"], ids=["Python's", "the application's"])
def test_ctrl_c_at_the_start_of_a_process_is_the_parents(folder: Path, tasks: Tasks, place: str) -> None:
    """It reaches a process that is no more than begun, which goes on without a traceback until it is told to stop."""
    (folder / "first").mkdir()
    own = folder / place
    own.write_text(HELD + (own.read_text() if own.exists() else ""))
    words = ["run", "shop:app", "--url", tasks.url, "--processes", "2"]
    with onebeat(*words, cwd=folder, env={"PYTHONPATH": str(folder / "first")}) as program:
        program.expect("it is held")
        [first] = program.children()
        for number in (signal.SIGINT, signal.SIGHUP):
            os.kill(first, number)
        (folder / "go").touch()
        started(program)
        assert first in program.children()
        program.send(signal.SIGTERM)
        assert 0 == program.ended(), program.said
        assert "Traceback" not in program.said


def test_an_application_may_have_thousands_of_tasks(folder: Path, tasks: Tasks) -> None:
    """What a process says of itself has no limit that one would meet."""
    more = "for number in range(3000):\n    app.task(f'reports.of_the_department.{number}')(loop.function)\n"
    (folder / "shop.py").write_text(SHOP + more)
    with run(folder, tasks) as program:
        started(program)
        program.send(signal.SIGTERM)
        assert 0 == program.ended(), program.said


def test_no_orphan_outlives_a_parent_that_was_killed(folder: Path, tasks: Tasks) -> None:
    """They stop cleanly: what runs goes back to the front of its queue, without a retry."""
    with run(folder, tasks, "--shutdown-timeout", "3") as program:
        processes = started(program)
        task = tasks.enqueue("wait")
        program.expect("it begins")
        program.send(signal.SIGKILL)
        until(lambda: all(map(is_gone, processes)))
        tasks.reaches(task, "pending")


GROUP: list[tuple[str, Callable[[Program], None]]] = [
    ("Ctrl-C in the terminal", lambda program: program.press_ctrl_c()),
    ("SIGTERM to every process", lambda program: program.send_group(signal.SIGTERM)),
]


@pytest.mark.parametrize("stop", [stop for _, stop in GROUP], ids=[name for name, _ in GROUP])
def test_what_reaches_the_whole_group_does_not_hurry_the_processes(
    folder: Path, tasks: Tasks, stop: Callable[[Program], None]
) -> None:
    """They hear the signal and the parent's word, and still give a running task its time."""
    with run(folder, tasks, "--shutdown-timeout", "3600", terminal=True) as program:
        started(program)
        task = tasks.enqueue("wait")
        program.expect("it begins")
        stop(program)
        told = [rf"\[{number}\] .*stopping: running tasks have 3600 s to end" for number in (1, 2)]
        program.expect_all(*told, r"onebeat.processes: stopping 2 processes")
        (folder / "go").touch()
        assert 0 == program.ended(), program.said
        assert ("completed", '"done"') == (tasks.field(task, "state"), tasks.field(task, "result"))
        assert "Traceback" not in program.said


def test_a_second_ctrl_c_hurries(folder: Path, tasks: Tasks) -> None:
    """The running task is put back without waiting for it; that is a clean end too."""
    with run(folder, tasks, "--shutdown-timeout", "3600", terminal=True) as program:
        started(program)
        task = tasks.enqueue("wait")
        program.expect("it begins")
        program.press_ctrl_c()
        program.expect("stopping 2 processes")
        program.press_ctrl_c()
        assert 0 == program.ended(), program.said
        assert "pending" == tasks.field(task, "state")


LATE = """
import asyncio, atexit, os, sys


def late(moment, numbers={numbers}, kill=os.kill, own=os.getpid(), say=os.write):  # little else is left in the end
    say(2, ("late, " + moment + chr(10)).encode())
    for number in numbers:
        kill(own, number)


class Last:
    def __del__(self, late=late):
        late("without Python's own handlers")


if ("onebeat.cli.processes.child" in sys.orig_argv) is {child}:
    close = asyncio.Runner.close
    asyncio.Runner.close = lambda self: (close(self), late("without a loop"))
    atexit.register(late, "at exit")
    sys.at_last = Last()  # what is there longest
"""
ALL = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@pytest.mark.parametrize(
    ("child", "numbers", "words"),
    [
        pytest.param(True, ALL, ["run", "--loop", "asyncio", "--processes", "2"], id="children on asyncio"),
        pytest.param(True, ALL, ["run", "--loop", "uvloop", "--processes", "2"], id="children on uvloop"),
        pytest.param(False, ALL, ["run", "--processes", "2"], id="parent"),
        pytest.param(False, ALL[:1], ["run", "--loop", "asyncio"], id="alone on asyncio"),
        pytest.param(False, ALL[:1], ["run", "--loop", "uvloop"], id="alone on uvloop"),
        pytest.param(False, ALL[:2], ["dev", "--no-console"], id="dev"),
    ],
)
def test_a_signal_that_comes_after_all_is_said_and_done_is_not_heard(
    folder: Path, tasks: Tasks, child: bool, numbers: tuple[int, ...], words: list[str]
) -> None:
    """As a second Ctrl-C, which hurries those that still work, and finds others at their very end."""
    first = folder / "first"
    first.mkdir()
    (first / "sitecustomize.py").write_text(LATE.format(numbers=tuple(map(int, numbers)), child=child))
    command = [*words, "shop:app", "--url", tasks.url]
    with onebeat(*command, cwd=folder, env={"PYTHONPATH": str(first)}) as program:
        for _ in range(2 if "--processes" in words else 1):
            program.expect("serving queues|press Ctrl-C to stop")
        program.send(signal.SIGTERM)
        assert 0 == program.ended(), program.said
        for moment in ("without a loop", "at exit", "without Python's own handlers"):
            assert (2 if child else 1) == program.said.count(f"late, {moment}"), program.said
        assert "Traceback" not in program.said


def test_sighup_replaces_the_processes_one_after_another(folder: Path, tasks: Tasks) -> None:
    """The successors run the code as it is now; each serves before its predecessor stops."""
    with run(folder, tasks) as program:
        before = started(program)
        (folder / "shop.py").write_text(SHOP.replace('return "done"', 'return "done anew"'))
        (folder / "go").touch()
        program.send(signal.SIGHUP)
        program.expect("all processes are replaced")
        order = re.findall(r"\[(\d)\] .*: (serving|stopping)", program.said)[2:]
        assert [("1", "serving"), ("1", "stopping"), ("2", "serving"), ("2", "stopping")] == order
        assert set() == set(before) & set(program.children())
        task = tasks.enqueue("wait")
        tasks.reaches(task, "completed")
        assert '"done anew"' == tasks.field(task, "result")
        program.send(signal.SIGTERM)
        assert 0 == program.ended(), program.said


def test_a_broken_deploy_leaves_the_old_processes_at_work(folder: Path, tasks: Tasks) -> None:
    """SIGHUP with code that cannot be imported changes nothing."""
    with run(folder, tasks) as program:
        before = started(program)
        (folder / "shop.py").write_text("import nothing_of_this_name\n")
        program.send(signal.SIGHUP)
        program.expect(r"successor of process 1 did not start: the old processes go on")
        assert before == program.children()
        program.send(signal.SIGTERM)
        assert 0 == program.ended(), program.said


def test_a_closed_terminal_stops_them(folder: Path, tasks: Tasks) -> None:
    """Its SIGHUP asks for no replacement."""
    with run(folder, tasks, terminal=True) as program:
        processes = started(program)
        program.close_terminal()
        program.ended()
        until(lambda: all(map(is_gone, processes)))


def test_under_nohup_they_outlive_the_terminal(folder: Path, tasks: Tasks) -> None:
    """A further SIGHUP replaces them as ever."""
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)  # inherited, as nohup has it
    try:
        program = run(folder, tasks, terminal=True)
    finally:
        signal.signal(signal.SIGHUP, before)
    with program:
        processes = started(program)
        program.close_terminal()
        status = Path(f"/proc/{program.process.pid}/status")
        until(lambda: "ShdPnd:\t0000000000000000" in status.read_text())  # its SIGHUP was heard
        program.send(signal.SIGHUP)
        until(lambda: len(set(program.children()) - set(processes)) == 2)
        program.send(signal.SIGTERM)
        assert 0 == program.ended()


@pytest.mark.parametrize("words", [[], ["--processes", "3"]], ids=["alone", "three"])
@pytest.mark.parametrize(
    ("source", "error"),
    [
        ("def f(:\n", "SyntaxError"),
        ("import json\njson.loads('{')\n", "JSONDecodeError"),
        ("raise SystemExit(3)", "SystemExit: 3"),
    ],
)  # fmt: skip
def test_a_module_that_cannot_be_imported_is_shown_once(
    folder: Path, tasks: Tasks, words: list[str], source: str, error: str
) -> None:
    """With the user's own lines of the traceback, status 1, and nothing started."""
    (folder / "shop.py").write_text(source)
    with onebeat("run", "shop:app", "--url", tasks.url, *words, cwd=folder) as program:
        assert 1 == program.ended()
        assert 1 == program.said.count("application 'shop:app' cannot be imported; nothing was started")
        assert 1 == program.said.count(error)
        assert 'File "shop.py", line ' in program.said
        assert [] == re.findall(r"onebeat/cli|importlib|serving queues", program.said)


def test_a_store_that_is_away_at_the_start_is_said_once(folder: Path) -> None:
    """One sentence, status 1."""
    with onebeat("run", "shop:app", "--url", "redis://127.0.0.1:1", "-p", "3", cwd=folder) as program:
        assert 1 == program.ended()
        [line] = program.said.splitlines()
        assert line.startswith("onebeat: store redis://127.0.0.1:1 cannot be used")


def test_what_handlers_enqueue_goes_to_the_store_that_is_served(folder: Path, tasks: Tasks) -> None:
    """`--url` holds for the application's own client as well."""
    (folder / "shop.py").write_text(
        SHOP + '\n\n@app.task("relay")\nasync def relay() -> str:\n    return (await loop.enqueue()).id\n'
    )
    with run(folder, tasks) as program:
        started(program)
        first = tasks.enqueue("relay")
        tasks.reaches(first, "completed")
        tasks.reaches(tasks.field(first, "result").strip('"'), "completed")
        program.send(signal.SIGTERM)
        assert 0 == program.ended(), program.said
