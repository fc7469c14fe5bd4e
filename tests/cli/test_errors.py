"""Whatever ends a command: one line, and the status that the reference promises."""

from __future__ import annotations

import asyncio
import os
import shlex
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import click
import pytest
import redis

from onebeat import Client, Task
from onebeat.cli.queues import listing
from onebeat.sync import SyncClient
from tests.cli.programs import onebeat
from tests.cli.runner import run


@pytest.fixture
def guarded(url: str) -> Iterator[redis.Redis]:
    """Return a connection to the store, whose users are taken away afterwards."""
    client = redis.Redis.from_url(url)
    yield client
    client.execute_command("ACL", "DELUSER", "limited")
    client.close()


def with_user(url: str, user: str) -> str:
    """Return the URL of a store with a user named in it."""
    scheme, _, rest = url.partition("://")
    return f"{scheme}://{user}@{rest}"


def one_line(*words: str) -> tuple[int, str]:
    shown = run(*words)
    assert "" == shown.stdout
    [line] = shown.stderr.splitlines()
    assert line.startswith("onebeat: ")
    return shown.exit_code, line


def test_a_store_that_is_away() -> None:
    """Says where it was looked for."""
    status, line = one_line("stats", "--url", "redis://127.0.0.1:1")
    assert (4, True, True) == (status, "redis://127.0.0.1:1" in line, "see that it runs" in line)


def test_a_host_that_is_none() -> None:
    """The same."""
    status, _ = one_line("queue", "ls", "--url", "redis://no.such.host.invalid")
    assert 4 == status


@pytest.mark.one_store
def test_a_wrong_password(guarded: redis.Redis, url: str) -> None:
    """Without showing it."""
    guarded.execute_command("ACL", "SETUSER", "limited", "on", ">right", "+@all", "~*", "&*")
    status, line = one_line("stats", "--url", with_user(url, "limited:wrong"))
    assert (4, True, False) == (status, "give the right user and password" in line, ":wrong" in line)


@pytest.mark.one_store
def test_a_user_who_may_not(guarded: redis.Redis, url: str) -> None:
    """Names what is to be granted, and how."""
    guarded.execute_command("ACL", "SETUSER", "limited", "on", ">right", "+info", "+client", "+hello", "~*", "&*")
    status, line = one_line("queue", "ls", "--url", with_user(url, "limited:right"))
    assert (4, True, True) == (status, "smembers" in line.lower(), "ACL SETUSER" in line)


@pytest.mark.slow
def test_tls_to_what_speaks_none() -> None:
    """A plain listener that closes: one line as well."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        listener.listen()
        closing = subprocess.Popen([sys.executable, "-c", _CLOSES.format(port)], stdin=subprocess.PIPE)
        status, line = one_line("stats", "--url", f"rediss://127.0.0.1:{port}")
        closing.kill()
        closing.wait()
        assert closing.stdin is not None
        closing.stdin.close()
    assert (4, True) == (status, f"rediss://127.0.0.1:{port}" in line)


_CLOSES = "import sys; sys.stdin.read()"


def test_an_unknown_queue(url: str) -> None:
    """Names those that there are."""
    asyncio.run(_enqueue(url, "default"))
    status, line = one_line("queue", "inspect", "nope", "--url", url)
    assert (3, True) == (status, "queue 'nope' is not known here: there are default" in line)


async def _enqueue(url: str, *queues: str) -> None:
    async with Client(url) as client:
        for queue in queues:
            await client.enqueue(Task("t"), queue=queue)


def _broken(*_words: object, **_options: object) -> None:
    raise KeyError("broken\nin two lines")


def test_a_fault_of_ours_asks_to_be_reported(monkeypatch: pytest.MonkeyPatch) -> None:
    """One line with where it is, and how to see the whole; a status of its own."""
    monkeypatch.setattr("onebeat.cli.traces.is_users", lambda frame: False)
    monkeypatch.setattr(listing, "split", _broken)
    monkeypatch.setattr("onebeat.cli.queues.command.run_async", lambda work: _broken(work.close()))
    status, line = one_line("queue", "ls")
    assert (70, True) == (status, "fault of Onebeat: KeyError at test_errors.py:" in line)
    assert "ONEBEAT_TRACEBACK=1" in line
    monkeypatch.setenv("ONEBEAT_TRACEBACK", "1")
    assert isinstance(run("queue", "ls").exception, KeyError)


def test_a_fault_of_an_application_keeps_its_traceback(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its author needs to see where: code that is neither ours nor a package's."""
    monkeypatch.setattr("onebeat.cli.queues.command.run_async", lambda work: _broken(work.close()))
    assert isinstance(run("queue", "ls").exception, KeyError)


def test_ctrl_c_at_a_question(monkeypatch: pytest.MonkeyPatch) -> None:
    """Is no error, and status 130."""

    def interrupted(work: object) -> None:
        work.close()  # type: ignore[attr-defined]
        raise click.Abort

    monkeypatch.setattr("onebeat.cli.queues.command.run_async", interrupted)
    shown = run("queue", "ls")
    assert (130, "") == (shown.exit_code, shown.output)


@pytest.mark.slow
@pytest.mark.one_store
def test_a_closed_pipe_ends_it_silently(url: str) -> None:
    """`| head`: no error is shown, and the status is that of any program before it."""
    asyncio.run(_enqueue(url, *(f"queue-{i:04}" for i in range(3000))))
    script = f"{sys.executable} -m onebeat queue ls --ndjson | head -n 1; echo ${{PIPESTATUS[0]}}"
    done = subprocess.run(
        ["bash", "-c", script], capture_output=True, text=True, check=True, env={**os.environ, "ONEBEAT_URL": url}
    )
    first, status = done.stdout.splitlines()
    assert ('{"queue":"queue-0000"', "141", "") == (first[:21], status, done.stderr)


@pytest.mark.slow
def test_the_closed_pipe_of_a_short_answer(url: str) -> None:
    """What is written at the very end fails as silently."""
    reading, writing = os.pipe()
    os.close(reading)
    done = subprocess.run(
        [sys.executable, "-m", "onebeat", "stats", "--url", url],
        stdout=writing,
        stderr=subprocess.PIPE,
        check=False,
        preexec_fn=lambda: signal.signal(signal.SIGPIPE, signal.SIG_IGN),
    )
    os.close(writing)
    assert (141, b"") == (done.returncode, done.stderr)


@pytest.mark.slow
@pytest.mark.parametrize("width", [20, 40, 200])
def test_any_terminal_will_do(url: str, tmp_path: Path, width: int) -> None:
    """However narrow: no number is cut off."""
    asyncio.run(_enqueue(url, "a-queue-with-quite-a-long-name"))
    env = {"COLUMNS": str(width), "ONEBEAT_URL": url, "TERM": "xterm", "NO_COLOR": "1"}
    with onebeat("queue", "ls", cwd=tmp_path, env=env, terminal=True) as program:
        assert 0 == program.ended()
        said = program.said
    assert "\x1b" not in said
    assert "a-queue-with-quite-a-long-name" in "".join(said.split())
    assert [] == [line for line in said.splitlines() if len(line) > width]


@pytest.mark.slow
def test_colours_on_a_terminal_only(url: str, tmp_path: Path) -> None:
    """Never in a pipe, whatever the environment asks of rich."""
    asyncio.run(_enqueue(url, "default"))
    env = {"ONEBEAT_URL": url, "TERM": "xterm", "FORCE_COLOR": "1"}
    with onebeat("queue", "ls", cwd=tmp_path, env=env, terminal=True) as shown:
        assert 0 == shown.ended()
    with onebeat("queue", "ls", cwd=tmp_path, env=env) as piped:
        assert 0 == piped.ended()
    assert (True, False) == ("\x1b[" in shown.said, "\x1b" in piped.said)


@pytest.mark.parametrize("words", [["--help"], ["schema"], ["queue", "ls"], ["task", "ls", "--json"]])
@pytest.mark.slow
def test_what_cannot_be_written_is_said(url: str, words: list[str]) -> None:
    """A full disk is no fault of ours, and no traceback."""
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            [sys.executable, "-m", "onebeat", *words],
            stdout=full, stderr=subprocess.PIPE, text=True, env={**os.environ, "ONEBEAT_URL": url}, check=False,
        )  # fmt: skip
    told = "onebeat: what is printed cannot be written: No space left on device; what was done stays done\n"
    assert (1, told) == (done.returncode, done.stderr)


@pytest.mark.parametrize("closed", ["<&-", ">&-", "2>&-", "<&- >&- 2>&-"])
@pytest.mark.slow
def test_what_was_closed_before_harms_nothing(url: str, closed: str) -> None:
    """As some who start programs do it: no socket takes the place of what is read or printed."""
    command = f"{sys.executable} -m onebeat queue ls --url {shlex.quote(url)} {closed}"
    done = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False)
    shown = "" if ">&-" in closed.replace("2>&-", "") else "No queues in"
    assert (0, True, "") == (done.returncode, done.stdout.startswith(shown), done.stderr)


def test_a_terminal_obeys_no_name_in_an_error(url: str) -> None:
    """Whatever a client called its queue, and it stays one line; of many queues it says how many more there are."""
    with SyncClient(url) as client:
        for number in range(25):
            client.enqueue(Task("t"), queue=f"a\x1b[31m\n\u202e{number:02}")
    status, line = one_line("task", "ls", "--url", url, "-q", "nope")
    assert 3 == status
    assert r"there are a\x1b[31m\n\u202e00, " in line
    assert line.endswith(" and 5 more")


def test_a_value_of_an_option_has_no_column(url: str) -> None:
    """It is in no text that one could count in."""
    assert (2, "onebeat: filter word 'age>x': 'x' is no duration: write 90s, 1h30m, 2d or 1w") == one_line(
        "task", "ls", "--url", url, "--older", "x"
    )
