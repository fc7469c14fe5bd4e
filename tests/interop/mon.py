"""Asynqmon, as a process with an HTTP interface."""

from __future__ import annotations

import asyncio
import json
import subprocess
from http.client import HTTPConnection
from pathlib import Path
from typing import Any


class Asynqmon:
    """The web interface of asynq's, on the store of a test."""

    def __init__(self, program: Path, socket: str) -> None:
        self._process = subprocess.Popen([program, socket], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        assert self._process.stdout is not None
        self._address = self._process.stdout.readline().strip()

    def end(self) -> None:
        """Close its standard input, at which it ends."""
        self._process.communicate()

    async def ask(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        """Return the status and what the JSON says, or the text where there is none."""
        return await asyncio.to_thread(self._ask, method, path, body)

    def _ask(self, method: str, path: str, body: Any) -> tuple[int, Any]:
        connection = HTTPConnection(self._address, timeout=60)
        connection.request(method, f"/api{path}", None if body is None else json.dumps(body))
        answer = connection.getresponse()
        said = answer.read().decode()
        connection.close()
        try:
            return answer.status, json.loads(said)
        except json.JSONDecodeError:
            return answer.status, said

    async def get(self, path: str) -> Any:
        """Return what a path shows; it must be there."""
        status, shown = await self.ask("GET", path)
        assert 200 == status, f"GET {path}: {status} {shown}"
        return shown

    async def do(self, method: str, path: str, body: Any = None) -> Any:
        """Act; it must succeed."""
        status, answer = await self.ask(method, path, body)
        assert status in (200, 204), f"{method} {path}: {status} {answer}"
        return answer
