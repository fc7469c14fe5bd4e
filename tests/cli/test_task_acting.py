"""`onebeat task run`, `archive`, `rm`, `cancel`: one, many, by filter, all of a state; asked, looked at, stopped."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from onebeat.inspector.blocking import SyncInspector
from onebeat.sync import SyncClient
from onebeat.task import Task
from tests.cli.programs import Program, onebeat
from tests.cli.runner import run


@pytest.fixture
def some(url: str) -> Iterator[SyncInspector]:
    """Have twelve scheduled tasks of two types in two queues, and one that is pending."""
    with SyncClient(url) as client:
        for number in range(12):
            queue = ("default", "low")[number % 2]
            task = Task("mail" if number < 8 else "sms", {"n": number})
            client.enqueue(task, queue=queue, task_id=f"{number:02}", process_in=3600)
        client.enqueue(Task("mail"), task_id="now")
    with SyncInspector(url) as inspector:
        yield inspector


def left(inspector: SyncInspector, filter: str = "") -> list[str]:
    return [info.id for part in inspector.search(filter) for info in part.tasks]


def test_one_by_its_id(url: str, some: SyncInspector) -> None:
    """Its queue is looked for; asynq's `-q` and `-i` are understood."""
    assert "task 01 of queue low is now pending\n" == run("task", "run", "--url", url, "01").stdout
    assert (
        "task 02 of queue default is archived"
        in run("task", "archive", "--url", url, "-q", "default", "-i", "02").stdout
    )
    assert "task 02 of queue default is deleted" in run("task", "delete", "--url", url, "02", "-y").stdout
    assert "task 03 of queue low: deleted" in run("task", "cancel", "--url", url, "03", "--yes").stdout
    assert "01" in left(some, "state:pending")
    assert not {"02", "03"} & set(left(some))


def test_many_by_their_ids_or_from_standard_input(url: str, some: SyncInspector) -> None:
    """What cannot be done is said, the others are done, and the status is that of the first."""
    assert 0 == run("task", "run", "--url", url, "00", "01").exit_code
    assert 0 == run("task", "run", "--url", url, "-", input="02\n\n03\n").exit_code
    assert {"00", "01", "02", "03", "now"} == set(left(some, "state:pending"))
    again = run("task", "run", "--url", url, "00", "04")
    assert 1 == again.exit_code
    assert "already in pending state" in again.stderr
    assert "task 04 of queue default is now pending" in again.stdout
    assert 3 == run("task", "run", "--url", url, "nobody").exit_code


def test_by_a_filter_looked_at_first(url: str, some: SyncInspector) -> None:
    """A dry run shows the first few and the count, and does nothing; then it is done, and said."""
    before = left(some)
    looked = run("task", "run", "--url", url, "--where", "type:mail payload.n<6", "--dry-run")
    assert "Would run 6 tasks: 3 scheduled tasks of queue default and 3 scheduled tasks of queue low" in looked.stdout
    assert "00" in looked.stdout
    assert before == left(some)
    assert "6 tasks now pending." in run("task", "run", "--url", url, "--where", "type:mail payload.n<6").stdout
    assert 7 == len(left(some, "state:pending"))
    assert "No tasks to run that fit type:no: looked at" in run("task", "run", "--url", url, "--type", "no").stdout


def test_retry_is_what_many_type_first(url: str, some: SyncInspector) -> None:
    """It is another word for `run`, and the help says so."""
    assert "task 01 of queue low is now pending\n" == run("task", "retry", "--url", url, "01").stdout
    assert "retry (run)" in " ".join(run("task", "--help").stdout.split())


def test_all_of_a_state_as_asynq_has_it(url: str, some: SyncInspector) -> None:
    """`runall`, `archiveall` and `deleteall` are other words."""
    assert (
        "6 tasks of queue low archived"
        in run("task", "archiveall", "--url", url, "-q", "low", "-s", "scheduled").stdout
    )
    assert (
        "6 tasks of queue low now pending" in run("task", "runall", "--url", url, "-q", "low", "-s", "archived").stdout
    )
    assert (
        "6 tasks of queue low deleted"
        in run("task", "deleteall", "--url", url, "-q", "low", "-s", "pending", "-y").stdout
    )
    assert (
        "Would delete 6 scheduled tasks of queue default"
        in run("task", "rm", "--url", url, "-q", "default", "-s", "scheduled", "--dry-run").stdout
    )
    assert 7 == len(left(some))


def test_all_with_a_limit(url: str, some: SyncInspector) -> None:
    """Of those it applies to; so many at most."""
    assert "3 tasks deleted." in run("task", "rm", "--url", url, "--all", "-n", "3", "-y", "--rate", "1000/s").stdout
    assert "10 tasks deleted." in run("task", "rm", "--url", url, "--all", "-y").stdout
    assert [] == left(some)


@pytest.mark.parametrize(
    ("words", "part", "status"),
    [
        (("run",), "Say which tasks to run: ids", 2),
        (("run", "-q", "low"), "or --all", 2),
        (("rm", "--where", " ", "-y"), "or --all", 2),
        (("rm", "-q", "low", "--error", "", "-y"), "or --all", 2),
        (("rm", "-q", "low", "-s", "retry", "--dry-run"), "No retry tasks in queue low to delete.", 0),
        (("run", "a", "--state", "retry"), "not both", 2),
        (("run", "--state", "active"), "run cannot be done to what filter", 1),
        (("rm", "--state", "pending"), "say so with --yes", 2),
        (("rm", "now"), "say so with --yes", 2),
        (("run", "--rate", "fast", "--all"), "write 50/s", 2),
        (("run", "--where", "type"), "(column 1)", 2),
        (("run", "-q", "nowhere", "--all"), "is not known", 3),
    ],
)
def test_what_is_not_said_is_not_guessed(
    url: str, some: SyncInspector, words: tuple[str, ...], part: str, status: int
) -> None:
    """And nothing is done."""
    before = left(some)
    shown = run("task", *words, "--url", url)
    assert (status, True) == (shown.exit_code, part in shown.output), shown.output
    assert before == left(some)


@pytest.mark.slow
def test_on_a_terminal_it_asks(url: str, some: SyncInspector, tmp_path: Path) -> None:
    """And a no is a no."""
    with onebeat("task", "rm", "--url", url, "--where", "payload.n=4", cwd=tmp_path, terminal=True) as program:
        program.expect(r"Delete 1 scheduled task of queue default\? \[y/N\]")
        program.press("n\n")
        program.expect("Nothing was done")
        assert 0 == program.ended()
    assert "04" in left(some)


HALF_WAY = """
import sys, time
from onebeat.broker import admin
from onebeat.cli.main import main

real, steps = admin.steer, iter(range(1000))

def steer(queue, action, ids, *, seen=()):
    if next(steps) == 2:
        print("half way", flush=True)
        sys.stdin.readline()
    return real(queue, action, ids, seen=seen)

admin.steer = steer
sys.argv = ["onebeat", *sys.argv[1:]]
main()
"""
"""The command line, whose third step begins, and waits for a line before it acts."""


@pytest.mark.slow
def test_ctrl_c_ends_it_behind_the_step_and_the_summary_is_true(url: str, tmp_path: Path) -> None:
    """So many done, so many left, and status 130; the same command does the rest."""
    with SyncClient(url) as client:
        client.enqueue_many([Task("t", {"n": number}, process_in=3600) for number in range(1000)])
    words = ["task", "run", "--url", url, "--type", "t", "--yes"]
    with Program(["-c", HALF_WAY, *words], cwd=tmp_path, terminal=True) as program:
        program.expect("half way")
        program.press_ctrl_c()
        program.press("\n")
        program.expect("stopping behind this step")
        program.expect(r"300 tasks now pending; 700 left as they were: stopped")
        assert 130 == program.ended()
    with SyncInspector(url) as inspector:
        assert 300 == inspector.stats("default").pending
        assert "700 tasks now pending." in run(*words).stdout
        assert 1000 == inspector.stats("default").pending


@pytest.mark.parametrize("more", [["--yes"], ["--dry-run"]])
def test_a_state_that_it_is_not_for_is_refused_at_once(url: str, some: SyncInspector, more: list[str]) -> None:
    """A dry run promises nothing that is refused when it is done."""
    shown = run("task", "run", "--url", url, "-q", "default", "-s", "pending", *more)
    assert (1, "") == (shown.exit_code, shown.stdout)
    assert "run cannot be done to what filter" in shown.stderr


def test_a_dry_run_of_ids_shows_them_and_misses_those_that_are_not_there(url: str, some: SyncInspector) -> None:
    """As the deed itself would."""
    shown = run("task", "delete", "--url", url, "01", "-q", "low", "--dry-run")
    assert "sms" not in shown.stdout
    assert '{"n":1}' in shown.stdout
    assert "Would delete task 01 of queue low; nothing was done." in shown.stdout
    assert 3 == run("task", "delete", "--url", url, "nobody", "-q", "low", "--dry-run").exit_code


@pytest.mark.parametrize("words", [["delete"], ["update", "--max-retry", "1"]])
def test_a_limit_holds_for_ids_too(url: str, some: SyncInspector, words: list[str]) -> None:
    """Of so many at most, whether they were named or found."""
    shown = run("task", *words, "--url", url, "00", "02", "04", "-q", "default", "--limit", "1", "--dry-run")
    assert "00" in shown.stdout
    assert "02" not in shown.stdout
