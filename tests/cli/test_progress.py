"""How far a long command is."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from onebeat.cli.progress import Progress
from onebeat.inspector.blocking import SyncInspector
from onebeat.sync import SyncClient
from onebeat.task import Task
from tests.cli.programs import Program, onebeat

MANY = 5_000

HALF_WAY = """
import asyncio, sys, time
from onebeat.broker import admin
from onebeat.cli.main import main

real, steps = admin.purge, iter(range(1000))

def purge(queue):
    if next(steps) == 3:
        print("half way")
        while not asyncio.current_task().cancelling():
            time.sleep(0.01)
    return real(queue)

admin.purge = purge
sys.argv = ["onebeat", *sys.argv[1:]]
main()
"""
"""The command line, whose removal waits for Ctrl-C after three steps, as if they took long."""


@pytest.fixture
def many(url: str) -> Iterator[SyncInspector]:
    """Have a queue with more tasks than are deleted at once."""
    with SyncClient(url) as client:
        for start in range(0, MANY, 1000):
            client.enqueue_many([Task("t", {"number": n}) for n in range(start, start + 1000)], queue="low")
    with SyncInspector(url) as inspector:
        yield inspector


def test_without_a_terminal_it_is_a_line_now_and_then(capsys: pytest.CaptureFixture[str]) -> None:
    """At each tenth, on standard error; the end is for the command to tell."""
    with Progress("deleted") as progress:
        for looked in range(0, 1001, 10):
            progress(looked, 1000)
    said = capsys.readouterr()
    assert ("", 9) == (said.out, len(said.err.splitlines()))
    assert "100 of 1,000 tasks …" == said.err.splitlines()[0]


def test_what_is_done_at_once_is_not_reported(capsys: pytest.CaptureFixture[str]) -> None:
    """A single step, and none."""
    for steps in ([(5, 5)], []):
        with Progress("deleted") as progress:
            for looked, total in steps:
                progress(looked, total)
    assert ("", "") == capsys.readouterr()


@pytest.mark.parametrize("kind", [KeyboardInterrupt, asyncio.CancelledError])
def test_when_it_is_stopped_it_says_how_far_it_got(
    kind: type[BaseException], capsys: pytest.CaptureFixture[str]
) -> None:
    """And what to do to go on; an event loop is stopped by cancelling its task."""
    progress = Progress("deleted")
    progress(300, 5000)
    capsys.readouterr()
    with pytest.raises(kind), progress:
        raise kind
    expected = "onebeat: stopped after 300 of 5,000 tasks: what is deleted stays deleted; the same command goes on"
    assert [expected] == capsys.readouterr().err.splitlines()


def test_another_error_is_not_told_as_a_stop(capsys: pytest.CaptureFixture[str]) -> None:
    """It has a sentence of its own."""
    with pytest.raises(ValueError, match="other"), Progress("deleted"):
        raise ValueError("other")
    assert "" == capsys.readouterr().err


@pytest.mark.slow
def test_a_removal_is_stopped_by_ctrl_c(many: SyncInspector, url: str, tmp_path: Path) -> None:
    """In a terminal: what is deleted stays so, the queue stays paused, and the same command ends the work."""
    words = ("queue", "rm", "low", "-f", "-y")
    env = {"ONEBEAT_URL": url, "TERM": "xterm"}
    with Program(["-c", HALF_WAY, *words], cwd=tmp_path, env=env, terminal=True) as program:
        program.expect("half way")
        program.press_ctrl_c()
        assert 130 == program.ended()
        assert "stopped after" in " ".join(program.said.split())
        assert "Traceback" not in program.said
    left = many.stats("low")
    assert (True, True) == (MANY - 400 <= left.size <= MANY - 300, left.paused)
    with onebeat(*words, cwd=tmp_path, env={"ONEBEAT_URL": url}) as program:
        assert 0 == program.ended()
        assert "queue low is removed" in program.said
    assert [] == many.queues()


@pytest.mark.slow
def test_a_terminal_shows_a_bar_that_goes_away(many: SyncInspector, url: str, tmp_path: Path) -> None:
    """How many of how many; what stays is the sentence at the end."""
    env = {"ONEBEAT_URL": url, "TERM": "xterm", "NO_COLOR": "1"}
    with onebeat("queue", "rm", "low", "-f", "-y", cwd=tmp_path, env=env, terminal=True) as program:
        assert 0 == program.ended()
        assert f"/{MANY}" in program.said
        assert "queue low is removed, with 5,000 tasks" in program.said
