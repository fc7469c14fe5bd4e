"""docs/how-to/on-call.md, played in a terminal: a shop of 100,000 tasks, its servers, and who is on call."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import signal
import socket
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.anywhere import within_a_day
from tests.cli.programs import Program, onebeat
from tests.docs.pages import ROOT, blocks, commands
from tests.docs.play import Difference, compare
from tests.docs.terminal import Shell
from tests.engines import Process

PAGE = ROOT / "docs" / "how-to" / "on-call.md"
EXAMPLE = ROOT / "examples" / "on-call"
PATIENCE_S = 120.0
AT_MOST_S = 300.0
"""How long a day takes where it shares the machine: a minute where it does not."""
SERVERS = ("web:4711", "web:4712", "web:4713")
"""What the page calls the servers, in the order of their start."""

LOOKS = re.compile(r"onebeat (\w+ (ls|show|inspect)|stats|doctor)\b(?!.*--repair)")
"""What may be typed again until it shows what is waited for, as one would."""

REDIS_CLI = """#!/usr/bin/env python
import sys, redis
client = redis.Redis.from_url(sys.argv[2], decode_responses=True)
client.response_callbacks.clear()  # what the store says, and not True for OK
print(client.execute_command(*sys.argv[3:]))
"""
"""Stands in where only Valkey's own is installed, or none."""


class Day:
    """
    The terminal of who is on call, and servers that run elsewhere.

    Attributes:
        transcript: What was typed, and what appeared, with the names that the page has.
    """

    def __init__(self, folder: Path, url: str, stack: ExitStack) -> None:
        self._folder, self._stack = folder, stack
        places = [str(Path(sys.executable).parent), os.environ["PATH"]]
        if shutil.which("redis-cli") is None:
            (folder / "redis-cli").write_text(REDIS_CLI)
            (folder / "redis-cli").chmod(0o755)
            places.append(str(folder))
        self._env = {"ONEBEAT_URL": url, "PATH": ":".join(places)}
        self._names: dict[str, str] = {}
        self._servers: list[Program] = []
        self._shell = stack.enter_context(Shell(cwd=folder, env=self._env))
        self.transcript = ""

    def do(self, where: str, command: str, shown: str) -> None:
        """Type what the page has, and see that what appears is as the page says."""
        if command.startswith("onebeat run"):
            self._serve(command)
            return
        said, deadline = self._type(command), time.monotonic() + PATIENCE_S
        while not is_so(shown, said) and LOOKS.match(command) and time.monotonic() < deadline:
            said = self._type(command)
        self.transcript += f"$ {command}\n{said}\n\n"
        compare(where, shown, said)

    def _serve(self, command: str) -> None:
        server = onebeat(*shlex.split(command)[1:], cwd=self._folder, env=self._env)
        self._servers.append(self._stack.enter_context(server))
        self._names[SERVERS[len(self._servers) - 1]] = f"{socket.gethostname()}:{server.process.pid}"
        server.expect("serving queues")
        self.transcript += f"$ {command}  # in another terminal\n\n"

    def _type(self, command: str) -> str:
        """Type a command with the names that are real, and return what appears with those of the page."""
        for ours, real in self._names.items():
            command = re.sub(rf"\b{ours}\b", real, command)
        said = self._shell.type(command)
        for ours, real in self._names.items():
            said = re.sub(rf"(?<![\w.-]){re.escape(real)}(?!\d)", ours, said)
        return said

    def end(self) -> list[int]:
        """End all servers, as a deploy does; return their statuses."""
        for server in self._servers:
            server.send(signal.SIGTERM)
        return [server.ended() for server in self._servers]


def is_so(shown: str, said: str) -> bool:
    try:
        compare("", shown, said)
    except Difference:
        return False
    return True


@pytest.fixture
def day(tmp_path: Path) -> Iterator[Day]:
    """Return the beginning of a day: an empty store that is durable, and a folder with the shop."""
    shutil.copytree(EXAMPLE, tmp_path / "shop", ignore=shutil.ignore_patterns("__pycache__"))
    within_a_day(AT_MOST_S)  # twelve have failed today, in the evening as in the morning
    with ExitStack() as stack:
        store = Process(tmp_path, {"appendonly": "yes"})
        stack.callback(store.end)
        yield Day(tmp_path / "shop", f"redis://{store.address}/0", stack)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_day_goes_as_the_page_says(day: Day, record_property: Callable[[str, object], None]) -> None:
    """Every command, in a terminal, with what it shows; `ONEBEAT_TRANSCRIPT` names a file for all that appeared."""
    text, began = PAGE.read_text(), time.monotonic()
    try:
        for block in blocks(text):
            for command, shown in commands(block) if block.language == "console" else ():
                day.do(f"{PAGE.name}:{block.line}: {command}", command, shown)
    finally:
        if "ONEBEAT_TRANSCRIPT" in os.environ:
            Path(os.environ["ONEBEAT_TRANSCRIPT"]).write_text(day.transcript.rstrip() + "\n")
    assert {0} == set(day.end())
    record_property("the day took", f"{time.monotonic() - began:.0f} s")


def test_the_page_has_all_that_a_day_has() -> None:
    """So that the test above cannot pass by playing less: each of these is typed, in this order."""
    typed = [command for block in blocks(PAGE.read_text()) for command, _ in commands(block)]
    steps = iter((
        "queue inspect", "task ls error:", "task show", "task update .* --set", "task run order", "task show",
        "EDITOR=.* --edit", "task run --where .* --dry-run", "task run --where .*'$", "queue pause", "queue resume",
        "server drain .* --wait", "server resume", "doctor$", "night.py", "doctor$", "doctor --repair$", "doctor$",
    ))  # fmt: skip
    left = next(steps)
    for command in typed:
        if re.search(left, command):
            left = next(steps, "nothing is left")
    assert "nothing is left" == left
