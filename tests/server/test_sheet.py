"""What a server says of itself beside what asynq's tools read."""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import Any

import pytest

from onebeat import Inspector, Mux, Onebeat, Server, ServerSheet, __version__
from onebeat.broker.presence import Reading
from onebeat.clock import SystemClock
from onebeat.server.config import ServerConfig
from onebeat.server.context import Context
from onebeat.server.serving import Serving
from onebeat.server.sheet import Sheet
from onebeat.server.watchdog import Watchdog
from onebeat.task import Task
from onebeat.wire import keys
from onebeat.wire.sheet import MAX_PATTERNS, SheetRecord
from tests.anywhere import everywhere
from tests.server.conftest import Bench, until


async def handler(ctx: Context[Any], task: Task[Any]) -> None: ...


async def sheets(bench: Bench) -> list[ServerSheet | None]:
    async with Inspector(bench.store) as inspector:
        return [server.sheet for server in await inspector.servers()]


async def beats(bench: Bench, serving: Serving) -> ServerSheet:
    """Have the server give two more signs of life; return what the last says."""
    for _ in range(2):
        await bench.store.command("DEL", sheet_of(serving))
        serving.keeper._presence._next = 0.0
        await until(lambda: is_there(bench, serving))
    [sheet] = await sheets(bench)
    assert sheet is not None
    return sheet


def sheet_of(serving: Serving) -> str:
    return keys.sheet(serving.keeper._presence.tag)


async def is_there(bench: Bench, serving: Serving) -> bool:
    return bool(await bench.store.command("EXISTS", sheet_of(serving)))


@asynccontextmanager
async def serving(bench: Bench, **settings: Any) -> AsyncIterator[Serving]:
    async with bench.serving(lease=1.0, allow_short_lease=True, **settings) as serving:
        await until(lambda: is_there(bench, serving))
        yield serving


@pytest.mark.slow
async def test_a_server_says_what_it_is_and_what_it_handles(bench: Bench) -> None:
    """Version, patterns, groups, lease and archive; gone with it, and by itself after ten seconds."""
    for pattern in ("mail:", "report:make"):
        bench.mux.handle(pattern)(handler)
    bench.mux.aggregate("digest:")(lambda group, tasks: Task("t"))
    async with serving(bench, archive_max_size=50) as one:
        sheet = await beats(bench, one)
        assert 0 < await bench.store.command("TTL", sheet_of(one)) <= 10
    assert (__version__, "", ("mail:", "report:make"), ("digest:",), False, False, False, 0) == (
        sheet.version, sheet.application, sheet.patterns, sheet.groups, sheet.is_cut, sheet.takes_all,
        sheet.is_draining, sheet.given_up,
    )  # fmt: skip
    assert (timedelta(seconds=1), 50, 90 * 86400) == (sheet.lease, sheet.archive_size, sheet.archive_age_s)
    assert [] == await everywhere(bench.store, "KEYS", "onebeat:*:sheet")


async def test_an_application_says_its_name(url: str, bench: Bench) -> None:
    """And the types of its tasks."""
    app = Onebeat("shop", url=url)

    @app.task("order:pay")
    async def pay(order: int) -> None: ...

    async with app.serving():
        await until(lambda: is_listed(bench))
        [sheet] = await sheets(bench)
    assert sheet is not None
    assert ("shop", ("order:pay",)) == (sheet.application, sheet.patterns)


async def is_listed(bench: Bench) -> bool:
    return bool(await sheets(bench))


class AheadClock(SystemClock):
    """A clock that is half an hour fast."""

    def now(self) -> datetime:
        return super().now() + timedelta(minutes=30)


@pytest.mark.slow
async def test_a_wrong_clock_is_measured_against_the_stores(bench: Bench) -> None:
    """To within a few milliseconds, from the second sign of life on."""
    server = Server(bench.store, clock=AheadClock(), lease=1.0, allow_short_lease=True)
    async with server.serving(bench.mux) as one:
        await until(lambda: is_there(bench, one))
        sheet = await beats(bench, one)
    assert sheet.clock_ahead is not None
    assert sheet.round_trip is not None
    assert abs(sheet.clock_ahead - timedelta(minutes=30)) < timedelta(minutes=1)
    assert timedelta(0) < sheet.round_trip


async def test_a_draining_server_says_so(bench: Bench) -> None:
    """As soon as it takes nothing more."""
    async with serving(bench) as one:
        one.takes_no_more()
        assert (await beats(bench, one)).is_draining


async def test_a_blocked_loop_is_told_of_while_it_lasts(bench: Bench) -> None:
    """By the keeper's thread, which does not wait for the loop."""
    dog = Watchdog(lambda _turn: None, loop_thread=threading.get_ident(), limit=60, clock=SystemClock())
    dog.look([])
    began = dog.blocked
    assert 0 < began < dog.blocked
    dog._answer()
    assert 0 < dog.lag
    assert 0.0 == dog.blocked


def test_mounted_handlers_are_named_by_the_longer_pattern() -> None:
    """Both must fit; what cannot fit is not named, and a mount that takes all is named by its own pattern."""
    inner, whole, mux = Mux(), Mux(), Mux()
    for pattern in ("mail:send", "m", "other"):
        inner.handle(pattern)(handler)
    whole.not_found(handler)
    mux.mount("mail:", inner)
    mux.mount("img:", whole)
    mux.handle("x")(handler)
    assert ["img:", "mail:", "mail:send", "x"] == mux.patterns()
    assert (False, True) == (mux.takes_all, whole.takes_all)


@pytest.mark.slow
async def test_more_patterns_than_fit_are_cut_and_said_to_be(bench: Bench) -> None:
    """So that nobody concludes from what is missing."""
    for number in range(400):
        bench.mux.handle(f"{number:04}" + "x" * 100)(handler)
    async with serving(bench) as one:
        sheet = await beats(bench, one)
        size = await bench.store.command("STRLEN", sheet_of(one))
    assert sheet.is_cut
    assert sheet.may_handle("anything")
    assert size < MAX_PATTERNS + 1000


@pytest.mark.parametrize(("task_type", "may"), [("mail:send", True), ("mail", False), ("x", False)])
def test_what_a_sheet_says_of_a_type(task_type: str, may: bool) -> None:
    """By the prefixes that it names."""
    assert may == ServerSheet(**FIELDS).may_handle(task_type)


FIELDS: dict[str, Any] = {
    "version": "1", "application": "", "patterns": ("mail:",), "groups": (), "is_cut": False, "takes_all": False,
    "is_draining": False, "given_up": 0, "clock_ahead": None, "round_trip": None, "loop_lag": timedelta(0),
    "loop_blocked": timedelta(0), "lease": timedelta(seconds=30), "archive_size": 0, "archive_age_s": 0,
}  # fmt: skip


async def test_a_sheet_that_is_none_is_passed_over(bench: Bench, caplog: pytest.LogCaptureFixture) -> None:
    """The server is listed all the same; and what a newer version adds is not read."""
    async with serving(bench) as one:
        await bench.store.command("SET", sheet_of(one), b"{")
        assert [None] == await sheets(bench)
        await bench.store.command("SET", sheet_of(one), b'{"version":"9","more":1}')
        [sheet] = await sheets(bench)
    assert sheet is not None
    assert "9" == sheet.version
    assert "is none, and is not shown" in caplog.text


def test_what_is_not_so_is_not_written() -> None:
    """A sheet is small: most of it is as it should be."""
    assert b'{"version":"1"}' == SheetRecord(version="1").encode()


def test_one_slow_answer_is_no_far_store() -> None:
    """Of the last few signs of life the quickest tells most truly how far the store is, and what its clock says."""
    watchdog = Watchdog(lambda _call: None, loop_thread=threading.get_ident(), limit=1.0, clock=SystemClock())
    sheet = Sheet(Mux(), ServerConfig(), watchdog, application="shop", given_up=lambda: 0)
    assert sheet.record(is_draining=False).round_trip_ms is None
    for ahead_ms, round_trip_ms in ((1.0, 0.2), (40.0, 80.0)):
        sheet.heard(Reading(ahead_ms, round_trip_ms))
    found = sheet.record(is_draining=False)
    assert (1.0, 0.2) == (found.clock_ahead_ms, found.round_trip_ms)
    for _ in range(3):
        sheet.heard(Reading(0.0, 60.0))
    assert 60.0 == sheet.record(is_draining=False).round_trip_ms
