"""A store of a measurement's own, which can be stopped, killed, filled and started again."""

from __future__ import annotations

import asyncio
import signal
import subprocess
from pathlib import Path

from onebeat.broker import browse, place
from onebeat.broker.store import Store
from onebeat.errors import BrokerUnavailable


class Engine:
    """
    A Valkey on a unix socket, or on a port of this machine.

    Args:
        folder: Where its socket and append-only file are.

        fsync: "always" writes everything to the disk before it answers, "no" keeps no file at all.

        port: On 127.0.0.1; 0: the socket only.
    """

    def __init__(self, folder: Path, *, fsync: str = "always", port: int = 0) -> None:
        self.url = f"redis://127.0.0.1:{port}/0" if port else f"unix://{folder}/socket"
        settings = {"port": str(port), "unixsocket": f"{folder}/socket", "dir": str(folder), "save": ""}
        settings["bind"] = "127.0.0.1"
        settings |= {"appendonly": "no"} if fsync == "no" else {"appendonly": "yes", "appendfsync": fsync}
        words = [word for name, value in settings.items() for word in (f"--{name}", value)]
        self._words = [str(place.engine()), *words]
        self.start()

    def start(self) -> None:
        """Start, or start again with what the file holds."""
        self._process = subprocess.Popen(self._words, stdout=subprocess.DEVNULL)

    def kill(self) -> None:
        """End it by SIGKILL."""
        self._process.kill()
        self._process.wait()

    def stop(self) -> None:
        """Let it shut down in order."""
        self._process.send_signal(signal.SIGTERM)
        self._process.wait()


async def opened(url: str) -> Store:
    """Open the store as soon as it answers."""
    while True:
        try:
            return await Store.open(url)
        except BrokerUnavailable:
            await asyncio.sleep(0.02)  # nor that it has started


async def settled(store: Store) -> browse.QueueStats:
    """Wait until nothing waits or runs, in the queue "default"; what is archived may stay."""
    while True:
        try:
            stats = await store.run(browse.stats("default"))
        except BrokerUnavailable:
            stats = None
        if stats is not None and stats.size == stats.archived:
            return stats
        await asyncio.sleep(0.1)  # a store tells nobody that it is empty
