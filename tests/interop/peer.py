"""A process of the Go peer, ordered about in JSON lines."""

from __future__ import annotations

import asyncio
import itertools
import json
import subprocess
import threading
from collections.abc import Callable
from concurrent.futures import Future
from pathlib import Path
from typing import Any

WAIT_S = 100


class GoError(Exception):
    """Stands for an error of Go's; its text is Go's."""


class PeerProcess:
    """Runs clients, inspectors, servers and schedulers of real asynq, all in one process."""

    def __init__(self, program: Path) -> None:
        self._process = subprocess.Popen([program], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self._numbers = itertools.count(1)
        self._orders: dict[int, Future[Any]] = {}
        self._ears: dict[str, tuple[asyncio.AbstractEventLoop, Callable[[dict[str, Any]], None]]] = {}
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            said = json.loads(line)
            if "n" in said:
                self._answered(said)
            elif said["server"] in self._ears:
                loop, hear = self._ears[said["server"]]
                loop.call_soon_threadsafe(hear, said)
        for order in self._orders.values():
            order.set_exception(GoError("the peer has ended"))

    def _answered(self, said: dict[str, Any]) -> None:
        order = self._orders.pop(said["n"])
        if "error" in said:
            order.set_exception(GoError(said["error"]))
        else:
            order.set_result(said["answer"])

    async def ask(self, do: str, **order: Any) -> Any:
        """
        Give an order and await its answer.

        Raises:
            GoError: asynq answered with an error.
        """
        assert self._process.stdin is not None
        number = next(self._numbers)
        answer: Future[Any] = Future()
        self._orders[number] = answer
        self._process.stdin.write(json.dumps({"N": number, "Do": do, **order}).encode() + b"\n")
        self._process.stdin.flush()
        async with asyncio.timeout(WAIT_S):
            return await asyncio.wrap_future(answer)

    def listen(self, name: str, hear: Callable[[dict[str, Any]], None]) -> None:
        """Let all that the server of a name says be heard, on the loop that runs now."""
        self._ears[name] = asyncio.get_running_loop(), hear

    def deafen(self, name: str) -> None:
        """Listen to a server no more: its loop ends."""
        self._ears.pop(name, None)

    def kill(self) -> None:
        """End it with SIGKILL."""
        self._process.kill()
        self._process.wait()
        self._reader.join()
        for pipe in (self._process.stdin, self._process.stdout):
            assert pipe is not None
            pipe.close()
