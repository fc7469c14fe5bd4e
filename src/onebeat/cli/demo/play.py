"""
Plays the demo: starts the servers, enqueues the scenario, kills one server half way, and counts.

Everything is real: processes, signals, an embedded Valkey in a folder of its own. The store and the ledger
are thrown away at the end unless `--ledger` names a place.
"""

from __future__ import annotations

import asyncio
import signal
import sys
import tempfile
from collections import Counter
from contextlib import AsyncExitStack, suppress
from pathlib import Path
from typing import Any

import click

from onebeat.app.app import Onebeat
from onebeat.broker import registry
from onebeat.broker.store import Store
from onebeat.cli import output
from onebeat.cli.demo import ledger as books
from onebeat.cli.demo.ledger import Ledger
from onebeat.cli.demo.shop import BEAT_S, QUEUES, shop
from onebeat.cli.demo.view import View
from onebeat.cli.demo.worker import LEASE_S, StoreClock
from onebeat.client import Client
from onebeat.errors import DuplicateTask, OnebeatError, TaskIdConflict
from onebeat.inspector.inspector import Inspector
from onebeat.task import Task
from onebeat.upkeep.service import cancelled

IMAGES = 120
VIDEOS = 4
"""They take two seconds, so that a server can be killed over them."""

START_S = 30.0
"""How long servers are given to begin: on a busy machine one would be killed that had not."""

SETTLE_S = 10.0
"""How long after the last tick the remaining tasks are given to end."""


async def play(*, seconds: int, servers: int, as_json: bool, ledger: Path | None) -> int:
    """Play for so many seconds; returns the exit status: 0 if every count is right."""
    with tempfile.TemporaryDirectory(prefix="onebeat-demo-") as temporary:
        folder = ledger if ledger is not None else Path(temporary) / "ledger"
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            output.fail(f"ledger {folder} cannot be made: {error}; name a folder that is yours")
        if any(folder.glob("*.jsonl")):
            output.fail(f"ledger {folder} holds the rows of an earlier demo: name an empty folder")
        summary = await _Play(Path(temporary) / "store", folder, seconds, servers, quiet=as_json).run()
    if as_json:
        output.show_json(summary)
    else:
        _tell(summary, ledger)
    return 0 if summary["ok"] else 1


class _Play:
    def __init__(self, store: Path, folder: Path, seconds: int, servers: int, *, quiet: bool) -> None:
        self._url = f"embedded://{store}"
        self._folder = folder
        self._seconds = seconds
        self._servers = servers
        self._view = View(folder, QUEUES, seconds=seconds, quiet=quiet)
        self._processes: list[asyncio.subprocess.Process] = []

    async def run(self) -> dict[str, Any]:
        async with AsyncExitStack() as stack:
            store = await stack.enter_async_context(await Store.open(self._url))
            self._clock = await StoreClock.read(store)
            self._ledger = Ledger(self._folder, "player")
            stack.callback(self._ledger.close)
            stack.push_async_callback(self._stop_servers)
            inspector = await stack.enter_async_context(Inspector(store))
            client = await stack.enter_async_context(Client(store))
            for queue in QUEUES:  # the view shows them before anything is enqueued
                await registry.publish_queue(store, queue)
            await self._start_servers()
            watching = asyncio.create_task(self._view.watch(inspector))
            stack.push_async_callback(cancelled, watching)
            await self._all_serve()
            await self._scenario(client)
            await self._settle(inspector)
        return books.summarise(books.read(self._folder), interval_ms=round(BEAT_S * 1000))

    async def _start_servers(self) -> None:
        for number in range(1, self._servers + 1):
            self._processes.append(
                await asyncio.create_subprocess_exec(
                    sys.executable, "-m", "onebeat.cli.demo.worker", self._url, str(self._folder), f"server-{number}",
                    stdout=asyncio.subprocess.DEVNULL,
                    stderr=(self._folder / f"server-{number}.log").open("wb"),
                    start_new_session=True,
                )
            )  # fmt: skip

    async def _all_serve(self) -> None:
        """Wait until every server serves, at most so long; how many did then shows in the counts."""
        with suppress(TimeoutError):
            async with asyncio.timeout(START_S):
                while self._serving() < len(self._processes):  # noqa: ASYNC110 - rows in files are how they tell
                    await asyncio.sleep(0.05)

    def _serving(self) -> int:
        return sum(row["row"] == "serving" for row in books.read(self._folder))

    async def _scenario(self, client: Client) -> None:
        """Enqueue everything, kill a server half way, and stop counting ticks when time is up."""
        loop = asyncio.get_running_loop()
        began = loop.time()
        app = shop(lambda _ctx: None, self._url)
        await self._first_half(app, client)
        await asyncio.sleep(max(0.0, began + self._seconds / 2 - 1 - loop.time()))
        await self._enqueue_many(
            client, [Task("video:encode", {"video": n}, task_id=f"video-{n}") for n in range(VIDEOS)]
        )
        await asyncio.sleep(max(0.0, began + self._seconds / 2 - loop.time()))
        self._kill_one()
        await self._enqueue_many(client, self._images("second"))
        await asyncio.sleep(max(0.0, began + self._seconds - loop.time()))
        self._ledger.write("end", at=self._clock.ms())

    async def _first_half(self, app: Onebeat[None], client: Client) -> None:
        bind = {name: task.bind for name, task in app.tasks.items()}
        await self._enqueue(client, bind["email:welcome"](user_id=42))
        await self._enqueue(client, bind["email:reminder"](user_id=42), process_in=2)
        await self._enqueue(client, bind["report:build"](month="2024-06"), task_id="report-2024-06")
        await self._enqueue(client, bind["report:build"](month="2024-06"), task_id="report-2024-06")
        await self._enqueue(client, bind["stock:sync"](warehouse="Lviv"), unique=60)
        await self._enqueue(client, bind["stock:sync"](warehouse="Lviv"), unique=60)
        await self._enqueue(client, bind["payment:charge"](order=7))
        await self._enqueue(client, Task("email:welcome", {"user_id": "forty-two"}, queue="critical"))
        await self._enqueue_many(client, self._images("first"))

    def _images(self, half: str) -> list[Task[Any]]:
        names = list(QUEUES)
        return [
            Task(
                "image:resize",
                {"image": number},
                queue=names[number % len(names)],
                task_id=f"{half}-{number}",
            )
            for number in range(IMAGES)
        ]

    async def _enqueue(self, client: Client, task: Task[Any], **options: Any) -> None:
        try:
            enqueued = await client.enqueue(task, **options)
        except DuplicateTask as error:
            self._ledger.write("refused", why="duplicate", type=task.type, text=str(error), at=self._clock.ms())
        except TaskIdConflict as error:
            self._ledger.write("refused", why="conflict", type=task.type, text=str(error), at=self._clock.ms())
        else:
            self._write_enqueued(enqueued.id, enqueued.queue, task.type, enqueued.due_ms)

    async def _enqueue_many(self, client: Client, tasks: list[Task[Any]]) -> None:
        result = await client.enqueue_many(tasks)
        if result.failures:
            raise OnebeatError(f"{len(result.failures)} tasks were not accepted: {result.failures[0].error}")
        for task in tasks:
            self._write_enqueued(task.options["task_id"], task.options.get("queue", "default"), task.type, None)

    def _write_enqueued(self, task_id: str, queue: str, task_type: str, due_ms: int | None) -> None:
        self._ledger.write("enqueued", id=task_id, queue=queue, type=task_type, due=due_ms, at=self._clock.ms())

    def _kill_one(self) -> None:
        """Kill the server that has most in its hands."""
        videos = Counter(row["pid"] for row in books.read(self._folder) if row.get("type") == "video:encode")
        victim = max(self._processes, key=lambda process: videos[process.pid])
        victim.kill()
        self._ledger.write("killed", killed=victim.pid, at=self._clock.ms())

    async def _settle(self, inspector: Inspector) -> None:
        """Wait until nothing waits or runs any more, at most so long; what is left then shows in the counts."""
        with suppress(TimeoutError):
            async with asyncio.timeout(SETTLE_S):
                while await self._unfinished(inspector):  # noqa: ASYNC110 - no event says "all queues are empty"
                    await asyncio.sleep(0.1)

    async def _unfinished(self, inspector: Inspector) -> int:
        found = [await inspector.stats(queue) for queue in QUEUES]
        return sum(item.pending + item.active + item.scheduled + item.retry for item in found)

    async def _stop_servers(self) -> None:
        for process in self._processes:
            if process.returncode is None:
                process.send_signal(signal.SIGTERM)
        for process in self._processes:
            await process.wait()


def _tell(summary: dict[str, Any], ledger: Path | None) -> None:
    tasks, beat = summary["tasks"], summary["beat"]
    late = beat["deviation_ms"]
    click.echo()
    click.secho("Every count is right." if summary["ok"] else "Something is not as it should be.", bold=True)
    click.echo(
        f"  tasks   {tasks['enqueued']} enqueued: {tasks['completed']} completed, {tasks['archived']} archived; "
        f"{tasks['retried']} retries; refused: {tasks['refused_duplicate']} duplicate, {tasks['refused_conflict']} id\n"
        f"  beat    {beat['expected']} ticks of {beat['interval_ms']} ms on {beat['schedulers']} servers, "
        f"{beat['killed']} of them killed: {beat['fired']} fired, {beat['duplicates']} twice, {beat['missed']} missed\n"
        f"  late    p50 {late['p50']} ms, p99 {late['p99']} ms, longest {late['max']} ms from tick to handler\n"
        f"  lease   {LEASE_S:g} s here, so that the killed server's tasks run again while you watch (30 s by default)"
    )
    if ledger is not None:
        click.echo(f"  ledger  {ledger}")
