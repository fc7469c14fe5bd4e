"""`onebeat doctor`, as it is typed."""

from __future__ import annotations

import re
import shlex
import subprocess
from collections.abc import Callable
from typing import Any

import click
import msgspec
import pytest
from click.testing import CliRunner, Result

from onebeat.broker.store import BlockingStore
from onebeat.cli.commands import cli
from onebeat.documents.diagnosis import ChecksDocument, DiagnosisDocument, RepairDocument
from onebeat.inspector.checks.catalog import CHECKS
from onebeat.sync import SyncClient
from onebeat.task import Task
from tests.inspector.checks.test_judging import BROKEN, BY_ID

ROOT = "asynq:{mail}:"
Call = Callable[..., Result]


@pytest.fixture
def onebeat(url: str, monkeypatch: pytest.MonkeyPatch) -> Call:
    """Return a caller of the command line; the store has a queue, a lost record and an id of nobody."""
    monkeypatch.delenv("ONEBEAT_URL", raising=False)
    with SyncClient(url) as client:
        client.enqueue(Task("t"), queue="mail", task_id="waits")
        client.enqueue(Task("t"), queue="mail", task_id="lost")
    store = BlockingStore.open(url)
    store.commands([("LREM", ROOT + "pending", 0, "lost"), ("RPUSH", ROOT + "pending", "ghost")])
    store.close()

    def call(*words: str, **options: Any) -> Result:
        return CliRunner().invoke(cli, ["doctor", *words, "--url", url], **options)

    return call


def test_it_says_first_what_is_wrong_and_then_what_to_type(onebeat: Call, url: str) -> None:
    """The verdict, the worst finding, its remedy, and what was looked at; status 1."""
    found = onebeat()
    assert 1 == found.exit_code
    lines = found.output.splitlines()
    assert re.fullmatch(r"Something is wrong: \d+ errors, \d+ warnings?(, \d+ hints?)? by \d+ checks\.", lines[0]), (
        lines[0]
    )
    assert "error    queue mail  [queue-without-server]" == lines[2]
    assert "         It has 2 pending tasks, and no server lives." == lines[3]
    assert f"         → onebeat run module:app --queue mail --url {shlex.quote(url)}" in lines
    assert "1 task has a record and is in no list: lost." in found.output
    assert "Looked at 0 servers, 1 queue" in found.output


@pytest.mark.one_store
def test_remedies_name_the_store_that_was_named(onebeat: Call, url: str) -> None:
    """Without its password; and not where it is found without being named."""
    found = onebeat("queue-without-server", "--budget", "7")
    assert f"onebeat server ls --url {url}" in found.output
    assert "--url" not in onebeat("queue-without-server", env={"ONEBEAT_URL": url}).output
    store = BlockingStore.open(url)
    store.commands([("ACL", "SETUSER", "doctor", "on", ">hush", "~*", "&*", "+@all")])
    try:
        secret = url.replace("unix://", "unix://doctor:hush@")
        shown = CliRunner().invoke(cli, ["doctor", "queue-without-server", "--url", secret])
    finally:
        store.commands([("ACL", "DELUSER", "doctor")])
        store.close()
    assert "onebeat server ls --url 'unix://***@" in shown.output
    assert "hush" not in shown.output


def test_warnings_alone_are_called_that(onebeat: Call) -> None:
    """Nothing is wrong yet, so nobody is woken by the word; the status is 1 all the same."""
    found = onebeat("dangling-id")
    assert (1, "It works, with warnings: 1 warning by 1 check.") == (found.exit_code, found.output.splitlines()[0])


def test_json_is_one_document(onebeat: Call) -> None:
    """The same findings, with the same status."""
    found = onebeat("--json", "lost-record", "queue-without-server")
    assert 1 == found.exit_code
    document = msgspec.json.decode(found.stdout, type=DiagnosisDocument)
    assert ["queue-without-server", "lost-record"] == [one.check for one in document.findings]
    assert (False, ["queue-without-server", "lost-record"], []) == (
        document.is_well, document.checked, document.not_checked,
    )  # fmt: skip
    assert "1: it is pending" == document.findings[1].repair


def test_hints_alone_are_status_0(onebeat: Call, url: str) -> None:
    """A cron job is to be quiet about what does no harm."""
    store = BlockingStore.open(url)
    store.commands([("SADD", ROOT + "groups", "g")])
    store.close()
    found = onebeat("group-empty")
    assert (0, "All is well: 1 hint by 1 check.") == (found.exit_code, found.output.splitlines()[0])
    assert "All is well: nothing was found by 1 check." == onebeat("stale-lock").output.splitlines()[0]


def test_a_dry_run_shows_what_a_repair_does(onebeat: Call) -> None:
    """And does nothing; then it is done, and there is nothing more to do."""
    for _ in range(2):
        shown = onebeat("--repair", "--dry-run")
        assert 0 == shown.exit_code
        assert "Would mend 1 dangling-id, 1 lost-record; nothing was done." in shown.output
        assert re.search(r"lost-record +mail +lost +pending", shown.output)
    done = onebeat("--repair", "lost-record", "--yes")
    assert (0, "Mended 1 lost-record.") == (done.exit_code, done.output.splitlines()[-1])
    document = msgspec.json.decode(onebeat("--repair", "--yes", "--json").stdout, type=RepairDocument)
    assert [("dangling-id", "mail", "ghost", "dropped", True)] == [
        (one.check, one.queue, one.name, one.deed, one.is_done) for one in document.repaired
    ]
    assert "Nothing is damaged that can be mended." in onebeat("--repair").output


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["nope"], "there is no check 'nope': `onebeat doctor --list` lists them"),
        (["--dry-run"], "--yes and --dry-run are for --repair"),
        (["--repair", "nope"], "there is no check 'nope'"),
        (["--for", "-1"], "Invalid value for '--for'"),
        (["--budget", "0"], "Invalid value for '--budget'"),
    ],
)
def test_what_is_called_wrongly_is_refused_in_a_line(onebeat: Call, words: list[str], said: str) -> None:
    """Status 2, and nothing was looked at."""
    found = onebeat(*words)
    assert 2 == found.exit_code
    assert said in found.output
    assert 1 == len(found.output.strip().splitlines())


def test_what_cannot_be_repaired_or_is_not_known_is_said(onebeat: Call) -> None:
    """In a line, with what can be."""
    found = onebeat("--repair", "clock-skew")
    assert 1 == found.exit_code
    assert "finds what cannot be repaired from here: choose from dangling-id, lost-record" in found.output
    missing = onebeat("--queue", "nowhere")
    assert 3 == missing.exit_code
    assert "queue 'nowhere' is not known here: there are mail" in missing.output


def test_the_checks_are_listed_without_a_store() -> None:
    """As a table, and as a document."""
    shown = CliRunner().invoke(cli, ["doctor", "--list", "--url", "redis://nowhere:1"])
    assert 0 == shown.exit_code
    assert all(check.id in shown.output for check in CHECKS)
    listed = CliRunner().invoke(cli, ["doctor", "--list", "--json"])
    document = msgspec.json.decode(listed.stdout, type=ChecksDocument)
    assert [check.id for check in CHECKS] == [check.id for check in document.checks]
    assert ["stale-lock"] == [check.id for check in document.checks if check.is_named_only]


def test_a_terminal_obeys_no_name_in_a_finding(url: str) -> None:
    """Whatever a client called its queue; and the remedy, typed in bash, still names that queue."""
    name = "q'\x1b[31m\n\x85\u202e\\"
    with SyncClient(url) as client:
        client.enqueue(Task("t"), queue=name)
    shown = CliRunner().invoke(cli, ["doctor", "queue-without-server"], env={"ONEBEAT_URL": url})
    assert r"queue q'\x1b[31m\n\x85\u202e\  [queue-without-server]" in shown.output
    [command] = [line.partition("→ ")[2] for line in shown.output.splitlines() if "onebeat run" in line]
    script = f'onebeat() {{ printf %s "${{@: -1}}"; }}; {command}'
    typed = subprocess.run(["bash", "-c", script], capture_output=True, check=True, env={"LC_ALL": "C.UTF-8"})
    assert name == typed.stdout.decode()


def commands() -> list[str]:
    """Every command of ours in a remedy of any check."""
    remedies = [remedy for name, _, facts, _ in BROKEN for one in BY_ID[name].judge(facts) for remedy in one.remedies]
    return sorted({found[0] for remedy in remedies if (found := re.search(r"\bonebeat .*$", remedy))})


def test_every_command_of_a_remedy_can_be_typed() -> None:
    """As it stands there: click takes its words and options."""
    assert len(commands()) > 10
    for command in commands():
        parsed(shlex.split(command)[1:])


def parsed(words: list[str]) -> None:
    """Have click parse a command."""
    context = click.Context(cli)
    command: click.Command | None = cli
    while isinstance(command, click.Group):
        command = command.get_command(context, words[0])
        assert command is not None, words
        context, words = click.Context(command, info_name=words[0], parent=context), words[1:]
    assert command is not None
    command.make_context("words", words, parent=context)
