"""The stream of events in the store, and `onebeat events`."""

from __future__ import annotations

import asyncio
import json
import re
import subprocess
import sys
import textwrap
from typing import Any

import pytest
from click.testing import CliRunner

from onebeat.app.app import Onebeat
from onebeat.broker.store import Store
from onebeat.cli.commands import cli
from onebeat.client import Client
from onebeat.errors import ConfigurationError
from onebeat.observe.stream import KEY, EventStream, last_events, next_events
from onebeat.server.context import Context
from onebeat.server.server import Server
from onebeat.states import TaskState
from onebeat.sync import SyncClient
from onebeat.task import Task
from tests.anywhere import everywhere
from tests.server.conftest import Bench, until

Ctx = Context[Any]


async def written(store: Store, number: int) -> None:
    """Wait until the stream has so many entries."""

    async def has() -> bool:
        return int(await store.command("XLEN", KEY)) >= number

    await until(has)


async def served(url: str, stream: EventStream) -> list[str]:
    """Serve a task that works and one that fails for good, until all is in the stream; returns their ids."""
    app = Onebeat(url=url)
    app.observe(stream)

    @app.task("works")
    async def works() -> None: ...

    @app.task("fails", max_retry=0)
    async def fails() -> None:
        raise ValueError("a line\nand another")

    async with app, app.serving():
        ids = [(await works.enqueue()).id, (await fails.enqueue()).id]
        await written((await app.connection())[0], 6)
    return ids


async def test_events_go_to_the_stream(url: str) -> None:
    """By their names and fields, with the process that tells them."""
    works, fails = await served(url, EventStream())
    async with await Store.open(url) as store:
        found, newest = await last_events(store, 100)
        words = list((await store.command("XRANGE", KEY, "-", "+"))[0][1])
    assert {"enqueued", "started", "completed"} == {told.name for told in found if told.task_id == works}
    assert newest == found[-1].id
    archived = next(told for told in found if told.name == "archived")
    assert (fails, "fails", "ValueError", 0) == (archived.task_id, archived.type, archived.error_type, archived.retried)
    assert archived.pid > 0
    assert archived.host
    enqueued = next(told for told in found if told.name == "enqueued")
    assert (TaskState.PENDING, None) == (enqueued.state, enqueued.process_at)
    assert [b"name", b"queue", b"at"] == words[:3]


async def test_a_process_without_a_server_writes_too(url: str) -> None:
    """From a thread of its own."""
    stream = EventStream()

    def enqueue() -> list[str]:
        with SyncClient(url, observers=[stream]) as client:
            return [client.enqueue(Task("t")).id for _ in range(3)]

    ids = await asyncio.to_thread(enqueue)
    await asyncio.to_thread(stream._stop_thread)
    async with await Store.open(url) as store:
        assert ids == [told.task_id for told in (await last_events(store, 100))[0]]


@pytest.mark.slow
def test_a_forked_process_writes_by_connections_of_its_own(url: str) -> None:
    """Parent and child write all of theirs: neither reads an answer that was the other's."""
    script = textwrap.dedent("""
        import os, sys
        from onebeat import SyncClient, Task
        from onebeat.observe.stream import EventStream

        stream = EventStream()
        client = SyncClient(sys.argv[1], observers=[stream])

        def wait(number):
            while client.store.commands([("XLEN", "onebeat:events")]) < [number]:
                pass

        client.enqueue(Task("parent"))
        wait(1)
        if (child := os.fork()) == 0:
            for number in (2, 3, 4):
                client.enqueue(Task("child"))
                wait(number)
            os._exit(stream.dropped)
        assert 0 == os.waitpid(child, 0)[1]
        for number in (5, 6, 7):
            client.enqueue(Task("parent"))
            wait(number)
        assert 0 == stream.dropped
    """)
    ended = subprocess.run([sys.executable, "-c", script, url], capture_output=True, text=True, timeout=60, check=False)
    assert (0, "") == (ended.returncode, ended.stderr)


async def test_the_stream_is_capped(url: str) -> None:
    """About there: Redis drops whole nodes of a hundred entries."""
    stream = EventStream(maxlen=100)
    async with await Store.open(url) as store, Client(store, observers=[stream]) as client:
        async with stream.serving(20.0):
            await client.enqueue_many([Task("t")] * 1000)
        assert 100 <= await store.command("XLEN", KEY) < 300


async def test_a_store_that_refuses_the_stream_harms_nothing(url: str, caplog: pytest.LogCaptureFixture) -> None:
    """Tasks run; what was dropped is counted, said in the log, and in the stream once that works again."""
    stream = EventStream()
    async with await Store.open(url) as store, Client(store) as client:
        bench = Bench(store, client)

        @bench.mux.handle("t")
        async def t(ctx: Ctx, task: Task[Any]) -> None: ...

        async with Server(store, observers=[stream]).serving(bench.mux), bench.knife() as knife:
            await everywhere(knife, "ACL", "SETUSER", "default", "-xadd")
            try:
                await bench.enqueue("t")
                await bench.reaches(processed=1)

                async def are_dropped() -> bool:
                    return stream.dropped >= 2

                await until(are_dropped)
            finally:
                await everywhere(knife, "ACL", "SETUSER", "default", "+@all")
            await bench.enqueue("t")
            await written(store, 3)
        found, _ = await last_events(store, 10)
    assert ("dropped", 2) == (found[0].name, found[0].count)
    assert ["started", "completed"] == [told.name for told in found[1:]]
    assert 1 == caplog.text.count("event stream: events are dropped")


async def test_what_comes_is_read_as_it_comes(url: str) -> None:
    """From an entry on, by kind and queue."""
    stream = EventStream()
    async with await Store.open(url) as store, Client(store, observers=[stream]) as client:
        async with stream.serving(5.0):
            await client.enqueue(Task("first"))
        _, newest = await last_events(store, 1)
        coming = next_events(store, newest, names=["enqueued"], queue="low")
        waiting = asyncio.ensure_future(anext(coming))
        async with stream.serving(5.0):
            await client.enqueue(Task("other"))
            await client.enqueue(Task("second"), queue="low")
        assert "second" == (await asyncio.wait_for(waiting, 60)).type
        await coming.aclose()  # type: ignore[attr-defined] # a generator has it


async def test_the_command_shows_lines_and_documents(url: str) -> None:
    """Of the kinds and the queue that are asked for, the oldest first."""
    _, fails = await served(url, EventStream())

    def shown(*words: str) -> Any:
        return CliRunner().invoke(cli, ["events", "--url", url, *words])

    lines = (await asyncio.to_thread(shown)).output.splitlines()
    assert 6 == len(lines)
    [line] = (await asyncio.to_thread(shown, "--name", "archived")).output.splitlines()
    assert re.search(rf"archived   default      fails {fails} \(took [\d.]+", line), line
    assert line.endswith("ValueError: a line\\nand another")
    [document] = json.loads((await asyncio.to_thread(shown, "--json", "--name", "archived")).output)
    [text] = (await asyncio.to_thread(shown, "--ndjson", "--name", "archived")).output.splitlines()
    assert document == json.loads(text)
    assert [] == json.loads((await asyncio.to_thread(shown, "--json", "-q", "nowhere")).output)
    assert ("archived", fails, "default", 0) == tuple(document[key] for key in ("name", "task_id", "queue", "retried"))
    assert document["at"].endswith("Z")
    assert 2 == len((await asyncio.to_thread(shown, "-n", "2")).output.splitlines())
    assert "No such events in" in (await asyncio.to_thread(shown, "-q", "nowhere")).output
    wrong = await asyncio.to_thread(shown, "--name", "failed")
    assert 2 == wrong.exit_code
    assert "choose from enqueued, started" in wrong.output


async def test_a_terminal_obeys_no_name_in_an_event(url: str) -> None:
    """Whatever a client called its queue, its type or its task."""
    stream = EventStream()
    async with Client(url, observers=[stream]) as client, stream.serving(5.0):
        await client.enqueue(Task("t\x1b[31m"), queue="q\n", task_id="i\u202e")
    shown = await asyncio.to_thread(lambda: CliRunner().invoke(cli, ["events", "--url", url]))
    assert shown.output.rstrip("\n").endswith(r"q\n           t\x1b[31m i\u202e (pending)")


async def test_without_a_stream_the_command_says_how_to_get_one(url: str) -> None:
    """And that is no error."""
    shown = await asyncio.to_thread(lambda: CliRunner().invoke(cli, ["events", "--url", url]))
    assert 0 == shown.exit_code
    assert "onebeat run --events" in shown.output


def test_what_is_no_stream_is_refused() -> None:
    """Where it is made."""
    with pytest.raises(ConfigurationError, match="maxlen is 0"):
        EventStream(0)
    with pytest.raises(ConfigurationError, match="nonsense"):
        EventStream(url="nonsense://x")
