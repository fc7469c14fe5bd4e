"""A shell in a terminal of its own, as somebody types into it: what appears on the screen after each command."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pyte

from tests.cli.programs import Program

COLUMNS, ROWS = 132, 1000
PROMPT, QUESTION = r"(?:\A|\n)\$ \Z", r"\[y/N\]: \Z"
_BECOME = "import os; os.execvp('bash', ['bash', '--norc', '--noprofile', '--noediting'])"


class Shell(Program):
    """
    A bash that reads no files of the user's.

    Args:
        env: Its environment, beside that of the test.
    """

    def __init__(self, *, cwd: Path, env: Mapping[str, str]) -> None:
        there = {"PS1": "$ ", "PS2": "", "TERM": "xterm", "LC_ALL": "C.UTF-8", "NO_COLOR": "1", **env}
        super().__init__(["-c", _BECOME], cwd=cwd, env=there, terminal=True)
        self.expect(PROMPT)
        self.type(f"stty cols {COLUMNS} rows 50")

    def type(self, command: str) -> str:
        """Type a command, say yes to whatever it asks, and return what is on the screen below it in the end."""
        begin = len(self.said)
        self.press(f"{command}\n")
        while "[y/N]" in self.expect(f"{PROMPT}|{QUESTION}")[0]:
            self.press("y\n")
        return rendered(self.said[begin:].removesuffix("$ ").partition("\n")[2])


def rendered(printed: str) -> str:
    """Return what a screen shows in the end of what was printed on it."""
    screen = pyte.Screen(COLUMNS, ROWS)
    pyte.Stream(screen).feed(printed.replace("\n", "\r\n"))
    return "\n".join(line.rstrip() for line in screen.display).rstrip()
