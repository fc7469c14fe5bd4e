"""
Onebeat and asynq v0.26 (Go) do the same work, alternating on one embedded store: three rounds, medians.

20,000 no-op tasks of 100 bytes: enqueued one by one by 64 callers, drained by one server process. asynq runs
with its defaults (10 slots, one poll a second) and at its best (64 slots, a poll every 10 ms).
"""

from __future__ import annotations

import asyncio
import subprocess
import tempfile
from pathlib import Path

from bench import report, throughput
from onebeat.broker.store import Store


def build(folder: Path) -> Path:
    program = folder / "drain"
    subprocess.run(["go", "build", "-o", str(program), "."], cwd=Path(__file__).parent / "go", check=True)
    return program


def run_go(program: Path, socket: str, concurrency: int, pace: str) -> tuple[float, float]:
    """Return asynq's tasks a second, enqueued and drained."""
    words = [str(program), socket, str(concurrency), str(throughput.TASKS), pace]
    enqueued, drained = subprocess.run(words, capture_output=True, text=True, check=True).stdout.split()
    return float(enqueued), float(drained)


async def main() -> None:
    with tempfile.TemporaryDirectory(prefix="onebeat-bench-") as folder:
        program = build(Path(folder))
        async with await Store.open(f"embedded://{folder}/store") as store:
            await report.head(store, "Onebeat and asynq v0.26 (Go), alternating on one store")
            socket = str(store.endpoint.settings["path"])
            rows: dict[str, list[float]] = {}
            for _ in range(throughput.RUNS):
                for name, concurrency, pace in (("asynq, default", 10, "stock"), ("asynq, at its best", 64, "fast")):
                    enqueued, drained = await asyncio.to_thread(run_go, program, socket, concurrency, pace)
                    rows.setdefault(f"enqueue  {name}", []).append(enqueued)
                    rows.setdefault(f"drain    {name}", []).append(drained)
                await throughput.enqueue(store)
                rows.setdefault("drain    onebeat", []).append((await throughput.drain(store))[0])
                rows.setdefault("enqueue  onebeat", []).append((await throughput.enqueue_concurrently(store, 64))[0])
                await store.command("DEL", "asynq:{other}:pending")
            for name in sorted(rows):
                print(f"{name:30} {report.spread(rows[name], 'tasks/s', 0)}")


if __name__ == "__main__":
    asyncio.run(main())
