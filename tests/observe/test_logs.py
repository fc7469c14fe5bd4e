"""The log: one line for each end of a task, which says by its fields which task that is, as text or as JSON."""

from __future__ import annotations

import asyncio
import json
import logging
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, suppress
from typing import Any

import pytest

from onebeat.errors import ConfigurationError, RevokeTask, SkipRetry
from onebeat.inspector.inspector import Inspector
from onebeat.server.context import Context
from onebeat.server.logs import JsonFormatter, TaskFilter
from onebeat.server.server import Server
from onebeat.task import Task
from onebeat.wire import keys
from tests.server import isolated
from tests.server.conftest import Bench, until

Ctx = Context[Any]


@asynccontextmanager
async def serving(bench: Bench, **given: Any) -> AsyncIterator[None]:
    async with Server(bench.store, shutdown_timeout=2.0, **given).serving(bench.mux):
        yield


class Records(logging.Handler):
    """Keeps what it is given, as the filter leaves it."""

    def __init__(self) -> None:
        super().__init__()
        self.addFilter(TaskFilter())
        self.records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)

    def ends(self, task_id: str) -> list[tuple[str, str]]:
        """Return level and outcome of the lines that tell an end of a task."""
        return [
            (record.levelname, record.__dict__["outcome"])
            for record in self.records
            if record.__dict__.get("task_id") == task_id and "outcome" in record.__dict__
        ]


@pytest.fixture
def records() -> Iterator[Records]:
    handler, loggers = Records(), [logging.getLogger("onebeat"), logging.getLogger("shop")]
    before = [logger.level for logger in loggers]
    for logger in loggers:
        logger.addHandler(handler)
        logger.setLevel(logging.DEBUG)
    try:
        yield handler
    finally:
        for logger, level in zip(loggers, before, strict=True):
            logger.removeHandler(handler)
            logger.setLevel(level)


@pytest.mark.parametrize(
    ("error", "counts", "expected"),
    [
        (None, {"processed": 1}, ("DEBUG", "completed")),
        (ValueError("no"), {"retry": 1}, ("WARNING", "retried")),
        (SkipRetry("no"), {"archived": 1}, ("ERROR", "archived")),
        (RevokeTask(), {"processed": 1}, ("INFO", "completed")),
    ],
)
async def test_each_end_is_one_line(
    bench: Bench, records: Records, error: Exception | None, counts: dict[str, Any], expected: tuple[str, str]
) -> None:
    """With the fields that say which task, which attempt, how long and what became of it."""

    @bench.mux.handle("t")
    async def t(ctx: Ctx, task: Task[Any]) -> None:
        if error is not None:
            raise error

    async with serving(bench):
        task_id = await bench.enqueue("t")
        await bench.reaches(**counts)
    assert [expected] == records.ends(task_id)
    [record] = [record.__dict__ for record in records.records if "outcome" in record.__dict__]
    assert ("t", "default", 1) == (record["task_type"], record["queue"], record["attempt"])
    assert 0 <= record["duration"] < 60


async def test_a_task_that_nobody_handles_has_one_line(bench: Bench, records: Records) -> None:
    """A warning, as it waits."""
    async with serving(bench):
        task_id = await bench.enqueue("t")
        await bench.reaches(retry=1)
    assert [("WARNING", "retried")] == records.ends(task_id)


async def test_a_result_that_cannot_be_kept_is_no_success(bench: Bench, records: Records) -> None:
    """Only its failure is told."""

    @bench.mux.handle("t")
    async def t(ctx: Ctx, task: Task[Any]) -> object:
        return object()

    async with serving(bench):
        task_id = await bench.enqueue("t", retention=60)
        await bench.reaches(archived=1)
    assert [("ERROR", "archived")] == records.ends(task_id)


async def test_a_cancelled_task_that_returns_after_all_is_completed(bench: Bench, records: Records) -> None:
    """That it was to be cancelled is no end."""
    began = asyncio.Event()

    @bench.mux.handle("t")
    async def t(ctx: Ctx, task: Task[Any]) -> None:
        began.set()
        with suppress(asyncio.CancelledError):
            await asyncio.Event().wait()

    async with serving(bench):
        task_id = await bench.enqueue("t")
        await began.wait()
        await Inspector(bench.store).cancel("default", task_id)
        await bench.reaches(processed=1)
    assert [("DEBUG", "completed")] == records.ends(task_id)


async def test_a_cancelled_task_is_told_once(bench: Bench, records: Records) -> None:
    """When its handler has ended, as cancelled."""
    began = asyncio.Event()

    @bench.mux.handle("t")
    async def t(ctx: Ctx, task: Task[Any]) -> None:
        began.set()
        await asyncio.Event().wait()

    async with serving(bench):
        task_id = await bench.enqueue("t")
        await began.wait()
        await Inspector(bench.store).cancel("default", task_id)
        await bench.reaches(archived=1)
    assert [("INFO", "cancelled")] == records.ends(task_id)


async def test_what_the_store_makes_of_an_outcome_is_told_last(bench: Bench, records: Records) -> None:
    """A task that failed while it was to be cancelled is not retried."""

    @bench.mux.handle("t")
    async def t(ctx: Ctx, task: Task[Any]) -> None:
        await bench.store.command("HSET", keys.task("default", ctx.id), "ob_cancel", "1")
        raise ValueError("no")

    async with serving(bench):
        task_id = await bench.enqueue("t")
        await bench.reaches(archived=1)
    assert [("WARNING", "retried"), ("INFO", "cancelled")] == records.ends(task_id)


async def test_a_handler_that_was_given_up_is_told_of_once(bench: Bench, records: Records) -> None:
    """What it does when it ends after all is neither logged nor reported."""
    go, told = threading.Event(), list[str]()

    @bench.mux.handle("t")
    def t(ctx: Ctx, task: Task[Any]) -> None:
        go.wait(60)

    async def tell(ctx: Ctx, task: Task[Any], error: Exception) -> None:
        told.append(ctx.id)

    given: dict[str, Any] = {"concurrency": 3, "grace": 0.05, "stall_limit": 0.05, "on_error": tell}
    async with Server(bench.store, shutdown_timeout=2.0, **given).serving(bench.mux) as served:
        task_id = await bench.enqueue("t", timeout=0.05)
        await bench.reaches(retry=1)
        go.set()

        async def is_free() -> bool:
            return served.executor.free == 3

        await until(is_free)
    assert [("WARNING", "retried")] == records.ends(task_id)
    assert [task_id] == told


@pytest.mark.parametrize(("share", "level"), [(0.0, "DEBUG"), (1.0, "INFO")])
async def test_a_share_of_the_successes_is_shown(bench: Bench, records: Records, share: float, level: str) -> None:
    """None unless it is wanted."""

    @bench.mux.handle("t")
    async def t(ctx: Ctx, task: Task[Any]) -> None: ...

    async with serving(bench, log_sample=share):
        task_id = await bench.enqueue("t")
        await bench.reaches(processed=1)
    assert [(level, "completed")] == records.ends(task_id)


@pytest.mark.parametrize("share", [-0.1, 1.5, "all", True])
def test_what_is_no_share_is_refused(share: Any) -> None:
    """By name."""
    with pytest.raises(ConfigurationError, match="log_sample is"):
        Server(log_sample=share)


@pytest.mark.parametrize("kind", ["async", "plain"])
async def test_what_handlers_write_names_their_task(bench: Bench, records: Records, kind: str) -> None:
    """Whichever logger they use, also in a thread; what is written elsewhere names none."""
    shop = logging.getLogger("shop")

    async def on_loop(ctx: Ctx, task: Task[Any]) -> None:
        shop.info("in it")

    def in_thread(ctx: Ctx, task: Task[Any]) -> None:
        shop.info("in it")

    handler: Any = on_loop if kind == "async" else in_thread
    bench.mux.handle("t")(handler)
    async with serving(bench):
        task_id = await bench.enqueue("t")
        await bench.reaches(processed=1)
    shop.info("outside")
    found = [
        (record.getMessage(), *(record.__dict__[name] for name in ("task_id", "task_type", "queue", "attempt")))
        for record in records.records
        if record.name == "shop"
    ]
    assert [("in it", task_id, "t", "default", 1), ("outside", "", "", "", "")] == found


def test_a_line_is_a_document() -> None:
    """One line, whatever is in it; what is empty is left out, and what JSON does not know is written as text."""
    logger = logging.getLogger("shop.orders")
    try:
        raise ValueError("no\nway")
    except ValueError as error:
        record = logger.makeRecord(
            "shop.orders", logging.ERROR, __file__, 1, "order %d of %s", (7, "ann"),
            (ValueError, error, error.__traceback__), extra={"queue": "low", "of": threading.main_thread, "none": None},
        )  # fmt: skip
    TaskFilter().filter(record)
    text = JsonFormatter(service="shop").format(record)
    assert "\n" not in text
    line = json.loads(text)
    assert ("error", "shop.orders", "order 7 of ann", "shop", "low") == tuple(
        line[name] for name in ("level", "logger", "message", "service", "queue")
    )
    assert line["at"].endswith("Z")
    assert line["exception"].endswith("ValueError: no\nway")
    assert {"at", "level", "logger", "message", "service", "queue", "of", "exception"} == set(line)


class Unshown:
    """Has no text."""

    def __str__(self) -> str:
        raise ValueError("no")

    __repr__ = __str__


@pytest.mark.parametrize(
    ("value", "expected"),
    [("a\udcff", "a\\udcff"), (Unshown(), "<Unshown>"), ({"a": "\ud800"}, "{'a': '\\ud800'}")],
)
def test_a_line_with_what_json_cannot_hold_is_not_lost(value: object, expected: str) -> None:
    """Such as the id of a task, or the name of a file, that is not UTF-8: it is escaped, and all else is as ever."""
    record = logging.makeLogRecord({"name": "shop", "msg": "in \udcff", "value": value, "number": 7})
    line = json.loads(JsonFormatter().format(record))
    assert ("in \\udcff", 7, expected) == (line["message"], line["number"], line["value"])


@pytest.mark.slow
async def test_isolated_tasks_write_json_where_their_server_does(
    bench: Bench, monkeypatch: pytest.MonkeyPatch, tmp_path: Any, capfd: pytest.CaptureFixture[str]
) -> None:
    """Each line of their process is a document, too, with their task."""
    monkeypatch.setenv("ONEBEAT_TEST_NOTES", str(tmp_path / "notes"))
    handler = logging.StreamHandler()
    handler.setFormatter(JsonFormatter())
    monkeypatch.setattr(logging.getLogger(), "handlers", [handler])
    async with Server(bench.store).serving(isolated.app.mux):
        task_id = await bench.enqueue(isolated.writes.type)
        await bench.reaches(processed=1)
    lines = [json.loads(line) for line in capfd.readouterr().err.splitlines() if '"logger":"shop"' in line]
    assert [("from the process", task_id, isolated.writes.type)] == [
        (line["message"], line["task_id"], line["task_type"]) for line in lines
    ]
