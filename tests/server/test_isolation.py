"""Handlers in processes of their own (mechanism-rules 15; api rule 12)."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest

from onebeat import Cancellation, ConfigurationError, Inspector, Onebeat, TaskFailed
from onebeat.app.serving import Serving
from onebeat.server.isolation.cells import Cells, _how
from onebeat.server.isolation.frames import Job
from tests.client.test_client import Minute
from tests.server import isolated
from tests.server.conftest import Bench, until

pytestmark = pytest.mark.slow

app = isolated.app


class Room:
    """The application at work, and what its processes noted."""

    def __init__(self, bench: Bench, notes: Path) -> None:
        self.bench = bench
        self.notes = notes

    @asynccontextmanager
    async def serving(self, **settings: Any) -> AsyncIterator[Serving]:
        settings = {"concurrency": 2, "shutdown_timeout": 1.0, **settings}
        async with Serving(app, settings) as serving:  # type: ignore[arg-type] # the keys are settings
            yield serving

    async def noted(self) -> list[str]:
        await until(self._has_notes)
        return self.notes.read_text().splitlines()

    async def _has_notes(self) -> bool:
        return self.notes.exists() and self.notes.read_text().endswith("\n")


@pytest.fixture
async def room(bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Room]:
    notes = tmp_path / "notes"
    monkeypatch.setenv("ONEBEAT_TEST_NOTES", str(notes))
    monkeypatch.setattr(app, "url", bench.store.endpoint.shown)
    yield Room(bench, notes)
    await app.aclose()


def is_alive(pid: int) -> bool:
    """Whether a process runs; one that only waits to be reaped does not."""
    try:
        return "Z" != Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (FileNotFoundError, ProcessLookupError):
        return False


async def all_end(*pids: int) -> None:
    async def ended() -> bool:
        return not any(is_alive(pid) for pid in pids)

    await until(ended)


async def test_it_runs_in_another_process_with_its_own_lifespan(room: Room) -> None:
    """Not in ours: the state comes from the lifespan entered there, the process is reused, and leaves it at the end."""
    async with room.serving(concurrency=1):
        first = await (await isolated.where.enqueue(1)).result(60)
        second = await (await isolated.where.enqueue(number=2)).result(60)
    assert os.getpid() != first[0]
    assert first[0] == first[1] == second[0]
    assert os.getpgrp() != first[2]
    assert [[1, 0], [2, 0]] == [first[3:], second[3:]]
    assert ["left", "left"] == room.notes.read_text().splitlines()  # the process's, and our own server's
    await all_end(first[0])


async def test_coroutines_and_raw_payloads(room: Room) -> None:
    """A coroutine has a loop there, `current()` tells its task, and bytes stay bytes in both directions."""
    async with room.serving():
        handle = await isolated.on_a_loop.enqueue()
        assert f"{handle.id} on_a_loop" == await handle.result(60)
        assert b"\x00\xff" == await (await isolated.echo.enqueue(b"\xff\x00")).result(60)


@pytest.mark.parametrize(
    ("how", "state", "text", "retried"),
    [
        ("value", "retry", "ValueError: boom", 1),
        ("key", "archived", "KeyError: 'gone'", 0),
        ("skip", "archived", "never", 0),
        ("later", "retry", "not now", 0),
        ("exit", "retry", "SystemExit: 3", 1),
    ],
)
async def test_its_errors_decide_as_anywhere(room: Room, how: str, state: str, text: str, retried: int) -> None:
    """Texts, lists of errors, control flow and the task's own back-off mean the same in another process."""
    handle = await isolated.fails.enqueue(how)
    async with room.serving():
        await room.bench.reaches("default", **{state: 1})
        info = await handle.info()
    assert (text, retried) == (info.last_error, info.retried)
    if how in ("value", "later"):
        assert info.next_process_at is not None
        [seconds, _] = await room.bench.store.command("TIME")
        wait = info.next_process_at.timestamp() - int(seconds)
        assert {"value": 990 < wait < 1002, "later": 490 < wait < 502}[how]


async def test_a_revoked_task_is_forgotten(room: Room) -> None:
    """As anywhere."""
    await isolated.fails.enqueue("revoke")
    async with room.serving():
        await room.bench.reaches(processed=1, failed=0, active=0)


@pytest.mark.parametrize(
    ("how", "text"), [("signal", "process of the task ended: signal SIGKILL"), ("exit", "exit status 7")]
)
async def test_a_process_that_dies_is_a_failure_of_its_task_alone(room: Room, how: str, text: str) -> None:
    """The error says how it died; the server and the next task, in a new process, go on."""
    handle = await isolated.dies.enqueue(how)
    async with room.serving(concurrency=1):
        await room.bench.reaches(archived=1)
        assert text in (await handle.info()).last_error
        assert [5, 0] == (await (await isolated.where.enqueue(5)).result(60))[3:]


async def test_a_process_that_died_leaves_its_task_the_backoff_it_declared(room: Room) -> None:
    """The process that would be asked for it is gone, so the server asks itself."""
    async with room.serving():
        handle = await isolated.dies_for_now.enqueue()
        await room.bench.reaches(retry=1)
    due = (await handle.info()).next_process_at
    assert due is not None
    assert 900 < (due - datetime.now(UTC)).total_seconds() <= 1000


async def test_a_result_that_cannot_be_encoded_is_a_failure(room: Room) -> None:
    """As anywhere."""
    handle = await isolated.unencodable.options(max_retry=0).enqueue()
    async with room.serving():
        with pytest.raises(TaskFailed, match="object"):
            await handle.result(60)


@pytest.mark.slow
@pytest.mark.parametrize("with_lock", [False, True])
async def test_a_timeout_kills_the_process_and_what_it_started(room: Room, with_lock: bool) -> None:
    """Whatever it does, C code that holds the interpreter lock included; then its slot is free for the next task."""
    handle = await isolated.hangs.enqueue(with_lock)
    async with room.serving(concurrency=1) as serving:
        [line] = await room.noted()
        [attempt] = serving._server.executor.running
        serving._server.executor.deadlines.discard(attempt)
        serving._server.executor.deadlines.add(attempt, 0.0)  # its time is over, and not before it has begun
        await room.bench.reaches(archived=1)
        assert "context deadline exceeded" == (await handle.info()).last_error
        await all_end(*map(int, line.split()))
        assert [7, 0] == (await (await isolated.where.enqueue(7)).result(60))[3:]


async def test_a_cancellation_kills_it(room: Room) -> None:
    """The task ends archived as cancelled, and nothing of it runs on."""
    handle = await isolated.hangs.enqueue(False)
    async with room.serving():
        [line] = await room.noted()
        assert Cancellation.STOPPING is await handle.cancel()
        await room.bench.reaches(archived=1)
        await all_end(*map(int, line.split()))


async def test_a_stop_kills_it_and_puts_the_task_back(room: Room) -> None:
    """After the shutdown timeout; it counts neither as a failure nor as a crash."""
    handle = await isolated.hangs.enqueue(False)
    async with room.serving(shutdown_timeout=0.05):
        [line, *_] = await room.noted()
    await all_end(*map(int, line.split()))
    assert ("pending", 0, 0) == (
        (await handle.info()).state,
        (await handle.info()).retried,
        (await handle.info()).crashes,
    )


@pytest.mark.slow
@pytest.mark.parametrize("with_lock", [False, True])
async def test_no_orphan_survives_its_server(room: Room, with_lock: bool) -> None:
    """SIGKILL of the server ends the process of a task and what that has started, at once, without their help."""
    await isolated.hangs.enqueue(with_lock)
    words = [sys.executable, "-m", "onebeat", "--url", app.url or "", "run", "tests.server.isolated:app", "-c", "1"]
    server = await asyncio.create_subprocess_exec(*words, cwd=Path(__file__).parents[2])
    [line] = await room.noted()
    assert all(is_alive(int(pid)) for pid in line.split())
    server.send_signal(signal.SIGKILL)
    await server.wait()
    await all_end(*map(int, line.split()))


def test_functions_that_no_other_process_finds_are_refused() -> None:
    """Closures and lambdas at their declaration; a task under another name when it is to be served."""
    other: Onebeat[None] = Onebeat("other")
    with pytest.raises(ConfigurationError, match=r"task inner: function .*<locals>\.inner exists only inside another"):

        @other.task(isolation="process")
        def inner() -> None: ...

    with pytest.raises(ConfigurationError, match="isolation is 'thread': give \"process\""):
        other.task(isolation="thread")  # type: ignore[arg-type] # that is the point
    hidden = other.task("hidden", isolation="process")(isolated.note)
    with pytest.raises(ConfigurationError, match=r"task hidden: tests.server.isolated:note is .*, not the task"):
        Serving(other, {})
    assert "hidden" == hidden.type


def test_says_how_a_process_ended() -> None:
    """Signals by their names, whether seen directly or through the warden."""
    assert ["signal SIGKILL", "signal SIGSEGV", "exit status 7"] == [_how(-9), _how(139), _how(7)]


@pytest.mark.slow
async def test_tasks_of_the_started_file_are_found(room: Room, tmp_path: Path) -> None:
    """A program that declares and serves in one file: its main part does not run again in the process of the task."""
    program = tmp_path / "shop.py"
    program.write_text(
        f"""
import asyncio, os
from onebeat import Onebeat
app = Onebeat("shop", url={app.url!r})

@app.task(isolation="process")
def double(number: int) -> int:
    return number * 2

async def main():
    async with app, app.serving(concurrency=1):
        print(await (await double.enqueue(21)).result(60), os.getpid())

if __name__ == "__main__":
    asyncio.run(main())
"""
    )
    server = await asyncio.create_subprocess_exec(sys.executable, str(program), stdout=asyncio.subprocess.PIPE)
    output, _ = await server.communicate()
    assert (0, f"42 {server.pid}\n") == (server.returncode, output.decode())
    assert [] == [info async for info in Inspector(room.bench.store).tasks("default", state="archived")]


async def test_processes_that_wait_too_long_are_let_go(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Of three that a burst has left, those that nobody needed for five minutes end, lifespans and all."""
    monkeypatch.setenv("ONEBEAT_TEST_NOTES", str(tmp_path / "notes"))

    def said(fraction: float, text: str) -> None:
        pytest.fail("it says nothing")

    clock = Minute()
    cells = Cells(grace=10.0, clock=clock)
    job = Job("tests.server.isolated:where", "a", "q", "where", b'{"number":1}', 0, 0, {}, True)
    pids = {
        msgspec.json.decode(answer)[0] for answer in await asyncio.gather(*(cells.call(job, said) for _ in range(3)))
    }
    clock.seconds = 200.0
    [kept, *_] = msgspec.json.decode(await cells.call(job, said))
    clock.seconds = 400.0
    assert kept == msgspec.json.decode(await cells.call(job, said))[0]
    await all_end(*(pids - {kept}))
    assert is_alive(kept)
    await cells.aclose()
    await all_end(kept)
    assert ["left"] * 3 == (tmp_path / "notes").read_text().splitlines()


@pytest.mark.slow
async def test_another_codec_crosses_the_pipe(room: Room) -> None:
    """Payload and result are written by the task's own codec there, too."""
    async with room.serving():
        assert [b"b", b"\xff"] == await (await isolated.packed.enqueue([b"\xff", b"b"])).result(60)


async def test_its_traceback_is_logged_from_the_handler_on(room: Room, caplog: pytest.LogCaptureFixture) -> None:
    """When it is archived: the lines of the user's files, as if it had run here."""
    handle = await isolated.fails.enqueue("key")
    async with room.serving():
        await room.bench.reaches(archived=1)
    [record] = [record for record in caplog.records if f"task {handle.id} (fails)" in record.getMessage()]
    text = logging.Formatter().format(record)
    assert "raise errors[how]" in text
    assert "KeyError: 'gone'" in text
    assert "worker.py" not in text


@pytest.mark.slow
async def test_a_main_file_that_starts_itself_again_is_told_so(url: str, tmp_path: Path) -> None:
    """The process of an isolated task imports it for the task alone; what it starts there is refused by a sentence."""
    program = tmp_path / "column.py"
    program.write_text(
        f"""
import asyncio
import logging
from onebeat import Onebeat, TaskFailed
app = Onebeat("column", url={url!r})
@app.task("cpu", isolation="process", max_retry=0)
def cpu(n: int) -> int: return n
async def main() -> None:
    async with app, app.serving():
        handle = await cpu.enqueue(1)
        try:
            print(await handle.result(timeout=60))
        except TaskFailed as error:
            print(error)
asyncio.run(main())
"""
    )
    ran = await asyncio.create_subprocess_exec(sys.executable, str(program), stdout=asyncio.subprocess.PIPE)
    printed, _ = await ran.communicate()
    assert b"is run once more to find an isolated task in it" in printed
    assert b'put that under `if __name__ == "__main__":`' in printed
