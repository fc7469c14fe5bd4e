"""
How long the command line takes: to say its help, which is what every key of a completion costs, and to list queues.

Each round runs a new Python from the console script, alternating between the commands; the first round is not counted,
since it compiles. Behind the wall clock stands the time of the processor, which says the same on a busy machine.
Queues are written as clients leave them, one pending task in each.
"""

from __future__ import annotations

import asyncio
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from contextlib import ExitStack
from pathlib import Path

from bench import report
from bench.engine import Engine, opened
from onebeat.broker.store import Store
from onebeat.inspector.inspector import Inspector
from onebeat.wire.message import TaskMessage, encode

ROUNDS = 15
QUEUES = 10_000
GOAL_MS = 150

SCRIPT = Path(sys.executable).parent / "onebeat"
HELPS = (["--help"], ["queue", "--help"], ["queue", "ls", "--help"], ["stats", "--help"], ["--version"])


def timed(words: list[str], url: str) -> tuple[float, float]:
    """Run a new process; return milliseconds of the clock, and of the processor."""
    began = time.perf_counter()
    env = {**os.environ, "ONEBEAT_URL": url}
    process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=env)
    _, status, usage = os.wait4(process.pid, 0)
    wall = (time.perf_counter() - began) * 1000
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{words} ended with status {process.returncode}")
    return wall, (usage.ru_utime + usage.ru_stime) * 1000


def measure(commands: dict[str, list[str]], url: str = "", rounds: int = ROUNDS) -> dict[str, str]:
    """Time each command in turn; return what is said of each."""
    found: dict[str, list[tuple[float, float]]] = defaultdict(list)
    for number in range(rounds + 1):
        for name, words in commands.items():
            times = timed(words, url)
            if number:
                found[name].append(times)
    return {name: _said(times) for name, times in found.items()}


def _said(times: list[tuple[float, float]]) -> str:
    walls, processor = ([each[i] for each in times] for i in (0, 1))
    return (
        f"median {statistics.median(walls):,.0f} ms, the quickest {min(walls):,.0f}; "
        f"processor {statistics.median(processor):,.0f} ms, {min(processor):,.0f}"
    )


async def fill(store: Store) -> None:
    """Write many queues."""
    names = [f"queue-{number:05}" for number in range(QUEUES)]
    since = int((await store.command("TIME"))[0]) * 10**9
    for start in range(0, QUEUES, 500):
        commands: list[list[str | bytes | int]] = []
        for name in names[start : start + 500]:
            message = encode(TaskMessage(id="a", type="t", queue=name, payload=b"x" * 100))
            commands += [
                ["SADD", "asynq:queues", name],
                ["HSET", f"asynq:{{{name}}}:t:a", "msg", message, "state", "pending", "pending_since", since],
                ["LPUSH", f"asynq:{{{name}}}:pending", "a"],
            ]
        await store.commands(commands)


async def main() -> None:
    """Print the medians."""
    with ExitStack() as stack:
        folder = stack.enter_context(tempfile.TemporaryDirectory())
        engine = Engine(Path(folder), fsync="no")
        stack.callback(engine.stop)
        async with await opened(engine.url) as store:
            await report.head(store, "The command line: start-up, and many queues")
            commands = {"python -c pass": [sys.executable, "-c", "pass"]}
            commands |= {f"onebeat {' '.join(words)}": [str(SCRIPT), *words] for words in HELPS}
            for name, said in measure(commands).items():
                print(f"{name:24}  {said}{f'; goal {GOAL_MS} ms' if name == 'onebeat --help' else ''}")
            await fill(store)
            await Inspector(store).stats_each(["queue-00000"])  # the script is cached from now on
            before = (await store.command("INFO", "commandstats")).get("cmdstat_evalsha", {"usec": 0})["usec"]
            inspector = Inspector(store)
            began = time.perf_counter()
            found = await inspector.stats_each()
            wall = time.perf_counter() - began
            after = (await store.command("INFO", "commandstats"))["cmdstat_evalsha"]["usec"]
            print(
                f"\nInspector.stats_each of {len(found):,} queues: {wall:.2f} s, store {(after - before) / 1e6:.2f} s"
            )
            name = "onebeat queue ls --sort latency --limit 20"
            print(f"{name}: {measure({name: [str(SCRIPT), *name.split()[1:]]}, engine.url, 5)[name]}")


if __name__ == "__main__":
    asyncio.run(main())
