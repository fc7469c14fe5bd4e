"""A server process, as its parent sees it."""

from __future__ import annotations

import asyncio
import logging
import signal
import socket
import sys
from collections import defaultdict, deque
from itertools import chain
from typing import Self

import msgspec

from onebeat.cli.processes.orders import HEALTH, HELD_BACK, SERVES, Facts, Orders
from onebeat.server.health import HealthReport

log: logging.Logger = logging.getLogger("onebeat.processes")

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
        self.ready: asyncio.Future[Facts | None] = loop.create_future()
        self._asked: defaultdict[bytes, deque[asyncio.Future[bytes | None]]] = defaultdict(deque)
        self._silent_since: float | None = None
        self._hearing = loop.create_task(self._hear(reader))
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

    async def _hear(self, reader: asyncio.StreamReader) -> None:
        try:
            while line := await reader.readline():
                self._told(*line.rstrip(b"\n").split(b" ", 1))
        except ConnectionError as error:
            log.debug("line to process %d: %s", self.pid, error)
        finally:
            if not self.ready.done():
                self.ready.set_result(None)
            for answer in chain.from_iterable(self._asked.values()):
                if not answer.done():
                    answer.set_result(None)

    def _told(self, word: bytes, content: bytes) -> None:
        if word == SERVES:
            self._served_at = asyncio.get_running_loop().time()
            self.ready.set_result(msgspec.json.decode(content, type=Facts))
        else:
            answer = self._asked[word].popleft()  # they come in the order of the questions
            if not answer.done():
                answer.set_result(content)

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

    async def ask(self, word: bytes, *, within: float) -> bytes | None:
        """Ask something; None if it has ended, or does not answer within so many seconds."""
        answer: asyncio.Future[bytes | None] = asyncio.get_running_loop().create_future()
        if self._hearing.done():
            return None
        self._asked[word].append(answer)
        self.tell(word)
        await asyncio.wait([answer], timeout=within)
        if not answer.done():
            answer.cancel()
            return None
        return answer.result()

    async def health(self, *, within: float) -> HealthReport | float:
        """Ask how it fares; if it does not answer, return for how many seconds it has not."""
        now = asyncio.get_running_loop().time()
        answer = await self.ask(HEALTH, within=within)
        if answer is not None:
            self._silent_since = None
            return msgspec.json.decode(answer, type=HealthReport)
        self._silent_since = self._silent_since or now
        return asyncio.get_running_loop().time() - self._silent_since

    @property
    def pid(self) -> int:
        """Its process id."""
        return self._process.pid

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
