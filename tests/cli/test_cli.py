"""The command line: tables for people, JSON for scripts, one sentence for what went wrong."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from onebeat.cli import output
from onebeat.cli.commands import cli
from onebeat.client import Client
from onebeat.server.mux import Mux
from onebeat.server.server import Server
from onebeat.task import Task


def run(*words: str, **kwargs: Any) -> Result:
    return CliRunner().invoke(cli, words, **kwargs)


def fill(url: str) -> None:
    """Enqueue one pending, one scheduled and one archived task."""

    async def work() -> None:
        async with Client(url) as client:
            await client.enqueue(Task("email", {"user": 1}), task_id="p")
            await client.enqueue(Task("email"), task_id="s", process_in=3600)
            await client.enqueue(Task("broken"), queue="low", task_id="a", max_retry=0)
            mux, store = Mux(), await client.store()

            @mux.handle("broken")
            async def broken(ctx: Any, task: Any) -> None:
                raise ValueError("the reason")

            async with Server(store, queues={"low": 1}).serving(mux), asyncio.timeout(60):
                while not await store.command("ZCARD", "asynq:{low}:archived"):  # noqa: ASYNC110 - nobody tells
                    await asyncio.sleep(0.005)

    asyncio.run(work())


def test_stats_counts_all_queues(url: str) -> None:
    """A table with a total for people, the same numbers as JSON; `--url` before or after the verb."""
    fill(url)
    shown = run("--url", url, "stats")
    assert 0 == shown.exit_code, shown.output
    assert "default" in shown.output
    assert "total" in shown.output
    found = json.loads(run("stats", "--url", url, "--json").output)
    counts = {row["queue"]: (row["pending"], row["scheduled"], row["archived"]) for row in found["queues"]}
    assert {"default": (1, 1, 0), "low": (0, 0, 1)} == counts


def test_queue_ls_lists_them(url: str) -> None:
    """One row a queue."""
    fill(url)
    rows = json.loads(run("queue", "ls", "--url", url, "--json").output)
    assert ["default", "low"] == [row["queue"] for row in rows]


def test_task_ls_shows_why_a_task_was_archived(url: str) -> None:
    """So that nobody ends with archived tasks that cannot be seen; filters by queue and state."""
    fill(url)
    shown = run("task", "ls", "--url", url, "--state", "archived", "--json")
    [row] = json.loads(shown.output)
    assert ("a", "low", "ValueError: the reason") == (row["id"], row["queue"], row["last_error"])
    everything = json.loads(run("task", "ls", "--url", url, "--json").output)
    assert ["p", "s", "a"] == [row["id"] for row in everything]
    assert {"text": '{"user":1}'} == everything[0]["payload"]
    assert 1 == len(json.loads(run("task", "ls", "--url", url, "-q", "default", "-s", "scheduled", "--json").output))


def test_task_run_makes_archived_tasks_pending(url: str) -> None:
    """By id, or all of a state; what cannot be run is said."""
    fill(url)
    assert "task a of queue low is now pending" in run("task", "run", "--url", url, "-q", "low", "a").output
    assert (
        "1 task of queue default now pending"
        in run("task", "run", "--url", url, "-q", "default", "-s", "scheduled").output
    )
    again = run("task", "run", "--url", url, "-q", "low", "a")
    assert (1, True) == (again.exit_code, "already in pending state" in again.output)
    gone = run("task", "run", "--url", url, "-q", "low", "nobody")
    assert (3, True) == (gone.exit_code, "not in queue" in gone.output)
    assert 2 == run("task", "run", "--url", url, "-q", "low").exit_code


def test_an_empty_store_says_so(url: str) -> None:
    """Not an empty table."""
    assert "No queues" in run("stats", "--url", url).output
    assert "No tasks that fit state:archived." in run("task", "ls", "--url", url, "-s", "archived").output


@pytest.mark.parametrize(
    ("words", "part", "status"),
    [
        (["stats", "--url", "redis://127.0.0.1:1"], "cannot be used", 4),
        (["stats", "--url", "http://x"], "start it with one of", 1),
        (["stats", "--url", "redis+sentinel://h/0"], "it does not say which primary", 1),
        (["run", "no.such:app", "--url", "redis://127.0.0.1:1"], "there is no module", 1),
        (["run", "json:app", "--url", "redis://127.0.0.1:1"], "is no Onebeat application", 1),
    ],
)
def test_trouble_is_one_sentence(words: list[str], part: str, status: int) -> None:
    """No traceback, the status that the reference promises, and what to do."""
    shown = run(*words)
    assert status == shown.exit_code
    assert part in shown.output
    assert "Traceback" not in shown.output
    assert 1 == len(shown.output.strip().splitlines())


def test_help_names_every_kind_of_store() -> None:
    """Sentinels and clusters, too."""
    said = "".join(run("stats", "--help").output.split())
    schemes = ["redis://", "rediss://", "valkey://", "redis+sentinel://", "redis+cluster://", "unix://", "embedded://"]
    assert [] == [scheme for scheme in schemes if scheme not in said]


def test_an_unknown_queue_is_named(url: str) -> None:
    """With the ones that there are."""
    fill(url)
    shown = run("task", "ls", "--url", url, "-q", "nope")
    assert (3, True) == (shown.exit_code, "there are default, low" in shown.output)


APPLICATION = """
from onebeat import Onebeat
app = Onebeat("shop")

@app.task("hello")
def hello(name: str) -> str:
    return f"hello {name}"
"""


def test_run_refuses_to_guess_a_store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without a URL other processes would not find the store; the sentence says what to give."""
    (tmp_path / "shop_app.py").write_text(APPLICATION)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("ONEBEAT_URL", raising=False)
    shown = run("run", "shop_app:app")
    assert (1, True) == (shown.exit_code, "--embedded" in shown.output)


def test_run_takes_the_short_word_for_the_store_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """`-u`, as all other commands do."""
    (tmp_path / "shop_app.py").write_text(APPLICATION)
    monkeypatch.chdir(tmp_path)
    shown = run("run", "shop_app:app", "-u", "http://db")
    assert "onebeat: store 'http://db': start it with one of redis://" in shown.output


@pytest.mark.slow
def test_run_serves_until_it_is_told_to_stop(url: str, tmp_path: Path) -> None:
    """A real process runs a task and ends with status 0 on SIGTERM."""
    (tmp_path / "shop_app.py").write_text(APPLICATION)
    words = [sys.executable, "-m", "onebeat", "run", "shop_app:app", "--url", url]
    process = subprocess.Popen(words, cwd=tmp_path, stderr=subprocess.PIPE)

    async def work() -> None:
        async with Client(url) as client:
            store = await client.store()
            await client.enqueue(Task("hello", {"name": "Ada"}), task_id="h", retention=60)
            async with asyncio.timeout(60):
                while await store.command("HGET", "asynq:{default}:t:h", "result") != b'"hello Ada"':  # noqa: ASYNC110
                    await asyncio.sleep(0.01)

    asyncio.run(work())
    process.terminate()
    _, log = process.communicate()
    assert 0 == process.returncode, log.decode()
    assert b"stopped" in log


@pytest.mark.slow
def test_the_demo_counts_right() -> None:
    """Three servers, one killed: every count is right, from the rows that each process wrote down."""
    done = subprocess.run(
        [sys.executable, "-m", "onebeat", "demo", "--seconds", "8", "--json"], capture_output=True, check=False
    )
    found = json.loads(done.stdout)
    assert (0, True) == (done.returncode, found["ok"]), found
    assert {
        "enqueued": 250,
        "completed": 248,
        "retried": 3,
        "archived": 2,
        "refused_duplicate": 1,
        "refused_conflict": 1,
    } == (found["tasks"])
    beat = found["beat"]
    assert (3, 1, 0, 0) == (beat["schedulers"], beat["killed"], beat["duplicates"], beat["missed"])
    assert beat["expected"] == beat["fired"] >= 3


@pytest.mark.parametrize(
    ("seconds", "shown"), [(0.25, "0.2 s"), (59, "59 s"), (61, "1 min 1 s"), (3600, "1 h"), (90_061, "1 d 1 h")]
)
def test_durations_are_said_in_words(seconds: float, shown: str) -> None:
    """The two units that matter."""
    assert shown == output.duration(seconds)


def test_bytes_are_shown_if_they_are_text() -> None:
    """Otherwise only how many there are."""
    assert ("é", "3 bytes, not text", "a\\nb") == tuple(map(output.readable, ["é".encode(), b"\xff\xfe\x00", b"a\nb"]))


IMPATIENT = """
import atexit, signal, sys
from onebeat.cli.main import main

atexit.register(lambda: print(signal.getsignal(signal.SIGINT).name))
sys.argv = ["onebeat", "--version"]
main()
"""


def test_ctrl_c_finds_nothing_to_interrupt_when_all_is_over() -> None:
    """A second one, pressed while Python ends its threads, makes no traceback and no other status."""
    done = subprocess.run([sys.executable, "-c", IMPATIENT], capture_output=True, text=True, check=True)
    assert "SIG_IGN" == done.stdout.splitlines()[-1]


LEFT = """
import atexit, gc, sys
from onebeat.cli.main import main

atexit.register(lambda: print("left alone" if gc.get_freeze_count() else "looked through"))
sys.argv = ["onebeat", *sys.argv[1:]]
main()
"""


@pytest.mark.parametrize(("word", "said"), [("stats", "left alone"), ("run", "looked through")])
def test_only_what_an_application_left_is_looked_through_at_the_end(tmp_path: Path, word: str, said: str) -> None:
    """A file in a circle of its objects is written out as before; ours are not worth the time."""
    words = [word, *(["nonesuch:app"] if word == "run" else []), "--url", "unix:///nowhere"]
    done = subprocess.run(
        [sys.executable, "-c", LEFT, *words], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert said == done.stdout.splitlines()[-1], done.stderr


EARLY = """
import sys
from onebeat.cli.main import main

class Interrupts:
    @staticmethod
    def find_spec(name, path=None, target=None):
        if name == "onebeat.cli.commands":
            raise KeyboardInterrupt

sys.meta_path.insert(0, Interrupts)
main()
"""


def test_ctrl_c_while_the_command_line_is_imported_is_no_traceback() -> None:
    """Status 130, as wherever it comes before the command has begun."""
    done = subprocess.run([sys.executable, "-c", EARLY], capture_output=True, text=True, check=False)
    assert (130, "", "") == (done.returncode, done.stdout, done.stderr)


@pytest.mark.slow
@pytest.mark.parametrize("encoding", ["ascii", "latin-1"])
def test_what_a_terminal_cannot_show_is_left_out(url: str, encoding: str) -> None:
    """Payloads and types come from anywhere; the rest of the table is shown."""

    async def work() -> None:
        async with Client(url) as client:
            await client.enqueue(Task("ключ", {"who": "Łucja" * 30}), task_id="shown")

    asyncio.run(work())
    words = [sys.executable, "-m", "onebeat", "task", "ls", "--url", url]
    done = subprocess.run(
        words, capture_output=True, env={**os.environ, "PYTHONIOENCODING": encoding}, check=False, cwd="/"
    )
    assert (0, b"") == (done.returncode, done.stderr)
    assert b"shown" in done.stdout
    assert b"????" in done.stdout
