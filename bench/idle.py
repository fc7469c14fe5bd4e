"""
What a server costs that has nothing to do: requests, processor time and connections, with 1, 10 and 10,000 queues.

A request is one command of a client as MONITOR shows it; commands inside scripts are none. Each server is a
process of its own; three rounds of 20 s each.
"""

from __future__ import annotations

import asyncio
import os
import sys
import tempfile
import threading
import time
from collections import Counter
from contextlib import suppress
from pathlib import Path

import redis

from bench import report
from bench.engine import Engine, opened
from onebeat.server.mux import Mux
from onebeat.server.server import Server

SECONDS = 20
ROUNDS = 3
SETTLE_S = 8
QUEUES = (1, 10, 10_000)
TICKS = os.sysconf("SC_CLK_TCK")


def serve(url: str, queues: int) -> None:
    """Be a server with so many queues."""
    server = Server(url, queues={f"q{number}": 1 for number in range(queues)})
    asyncio.run(server.run(Mux()))


def processor_s(pid: int) -> float:
    """Read the processor time of a process."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


class Monitor:
    """Counts the requests that reach a store."""

    def __init__(self, path: str) -> None:
        self._client = redis.Redis(unix_socket_path=path)
        self.seen: Counter[str] = Counter()
        threading.Thread(target=self._listen, daemon=True).start()

    def _listen(self) -> None:
        with suppress(redis.ConnectionError), self._client.monitor() as monitor:  # it ends with the store
            for command in monitor.listen():
                if command["client_type"] != "lua":
                    self.seen[command["command"].split()[0].upper()] += 1


async def measure(url: str, queues: int) -> None:
    monitor = Monitor(url.removeprefix("unix://"))
    store = await opened(url)
    server = await asyncio.create_subprocess_exec(sys.executable, "-m", "bench.idle", url, str(queues))
    started = time.monotonic()
    await asyncio.sleep(SETTLE_S)
    rates, shares, took = [], [], 0.0
    kinds: Counter[str] = Counter()
    for _ in range(ROUNDS):
        monitor.seen.clear()
        began, spent = time.monotonic(), processor_s(server.pid)
        await asyncio.sleep(SECONDS)
        took = time.monotonic() - began
        rates.append(sum(monitor.seen.values()) / took)
        shares.append(100 * (processor_s(server.pid) - spent) / took)
        kinds += monitor.seen
    clients = (await store.command("INFO", "clients"))["connected_clients"]
    used = (await store.command("INFO", "commandstats"))["cmdstat_evalsha"]["usec"] / 1e4 / (time.monotonic() - started)
    server.terminate()
    await server.wait()
    goal = min(queues, 16) + 1
    print(f"{queues:>6,} queues  requests  {report.spread(rates, '/s', 2)}; goal {goal}")
    print(
        f"               of which  {', '.join(f'{name} {count / took / ROUNDS:.2f}' for name, count in kinds.items())}"
    )
    print(f"               processor {report.spread(shares, '% of a core', 2)}")
    print(f"               scripts   {used:.2f} % of the store's time")
    print(f"               connections {clients - 2}")
    await store.aclose()


async def main() -> None:
    with tempfile.TemporaryDirectory(prefix="onebeat-bench-") as folder:
        engine = Engine(Path(folder), fsync="no")
        async with await opened(engine.url) as store:
            await report.head(store, f"Idle servers: {ROUNDS} rounds of {SECONDS} s")
        for queues in QUEUES:
            engine.kill()
            engine.start()
            await measure(engine.url, queues)
        engine.kill()


if __name__ == "__main__":
    if len(sys.argv) > 1:
        serve(sys.argv[1], int(sys.argv[2]))
    else:
        asyncio.run(main())
