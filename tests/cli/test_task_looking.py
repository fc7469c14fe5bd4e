"""`onebeat task ls` and `show`: what they find and print, and that no escape sequence reaches a terminal."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from contextlib import closing
from io import StringIO
from typing import Any

import msgspec
import pytest
from rich.console import Console

from onebeat import codecs
from onebeat.broker.store import BlockingStore
from onebeat.cli.output import show_table
from onebeat.sync import SyncClient
from onebeat.task import Task
from onebeat.wire.attempts import AttemptRecord
from onebeat.wire.message import decode, encode
from tests.cli.conftest import Tasks
from tests.cli.runner import document, lines, run

EVIL = "\x1b[2J\x1b]0;owned\x07\u202e\x9b31m\r"


@pytest.fixture
def client(url: str) -> Iterator[SyncClient]:
    with SyncClient(url) as client:
        yield client


def archive(url: str, queue: str, task_id: str, error: str) -> None:
    """Put a pending task into the archive, as if it had failed."""
    assert 0 == run("task", "archive", "--url", url, "-q", queue, task_id, "-y").exit_code
    with closing(BlockingStore.open(url)) as store:
        key = f"asynq:{{{queue}}}:t:{task_id}"
        message = decode(store.commands([("HGET", key, "msg")])[0])
        message.error_msg, message.retried, message.last_failed_at = error, 5, 1_700_000_000
        store.commands([("HSET", key, "msg", encode(message))])


def test_a_filter_finds_tasks_of_all_queues(url: str, client: SyncClient) -> None:
    """By words, by plain options, and by both."""
    for number in range(10):
        queue = ("low", "critical")[number % 2]
        client.enqueue(Task("mail:send", {"user": {"id": number}}), queue=queue, task_id=f"m{number}")
    client.enqueue(Task("report"), task_id="r")
    archive(url, "low", "m0", "dial tcp: Connection refused")
    archive(url, "critical", "m1", "no such user")

    def ids(*words: str) -> list[str]:
        return [row["id"] for row in document("task ls", "--url", url, *words)]

    assert ["m0"] == ids('error:"connection refused"') == ids("--error", "connection refused")
    assert ["m3"] == ids("payload.user.id=3") == ids("--where", "payload.user.id=3")
    assert ["m1", "m0"] == ids("--state", "archived", "--type", "mail:*")
    assert ["r"] == ids("type:report -type:mail:*") == ids("--where", "-type:mail:*")
    assert ["m0"] == ids("-q", "l*", "-s", "archived", "--older", "0s")
    assert ["r"] == [row["id"] for row in lines("task ls", "--url", url, "type:report")]


def test_a_table_for_each_state_with_its_own_columns(url: str, client: SyncClient) -> None:
    """As asynq's, with what the store says of the state."""
    client.enqueue(Task("t", {"a": 1}), task_id="pends")
    client.enqueue(Task("t"), task_id="waits", process_in=3600)
    client.enqueue(Task("t"), task_id="joins", group="g")
    client.enqueue(Task("t"), task_id="failed")
    archive(url, "default", "failed", "the reason")
    shown = run("task", "ls", "--url", url).stdout
    heads = [re.split(r"\s{2,}", line) for line in shown.splitlines() if line.startswith("id ")]
    assert [
        ["id", "type", "payload", "waits since", "retried"],
        ["id", "type", "payload", "process in"],
        ["id", "type", "payload", "last failed", "retried", "last error"],
        ["id", "type", "payload", "group"],
    ] == heads
    assert ["pending (1)", "scheduled (1)", "archived (1)", "aggregating (1)"] == re.findall(
        r"^\w+ \(\d\)$", shown, re.MULTILINE
    )
    assert "the reason" in shown


def test_it_says_how_far_it_scanned_and_how_to_go_on(url: str, client: SyncClient) -> None:
    """On standard error in a pipe; the cursor goes on where it ended."""
    for number in range(30):
        client.enqueue(Task("t"), task_id=f"{number:02}")
    first = run("task", "ls", "--url", url, "-n", "20", "--json")
    told = re.search(r"20 tasks found; looked at 20 of 30\. .*--cursor (\S+) goes on", first.stderr)
    assert told is not None, first.stderr
    rest = document("task ls", "--url", url, "--cursor", told[1])
    assert [f"{number:02}" for number in range(20, 30)] == [row["id"] for row in rest]
    assert 30 == len(document("task ls", "--url", url, "-n", "0"))
    assert "looked at 10 of 30" in run("task", "ls", "--url", url, "id:no", "--scan", "10").stderr


def test_pages_are_asynqs(url: str, client: SyncClient) -> None:
    """Of one queue and one state; with a filter there are none."""
    for number in range(5):
        client.enqueue(Task("t"), task_id=f"{number}")
    words = ("--url", url, "--queue", "default", "--state", "pending", "--size", "2")
    assert ["2", "3"] == [row["id"] for row in document("task ls", *words, "--page", "2")]
    assert ["3", "4"] == [row["id"] for row in document("task ls", *words, "--page", "0")]
    assert 2 == run("task", "ls", *words, "--page", "1", "type:t").exit_code


@pytest.mark.parametrize(
    ("words", "part", "status"),
    [
        (("stat:x",), "(column 1): 'stat' is none: did you mean state?", 2),
        (("error:connection refused",), "(column 18)", 2),
        (("--older", "soon"), "'soon' is no duration", 2),
        (("-q", "nowhere"), "queue 'nowhere' is not known", 3),
        (("--cursor", "x"), "that a search returned", 1),
    ],
)
def test_what_cannot_be_is_one_line(url: str, words: tuple[str, ...], part: str, status: int) -> None:
    """With the bad word, and what may stand there."""
    shown = run("task", "ls", "--url", url, *words)
    assert (status, 1) == (shown.exit_code, len(shown.output.splitlines()))
    assert part in shown.output


def test_show_finds_the_queue_and_tells_everything(url: str, client: SyncClient) -> None:
    """Payload indented, numbers as they were written, lock with its holder, headers."""
    client.enqueue(Task("t", b'{"n":9007199254740993,"x":1.10}'), queue="low", task_id="a", unique=60, timeout=0.25)
    shown = run("task", "show", "--url", url, "a").stdout
    for part in (
        "queue          low",
        "timeout        0.25 s",
        "held by this task for",
        '"n": 9007199254740993',
        '"x": 1.10',
        "retried",
    ):
        assert part in shown, shown
    [found] = document("task show", "--url", url, "a", "--raw")
    assert (0.25, "a", {"text": "pending"}) == (found["timeout_s"], found["lock"]["holder"], found["raw"]["state"])
    assert found["raw"]["msg"]
    assert 0 == run("task", "inspect", "--url", url, "--queue", "low", "--id", "a").exit_code


TRACE = 'Traceback (most recent call last):\n  File "shop.py", line 7, in pay'


def keep(url: str, task_id: str, *kept: tuple[str, AttemptRecord], number: int) -> None:
    """Write attempts into the record of a task, as servers do."""
    text = b"".join(outcome.encode() + b" " + about.encode() + b"\n" for outcome, about in kept)
    with closing(BlockingStore.open(url)) as store:
        store.commands([("HSET", f"asynq:{{default}}:t:{task_id}", "ob_attempts", f"{number}\n".encode() + text)])


def test_show_tells_of_attempts(url: str, client: SyncClient) -> None:
    """How each went, where, and what it failed with; tracebacks where they are asked for; all of it as JSON."""
    client.enqueue(Task("pay"), task_id="a")
    at = 1_700_000_000_000
    keep(
        url, "a",
        ("retried", AttemptRecord(at, at + 1500, 20, "web-1:7:s", f"no such order {EVIL}", "ValueError", TRACE)),
        ("recovered", AttemptRecord(0, at + 9000)),
        number=5,
    )  # fmt: skip
    shown = run("task", "show", "--url", url, "a").stdout
    assert "attempts (3 earlier ones no longer kept)" in shown
    assert "4  retried, 2023-11-14 22:13:20 UTC" in shown
    assert "waited 20 ms, ran 1.5 s, on web-1:7\n     ValueError: no such order" in shown
    assert "traceback of 2 lines: --full shows it" in shown
    assert "5  recovered, 2023-11-14 22:13:29 UTC" in shown
    assert set() == {sign for sign in shown if not sign.isprintable() and sign != "\n"}
    assert "shop.py" not in shown
    assert '"shop.py", line 7, in pay' in run("task", "show", "--url", url, "a", "--full").stdout
    [found] = document("task show", "--url", url, "a")
    [first, second] = found["attempts"]
    assert (4, "retried", 20, 1500, TRACE) == (
        first["number"], first["outcome"], first["waited_ms"], first["ran_ms"], first["traceback"],
    )  # fmt: skip
    assert (5, "recovered", None) == (second["number"], second["outcome"], second["started"])


def test_show_says_that_no_attempt_is_kept(url: str, client: SyncClient) -> None:
    """Of a task that failed on a server of Go; of one that never failed it says nothing."""
    client.enqueue(Task("pay"), task_id="a")
    assert "attempts" not in run("task", "show", "--url", url, "a").stdout
    archive(url, "default", "a", "spoiled")
    assert "attempts: none is kept; servers of Go keep none" in run("task", "show", "--url", url, "a").stdout


def test_show_shows_a_long_payload_to_its_end(url: str, client: SyncClient) -> None:
    """Where that is asked for."""
    client.enqueue(Task("pay", {"text": "x" * 30_000 + "END"}), task_id="a")
    assert "characters more: --full shows them" in run("task", "show", "--url", url, "a").stdout
    assert "END" in run("task", "show", "--url", url, "a", "--full").stdout.replace("\n", "")


def test_show_of_what_is_nowhere_or_in_two_places(url: str, client: SyncClient) -> None:
    """Status 3, or the queues that have one of that id."""
    for queue in ("a", "b"):
        client.enqueue(Task("t"), queue=queue, task_id="twice")
    gone = run("task", "show", "--url", url, "nobody")
    assert (3, True) == (gone.exit_code, "is in none of 2 queues" in gone.output)
    twice = run("task", "show", "--url", url, "twice")
    assert (2, True) == (twice.exit_code, "is in queues a and b: name one with --queue" in twice.output)
    assert 0 == run("task", "show", "--url", url, "twice", "-q", "a").exit_code


def test_show_of_bytes_that_are_no_text(url: str, client: SyncClient) -> None:
    """As base64, whole; MessagePack as what it says; no message at all by its reason."""
    client.enqueue(Task("t", b"\xff\x00\x01"), task_id="bytes")
    packed = msgspec.msgpack.encode({"n": 2**53 + 1})
    client.enqueue(Task("t", packed), task_id="packed", headers={codecs.HEADER: "msgpack"})
    with closing(BlockingStore.open(url)) as store:
        store.commands([("HSET", "asynq:{default}:t:bytes", "ob_progress", "1700000000000 0.5 half")])
        store.commands([("LPUSH", "asynq:{default}:pending", "none")])
        store.commands([("HSET", "asynq:{default}:t:none", "msg", b"\xff\xff", "state", "pending")])
    assert "/wAB" in run("task", "show", "--url", url, "bytes").stdout
    assert "50%, half" in run("task", "show", "--url", url, "bytes").stdout
    assert {"base64": "/wAB"} == document("task show", "--url", url, "bytes")[0]["payload"]
    assert '"n": 9007199254740993' in run("task", "show", "--url", url, "packed").stdout
    assert "are no TaskMessage" in run("task", "show", "--url", url, "none").stdout


@pytest.mark.parametrize(
    "words",
    [("ls",), ("ls", "--json"), ("ls", "--ndjson"), ("show", EVIL), ("show", EVIL, "--json"), ("show", EVIL, "--raw")],
)
def test_what_is_stored_is_inert_on_a_terminal(url: str, client: SyncClient, words: tuple[str, ...]) -> None:
    """Escape sequences, control characters and marks of direction, in ids, types, payloads, headers and errors."""
    client.enqueue(Task(f"t{EVIL}", EVIL.encode()), task_id=EVIL, headers={f"h{EVIL}": EVIL}, max_retry=0)
    archive(url, "default", EVIL, f"error {EVIL}")
    shown = run("task", *words, "--url", url)
    assert 0 == shown.exit_code, shown.output
    assert set() == {sign for sign in shown.output if not sign.isprintable() and sign != "\n"}
    if "--json" in words:
        [found] = json.loads(shown.stdout)
        assert (EVIL, f"t{EVIL}", f"error {EVIL}") == (found["id"], found["type"], found["last_error"])


def test_active_tasks_name_their_server(tasks: Tasks, url: str) -> None:
    """And for how long it runs; without a server's word, that is said."""
    with closing(BlockingStore.open(url)) as store:
        tasks.enqueue("t", task_id="a")
        store.commands([("RPOPLPUSH", "asynq:{default}:pending", "asynq:{default}:active")])
        store.commands([("HSET", "asynq:{default}:t:a", "state", "active")])
        store.commands([("ZADD", "asynq:{default}:lease", 1, "a")])
    shown = run("task", "show", "--url", url, "a").stdout
    assert "active, orphaned" in shown
    assert "no server says that it runs it" in shown
    found: dict[str, Any] = document("task show", "--url", url, "a")[0]
    assert (True, None) == (found["is_orphaned"], found["worker"])


def test_a_row_that_does_not_fit_is_a_few_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    """As many cells on each as fit, and no empty line between two rows."""
    place = Console(file=StringIO(), width=40, force_terminal=True, color_system=None)
    monkeypatch.setattr("onebeat.cli.output.is_terminal", lambda: True)
    monkeypatch.setattr("onebeat.cli.output.console", lambda: place)
    rows = [("a" * 20, "mail", "x" * 30), ("b" * 20, "mail", "y")]
    show_table(["id", "type", "error"], rows, whole=["id", "type"], least=20)
    assert isinstance(place.file, StringIO)
    assert [
        f"id: {'a' * 20}  type: mail",
        f"  error: {'x' * 30}",
        f"id: {'b' * 20}  type: mail",
        "  error: y",
    ] == place.file.getvalue().splitlines()
