"""
Random SIGKILL, SIGSTOP and cut connections over several servers: nothing is lost, and every double run has a reason.

`python -m bench.chaos [SEED]` is the long form: ten minutes, three servers, one producer, 50,000 tasks. The
ledgers are files outside the store. A task may run twice, for that is what at least once means; but only
because its server was killed before its outcome was written, or stood still for longer than its lease.
"""

from __future__ import annotations

import asyncio
import contextlib
import random
import signal
import sys
import tempfile
import time
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from bench import report, worker
from bench.engine import Engine, opened, settled
from onebeat.broker.store import Store
from onebeat.client import Client
from onebeat.errors import BrokerUnavailable
from onebeat.task import Task

SLACK_S = 3.0
"""How long an outcome may be on its way while connections are cut."""


@dataclass(frozen=True)
class Plan:
    """What is played."""

    seconds: float = 600.0
    tasks: int = 50_000
    servers: int = 3
    lease: float = 15.0
    seed: int = 1
    pause: tuple[float, float] = (2.0, 8.0)
    """Seconds between two faults of one server, at least and at most."""


@dataclass
class Life:
    """One process of a server, from its start to its end, and when it stood still, by us or with its machine."""

    name: str
    ledger: Path
    killed: float | None = None
    stood: list[tuple[float, float]] = field(default_factory=list)


@dataclass(frozen=True)
class Run:
    """A handler's run: by whom, from when to when, and how it ended, if it did."""

    life: Life
    start: float
    end: float | None
    how: str


@dataclass
class Verdict:
    """What the ledgers say."""

    accepted: int
    lost: list[str]
    doubles: list[tuple[str, str]]
    faults: Counter[str]

    @property
    def unexplained(self) -> list[str]:
        return [task_id for task_id, reason in self.doubles if reason == UNEXPLAINED]


UNEXPLAINED = "UNEXPLAINED"


class Play:
    """Servers, their faults, and a producer."""

    def __init__(self, plan: Plan, folder: Path, url: str, store: Store) -> None:
        self._plan = plan
        self._folder = folder
        self._url = url
        self._store = store
        self._dice = random.Random(plan.seed)
        self._until = time.monotonic() + plan.seconds
        self._lives: list[Life] = []
        self._faults: Counter[str] = Counter()
        self._accepted: list[str] = []

    async def run(self) -> Verdict:
        await asyncio.gather(*(self._server(number) for number in range(self._plan.servers)), self._produce())
        left = {key.decode().rpartition(":")[2] for key in await self._store.command("KEYS", "asynq:{default}:t:*")}
        runs = self._runs()
        done = {task_id for task_id, of_task in runs.items() if any(run.how == "ok" for run in of_task)}
        lost = [task_id for task_id in self._accepted if task_id not in done or task_id in left]
        return Verdict(len(self._accepted), lost, list(self._doubles(runs)), self._faults)

    async def _produce(self) -> None:
        batch = 20
        pause = self._plan.seconds / (self._plan.tasks / batch)
        async with await opened(self._url) as store, Client(store, give_up_after=60) as client:
            began = time.monotonic()
            for number in range(self._plan.tasks // batch):
                tasks = [Task[Any]("work", {"do": "ok", "ms": self._length()}) for _ in range(batch)]
                done = await asyncio.gather(*(client.enqueue(task, max_retry=5) for task in tasks))
                self._accepted += [one.id for one in done]
                await asyncio.sleep(max(0.0, began + (number + 1) * pause - time.monotonic()))

    def _length(self) -> int:
        """Most tasks are short, some are not."""
        return self._dice.randrange(self._dice.choices([20, 500, 3000], [90, 9, 1])[0])

    async def _server(self, number: int) -> None:
        """Let a server live through its faults, then until all is done."""
        dice = random.Random(f"{self._plan.seed} {number}")
        process, life = await self._born(number)
        while time.monotonic() < self._until:
            await asyncio.sleep(dice.uniform(*self._plan.pause))
            fault = dice.choices(["kill", "stop", "cut"], [4, 3, 3])[0]
            self._faults[fault] += 1
            if fault == "kill":
                process.kill()
                life.killed = time.monotonic()
                await process.wait()
                await asyncio.sleep(dice.uniform(0, self._plan.pause[0]))
                process, life = await self._born(number)
            elif fault == "stop":
                await self._stop(process, life, dice)
            else:
                await self._cut(dice)
        await self._all_done()
        process.terminate()
        await process.wait()

    async def _born(self, number: int) -> tuple[asyncio.subprocess.Process, Life]:
        name = f"server {number} life {sum(life.name.startswith(f'server {number} ') for life in self._lives)}"
        life = Life(name, self._folder / name.replace(" ", "-"))
        self._lives.append(life)
        return await worker.start(self._url, "default", self._plan.lease, life.ledger), life

    async def _stop(self, process: asyncio.subprocess.Process, life: Life, dice: random.Random) -> None:
        """Let it stand still: shortly, or up to three leases."""
        length = dice.choice([dice.uniform(0.1, 2.0), dice.uniform(1.0, 3.0) * self._plan.lease])
        began = time.monotonic()
        process.send_signal(signal.SIGSTOP)
        await asyncio.sleep(length)
        process.send_signal(signal.SIGCONT)
        life.stood.append((began, time.monotonic()))

    async def _cut(self, dice: random.Random) -> None:
        """Cut connections: all of one kind, or a few."""
        with contextlib.suppress(BrokerUnavailable):  # our own may be among them
            if dice.random() < 0.5:
                await self._store.command("CLIENT", "KILL", "TYPE", dice.choice(["normal", "pubsub"]))
            else:
                shown = (await self._store.command("CLIENT", "LIST")).decode().splitlines()
                for line in dice.sample(shown, min(5, len(shown))):
                    await self._store.command("CLIENT", "KILL", "ID", line.split()[0].removeprefix("id="))

    async def _all_done(self) -> None:
        while len(self._accepted) < self._plan.tasks // 20 * 20:
            await asyncio.sleep(0.1)  # the producer counts; a measurement may look
        await settled(self._store)

    def _runs(self) -> dict[str, list[Run]]:
        runs: defaultdict[str, list[Run]] = defaultdict(list)
        for life in self._lives:
            begun: dict[str, float] = {}
            life.stood += worker.stood(life.ledger)
            for row in worker.rows(life.ledger):
                if row.what == "start":
                    begun[row.id] = row.at
                else:
                    runs[row.id].append(Run(life, begun.pop(row.id), row.at, row.how))
            for task_id, at in begun.items():
                runs[task_id].append(Run(life, at, None, ""))
        return runs

    def _doubles(self, runs: dict[str, list[Run]]) -> Any:
        for task_id, of_task in runs.items():
            for run in sorted(of_task, key=lambda run: run.start)[:-1]:
                yield task_id, self._why_again(run)

    def _why_again(self, run: Run) -> str:
        """Say why the outcome of a run did not count, so that its task ran again."""
        life, end = run.life, run.end if run.end is not None else float("inf")
        for began, ended in life.stood:
            if ended - began > 0.6 * self._plan.lease and run.start < ended and end > began - SLACK_S:
                return "its server stood still for longer than the lease"
        if life.killed is not None and run.end is None:
            return "its server was killed while it ran"
        if life.killed is not None and life.killed - end < SLACK_S:
            return "its server was killed before the outcome was written"
        return UNEXPLAINED


async def play(plan: Plan, folder: Path) -> Verdict:
    """Play a plan on a store of its own."""
    engine = Engine(folder, fsync="everysec")
    try:
        async with await opened(engine.url) as store:
            return await Play(plan, folder, engine.url, store).run()
    finally:
        engine.kill()


async def main() -> int:
    plan = Plan(seed=int(sys.argv[1]) if len(sys.argv) > 1 else 1)
    with tempfile.TemporaryDirectory(prefix="onebeat-bench-") as folder:
        engine = Engine(Path(folder), fsync="no")
        async with await opened(engine.url) as store:
            await report.head(
                store, f"Chaos: {plan.seconds:g} s, {plan.servers} servers, lease {plan.lease:g} s, seed {plan.seed}"
            )
        engine.kill()
        verdict = await play(plan, Path(folder))
    print(f"faults    {', '.join(f'{name} {number}' for name, number in verdict.faults.most_common())}")
    print(f"accepted  {verdict.accepted:,}")
    print(f"lost      {len(verdict.lost)} {verdict.lost[:5] or ''}")
    print(f"ran again {len(verdict.doubles)}")
    for reason, number in Counter(reason for _, reason in verdict.doubles).most_common():
        print(f"  {number:>6}  {reason}")
    listed = Path(f"build/chaos-{plan.seed}.txt")
    listed.parent.mkdir(exist_ok=True)
    listed.write_text("".join(f"{task_id}  {reason}\n" for task_id, reason in verdict.doubles))
    print(f"  each of them is in {listed}")
    return 1 if verdict.lost or verdict.unexplained else 0


if __name__ == "__main__":
    sys.exit(asyncio.run(main()))
