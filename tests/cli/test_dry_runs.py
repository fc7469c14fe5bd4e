"""`--dry-run` of every command that writes: the whole store is the same before and after."""

from __future__ import annotations

from contextlib import closing

import pytest

from onebeat import Every
from onebeat.broker.store import BlockingStore
from onebeat.cli.commands import cli
from onebeat.cli.schema import each_command
from onebeat.scheduler.entry import entry
from onebeat.sync import SyncClient
from onebeat.task import Task
from tests.cli.runner import run
from tests.cli.test_schedules import declare
from tests.cli.test_servers import list_server
from tests.engines import Topology

COMMANDS = {
    "queue pause": ["mail"],
    "queue resume": ["low"],
    "queue rm": ["mail", "--force"],
    "task run": ["--all"],
    "task archive": ["--all"],
    "task rm": ["--all"],
    "task cancel": ["--all"],
    "task update": ["--all", "--max-retry", "3", "--set", "a=1"],
    "task enqueue": ["t", "a=1", "--count", "3"],
    "schedule pause": ["--all"],
    "schedule resume": ["--all"],
    "schedule run": ["hourly"],
    "server drain": ["--all"],
    "server resume": ["--all"],
    "doctor": ["--repair"],
}


def whole(topology: Topology) -> dict[bytes, bytes | None]:
    """Return every key of every node, with all that is in it."""
    return {key: node.client.dump(key) for node in topology.primaries() for key in node.client.scan_iter()}


@pytest.fixture
def filled(topology: Topology, url: str) -> str:
    """Fill a store with something of each kind, damage among it."""
    with SyncClient(url) as client:
        for queue in ("mail", "low"):
            for number in range(3):
                client.enqueue(Task("t", {"n": number}), queue=queue, task_id=f"w{number}", unique=3600)
                client.enqueue(Task("t", {"n": number}), queue=queue, process_in=3600)
                client.enqueue(Task("t", {"n": number}), queue=queue, group="g")
    declare(url, entry("hourly", Every(3600), Task("t")), entry("other", Every(60), Task("u")))
    list_server(url, "web-1", 41, "aaaa-1")
    list_server(url, "web-1", 42, "aaaa-2", status="stopped")
    assert 0 == run("queue", "pause", "low", "--url", url).exit_code
    assert 0 == run("task", "archive", "w1", "-q", "mail", "--url", url).exit_code
    assert 0 == run("schedule", "pause", "other", "--url", url).exit_code
    with closing(BlockingStore.open(url)) as store:
        store.commands([("LREM", "asynq:{mail}:pending", 0, "w2"), ("RPUSH", "asynq:{mail}:pending", "ghost")])
    return url


def test_the_table_has_all_that_writes() -> None:
    """So that a new verb cannot be forgotten."""
    writing = {words for words, command in each_command(cli) if "dry_run" in {each.name for each in command.params}}
    assert writing == set(COMMANDS)


@pytest.mark.parametrize("words", COMMANDS)
def test_a_dry_run_writes_nothing(topology: Topology, filled: str, words: str) -> None:
    """But says what it would do; what follows it writes."""
    before = whole(topology)
    shown = run(*words.split(), *COMMANDS[words], "--url", filled, "--dry-run")
    assert (0, "") == (shown.exit_code, shown.stderr)
    assert "Would " in shown.stdout
    assert "nothing was done." in shown.stdout
    assert before == whole(topology)
    done = run(*words.split(), *COMMANDS[words], "--url", filled, "--yes")
    assert 0 == done.exit_code, done.output
    assert before != whole(topology)
