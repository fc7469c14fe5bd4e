"""asynq's command line tool, on the store of a test."""

from __future__ import annotations

import asyncio
import re
import subprocess
from pathlib import Path

COMMAND = "github.com/hibiken/asynq/tools/asynq"
"""
What `cli/go.mod` requires. The tool has no releases of its own: this is it as it stood at asynq's v0.26.0.

Its sums are pinned in `cli/go.sum`, since Go's checksum database knows none of a module that is not released.
"""


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
