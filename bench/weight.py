"""
What Onebeat weighs beside other Python task queues: the time of an import, and the memory of a worker at rest.

An import is a new Python that runs the usual first line; rounds alternate between the packages. "modules" is what
`-X importtime` counts for all modules after the interpreter's own. Memory is summed over the worker's whole tree of
processes some seconds after it is ready: RSS counts shared pages once per process, PSS shares them out, USS is what
would be freed.
"""

from __future__ import annotations

import asyncio
import os
import selectors
import signal
import socket
import statistics
import subprocess
import tempfile
import time
from collections import defaultdict
from pathlib import Path

from bench import report
from bench.engine import Engine, opened
from bench.peers import PEERS, Peer

IMPORTS = 15
ROUNDS = 3
SETTLE_S = 5.0
START_S = 60.0


ENVIRONMENT = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
"""As users have it: what is imported is compiled once."""


def import_wall_ms(python: str, line: str) -> float:
    """Time a new Python that runs a line."""
    began = time.perf_counter()
    subprocess.run([python, "-c", line], check=True, env=ENVIRONMENT)
    return (time.perf_counter() - began) * 1000


def import_modules(python: str, line: str) -> tuple[float, int]:
    """Return the milliseconds that Python counts for the modules of a line, and how many they are."""
    words = [python, "-X", "importtime", "-c", line]
    done = subprocess.run(words, check=True, capture_output=True, text=True, env=ENVIRONMENT)
    rows = [row.removeprefix("import time:").split("|") for row in done.stderr.splitlines() if "|" in row]
    after = next(number for number, row in enumerate(rows) if row[2].strip() == "site") + 1
    return sum(int(row[0]) for row in rows[after:]) / 1000, len(rows) - after


def imports() -> None:
    walls: dict[str, list[float]] = defaultdict(list)
    modules: dict[str, list[float]] = defaultdict(list)
    counts = {}
    lines = [("python", PEERS[0].python, "pass"), ("onebeat*", PEERS[0].python, "import onebeat")]
    lines += [(peer.name, peer.python, peer.usual) for peer in PEERS]
    for number in range(IMPORTS + 1):
        for name, python, line in lines:
            wall = import_wall_ms(python, line)
            counted, counts[name] = import_modules(python, line)
            if number:  # the first round warms the disk's cache
                walls[name].append(wall)
                modules[name].append(counted)
    print(f"Import, medians of {IMPORTS}:")
    print(f"{'':<10} {'wall':>7}  {'modules':>9}  {'how many':>8}")
    for name, _, line in lines:
        wall, counted = statistics.median(walls[name]), statistics.median(modules[name])
        print(f"{name:<10} {wall:>4.0f} ms  {counted:>6.0f} ms  {counts[name]:>8}  {line}")


def tree(pid: int) -> list[int]:
    """Return a process and all that descend from it."""
    children: dict[int, list[int]] = defaultdict(list)
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            parent = int((folder / "stat").read_text().rpartition(")")[2].split()[1])
        except (FileNotFoundError, ProcessLookupError):
            continue  # it has just ended
        children[parent].append(int(folder.name))
    found = [pid]
    for one in found:
        found += children[one]
    return found


def memory_mb(pid: int) -> tuple[float, float, float, int]:
    """Return RSS, PSS and USS of a tree of processes, and how many they are."""
    rss = pss = uss = 0
    pids = tree(pid)
    for one in pids:
        sizes = {
            words[0].rstrip(":"): int(words[1])
            for words in map(str.split, Path(f"/proc/{one}/smaps_rollup").read_text().splitlines())
            if len(words) == 3
        }
        rss += sizes["Rss"]
        pss += sizes["Pss"]
        uss += sizes["Private_Clean"] + sizes["Private_Dirty"]
    return rss / 1024, pss / 1024, uss / 1024, len(pids)


def at_rest(peer: Peer, command: str) -> tuple[float, float, float, int]:
    """Start a worker, wait until it is ready and at rest, and weigh it."""
    program, *words = command.split()
    bin_folder = Path(peer.python).parent
    environment = {**ENVIRONMENT, "PYTHONUNBUFFERED": "1", "PATH": f"{bin_folder}:{ENVIRONMENT['PATH']}"}
    worker = subprocess.Popen(
        [str(bin_folder / program), *words], cwd=peer.folder, env=environment, start_new_session=True,
        stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
    )  # fmt: skip
    try:
        _wait_for(worker, peer.ready)
        time.sleep(SETTLE_S)  # what is measured is rest, which no event announces
        return memory_mb(worker.pid)
    finally:
        os.killpg(worker.pid, signal.SIGTERM)
        try:
            worker.wait(15)
        except subprocess.TimeoutExpired:
            os.killpg(worker.pid, signal.SIGKILL)
            worker.wait()


def _wait_for(worker: subprocess.Popen[bytes], words: str) -> None:
    assert worker.stdout is not None  # noqa: S101 - it is a pipe
    said, until = b"", time.monotonic() + START_S
    with selectors.DefaultSelector() as selector:
        selector.register(worker.stdout, selectors.EVENT_READ)
        while words.encode() not in said:
            if not selector.select(max(0.0, until - time.monotonic())):
                raise SystemExit(f"a worker was not ready within {START_S:g} s; it said:\n{said.decode()}")
            data = os.read(worker.stdout.fileno(), 65_536)
            if not data:
                raise SystemExit(f"a worker ended; it said:\n{said.decode()}")
            said += data


def memory() -> None:
    found: dict[tuple[str, str], list[tuple[float, float, float, int]]] = defaultdict(list)
    for _ in range(ROUNDS):
        for peer in PEERS:
            for setting, command in peer.workers.items():
                found[peer.name, setting].append(at_rest(peer, command))
    print(f"\nA worker at rest with one task, MB, medians of {ROUNDS}:")
    print(f"{'':<10} {'RSS':>6} {'PSS':>6} {'USS':>6}  processes")
    for (name, setting), rounds in found.items():
        rss, pss, uss = (statistics.median(row[column] for row in rounds) for column in range(3))
        print(f"{name:<10} {rss:>6.1f} {pss:>6.1f} {uss:>6.1f}  {rounds[-1][3]:>9}  {setting}")


def main() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    with tempfile.TemporaryDirectory(prefix="onebeat-bench-") as folder:
        engine = Engine(Path(folder), fsync="no", port=port)
        try:
            asyncio.run(_head(engine.url))
            for peer in PEERS:
                peer.prepare(engine.url)
                print(f"  {peer.name}: {peer.versions()}")
            print()
            imports()
            memory()
        finally:
            engine.kill()


async def _head(url: str) -> None:
    async with await opened(url) as store:
        await report.head(store, "Weight: imports and workers at rest, beside other Python task queues")


if __name__ == "__main__":
    main()
