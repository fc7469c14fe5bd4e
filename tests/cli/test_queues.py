"""`onebeat queue` and `onebeat group`."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from onebeat.inspector.blocking import SyncInspector
from onebeat.sync import SyncClient
from onebeat.task import Task
from onebeat.wire import keys
from onebeat.wire.records import ServerRecord
from tests.anywhere import within_a_day
from tests.cli.programs import onebeat
from tests.cli.runner import document, lines, run


class System:
    """A store with queues, and whoever looks into it."""

    def __init__(self, url: str) -> None:
        self.url = url
        self.client = SyncClient(url)
        self.inspector = SyncInspector(url)

    def put(self, queue: str, count: int = 1, **options: Any) -> None:
        self.client.enqueue_many([Task("t", {"number": n}) for n in range(count)], queue=queue, **options)

    def size(self, queue: str) -> int:
        return self.inspector.stats(queue).size

    def is_paused(self, queue: str) -> bool:
        return self.inspector.stats(queue).paused

    def command(self, *words: str | bytes | int) -> Any:
        return self.inspector.store.commands([words])[0]

    def close(self) -> None:
        self.client.close()
        self.inspector.close()


@pytest.fixture
def system(url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[System]:
    """Have three queues: default with 3 tasks, low with 5, mail-a with 1, in the store that the environment names."""
    monkeypatch.setenv("ONEBEAT_URL", url)
    found = System(url)
    found.put("default", 3)
    found.put("low", 5, process_in=3600)
    found.put("mail-a")
    yield found
    found.close()


def names(*words: str) -> list[str]:
    return [row["queue"] for row in document("queue ls", *words)]


def test_ls_lists_all(system: System) -> None:
    """With what each holds."""
    rows = document("queue ls")
    assert ["default", "low", "mail-a"] == [row["queue"] for row in rows]
    assert [(3, 0), (0, 5), (1, 0)] == [(row["pending"], row["scheduled"]) for row in rows]
    assert ["default", "low", "mail-a"] == [row["queue"] for row in lines("queue ls")]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["--sort", "size"], ["low", "default", "mail-a"]),
        (["--sort", "pending"], ["default", "mail-a", "low"]),
        (["--sort", "scheduled", "--limit", "1"], ["low"]),
        (["-n", "2"], ["default", "low"]),
        (["--state", "scheduled"], ["low"]),
        (["-s", "scheduled", "-s", "pending"], ["default", "low", "mail-a"]),
        (["--state", "archived"], []),
        (["--paused"], ["low"]),
        (["--running"], ["default", "mail-a"]),
        (["mail-*"], ["mail-a"]),
        (["m*", "low", "l*"], ["low", "mail-a"]),
        (["[dl]*"], ["default", "low"]),
    ],
)
def test_ls_sorts_and_chooses(system: System, words: list[str], expected: list[str]) -> None:
    """Names rise, numbers fall."""
    system.inspector.pause("low")
    assert expected == names(*words)


def test_ls_says_that_there_is_more(system: System) -> None:
    """On standard error, where what is asked for goes into a pipe."""
    shown = run("queue", "ls", "-n", "1")
    assert "2 more are not shown" in shown.stderr
    assert 2 == len(shown.stdout.splitlines())


def test_ls_of_none_that_fits_says_so(system: System) -> None:
    """Not an empty table; an empty list as JSON."""
    assert "None of 3 queues is so" in run("queue", "ls", "--state", "archived").stdout
    assert "[]" == run("queue", "ls", "--state", "archived", "--json").stdout.strip()


def test_ls_shows_a_damaged_queue_beside_the_others(system: System) -> None:
    """One line on standard error, and status 1."""
    system.command("SET", "asynq:{low}:retry", "of a foreign type")
    shown = run("queue", "ls", "--json")
    assert 1 == shown.exit_code
    assert ["default", "mail-a"] == [row["queue"] for row in json.loads(shown.stdout)]
    [line] = shown.stderr.splitlines()
    assert "queue 'low' cannot be read" in line


def test_inspect_shows_all_of_a_queue(system: System) -> None:
    """Counts, since when it is paused, who serves it with which weight, what is next."""
    _serves(system, "here", {"low": 3, "default": 1})
    system.inspector.pause("low")
    [found] = document("queue inspect", "low")
    assert ("low", 5, True) == (found["queue"], found["counts"]["scheduled"], found["counts"]["paused"])
    assert [("here", 3, 4)] == [(row["host"], row["weight"], row["concurrency"]) for row in found["servers"]]
    due = datetime.fromisoformat(found["next_due"])
    assert 3500 < (due - datetime.now(UTC)).total_seconds() <= 3600
    assert found["memory_bytes"] > 0
    assert (keys.slot("asynq:{low}:pending"), True) == (found["key_slot"], len(found["nodes"]) > 0)
    shown = run("queue", "inspect", "low").stdout
    for part in ("paused for", "here:7 with weight 3, 1 of 4 at work", "next due", "in 59 min"):
        assert part in shown, shown


def _serves(system: System, name: str, queues: dict[str, int]) -> None:
    record = ServerRecord(
        host=name, pid=7, server_id=name, concurrency=4, queues=queues, strict_priority=False, status="active",
        start_time=10**18, active_worker_count=1,
    )  # fmt: skip
    key = keys.server(f"{name}:7:{name}")
    system.command("SET", key, record.encode())
    system.command("ZADD", keys.SERVERS, 4_000_000_000, key)


def test_inspect_says_that_nobody_serves_it(system: System) -> None:
    """The first thing to know of a queue that grows."""
    shown = run("queue", "inspect", "default").stdout
    assert "nobody: no live server serves it" in shown
    assert [] == document("queue inspect", "default")[0]["servers"]


def test_inspect_says_where_a_cluster_keeps_it(system: System) -> None:
    """Slot and nodes, as asynq's list of queues has them; elsewhere there is nothing to say."""
    shown, [found] = run("queue", "inspect", "low").stdout, document("queue inspect", "low")
    said = f"kept by         {', '.join(found['nodes'])}, in slot {found['key_slot']}" in shown
    assert ("cluster" in system.url) == said


def test_inspect_counts_types_among_some(system: System) -> None:
    """And says how many it looked at."""
    system.client.enqueue(Task("other"))
    [found] = document("queue inspect", "default")
    assert ([("t", 3), ("other", 1)], 4) == ([(row["type"], row["count"]) for row in found["types"]], found["sampled"])
    assert "types of the next 2  t 2" in run("queue", "inspect", "default", "--sample", "2").stdout


def test_inspect_shows_several(system: System) -> None:
    """Named, by pattern, or all."""
    assert ["low", "mail-a"] == [found["queue"] for found in document("queue inspect", "low", "mail-*")]
    assert ["default", "low", "mail-a"] == [found["queue"] for found in document("queue inspect", "--all")]


def test_history_shows_days(system: System) -> None:
    """Today first, with how many failed of a hundred."""
    within_a_day(10)  # until it is looked at
    today = datetime.now(UTC).date().isoformat()
    system.command("SET", f"asynq:{{low}}:processed:{today}", 200)
    system.command("SET", f"asynq:{{low}}:failed:{today}", 3)
    found = document("queue history", "low", "-x", "3")
    assert [200, 0, 0] == [row["processed"] for row in found]
    assert (today, 3) == (found[0]["day"], found[0]["failed"])
    assert "1.5 %" in run("queue", "history", "low", "--days", "1").stdout
    assert 10 == len(document("queue history", "low"))


def test_pause_and_resume(system: System) -> None:
    """Several at once; what is so already is said, and no failure."""
    assert "queue low is paused" in run("queue", "pause", "low", "mail-*").stdout
    assert [False, True, True] == [system.is_paused(name) for name in ("default", "low", "mail-a")]
    again = run("queue", "pause", "low", "default")
    assert (0, True) == (again.exit_code, "queue low is paused already" in again.stdout)
    assert system.is_paused("default")
    shown = run("queue", "unpause", "--all")
    assert (0, [False] * 3) == (shown.exit_code, [system.is_paused(n) for n in ("default", "low", "mail-a")])
    assert "3 queues (default, low and mail-a) are running already" in run("queue", "resume", "--all").stdout


@pytest.mark.parametrize("verb", ["pause", "resume"])
def test_a_dry_run_changes_nothing(system: System, verb: str) -> None:
    """And names what it would touch."""
    system.inspector.pause("low")
    shown = run("queue", verb, "--all", "--dry-run").stdout
    assert f"Would {verb} " in shown
    assert [False, True, False] == [system.is_paused(name) for name in ("default", "low", "mail-a")]


@pytest.mark.parametrize("verb", ["pause", "resume", "rm", "inspect", "history"])
@pytest.mark.parametrize("words", [[], ["low", "--all"]])
def test_queues_are_named_or_all_are_meant(system: System, verb: str, words: list[str]) -> None:
    """Neither and both are refused."""
    shown = run("queue", verb, *words)
    assert (2, True) == (shown.exit_code, "Name queues, or all of them with --all." in shown.stderr)


@pytest.mark.parametrize("verb", ["pause", "resume", "rm", "inspect", "history"])
@pytest.mark.parametrize(("word", "part"), [("nope", "'nope' is not known"), ("no*", "'no*' fits no queue")])
def test_unknown_queues_are_refused_before_anything_is_done(system: System, verb: str, word: str, part: str) -> None:
    """Even behind one that is known."""
    shown = run("queue", verb, "low", word)
    assert (3, True) == (shown.exit_code, part in shown.stderr)
    assert "there are default, low and mail-a" in shown.stderr
    assert (False, 5) == (system.is_paused("low"), system.size("low"))


def test_a_name_that_looks_like_a_pattern_is_a_name_first(system: System) -> None:
    """A queue may be called so."""
    system.put("m*")
    assert ["m*"] == names("m*")


def test_rm_removes_an_empty_queue(system: System) -> None:
    """With `--yes`, where nobody can be asked."""
    system.inspector.delete_all("low", "scheduled")
    refused = run("queue", "rm", "low")
    assert (2, True) == (refused.exit_code, "say so with --yes" in refused.stderr)
    assert "queue low is removed" == run("queue", "remove", "low", "--yes").stdout.strip()
    assert ["default", "mail-a"] == names()


def test_rm_refuses_a_queue_that_holds_tasks(system: System) -> None:
    """None of those that were named is removed; the remedy is said."""
    system.inspector.delete_all("low", "scheduled")
    shown = run("queue", "rm", "low", "default", "--yes")
    assert (1, True) == (shown.exit_code, "queue default holds 3 tasks: nothing was removed; --force" in shown.stderr)
    assert ["default", "low", "mail-a"] == names()


def test_rm_by_force(system: System) -> None:
    """Several with what they hold; first a look."""
    words = ("queue", "rm", "default", "low", "--force")
    assert "Would remove 2 queues (default and low) with 8 tasks" in run(*words, "--dry-run").stdout
    assert ["default", "low", "mail-a"] == names()
    shown = run(*words, "--yes").stdout
    assert "queue low is removed, with 5 tasks" in shown
    assert ["mail-a"] == names()


def test_rm_of_all_where_there_are_none(url: str) -> None:
    """Is done at once."""
    shown = run("queue", "rm", "--all", "--url", url)
    assert (0, "There are no queues.\n") == (shown.exit_code, shown.stdout)


def test_what_runs_is_not_removed(system: System) -> None:
    """By force neither."""
    system.command("LPUSH", "asynq:{low}:active", "a")
    shown = run("queue", "rm", "low", "-f", "-y")
    assert (1, True) == (shown.exit_code, "active tasks" in shown.stderr)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("answer", "left"),
    [
        ("y\n", ["default", "mail-a"]),
        ("maybe\nYES\n", ["default", "mail-a"]),
        ("n\n", ["default", "low", "mail-a"]),
        ("\n", ["default", "low", "mail-a"]),
        ("\x04", ["default", "low", "mail-a"]),
    ],
)
def test_a_terminal_is_asked(system: System, tmp_path: Path, answer: str, left: list[str]) -> None:
    """What is about to be removed is named in the question."""
    env = {"ONEBEAT_URL": system.url}
    with onebeat("queue", "rm", "low", "-f", cwd=tmp_path, env=env, terminal=True) as program:
        program.expect(r"Remove queue low with 5 tasks\? \[y/N\]")
        program.press(answer)
        assert 0 == program.ended()
    assert left == names()


@pytest.mark.slow
def test_ctrl_c_is_no_answer(system: System, tmp_path: Path) -> None:
    """Nothing is done, status 130, no traceback."""
    with onebeat("queue", "rm", "low", "-f", cwd=tmp_path, env={"ONEBEAT_URL": system.url}, terminal=True) as program:
        program.expect(r"\[y/N\]")
        program.press_ctrl_c()
        assert 130 == program.ended()
        assert "Traceback" not in program.said
    assert ["default", "low", "mail-a"] == names()


def test_names_cannot_steer_a_terminal(system: System) -> None:
    """What a terminal would obey is written out."""
    system.put("a\x1b[31mb\r\n")
    shown = run("queue", "ls").stdout
    assert "\x1b" not in shown
    assert "a\\x1b[31mb\\r\\n" in shown
    assert 5 == len(shown.splitlines())


def test_group_ls_lists_groups(system: System) -> None:
    """Of all queues, or of some."""
    system.put("low", 2, group="g")
    system.put("default", 1, group="h")
    found = document("group ls")
    assert [("default", "h", 1), ("low", "g", 2)] == [(row["queue"], row["name"], row["size"]) for row in found]
    assert found[1:] == lines("group ls", "-q", "low")
    assert "No groups in mail-a." in run("group", "ls", "--queue", "mail-a").stdout
    assert 3 == len(run("group", "list").stdout.splitlines())
    assert 3 == run("group", "ls", "-q", "nope").exit_code
