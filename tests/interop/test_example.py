"""The example in two languages does what its README says."""

from __future__ import annotations

import asyncio
import os
import re
import shlex
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tests.interop.populated import shows_servers
from tests.interop.programs import EXAMPLE
from tests.server.conftest import Bench, until

EXPECTED = ["Go encoded film.mov, 720 wide", "Python reports: film.mov took 1.5 s"]


def commands() -> list[list[str]]:
    """Read the commands of the README."""
    [block] = re.findall(r"```sh\n(.*?)```", (EXAMPLE / "README.md").read_text(), re.DOTALL)
    return [shlex.split(line) for line in block.splitlines()]


async def begin(words: list[str], url: str) -> asyncio.subprocess.Process:
    """Run a command in the example's folder, in a group of its own, with this environment's programs."""
    environment = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        "ONEBEAT_URL": url,
        "REDIS_URL": url.replace("unix://", "redis-socket://"),
    }
    return await asyncio.create_subprocess_exec(
        *words, cwd=EXAMPLE, env=environment, stdout=subprocess.PIPE, start_new_session=True
    )


@pytest.mark.interop
@pytest.mark.timeout(300)
async def test_the_example_runs_as_its_readme_says(bench: Bench, program: Path, url: str) -> None:
    """Each side runs what the other enqueues, and shows what came back."""
    *serving, python, go = commands()
    servers = [await begin(words, url) for words in serving]
    try:
        await until(lambda: shows_servers(bench, len(servers)), 120)
        said = [(await (await begin(words, url)).communicate())[0].decode().strip() for words in (python, go)]
    finally:
        for server in servers:
            os.killpg(server.pid, signal.SIGTERM)
            await server.communicate()
    assert EXPECTED == said
