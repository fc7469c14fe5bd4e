"""
What a look at all queues for metrics costs the store: with 1, 100 and 10,000 queues, at rest and with work.

Commands are those that clients sent (MONITOR; what scripts call does not count). Time is the processor's, all of the
store's process (INFO cpu); that of scripts is by the clock (SLOWLOG), so the longest one is longer where others use the
machine. A round is one scrape with nothing cached; medians of three. If Go is there, asynq's own exporter is asked of
the same database.
"""

from __future__ import annotations

import asyncio
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from contextlib import ExitStack
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import redis

from bench import report
from bench.engine import Engine, opened
from onebeat.broker.store import Store
from onebeat.observe.sweep import Sweep
from onebeat.wire.message import TaskMessage, encode

SEED = 20_260_000
SIZES = (1, 100, 10_000)
ROUNDS = 3
STATES = ("pending", "scheduled", "retry", "archived", "completed")
EXPORTER = Path(__file__).parents[1] / "tests" / "interop" / "exporter"

Scrape = Callable[[], None]


async def fill(store: Store, queues: int, *, work: bool) -> None:
    """Write queues: counters in each, and in those with work two tasks of 100 bytes in each of five states."""
    await store.command("FLUSHALL")
    chance, now = random.Random(SEED), int((await store.command("TIME"))[0])
    for number in range(queues):
        name = f"q{number:05}"
        root = f"asynq:{{{name}}}:"
        commands: list[Any] = [("SADD", "asynq:queues", name), ("SET", f"{root}processed", chance.randrange(1000))]
        for state in STATES if work else ():
            for place in range(2):
                id_ = f"{state}{place}"
                message = TaskMessage(type="t", payload=chance.randbytes(100), id=id_, queue=name, retry=25, timeout=60)
                fields = ["msg", encode(message), "state", state, "pending_since", now * 1_000_000_000]
                commands.append(("HSET", f"{root}t:{id_}", *fields))
                where = ("LPUSH", root + state, id_) if state == "pending" else ("ZADD", root + state, now + 3600, id_)
                commands.append(where)
        await store.commands(commands)


class Meter:
    """Measures scrapes of one store."""

    def __init__(self, socket: str) -> None:
        self._socket = socket
        self._client = redis.Redis(unix_socket_path=socket)

    def commands(self, scrape: Scrape) -> int:
        """Count the commands that clients send for a scrape."""
        watcher = redis.Redis(unix_socket_path=self._socket)
        with watcher.monitor() as lines:
            scrape()
            self._client.echo("scraped")
            count = 0
            for line in lines.listen():
                if line["command"].startswith("ECHO scraped"):
                    return count
                count += line["client_type"] != "lua" and line["command"].split(" ")[0] not in ("HELLO", "CLIENT")
        raise AssertionError

    def cpu_ms(self, scrape: Scrape) -> tuple[float, float]:
        """Return the milliseconds of the store's processor, and those that the scrape took."""
        before, began = self._cpu(), time.perf_counter()
        scrape()
        took = time.perf_counter() - began
        return (self._cpu() - before) * 1000, took * 1000

    def _cpu(self) -> float:
        info: Any = self._client.info("cpu")
        return float(info["used_cpu_user"]) + float(info["used_cpu_sys"])

    def scripts_ms(self, scrape: Scrape) -> tuple[float, float]:
        """Return how long a script held the store, and the longest one, of those that took 0.1 ms and more."""
        self._client.config_set("slowlog-log-slower-than", 100)
        self._client.slowlog_reset()
        scrape()
        entries: Any = self._client.slowlog_get(100_000)
        self._client.config_set("slowlog-log-slower-than", -1)
        scripts = [entry["duration"] / 1000 for entry in entries if entry["command"].startswith(b"EVALSHA")] or [0.0]
        return statistics.median(scripts), max(scripts)


class Exporter:
    """asynq's own exporter."""

    def __init__(self, folder: Path, socket: str) -> None:
        program = folder / "exporter"
        subprocess.run(["go", "build", "-o", program, "."], cwd=EXPORTER, check=True)
        self._process = subprocess.Popen([program, socket], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self._address = (self._process.stdout or sys.stdin).readline().strip()

    def scrape(self) -> None:
        connection = HTTPConnection(self._address, timeout=600)
        connection.request("GET", "/metrics")
        connection.getresponse().read()
        connection.close()

    def end(self) -> None:
        self._process.communicate()


def row(meter: Meter, what: str, scrape: Scrape, extra: Callable[[], str] = lambda: "") -> None:
    """Measure one way of scraping, and print it."""
    scrape()  # connections and scripts are there from now on
    commands = [meter.commands(scrape) for _ in range(ROUNDS)]
    times = [meter.cpu_ms(scrape) for _ in range(ROUNDS)]
    scripts = [meter.scripts_ms(scrape) for _ in range(ROUNDS)]
    cpu, took = (statistics.median(each[place] for each in times) for place in (0, 1))
    script, longest = (statistics.median(each[place] for each in scripts) for place in (0, 1))
    print(
        f"{what:<20} {statistics.median(commands):>7,.0f} commands {cpu:>8.1f} ms of the store,"
        f" {script:>5.2f} ms a script, {longest:>5.2f} the longest; {took:>8.1f} ms until it was done{extra()}"
    )


async def main() -> None:
    with tempfile.TemporaryDirectory(prefix="onebeat-bench-") as name, ExitStack() as stack:
        folder = Path(name)
        engine = Engine(folder, fsync="no")
        stack.callback(engine.kill)
        socket = f"{folder}/socket"
        exporter = None
        if shutil.which("go") is not None:
            exporter = Exporter(folder, socket)
            stack.callback(exporter.end)
        async with await opened(engine.url) as store:
            await report.head(
                store, f"Scrape: one look at all queues, nothing cached, medians of {ROUNDS}; seed {SEED}"
            )
            for queues in SIZES:
                for work in (False, True):
                    await fill(store, queues, work=work)
                    print(f"{queues:,} queues, {'ten tasks in each' if work else 'at rest'}")
                    await asyncio.to_thread(measure, socket, engine.url, exporter)
                    print()


def measure(socket: str, url: str, exporter: Exporter | None) -> None:
    """Measure ours, with and without samples of memory, and asynq's."""
    meter = Meter(socket)
    for label, samples in (("Onebeat", 10), ("Onebeat, no memory", 0)):
        sweep = Sweep(url, memory_queues=samples)

        def scrape(sweep: Sweep = sweep) -> None:
            sweep.read(0)

        def reached(sweep: Sweep = sweep) -> str:
            found = sweep.read(3600)
            return f"  oldest figure {found.age:.1f} s old" if found.oldest < found.at - found.seconds else ""

        row(meter, label, scrape, reached)
        sweep.close()
    if exporter is not None:
        row(meter, "asynq's exporter", exporter.scrape)


if __name__ == "__main__":
    asyncio.run(main())
