"""asynq's command line tool, on the store of a test."""

from __future__ import annotations

import asyncio
import os
import re
import subprocess
from pathlib import Path

VARIABLE = "ONEBEAT_ASYNQ_CLI"
"""Names the tool where it is installed already."""

COMMAND = "github.com/hibiken/asynq/tools/asynq"
OF_026 = "v0.0.0-20260203063626-d704b68a426d"
"""The tool has no releases of its own: this is it as it stood at asynq's v0.26.0, with which it is built here."""


class NotHadError(Exception):
    """Says why the tool could not be had."""


def had(folder: Path) -> Path:
    """
    Return the tool: the one that is installed, or else built of its module.

    Raises:
        NotHadError: The module proxy does not serve it.
    """
    if os.environ.get(VARIABLE):
        return Path(os.environ[VARIABLE])
    steps = [
        ["go", "mod", "init", "tool"],
        ["go", "get", f"{COMMAND}@{OF_026}", "github.com/hibiken/asynq@v0.26.0"],
        ["go", "build", "-o", "asynq", COMMAND],
    ]
    for words in steps:
        done = subprocess.run(words, cwd=folder, capture_output=True, text=True, check=False)
        if done.returncode:
            said = done.stderr.strip().rpartition(": ")[2]
            raise NotHadError(f"asynq's CLI is not here: its module cannot be had ({said}), nor is it in {VARIABLE}")
    return folder / "asynq"


class Tool:
    """Runs one command after another."""

    def __init__(self, program: Path, socket: str) -> None:
        self._words = [str(program), "--uri", socket]

    async def __call__(self, *words: str, fails: bool = False) -> str:
        """Run a command and return what it says; it must succeed, unless it must not."""
        process = await asyncio.create_subprocess_exec(
            *self._words, *words, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, env={"PATH": "", "HOME": "/nowhere"}
        )
        said = (await process.communicate())[0].decode()
        assert fails == bool(process.returncode), f"asynq {' '.join(words)}: {said}"
        return said


def tables(said: str) -> list[list[dict[str, str]]]:
    """Read the tables of an output: their rows, by the heads of their columns."""
    found: list[list[dict[str, str]]] = []
    lines = said.splitlines()
    for number, line in enumerate(lines):
        if not re.fullmatch(r"(-+ *)+", line):
            continue
        starts = [match.start() for match in re.finditer(r"-+", line)]
        cuts = list(zip(starts, [*starts[1:], None], strict=True))
        heads = [lines[number - 1][start:end].strip() for start, end in cuts]
        rows = []
        for row in lines[number + 1 :]:
            if not row.strip():
                break
            rows.append(dict(zip(heads, (row[start:end].strip() for start, end in cuts), strict=True)))
        found.append(rows)
    return found
