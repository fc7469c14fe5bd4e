"""What shells complete, by the shells themselves where they are installed."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
from click.shell_completion import ShellComplete

from onebeat.cli import completing
from onebeat.cli.commands import cli
from onebeat.sync import SyncClient
from onebeat.task import Task
from tests.cli.runner import run


@pytest.fixture
def store(url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[SyncClient]:
    """Have queues and tasks in the store that the environment names; a busy machine is given its time."""
    monkeypatch.setenv("ONEBEAT_URL", url)
    monkeypatch.setattr(completing, "PATIENCE_S", 30)
    with SyncClient(url) as client:
        for queue in ("default", "mail-a", "mail-b"):
            client.enqueue(Task("t"), queue=queue, task_id=f"of-{queue}")
        client.enqueue(Task("t"), queue="mail-a", task_id="later", process_in=60)
        client.enqueue(Task("t"), queue="mail-a", group="people")
        yield client


def completed(*words: str) -> list[str]:
    """Return what is offered for the last word."""
    complete = ShellComplete(cli, {}, "onebeat", "_ONEBEAT_COMPLETE")
    return [item.value for item in complete.get_completions(list(words[:-1]), words[-1])]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["qu"], ["queue"]),
        (["queue", "re"], ["resume"]),
        (["queue", "ls", "--so"], ["--sort"]),
        (["queue", "ls", "--state", "sch"], ["scheduled"]),
        (["queue", "pause", "ma"], ["mail-a", "mail-b"]),
        (["queue", "pause", "mail-a", "def"], ["default"]),
        (["queue", "unpause", "d"], ["default"]),
        (["group", "ls", "--queue", "mail"], ["mail-a", "mail-b"]),
        (["completion", "z"], ["zsh"]),
    ],
)
def test_words_are_completed(store: SyncClient, words: list[str], expected: list[str]) -> None:
    """Commands, options, choices, and names from the store."""
    assert expected == completed(*words)


def test_the_store_of_the_line_is_asked(store: SyncClient, url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Not that of the environment."""
    monkeypatch.setenv("ONEBEAT_URL", "redis://127.0.0.1:1")
    assert ["mail-a", "mail-b"] == completed("--url", url, "queue", "pause", "mail")
    assert ["mail-a", "mail-b"] == completed("queue", "pause", "--url", url, "mail")
    assert [] == completed("queue", "pause", "mail")


def test_the_store_of_the_project_is_asked(
    store: SyncClient, url: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Where nobody names another; a table that is wrong completes nothing."""
    monkeypatch.delenv("ONEBEAT_URL")
    monkeypatch.chdir(tmp_path)
    assert [] == completed("queue", "pause", "mail")
    (tmp_path / "pyproject.toml").write_text(f'[tool.onebeat]\nurl = "{url}"\n')
    assert ["mail-a", "mail-b"] == completed("queue", "pause", "mail")
    (tmp_path / "pyproject.toml").write_text("[tool.onebeat]\nurl = 7\n")
    assert [] == completed("queue", "pause", "mail")


def context(**params: str) -> click.Context:
    found = click.Context(click.Command("x"))
    found.params.update(params)
    return found


def test_ids_and_groups_are_those_of_the_queue_on_the_line(store: SyncClient) -> None:
    """Without one, nothing is offered; neither of one that is unknown."""
    option = click.Option(["--x"])
    assert ["of-mail-a", "later"] == completing.task_ids(context(queue_name="mail-a"), option, "")
    assert ["later"] == completing.task_ids(context(queue="mail-a"), option, "la")
    assert ["people"] == completing.groups(context(queue="mail-a"), option, "p")
    for ask in (completing.task_ids, completing.groups):
        assert [] == ask(context(), option, "")
        assert [] == ask(context(queue="nope"), option, "")


def test_an_embedded_store_is_not_started(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Pressing a key starts no server."""
    monkeypatch.setenv("ONEBEAT_URL", f"embedded://{tmp_path}/store")
    assert [] == completed("queue", "pause", "")
    assert [] == list(tmp_path.iterdir())


@pytest.mark.slow
def test_a_store_that_says_nothing_is_not_waited_for(tmp_path: Path) -> None:
    """A shell goes on, and nothing is printed; whoever asks ends, though the store still holds the line."""
    with socket.create_server(("127.0.0.1", 0)) as silent:
        env = {
            **os.environ,
            "ONEBEAT_URL": f"redis://127.0.0.1:{silent.getsockname()[1]}",
            "_ONEBEAT_COMPLETE": "zsh_complete",
            "COMP_WORDS": "onebeat queue pause ",
            "COMP_CWORD": "3",
        }
        done = subprocess.run([sys.executable, "-m", "onebeat"], capture_output=True, env=env, check=False, timeout=60)
    assert (b"", b"") == (done.stdout.strip(), done.stderr)


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_each_shell_has_a_script(shell: str) -> None:
    """Which a shell that is there takes."""
    shown = run("completion", shell)
    assert 0 == shown.exit_code
    assert f"_ONEBEAT_COMPLETE={shell}_complete" in shown.stdout
    if (program := shutil.which(shell)) is not None:
        subprocess.run([program, "-n"], input=shown.stdout, text=True, check=True)


def test_a_shell_that_is_unknown_is_refused() -> None:
    """With those that there are."""
    shown = run("completion", "csh")
    assert (2, True) == (shown.exit_code, "'bash', 'zsh', 'fish'" in shown.stderr)


@pytest.mark.skipif(shutil.which("bash") is None, reason="no bash")
@pytest.mark.slow
def test_bash_completes_a_queue(store: SyncClient, url: str, tmp_path: Path) -> None:
    """By the script that it was given, from a real program on its path."""
    program = tmp_path / "onebeat"
    patient = "from onebeat.cli import completing, main; completing.PATIENCE_S = 30; main.main()"
    program.write_text(f"#!/bin/sh\nexec {sys.executable} -c '{patient}' \"$@\"\n")
    program.chmod(0o755)
    script = run("completion", "bash").stdout + (
        '\nCOMP_WORDS=(onebeat queue pause mail); COMP_CWORD=3; _onebeat_completion onebeat; echo "${COMPREPLY[@]}"'
    )
    env = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}", "ONEBEAT_URL": url}
    done = subprocess.run(["bash"], input=script, capture_output=True, text=True, env=env, check=False)
    assert ("mail-a mail-b\n", "") == (done.stdout, done.stderr)
