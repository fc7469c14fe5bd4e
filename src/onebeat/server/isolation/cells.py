"""
The processes of isolated tasks, as the server sees them: at most one per slot, kept warm between tasks.

What is stopped is killed, with everything it started, and awaited; the next task gets a new process. Only the
server holds the store, the lease and the token, so a killed process can leave nothing half written there.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
import sys
from typing import Self

import msgspec

from onebeat.clock import Clock
from onebeat.errors import Retry, RevokeTask, SemaphoreFull, SkipRetry, TaskCrashed
from onebeat.server.context import Say
from onebeat.server.isolation.frames import LENGTH, Greeting, Job, Said, Verdict, pack
from onebeat.server.isolation.worker import main_file
from onebeat.server.logs import JsonFormatter
from onebeat.server.outcome import HandlerError

log: logging.Logger = logging.getLogger("onebeat.isolation")


class ProcessEndedError(HandlerError, TaskCrashed):
    """The process of a task ended before its handler did."""


WARM_S = 300.0
"""How long a process waits for its next task; then it costs more than it saves."""


class Cells:
    """
    The processes of one server.

    Args:
        grace: Seconds that a process is given to leave its lifespans.
    """

    def __init__(self, *, grace: float, clock: Clock) -> None:
        self._grace = grace
        self._clock = clock
        self._idle: list[tuple[float, _Cell]] = []  # the one that waits longest first; the last is used next
        self._leaving: set[asyncio.Task[None]] = set()

    async def call(self, job: Job, say: Say) -> bytes:
        """
        Run one attempt and return its encoded result; `say` is told how far it says it is.

        Cancelled, it kills the process with all that it started, and returns when they are gone.

        Raises:
            TaskControl: The handler says what happens to its task, or its error is not worth a retry.
            HandlerError: The handler failed, or its process ended.
        """
        cell = self._idle.pop()[1] if self._idle else await _Cell.start()
        try:
            verdict = await cell.ask(job, say)
        except BaseException:
            await cell.kill()
            raise
        self._idle.append((self._clock.monotonic(), cell))
        self._dismiss_the_cold()
        return _open(verdict)

    def _dismiss_the_cold(self) -> None:
        while self._idle and self._idle[0][0] < self._clock.monotonic() - WARM_S:
            _, cell = self._idle.pop(0)
            leaving = asyncio.get_running_loop().create_task(cell.leave(self._grace))
            self._leaving.add(leaving)
            leaving.add_done_callback(self._leaving.discard)

    async def aclose(self) -> None:
        """Let the idle ones leave their lifespans and end; kill those that do not in time."""
        cells, self._idle = self._idle, []
        await asyncio.gather(*(cell.leave(self._grace) for _, cell in cells), *self._leaving)


class _Cell:
    """One process."""

    def __init__(
        self,
        process: asyncio.subprocess.Process,
        reader: asyncio.StreamReader,
        writer: asyncio.StreamWriter,
        alive: int,
    ) -> None:
        self._process = process
        self._reader = reader
        self._writer = writer
        self._alive = alive  # its other end tells the warden when this process is gone

    @classmethod
    async def start(cls) -> Self:
        ours, theirs = socket.socketpair()
        alive_theirs, alive = os.pipe()
        words = [sys.executable, "-m", "onebeat.server.isolation.child", str(theirs.fileno()), str(alive_theirs)]
        try:
            process = await asyncio.create_subprocess_exec(
                *words,
                stdin=asyncio.subprocess.DEVNULL,
                pass_fds=(theirs.fileno(), alive_theirs),
                start_new_session=True,
            )
        except BaseException:
            ours.close()
            os.close(alive)
            raise
        finally:
            theirs.close()
            os.close(alive_theirs)
        reader, writer = await asyncio.open_connection(sock=ours)
        cell = cls(process, reader, writer, alive)
        root = logging.getLogger()
        is_json = any(isinstance(handler.formatter, JsonFormatter) for handler in root.handlers)
        writer.write(pack(Greeting(sys.path, main_file(), root.getEffectiveLevel(), is_json)))
        return cell

    async def ask(self, job: Job, say: Say) -> Verdict:
        try:
            self._writer.write(pack(job))
            await self._writer.drain()
            while isinstance(frame := await self._read(), Said):
                say(frame.fraction, frame.text)
            return frame
        except (asyncio.IncompleteReadError, ConnectionError) as error:
            raise ProcessEndedError(f"process of the task ended: {_how(await self._process.wait())}") from error

    async def _read(self) -> Said | Verdict:
        length = int.from_bytes(await self._reader.readexactly(LENGTH))
        return msgspec.msgpack.decode(await self._reader.readexactly(length), type=Said | Verdict)

    async def kill(self) -> None:
        """Kill the process and all that it started, and wait until it is gone."""
        if self._process.returncode is None:
            os.killpg(self._process.pid, signal.SIGKILL)
        await asyncio.shield(self._process.wait())
        self._close()

    async def leave(self, grace: float) -> None:
        """Hang up, and kill what does not end within the grace period."""
        self._writer.close()
        try:
            async with asyncio.timeout(grace):
                await self._process.wait()
        except TimeoutError:
            log.warning("process %d of isolated tasks does not end, and is killed", self._process.pid)
            await self.kill()
        else:
            self._close()

    def _close(self) -> None:
        self._writer.close()
        if self._alive >= 0:
            os.close(self._alive)
            self._alive = -1


def _how(code: int) -> str:
    """Say how a process ended; its warden shows a signal as 128 and its number, as shells do."""
    number = -code if code < 0 else code - 128
    if number in signal.Signals.__members__.values():
        return f"signal {signal.Signals(number).name}"
    return f"exit status {code}"


def _open(verdict: Verdict) -> bytes:
    if verdict.kind == "returned":
        return verdict.result
    if verdict.kind == "revoked":
        raise RevokeTask
    if verdict.kind == "full":
        raise SemaphoreFull(verdict.text, delay=verdict.delay)
    if verdict.kind == "retry":
        raise Retry(verdict.text, delay=verdict.delay, counts=verdict.counts)
    if verdict.kind == "skipped":
        raise SkipRetry(verdict.text) from HandlerError(verdict.text, trace=verdict.trace, kind=verdict.error_type)
    raise HandlerError(verdict.text, delay=verdict.delay, trace=verdict.trace, kind=verdict.error_type)
