"""Programs as a user runs them: in a terminal or a pipe, waited for by what they print."""

from __future__ import annotations

import codecs
import os
import re
import select
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Self

PATIENCE_S = 120.0
LAST_WORDS_S = 5.0
_IN_TERMINAL = (
    "import os, sys\n"
    "terminal = os.open(sys.argv[1], os.O_RDWR)\n"  # of a session's leader: it becomes the session's terminal
    "for number in (0, 1, 2):\n"
    "    os.dup2(terminal, number)\n"
    "os.execv(sys.executable, [sys.executable, *sys.argv[2:]])"
)


class Program:
    """
    A Python program.

    Args:
        words: What `python` is told.

        terminal: Give it a terminal of its own, whose Ctrl-C reaches its whole process group; else a pipe.
    """

    def __init__(
        self,
        words: Sequence[str],
        *,
        cwd: Path,
        env: Mapping[str, str] | None = None,
        terminal: bool = False,
    ) -> None:
        clean = {name: value for name, value in os.environ.items() if not name.startswith("ONEBEAT_")}
        clean |= {"PYTHONUNBUFFERED": "1", "PYTHONFAULTHANDLER": "1", **(env or {})}
        self._said = ""
        self._at = 0
        self._decode = codecs.getincrementaldecoder("utf-8")("replace").decode  # a sign may come in two reads
        if terminal:
            self._ours, theirs = os.openpty()
            command = [sys.executable, "-c", _IN_TERMINAL, os.ttyname(theirs), *words]
            self.process = subprocess.Popen(command, cwd=cwd, env=clean, start_new_session=True)
        else:
            self._ours, theirs = os.pipe()
            command = [sys.executable, *words]
            self.process = subprocess.Popen(
                command,
                cwd=cwd,
                env=clean,
                stdout=theirs,
                stderr=theirs,
                stdin=subprocess.DEVNULL,
                start_new_session=True,
            )
        self._theirs = theirs  # kept, so that a terminal outlives its program
        if not terminal:
            os.close(theirs)
            self._theirs = -1

    @property
    def said(self) -> str:
        """All that it has printed, as far as it was read."""
        return self._said

    def expect(self, pattern: str) -> re.Match[str]:
        """Wait until it prints this, after what was expected before."""
        deadline = time.monotonic() + PATIENCE_S
        while not (found := re.search(pattern, self._said[self._at :])):
            if not self._read(deadline):
                said = self._said
                raise AssertionError(f"{pattern!r} was not printed, {self._state()}; printed was:\n{said}")
        self._at += found.end()
        return found

    def _state(self) -> str:
        """Say whether it has ended, or what it does: it is asked for its stacks, which end it."""
        with suppress(subprocess.TimeoutExpired):
            return f"and it has ended with status {self.process.wait(1)}"
        before = len(self._said)
        self.process.send_signal(signal.SIGABRT)
        deadline = time.monotonic() + LAST_WORDS_S
        while self._read(deadline):
            pass
        return f"and it still runs: {self._said[before:]}"

    def expect_all(self, *patterns: str) -> None:
        """Wait until it prints all of these, in whatever order, after what was expected before."""
        begin, furthest = self._at, self._at
        for pattern in patterns:
            self._at = begin
            self.expect(pattern)
            furthest = max(furthest, self._at)
        self._at = furthest

    def _read(self, deadline: float) -> bool:
        ready, _, _ = select.select([self._ours], [], [], max(0.0, deadline - time.monotonic()))
        if not ready:
            return False
        try:
            data = os.read(self._ours, 65_536)
        except OSError:  # a terminal whose program has ended
            data = b""
        self._said += self._decode(data).replace("\r\n", "\n")
        return bool(data)

    def press(self, text: str) -> None:
        """Press keys."""
        os.write(self._ours, text.encode())

    def press_ctrl_c(self) -> None:
        self.press("\x03")

    def send(self, number: int) -> None:
        self.process.send_signal(number)

    def send_group(self, number: int) -> None:
        os.killpg(self.process.pid, number)

    def close_terminal(self) -> None:
        """Close the window."""
        os.close(self._theirs)
        os.close(self._ours)
        self._ours = self._theirs = -1

    def ended(self) -> int:
        """Wait for its end; return its status."""
        deadline = time.monotonic() + PATIENCE_S
        while self.process.poll() is None and time.monotonic() < deadline:
            if self._ours >= 0:
                self._read(min(deadline, time.monotonic() + 0.05))
            else:
                self.process.wait(PATIENCE_S)
        status = self.process.wait(1)
        while self._ours >= 0 and self._read(time.monotonic()):
            pass
        return status

    def children(self) -> list[int]:
        """Return the processes that it has started itself."""
        return sorted(map(int, Path(f"/proc/{self.process.pid}/task/{self.process.pid}/children").read_text().split()))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with suppress(ProcessLookupError):
            os.killpg(self.process.pid, signal.SIGKILL)
        self.process.wait()
        if self._theirs >= 0:
            os.close(self._theirs)
        if self._ours >= 0:
            self._outlast()
            os.close(self._ours)

    def _outlast(self) -> None:
        """Read to the end of its last process: one that lived on would take the tasks of the next test."""
        deadline = time.monotonic() + PATIENCE_S
        while self._read(deadline):
            pass
        assert time.monotonic() < deadline, "a process that it has started lives on"


def onebeat(*words: str, cwd: Path, terminal: bool = False, env: Mapping[str, str] | None = None) -> Program:
    """Start the command line."""
    return Program(["-m", "onebeat", *words], cwd=cwd, terminal=terminal, env=env)


def until(condition: Callable[[], bool]) -> None:
    """Wait for what tells nobody, such as the end of another's process."""
    deadline = time.monotonic() + PATIENCE_S
    while not condition():
        assert time.monotonic() < deadline, "it did not come true"
        time.sleep(0.01)


def is_gone(pid: int) -> bool:
    """Whether a process has ended; one that waits to be collected has."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
    except (FileNotFoundError, ProcessLookupError):
        return True
