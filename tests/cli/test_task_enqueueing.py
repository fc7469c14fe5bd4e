"""`onebeat task enqueue`: asynq's flags and ours, and arguments that a declaration checks."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from onebeat.inspector.blocking import SyncInspector
from onebeat.task import TaskInfo
from tests.cli.programs import onebeat
from tests.cli.runner import document, run

SHOP = """
from datetime import date
from enum import Enum

from onebeat import Context, Onebeat

app = Onebeat("shop")


class Size(Enum):
    SMALL = "small"


@app.task("mail:send", queue="mail", max_retry=3, timeout=20)
async def send(ctx: Context, to: str, number: int = 1, ratio: float | None = None, tags: list[str] = []) -> None:
    pass


@app.task("order")
async def order(order_id: int, day: date, size: Size = Size.SMALL) -> None:
    pass


@app.task("whole")
async def whole(data: list[int], /) -> None:
    pass


@app.task("packed", codec="msgpack")
async def packed(n: int) -> None:
    pass
"""


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Be in a project whose application is named by its pyproject.toml."""
    (tmp_path / "shop_of_enqueueing.py").write_text(SHOP)
    (tmp_path / "pyproject.toml").write_text('[tool.onebeat]\napp = "shop_of_enqueueing:app"\n')
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))


@pytest.fixture
def inspector(url: str) -> Iterator[SyncInspector]:
    with SyncInspector(url) as inspector:
        yield inspector


def only(inspector: SyncInspector) -> TaskInfo:
    [info] = [info for part in inspector.search() for info in part.tasks]
    return info


def enqueue(url: str, *words: str, **options: Any) -> str:
    shown = run("task", "enqueue", "--url", url, *words, **options)
    assert 0 == shown.exit_code, shown.output
    return shown.stdout


def test_asynqs_flags(url: str, inspector: SyncInspector) -> None:
    """All of them, with Go's durations and instants."""
    told = enqueue(
        url, "-t", "mail", "-l", '{"a": 1}', "--queue", "low", "--id", "x", "--retry", "7", "--timeout", "1h30m",
        "--deadline", "2100-01-02T15:04:05Z", "--unique", "1h", "--process_in", "5m", "--retention", "48h",
    )  # fmt: skip
    assert "Enqueued task x to queue low, due in" in told
    info = only(inspector)
    assert (b'{"a": 1}', "mail", "low", 7) == (info.payload, info.type, info.queue, info.max_retry)
    assert (timedelta(minutes=90), timedelta(days=2)) == (info.timeout, info.retention)
    assert datetime(2100, 1, 2, 15, 4, 5, tzinfo=UTC) == info.deadline
    record = inspector.record("low", "x")
    assert record.lock is not None
    again = run("task", "enqueue", "--url", url, "-t", "mail", "-l", '{"a": 1}', "--queue", "low", "--unique", "1h")
    assert (1, True) == (again.exit_code, "is already in queue 'low' as x" in again.output), again.output


def test_payloads_from_a_file_and_standard_input(url: str, inspector: SyncInspector, tmp_path: Path) -> None:
    """Byte for byte."""
    (tmp_path / "p").write_bytes(b"\xff\x00\n")
    enqueue(url, "t", "-l", f"@{tmp_path / 'p'}", "--id", "a")
    enqueue(url, "t", "-l", "-", "--id", "b", input=b"\xfe\r\n")
    assert b"\xff\x00\n" == inspector.task("default", "a").payload
    assert b"\xfe\r\n" == inspector.task("default", "b").payload
    assert 2 == run("task", "enqueue", "--url", url, "t", "-l", "@nowhere").exit_code


def test_arguments_without_a_declaration(url: str, inspector: SyncInspector, tmp_path: Path, monkeypatch: Any) -> None:
    """What is JSON is taken as such, exactly; anything else is text."""
    monkeypatch.chdir(tmp_path)
    enqueue(url, "t", "n=9007199254740993", "x=0.10", "s=hello world", 'd={"a":[1]}', "t=true", "e=")
    assert b'{"n":9007199254740993,"x":0.10,"s":"hello world","d":{"a":[1]},"t":true,"e":""}' == only(inspector).payload


@pytest.mark.usefixtures("shop")
@pytest.mark.parametrize(
    ("words", "payload"),
    [
        (("mail:send", "to=42"), b'{"to":"42","number":1,"ratio":null,"tags":[]}'),
        (
            ("mail:send", "to=a", "number=3", "ratio=0.5", 'tags=["x"]'),
            b'{"to":"a","number":3,"ratio":0.5,"tags":["x"]}',
        ),
        (("mail:send", "-l", '{"to":"a"}'), b'{"to":"a","number":1,"ratio":null,"tags":[]}'),
        (("order", "order_id=5", "day=2030-01-02"), b'{"order_id":5,"day":"2030-01-02","size":"small"}'),
        (("whole", "-l", "[1,2]"), b"[1,2]"),
        (("packed", "n=1"), b"\x81\xa1n\x01"),
    ],
)
def test_arguments_of_a_declared_task(
    url: str, inspector: SyncInspector, words: tuple[str, ...], payload: bytes
) -> None:
    """Read as their parameters' types, and encoded as the declaration does; its options count."""
    enqueue(url, *words)
    info = only(inspector)
    assert payload == info.payload
    if words[0] == "mail:send":
        assert ("mail", 3, timedelta(seconds=20)) == (info.queue, info.max_retry, info.timeout)


@pytest.mark.usefixtures("shop")
@pytest.mark.parametrize(
    ("words", "part"),
    [
        (("mail:send", "to=a", "number=many"), "argument number is 'many', and its parameter is number: int"),
        (("mail:send", "number=1"), "it takes (to: str, number: int"),
        (("mail:send", "too=a"), "takes no argument 'too': it takes to, number, ratio, tags"),
        (("mail:send", "to=a", "tags=[1]"), "tags: list[str]"),
        (("mail:send", "-l", '{"to":1}'), "Expected `str`, got `int` - at `$.to`"),
        (("order", "order_id=1", "day=soon"), "parameter is day: date"),
        (("order", "order_id=1", "day=2030-01-02", "size=large"), "parameter is size: Size"),
        (("whole", "data=1"), "takes its whole payload"),
    ],
)
def test_what_does_not_fit_the_signature_is_refused(
    url: str, inspector: SyncInspector, words: tuple[str, ...], part: str
) -> None:
    """With the parameter and its type, before anything is written."""
    shown = run("task", "enqueue", "--url", url, *words)
    assert (1, True) == (shown.exit_code, part in shown.output), shown.output
    assert [] == inspector.queues()


@pytest.mark.usefixtures("shop")
def test_a_type_that_is_not_declared_is_warned_about(url: str, inspector: SyncInspector) -> None:
    """Unless one says that one knows; `--app` names another application."""
    told = run("task", "enqueue", "--url", url, "mail:snd", "to=a")
    assert (0, True) == (told.exit_code, "is not declared by application 'shop'" in told.stderr)
    assert "" == run("task", "enqueue", "--url", url, "mail:snd", "to=a", "--raw").stderr
    assert "there is no module" in run("task", "enqueue", "--url", url, "t", "--app", "no.such:app").output


@pytest.mark.parametrize(
    ("is_warned", "words"),
    [(True, ["to=a"]), (False, ["to=a", "--raw"]), (False, ["to=a", "--json"])],
)
def test_who_names_no_application_is_told_that_nothing_was_checked(
    url: str, inspector: SyncInspector, tmp_path: Path, is_warned: bool, words: list[str]
) -> None:
    """On a terminal, before one is asked; not who says that one knows, and no program."""
    command = ["task", "enqueue", "mail:snd", *words, "--url", url, "--yes"]
    with onebeat(*command, cwd=tmp_path, terminal=True) as program:
        assert 0 == program.ended()
        assert is_warned == (
            "onebeat: no application is named, so type and payload were not checked: --app" in program.said
        )
    with onebeat(*command, cwd=tmp_path) as program:
        assert 0 == program.ended()
        assert "no application" not in program.said
    assert 2 == inspector.stats("default").pending


@pytest.mark.parametrize(("option", "value"), [("--id", "a"), ("--unique", "1h")])
def test_many_of_what_there_can_be_one_of_are_refused(
    url: str, inspector: SyncInspector, option: str, value: str
) -> None:
    """Before the first of them is there."""
    shown = run("task", "enqueue", "t", option, value, "--count", "3", "--url", url)
    assert 2 == shown.exit_code
    assert f"{option} lets one such task in: leave it out, or --count 3." in shown.output
    assert [] == inspector.queues()


def test_looked_at_first_counted_and_as_json(url: str, inspector: SyncInspector) -> None:
    """A dry run enqueues nothing."""
    assert "Would enqueue 3 tasks of type t to queue low; nothing was done." in enqueue(
        url, "t", "-q", "low", "--count", "3", "--dry-run"
    )
    assert [] == inspector.queues()
    rows = document("task enqueue", "--url", url, "t", "--count", "3", "--header", "tenant=acme", "--group", "g")
    assert [("t", "aggregating", None)] * 3 == [(row["type"], row["state"], row["process_at"]) for row in rows]
    assert {"tenant": "acme"} == inspector.task("default", rows[0]["id"]).headers


@pytest.mark.parametrize(
    ("words", "part", "status"),
    [
        ((), "Name the task's type", 2),
        (("a=b",), "Name the task's type", 2),
        (("t", "word"), "write NAME=VALUE", 2),
        (("t", "a=1", "a=2"), "given twice", 2),
        (("t", "a=1", "-l", "{}"), "not both", 2),
        (("t", "--timeout", "soon"), "is no duration", 2),
        (("t", "--process-at", "2030-01-01T00:00:00"), "no time zone", 2),
        (("t", "--retry", "-1"), "max_retry is -1", 1),
        (("t", "-q", "a{b}"), "leave out braces", 1),
    ],
)
def test_what_cannot_be_is_refused(url: str, words: tuple[str, ...], part: str, status: int) -> None:
    """In one line, before anything is written."""
    shown = run("task", "enqueue", "--url", url, *words)
    assert (status, True) == (shown.exit_code, part in shown.output), shown.output
