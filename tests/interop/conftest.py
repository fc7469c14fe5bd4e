"""The Go peer: real asynq, built once per session."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

SOURCE = Path(__file__).parent / "peer"


class Peer:
    """Real asynq on the store of a test."""

    def __init__(self, program: Path, socket: str) -> None:
        self._program = program
        self._socket = socket

    def _words(self, order: dict[str, Any]) -> list[str]:
        return [str(self._program), json.dumps({"Socket": self._socket, **order})]

    def ask(self, do: str, **order: Any) -> list[Any]:
        """Give one order and return its answers; an error of Go's fails the test with its text."""
        done = subprocess.run(self._words({"Do": do, **order}), capture_output=True, text=True, check=False, timeout=30)
        answers = [json.loads(line) for line in done.stdout.splitlines()]
        assert 0 == done.returncode, f"{do}: {answers} {done.stderr}"
        return answers

    def one(self, do: str, **order: Any) -> Any:
        """Give an order that has one answer."""
        [answer] = self.ask(do, **order)
        return answer

    @asynccontextmanager
    async def serving(self, **queues: int) -> AsyncIterator[Callable[[], Any]]:
        """Run a Go server; what is yielded gives, awaited, the next task that it ran."""
        words = self._words({"Do": "serve", "Queues": queues or {"default": 1}})
        process = await asyncio.create_subprocess_exec(*words, stdout=asyncio.subprocess.PIPE)
        stdout = process.stdout
        assert stdout is not None

        async def ran() -> Any:
            async with asyncio.timeout(20):
                return json.loads(await stdout.readline())

        assert {"serving": True} == await ran()
        try:
            yield ran
        finally:
            if process.returncode is None:
                process.terminate()
            await process.wait()

    def kill_while_holding(self, task_type: str) -> None:
        """Run a Go server until it runs a task of this type, and kill it with SIGKILL."""
        words = self._words({"Do": "serve", "Queues": {"default": 1}})
        with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            for line in process.stdout:
                if json.loads(line).get("type") == task_type:
                    process.kill()


@pytest.fixture(scope="session")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the peer; where there is no Go, CI fails and a contributor's run says why it skips."""
    if shutil.which("go") is None:
        if os.environ.get("CI"):
            pytest.fail("interop needs Go, and CI must have it: install golang-go")
        pytest.skip("interop needs Go: install it, or leave these tests to CI")
    built = tmp_path_factory.mktemp("peer") / "peer"
    subprocess.run(["go", "build", "-o", str(built), "."], cwd=SOURCE, check=True)
    return built


@pytest.fixture
def go(program: Path, url: str) -> Peer:
    """Return a Go peer on the test's store."""
    return Peer(program, url.removeprefix("unix://"))
