"""
The console of `onebeat dev`, in a process of its own, which knows the application as it is now.

The parent imports nothing of the application, whose code changes: so each time that servers are ready again another
console begins, and takes over the socket from the one before.

As a program, `python -m onebeat.cli.develop.console SOCKET`, it is that console.
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys
import threading
from asyncio.subprocess import PIPE, Process

import click
import msgspec

from onebeat.app.app import Onebeat
from onebeat.cli.processes.orders import HELD_BACK
from onebeat.errors import ConfigurationError

END_S = 5.0
"""How long a console may take to end."""


class Place(msgspec.Struct, frozen=True):
    """
    What a console is told.

    Attributes:
        app, folder: Of which application, and where its module is looked for.

        url: Of which store.
    """

    app: str
    folder: str
    url: str


class Consoles:
    """
    One console after another, at one socket.

    Args:
        place: The socket; it is closed with them.
    """

    def __init__(self, place: socket.socket) -> None:
        self._socket = place
        self._now: Process | None = None
        self._turns = asyncio.Lock()
        self._renewing: set[asyncio.Task[None]] = set()

    def renew(self, told: Place) -> None:
        """Have a console begin that knows the application as it is now; the one before ends once it does."""
        task = asyncio.get_running_loop().create_task(self._renew(told))
        self._renewing.add(task)
        task.add_done_callback(self._renewing.discard)

    async def _renew(self, told: Place) -> None:
        async with self._turns:
            former, process = self._now, await self._start(told)
            self._now = process
            try:
                begins = process.stdout is not None and await process.stdout.readline()
            except asyncio.CancelledError:  # `aclose` ends the new one alone
                await _end(former)
                raise
            if begins:
                await _end(former)
                return
            self._now = former
            status = await process.wait()
            click.echo(f"the console ended before it had begun, with status {status}", err=True)

    async def _start(self, told: Place) -> Process:
        descriptor = self._socket.fileno()
        words = [sys.executable, "-m", "onebeat.cli.develop.console", str(descriptor)]
        before = signal.pthread_sigmask(signal.SIG_BLOCK, HELD_BACK)  # inherited
        try:
            process = await asyncio.create_subprocess_exec(*words, stdin=PIPE, stdout=PIPE, pass_fds=(descriptor,))
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
        if process.stdin is not None:
            process.stdin.write(msgspec.json.encode(told) + b"\n")
        return process

    async def aclose(self) -> None:
        """End the console."""
        for task in self._renewing:
            task.cancel()
        await asyncio.gather(*self._renewing, return_exceptions=True)
        await _end(self._now)
        self._socket.close()


async def _end(process: Process | None) -> None:
    if process is None:
        return
    if process.stdin is not None:
        process.stdin.close()  # which it hears
    try:
        await asyncio.wait_for(process.wait(), END_S + 1)
    except TimeoutError:
        process.kill()
        await process.wait()


def main(descriptor: int) -> None:
    """Serve until standard input ends: the parent says so, or is gone."""
    for number in HELD_BACK:
        signal.signal(number, signal.SIG_IGN)  # the parent hears them
    signal.pthread_sigmask(signal.SIG_UNBLOCK, HELD_BACK)
    line = sys.stdin.buffer.readline()
    if not line:
        raise SystemExit(1)  # the parent is gone already
    told = msgspec.json.decode(line, type=Place)
    until_told = threading.Event()
    threading.Thread(target=_hear, args=(until_told,), name="onebeat-parent", daemon=True).start()
    parent, app = _application(told)
    from onebeat.web import Settings
    from onebeat.web.console import Console
    from onebeat.web.serving import server

    serving = server(Console(told.url, Settings(title=told.app[-40:]), app=app))

    def stop() -> None:
        until_told.wait()
        serving.should_exit = True

    threading.Thread(target=stop, name="onebeat-end", daemon=True).start()
    os.write(parent, b"begins\n")
    asyncio.run(serving.serve(sockets=[socket.socket(fileno=descriptor)]))


def _hear(over: threading.Event) -> None:
    while os.read(0, 4096):  # not by sys.stdin, whose lock a thread must not hold when Python ends
        pass
    over.set()
    threading.Event().wait(END_S)  # a clean end ends the process, and this thread with it, before
    os._exit(1)


def _application(told: Place) -> tuple[int, Onebeat | None]:
    """
    Import the application, without what it prints: its servers print that.

    Returns:
        Where the parent is told something, and the application; None: what is wrong with it its servers say.
    """
    from onebeat.cli.load import application

    parent, errors, nowhere = os.dup(1), os.dup(2), os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)
    try:
        return parent, application(told.app, told.folder)
    except ConfigurationError:
        return parent, None
    finally:
        os.dup2(errors, 2)
        os.close(errors)
        os.close(nowhere)


if __name__ == "__main__":
    main(int(sys.argv[1]))
