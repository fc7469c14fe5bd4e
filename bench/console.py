"""
What an open console costs: with 1,000 queues, with 1,000,000 tasks, and after an hour's worth of polls in ten tabs.

The console is `onebeat web` in a process of its own; what opens it is a plain HTTP client that does what a page does:
ask for itself, and then, by its timer, for its live part with the tag of what it shows. The store's time is that of its
process (INFO cpu), with what it takes at rest taken off. Commands are those
that the store counts, inside scripts, too.
"""

from __future__ import annotations

import asyncio
import gzip
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import redis

from bench import report
from bench.engine import Engine, opened
from onebeat.broker.store import Store
from onebeat.wire.message import TaskMessage, encode

QUEUES = int(os.environ.get("ONEBEAT_CONSOLE_QUEUES", "1000"))
TASKS = int(os.environ.get("ONEBEAT_CONSOLE_TASKS", "1000000"))
TABS, POLLS = 10, 1800
"""An hour of polls, two seconds apart, in ten tabs."""

POLL_S, ROUNDS = 2.0, 15
WATCH_S = float(os.environ.get("ONEBEAT_CONSOLE_SECONDS", "30"))
PAGES = (
    "/",
    "/queue?name=q0",
    "/tasks?q=queue:q0%20state:pending",
    "/tasks?q=error:refused",
    "/errors",
    "/metrics",
    "/servers",
    "/schedules",
    "/redis",
    "/health",
)
STATES = ("pending", "scheduled", "retry", "archived", "completed")


async def fill(store: Store, queues: int, tasks: int) -> None:
    """Write tasks of about 200 bytes, in equal parts into each state of each queue."""
    await store.command("FLUSHALL")
    now = int((await store.command("TIME"))[0])
    await store.commands([("SADD", "asynq:queues", f"q{number}") for number in range(queues)])
    payload = b'{"user_id": 42, "template": "welcome", "text": "' + b"x" * 100 + b'"}'
    for start in range(0, tasks, 2000):
        commands: list[Any] = []
        for number in range(start, min(tasks, start + 2000)):
            queue, state = f"q{number % queues}", STATES[number // queues % 5]
            root, id_ = f"asynq:{{{queue}}}:", f"task-{number:08}"
            failed = state in ("retry", "archived")
            made = TaskMessage(
                type="email:welcome" if number % 3 else "report:build",
                payload=payload,
                id=id_,
                queue=queue,
                retry=25,
                retried=3 if failed else 0,
                error_msg=f"dial tcp 10.0.0.{number % 200}:25: connection refused" if failed else "",
                last_failed_at=now - number % 86_400 if failed else 0,
                timeout=1800,
            )
            fields = ["msg", encode(made), "state", state, "pending_since", now * 1_000_000_000]
            commands.append(("HSET", f"{root}t:{id_}", *fields))
            where = ("LPUSH", root + state, id_) if state == "pending" else ("ZADD", root + state, now + 86_400, id_)
            commands.append(where)
        await store.commands(commands)


@contextmanager
def console(url: str) -> Iterator[tuple[str, int]]:
    """Run `onebeat web`; gives its address and its process id."""
    words = [sys.executable, "-m", "onebeat", "web", "--url", url, "--port", "0"]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as process:
        try:
            said = process.stdout.readline() if process.stdout is not None else ""
            found = re.search(r"http://([\d.]+:\d+)/", said)
            if found is None:
                raise SystemExit(f"the console did not say where it is: {said!r}")
            yield found.group(1), process.pid
        finally:
            process.terminate()


class Tab:
    """An open page: asks, and asks again with the tag of what it shows."""

    def __init__(self, address: str, path: str) -> None:
        self._connection = HTTPConnection(address, timeout=60)
        self._path = path
        self._tag = ""
        self.answers: dict[int, int] = {}
        self.bytes = 0

    def open(self) -> bytes:
        return self._ask({})

    def poll(self) -> None:
        self._ask({"HX-Request": "true", **({"HX-PTag": self._tag} if self._tag else {})})

    def _ask(self, headers: dict[str, str]) -> bytes:
        self._connection.request("GET", self._path, headers={"Accept-Encoding": "gzip", **headers})
        answer = self._connection.getresponse()
        body = answer.read()
        self.bytes += len(body)
        self.answers[answer.status] = self.answers.get(answer.status, 0) + 1
        self._tag = answer.headers.get("HX-PTag", self._tag)
        return gzip.decompress(body) if answer.headers.get("Content-Encoding") == "gzip" else body

    def close(self) -> None:
        self._connection.close()


class Watch:
    """What the store says that it has done."""

    def __init__(self, folder: Path) -> None:
        self._client = redis.Redis(unix_socket_path=f"{folder}/socket")

    def cpu(self) -> float:
        info: Any = self._client.info("cpu")
        return float(info["used_cpu_user"]) + float(info["used_cpu_sys"])

    def commands(self) -> int:
        info: Any = self._client.info("stats")
        return int(info["total_commands_processed"])

    def clients(self) -> int:
        info: Any = self._client.info("clients")
        return int(info["connected_clients"])


def thousand(address: str, watch: Watch) -> None:
    """Open the first page again and again, never so soon that it is shared."""
    times, commands = [], []
    tab = Tab(address, "/")
    tab.open()
    for _ in range(ROUNDS):
        time.sleep(2.1)  # what was read is shared for a second or two
        before, began = watch.commands(), time.perf_counter()
        tab.open()
        times.append((time.perf_counter() - began) * 1000)
        commands.append(watch.commands() - before - 1)
    tab.close()
    print(f"first page of {QUEUES:,} queues: {report.spread(times, 'ms')}; {statistics.median(commands):,.0f} commands")


def million(address: str, watch: Watch, path: str, rest: float) -> None:
    """Keep one page open for half a minute."""
    tab = Tab(address, path)
    tab.open()
    if 200 not in tab.answers:
        print(f"{path:40} {tab.answers}")
        return
    before, began, commands = watch.cpu(), time.perf_counter(), watch.commands()
    ends = began + WATCH_S
    while (now := time.perf_counter()) < ends:
        tab.poll()
        time.sleep(max(0.0, POLL_S - (time.perf_counter() - now)))  # as a page's own timer
    took = time.perf_counter() - began
    share = (watch.cpu() - before) / took - rest
    per_poll = (watch.commands() - commands) / max(1, sum(tab.answers.values()) - 1)
    print(f"{path:40} {share:7.2%} of the store's processor, {per_poll:6.1f} commands a poll, answers {tab.answers}")
    tab.close()


def at_rest(watch: Watch) -> float:
    before, began = watch.cpu(), time.perf_counter()
    time.sleep(10)  # time is what is measured
    return (watch.cpu() - before) / (time.perf_counter() - began)


def hour(address: str, pid: int, watch: Watch) -> None:
    """Poll as often as ten tabs do in an hour, as fast as it goes."""
    tabs = [Tab(address, PAGES[number % len(PAGES)]) for number in range(TABS)]
    for tab in tabs:
        tab.open()
    for _ in range(100):
        for tab in tabs:
            tab.poll()
    before, began = held(pid), time.perf_counter()
    middle = before
    for number in range(POLLS):
        for tab in tabs:
            tab.poll()
        if number == POLLS // 2:
            middle = held(pid)
    after = held(pid)
    took = time.perf_counter() - began
    for tab in tabs:
        tab.close()
    names = ("RSS MB", "open files", "threads")
    told = ", ".join(
        f"{name} {first:.1f} -> {half:.1f} -> {last:.1f}"
        for name, first, half, last in zip(names, before, middle, after, strict=True)
    )
    print(f"{TABS} tabs, {TABS * POLLS:,} polls in {took:.0f} s: {told}; {watch.clients()} connections to the store")


def held(pid: int) -> tuple[float, float, float]:
    """Return what a process holds: memory in MB, open files, threads."""
    status = Path(f"/proc/{pid}/status").read_text()
    numbers = dict(re.findall(r"^(VmRSS|Threads):\s+(\d+)", status, re.MULTILINE))
    return int(numbers["VmRSS"]) / 1024, len(list(Path(f"/proc/{pid}/fd").iterdir())), int(numbers["Threads"])


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        engine = Engine(Path(folder), fsync="no")
        watch = Watch(Path(folder))

        async def prepare(queues: int, tasks: int, *, heading: bool) -> None:
            store = await opened(engine.url)
            if heading:
                await report.head(store, "Console: what an open page costs the store and its own process")
            await fill(store, queues, tasks)
            await store.aclose()

        try:
            asyncio.run(prepare(QUEUES, QUEUES * 10, heading=True))
            with console(engine.url) as (address, _pid):
                thousand(address, watch)
            asyncio.run(prepare(10, TASKS, heading=False))
            rest = at_rest(watch)
            print(
                f"\n{TASKS:,} tasks in 10 queues, one page open, polled every {POLL_S:.0f} s for {WATCH_S:.0f} s; "
                f"at rest {rest:.2%}:"
            )
            with console(engine.url) as (address, pid):
                for path in PAGES:
                    million(address, watch, path, rest)
                print()
                hour(address, pid, watch)
        finally:
            engine.stop()


if __name__ == "__main__":
    main()
