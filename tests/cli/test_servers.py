"""`onebeat server`: who serves, what runs there, and how to have one drain."""

from __future__ import annotations

import asyncio
import os
import socket
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from onebeat import Onebeat, SyncInspector
from onebeat.broker.store import BlockingStore
from onebeat.cli.servers import draining
from onebeat.wire import keys
from onebeat.wire.records import ServerRecord, WorkerRecord, to_ns
from onebeat.wire.sheet import SheetRecord
from tests.cli.conftest import Tasks
from tests.cli.programs import onebeat, until
from tests.cli.runner import document, run
from tests.server.conftest import served_in_thread

HOUR = 3600 * 10**9
PLACE = f"{socket.gethostname()}:{os.getpid()}"


def list_server(url: str, host: str, pid: int, id_: str, *, is_go: bool = False, status: str = "active") -> None:
    """Write what a server writes, with one task that runs."""
    now = to_ns(datetime.now(UTC))
    tag = f"{host}:{pid}:{id_}"
    record = ServerRecord(
        host=host, pid=pid, server_id=id_, concurrency=8, queues={"low": 1, "high": 6}, start_time=now - 60 * 10**9,
        active_worker_count=1, status=status,
    )  # fmt: skip
    worker = WorkerRecord(
        host=host, pid=pid, server_id=id_, task_id="t1", task_type="mail:send", queue="high", task_payload=b'{"to":1}',
        start_time=now - 3 * HOUR, deadline=now - HOUR,
    )  # fmt: skip
    commands: list[tuple[str | bytes | int, ...]] = [
        ("SET", keys.server(tag), record.encode()),
        ("ZADD", keys.SERVERS, "inf", keys.server(tag)),
        ("HSET", keys.workers(tag), "t1", worker.encode()),
        ("ZADD", keys.WORKERS, "inf", keys.workers(tag)),
    ]
    if not is_go:
        sheet = SheetRecord(version="0.5.0", application="shop", patterns=("mail:",), clock_ahead_ms=2000.0)
        commands.append(("SET", keys.sheet(tag), sheet.encode()))
    with closing(BlockingStore.open(url)) as store:
        store.commands(commands)


@pytest.fixture
def fleet(url: str) -> str:
    """Return the URL of a store where two servers of Onebeat and one of Go live."""
    list_server(url, "web-1", 41, "aaaa-1")
    list_server(url, "web-1", 42, "aaaa-2", status="stopped")
    list_server(url, "web-2", 7, "bbbb-1", is_go=True)
    return url


def order_to(url: str, tag: str) -> str:
    """Return the order to a server."""
    with closing(BlockingStore.open(url)) as store:
        [found] = store.commands([("GET", keys.order(tag))])
    return "" if found is None else found.decode().partition(" ")[2]


def test_ls_shows_who_serves(fleet: str) -> None:
    """Slots, the heaviest queue first, and which library it is."""
    shown = run("server", "ls", "--url", fleet).output
    assert "web-2:7 " in shown  # as `drain` takes it
    assert "1/8" in shown
    assert "high:6 low:1" in shown
    assert "shop (Onebeat 0.5.0)" in shown
    rows = document("server ls", "--url", fleet)
    assert [("aaaa-1", "onebeat", "active"), ("aaaa-2", "onebeat", "stopped"), ("bbbb-1", "asynq", "active")] == [
        (row["id"], row["library"], row["status"]) for row in rows
    ]
    assert ({"low": 1, "high": 6}, 1, 8, "shop") == (
        rows[0]["queues"], rows[0]["busy"], rows[0]["concurrency"], rows[0]["application"],
    )  # fmt: skip


def test_on_a_terminal_an_id_is_as_long_as_it_needs_to_be(fleet: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """So that rows stay rows in 80 columns; a pipe gets all of it."""
    list_server(fleet, "web-3", 1, "0123456789abcdef")
    assert "0123456789abcdef" in run("server", "ls", "--url", fleet).output
    monkeypatch.setattr("onebeat.cli.servers.showing.is_terminal", lambda: True)
    shown = run("server", "ls", "--url", fleet).output
    assert "01234567" in shown
    assert "012345678" not in shown
    assert 0 == run("server", "show", "01234567", "--url", fleet).exit_code


def test_a_host_with_several_servers_is_no_server(fleet: str) -> None:
    """It is said which live there."""
    shown = run("server", "show", "web-1", "--url", fleet)
    assert 3 == shown.exit_code
    assert "server 'web-1' is a host, where 2 live: name one, web-1:41 or web-1:42" in shown.output


def test_ls_of_nobody_says_so(url: str) -> None:
    """Not an empty table."""
    assert "No servers at" in run("server", "list", "--url", url).output
    assert [] == document("server ls", "--url", url)


@pytest.mark.parametrize("name", ["web-1:41", "aaaa-1"])
def test_show_shows_what_it_runs(fleet: str, name: str) -> None:
    """For how long, and that it is past its deadline."""
    shown = run("server", "show", name, "--url", fleet).output
    for part in ("mail:send", "3 h", "1 h ago", '{"to":1}', "2000 ms ahead of the store's", "mail:"):
        assert part in shown
    found = document("server show", name, "--url", fleet)
    [worker] = found["workers"]
    assert ("t1", "high", 3, {"text": '{"to":1}'}) == (
        worker["task_id"], worker["queue"], worker["elapsed_s"] // 3600, worker["payload"],
    )  # fmt: skip


def test_a_server_is_named_by_the_beginning_of_its_id(fleet: str) -> None:
    """Unless two begin so."""
    assert "bbbb-1" == document("server show", "bbbb", "--url", fleet)["server"]["id"]
    shown = run("server", "show", "aaaa", "--url", fleet)
    assert (1, True) == (shown.exit_code, "'aaaa' begins the ids of aaaa-1 and aaaa-2: write more" in shown.stderr)


def test_show_says_that_one_is_drained_and_how_to_undo_it(fleet: str) -> None:
    """A command to copy."""
    assert (
        "`onebeat server resume web-1:42` has it take some again"
        in run("server", "show", "web-1:42", "--url", fleet).output
    )


def test_drain_orders(fleet: str) -> None:
    """And says what still runs there; an order to stop says who may start another."""
    shown = run("server", "drain", "web-1:41", "--url", fleet)
    assert "server web-1:41 is told; it runs 1 task\n" in shown.output
    assert "`onebeat server resume web-1:41` undoes it" in shown.output
    assert "drain" == order_to(fleet, "web-1:41:aaaa-1")
    shown = run("server", "drain", "web-1:41", "--stop", "--url", fleet)
    assert "(systemd, Kubernetes, onebeat run -p) may start another" in shown.output
    assert "stop" == order_to(fleet, "web-1:41:aaaa-1")
    for words in (["resume", "web-1:41"], ["drain", "--undo", "web-1:41"]):
        shown = run("server", *words, "--url", fleet)
        assert "server web-1:41 is told to take tasks again\n" == shown.output
        assert "take" == order_to(fleet, "web-1:41:aaaa-1")


def test_a_dry_run_orders_nothing(fleet: str) -> None:
    """It names what it would touch."""
    shown = run("server", "drain", "--host", "web-1", "--stop", "--dry-run", "--url", fleet)
    assert (
        "Would order 2 servers (web-1:41 and web-1:42), which run 2 tasks, to take no more tasks, "
        "and to end once nothing runs; nothing was done.\n" == shown.output
    )
    assert "" == order_to(fleet, "web-1:41:aaaa-1")


def test_of_all_servers_those_of_go_are_left_out_and_said(fleet: str) -> None:
    """With where to signal them; named alone, one is an error."""
    shown = run("server", "drain", "--all", "--url", fleet)
    assert "1 server of asynq, or of Onebeat before 0.5, cannot be told: signal web-2:7 there" in shown.stderr
    assert 2 == shown.output.count("is told")
    refused = run("server", "drain", "web-2:7", "--url", fleet)
    assert (1, True) == (refused.exit_code, "kill -TSTP 7" in refused.stderr)
    alone = run("server", "drain", "--host", "web-2", "--url", fleet)
    assert (0, True) == (alone.exit_code, "There are no servers that can be told." in alone.output)


@pytest.mark.parametrize(
    ("words", "status", "told"),
    [
        (["show", "web-1:4"], 3, "server 'web-1:4' does not live: did you mean web-1:4"),
        (["drain", "--host", "web"], 3, "no server lives on host 'web': servers live on web-1 and web-2"),
        (["drain"], 2, "Name servers by their ids or HOST:PID, or take those of a --host, or --all."),
        (["drain", "web-1:41", "--all"], 2, "Name servers"),
        (["drain", "web-1:41", "--undo", "--wait"], 2, "--undo goes with neither --stop nor --wait."),
    ],
)
def test_trouble_is_one_sentence(fleet: str, words: list[str], status: int, told: str) -> None:
    """With its status."""
    shown = run("server", *words, "--url", fleet)
    assert (status, True) == (shown.exit_code, told in shown.stderr)
    assert 1 == len(shown.stderr.splitlines())


# ---- a real server


@pytest.fixture
def served(url: str, tmp_path: Path) -> Iterator[str]:
    """Serve an application whose task ends when the file "go" is there; return the URL."""
    app: Onebeat[Any] = Onebeat("shop", url=url)

    @app.task("wait")
    async def wait() -> None:
        while not (tmp_path / "go").exists():  # noqa: ASYNC110 - a file tells nobody
            await asyncio.sleep(0.01)

    with served_in_thread(app):
        with SyncInspector(url) as inspector:
            until(lambda: bool(inspector.servers()))
        yield url
        (tmp_path / "go").touch()


@pytest.fixture
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have the command look often."""
    monkeypatch.setattr(draining, "LOOK_EVERY_S", 0.01)


@pytest.mark.usefixtures("often")
def test_waiting_ends_when_nothing_runs(served: str, tasks: Tasks, tmp_path: Path) -> None:
    """And what is still running is said."""
    task_id = tasks.enqueue("wait")
    tasks.reaches(task_id, "active")
    (tmp_path / "go").touch()
    shown = run("server", "drain", PLACE, "--wait", "--url", served)
    assert 0 == shown.exit_code
    assert f"server {PLACE} runs nothing any more\n" in shown.output
    assert "completed" == tasks.field(task_id, "state")


@pytest.mark.slow
def test_ctrl_c_leaves_the_order_standing(served: str, tasks: Tasks, folder: Path) -> None:
    """And says so, with the command that undoes it."""
    tasks.reaches(tasks.enqueue("wait"), "active")
    with onebeat("server", "drain", PLACE, "--wait", "-y", "--url", served, cwd=folder, terminal=True) as program:
        program.expect(f"waiting for {PLACE}: 1 task to end")
        program.press_ctrl_c()
        program.expect(f"the order stands. .*`onebeat server resume {PLACE}` undoes it")
        assert 130 == program.ended()
    until(lambda: "stopped" == document("server show", PLACE, "--url", served)["server"]["status"])


@pytest.mark.slow
def test_a_server_that_is_to_stop_ends_with_status_0(url: str, tasks: Tasks, folder: Path) -> None:
    """And its last task is done."""
    with onebeat("run", "shop:app", "--url", url, cwd=folder) as program:
        program.expect("serving queues")
        task_id = tasks.enqueue("wait")
        program.expect("it begins")
        until(lambda: 1 == len(document("server ls", "--url", url)))
        [row] = document("server ls", "--url", url)
        place = f"{row['host']}:{row['pid']}"
        with onebeat("server", "drain", place, "--stop", "--wait", "-y", "--url", url, cwd=folder) as drain:
            drain.expect(f"waiting for {place}: 1 task to end")
            (folder / "go").touch()
            drain.expect(f"server {place} has ended")
            assert 0 == drain.ended()
        assert 0 == program.ended()
    assert "completed" == tasks.field(task_id, "state")


@pytest.mark.slow
def test_of_several_processes_each_is_a_server(url: str, folder: Path) -> None:
    """One that is told to stop is started again by its parent, and takes tasks."""
    with onebeat("run", "shop:app", "-p", "2", "--url", url, cwd=folder) as program:
        program.expect_all(r"\[1\].* serving queues", r"\[2\].* serving queues")
        until(lambda: 2 == len(document("server ls", "--url", url)))
        first, second = document("server ls", "--url", url)
        shown = run("server", "drain", "--host", first["host"], "--url", url)
        assert 2 == shown.output.count("is told")
        until(lambda: {"stopped"} == {row["status"] for row in document("server ls", "--url", url)})
        run("server", "drain", first["id"], "--stop", "--url", url)
        program.expect(r"ended \(status 0\): started again")
        until(lambda: ["active", "stopped"] == sorted(row["status"] for row in document("server ls", "--url", url)))
        assert second["id"] in {row["id"] for row in document("server ls", "--url", url)}
