"""A server process, as its parent sees it."""

from __future__ import annotations

import asyncio
import signal
import socket
import sys
from typing import Self

import msgspec

from onebeat.cli.processes.orders import HELD_BACK, Facts, Orders

MAX_LINE = 2**26
"""Bytes that the facts of a process may be: those of hundreds of thousands of tasks."""


class Process:
    """
    A server process. Made by `start`.

    Attributes:
        ready: What it says once it serves; None if it ends before.

        ended: Its exit status; negative: the signal that ended it.

        served_s: How long it served, once it has ended.
    """

    def __init__(
        self, process: asyncio.subprocess.Process, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        loop = asyncio.get_running_loop()
        self._process = process
        self._writer = writer
        self._served_at: float | None = None
        self.served_s: float = 0.0
        self.ready: asyncio.Task[Facts | None] = loop.create_task(self._hear(reader))
        self.ended: asyncio.Task[int] = loop.create_task(self._watch())

    @classmethod
    async def start(cls, orders: Orders) -> Self:
        """Start a new Python: nothing of ours is shared with it, no connection and no lock."""
        ours, theirs = socket.socketpair()
        words = [sys.executable, "-m", "onebeat.cli.processes.child", str(theirs.fileno())]
        before = signal.pthread_sigmask(signal.SIG_BLOCK, HELD_BACK)  # inherited
        try:
            process = await asyncio.create_subprocess_exec(*words, pass_fds=(theirs.fileno(),))
        except BaseException:
            ours.close()
            raise
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
            theirs.close()
        reader, writer = await asyncio.open_connection(sock=ours, limit=MAX_LINE)
        writer.write(msgspec.json.encode(orders) + b"\n")
        return cls(process, reader, writer)

    async def _hear(self, reader: asyncio.StreamReader) -> Facts | None:
        try:
            line = await reader.readline()
        except ConnectionError:
            line = b""
        if not line:
            return None
        self._served_at = asyncio.get_running_loop().time()
        return msgspec.json.decode(line, type=Facts)

    async def _watch(self) -> int:
        status = await self._process.wait()
        self._writer.close()
        await self.ready
        if self._served_at is not None:
            self.served_s = asyncio.get_running_loop().time() - self._served_at
        return status

    def tell(self, word: bytes) -> None:
        """Say a word; one that has ended does not hear it."""
        if not self._writer.is_closing():
            self._writer.write(word + b"\n")

    def kill(self) -> None:
        """End it at once; its tasks run again when their leases lapse."""
        if self._process.returncode is None:
            self._process.kill()


def how(status: int) -> str:
    """Say how a process ended."""
    if status >= 0:
        return f"status {status}"
    try:
        return f"signal {signal.Signals(-status).name}"
    except ValueError:  # of the real-time signals only the first and the last have names
        return f"signal {-status}"
