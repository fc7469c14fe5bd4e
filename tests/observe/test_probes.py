"""What probes are told of a server, from its thread, whatever its loop does."""

from __future__ import annotations

import asyncio
import threading
import time
from dataclasses import replace
from typing import Any

import msgspec
import pytest

from onebeat.client import Client
from onebeat.errors import BrokerUnavailable, InvalidTask
from onebeat.observe.health import probes
from onebeat.observe.routes import Routes
from onebeat.server import health as module
from onebeat.server.health import Check, HealthReport
from onebeat.server.mux import Mux
from onebeat.server.server import Server
from onebeat.server.serving import Serving
from onebeat.task import Task


def asked(report: HealthReport) -> tuple[int, int, set[str]]:
    """Return the statuses of /livez and /readyz, and the names of the checks that fail."""
    routes: Routes = probes(lambda: report)
    answers = [routes.answer("GET", path, {}) for path in ("/livez", "/readyz")]
    found = msgspec.json.decode(answers[0].body, type=HealthReport)
    assert report == found
    return (
        answers[0].status,
        answers[1].status,
        {check.name for check in found.checks if not (check.live and check.ready)},
    )


async def once(serving: Serving, *, ready: bool) -> HealthReport:
    """Wait until a server is ready, or is not."""
    async with asyncio.timeout(60):
        while (report := serving.health_report()).ready is not ready:  # noqa: ASYNC110 - it tells nobody
            await asyncio.sleep(0.01)
    return report


async def test_a_server_at_work_is_live_and_ready(url: str) -> None:
    """Once its lease keeper was answered; before it serves it is starting, after it it is not ready."""
    serving = Server(url).serving(Mux())
    assert (200, 503, {"serving"}) == asked(serving.health_report())
    async with serving:
        report = await once(serving, ready=True)
        assert (200, 200, set()) == asked(report)
        assert ["serving", "event_loop", "store", "lease_keeper", "fetcher", "slots"] == [
            check.name for check in report.checks
        ]
    assert ("stopped", 200, 503) == (serving.health_report().state, *asked(serving.health_report())[:2])


async def test_who_takes_no_more_is_live_and_not_ready(url: str) -> None:
    """Whether it was told to drain or to stop."""
    serving = Server(url).serving(Mux())
    async with serving:
        await once(serving, ready=True)
        serving.takes_no_more()
        assert ("draining", 200, 503) == (serving.health_report().state, *asked(serving.health_report())[:2])
        serving.signalled()
        assert ("stopping", 200, 503) == (serving.health_report().state, *asked(serving.health_report())[:2])


async def test_a_blocked_loop_is_seen_from_another_thread(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """First it is not ready, after `block_limit` not live either; with its next turn both are over."""
    monkeypatch.setattr(module, "BLOCKED_S", 0.05)
    mux, client = Mux(), Client(url)
    seen: list[HealthReport] = []
    done = threading.Event()

    @mux.handle("block")
    async def block(_context: Any, _task: Task[Any]) -> None:
        done.wait(60)

    def look() -> None:
        try:
            for live, limit in ((True, 3600.0), (False, 0.5)):  # the second only once the first was seen
                serving._config = replace(serving._config, block_limit=limit)
                while not seen or (seen[-1].live, seen[-1].ready) != (live, False):
                    seen.append(serving.health_report())
                    time.sleep(0.01)  # in a thread of its own: a report tells nobody when it changes
        finally:
            done.set()

    serving = Server(url).serving(mux)
    async with serving, client:
        await once(serving, ready=True)
        looking = asyncio.ensure_future(asyncio.to_thread(look))  # before anything can hold up this loop
        await client.enqueue(Task("block", {}))
        await looking
        [check] = [check for check in seen[-1].checks if check.name == "event_loop"]
        assert "a handler blocks it" in check.why
        assert (503, 503, {"event_loop"}) == asked(seen[-1])
        assert (200, 200, set()) == asked(await once(serving, ready=True))


@pytest.mark.slow
async def test_a_store_in_trouble_is_no_reason_to_die(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The server is not ready as long as it lasts, and says what the store says."""
    serving = Server(url).serving(Mux())
    async with serving:
        await once(serving, ready=True)
        beat = serving.keeper._presence.beat

        def refused(*_args: Any) -> None:
            raise BrokerUnavailable("store redis://x: it is away")

        monkeypatch.setattr(serving.keeper._presence, "beat", refused)
        report = await once(serving, ready=False)
        assert (200, 503, {"store"}) == asked(report)
        assert "store redis://x: it is away" in {check.why for check in report.checks}
        monkeypatch.setattr(serving.keeper._presence, "beat", beat)
        assert (200, 200, set()) == asked(await once(serving, ready=True))


async def test_a_store_that_says_nothing_is_away(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever the keeper waits for."""
    serving = Server(url).serving(Mux())
    async with serving:
        await once(serving, ready=True)
        monkeypatch.setattr(module, "SILENT_S", -1.0)
        report = serving.health_report()
        assert (200, 503, {"store"}) == asked(report)


async def test_fetches_that_are_refused_count_for_a_while(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """An idle server does not try again, so an old refusal says nothing."""
    serving = Server(url).serving(Mux())
    async with serving:
        await once(serving, ready=True)
        serving.fetcher._failed(BrokerUnavailable("no permission"))
        assert (200, 503, {"fetcher"}) == asked(serving.health_report())
        monkeypatch.setattr(module, "RECENT_S", 0.0)
        assert (200, 200, set()) == asked(serving.health_report())


async def test_a_dead_lease_keeper_is_mended_by_a_new_process(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without one no lease is extended."""
    serving = Server(url).serving(Mux())
    async with serving:
        await once(serving, ready=True)
        with monkeypatch.context() as patch:
            patch.setattr(serving.keeper._thread, "is_alive", lambda: False)
            assert (503, 503, {"lease_keeper"}) == asked(serving.health_report())


async def test_a_lease_keeper_that_was_stopped_has_not_died(url: str) -> None:
    """It is the last part of a server to stop, while the process still ends."""
    serving = Server(url).serving(Mux())
    async with serving:
        await once(serving, ready=True)
        serving.signalled()
        await asyncio.to_thread(serving.keeper.stop)
        assert (200, 503, {"serving"}) == asked(serving.health_report())


async def test_a_stuck_lease_keeper_is_mended_by_a_new_process(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """It has had no turn for longer than two leases."""
    serving = Server(url).serving(Mux())
    async with serving:
        await once(serving, ready=True)
        serving.keeper.turned_at -= 61
        assert (503, 503, {"lease_keeper"}) == asked(serving.health_report())


async def test_a_dead_fetcher_stops_the_server_with_a_status(
    url: str, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    """A bug of ours is mended by a new process: it is not live, and the process ends with status 1."""
    serving = Server(url).serving(Mux())

    def broken() -> int:
        raise InvalidTask("a bug")

    async with serving:
        await once(serving, ready=True)
        monkeypatch.setattr(serving.fetcher, "_room", broken)
        serving.watcher.may_work("default")
        serving.fetcher.room_again()
        await asyncio.wait_for(serving.stop_asked.wait(), 60)
        assert (503, 503, {"serving"}) == asked(serving.health_report())
    with pytest.raises(SystemExit) as ended:
        serving.end_badly_if_need_be()
    assert 1 == ended.value.code
    assert "the fetcher ended by a bug of ours" in caplog.text


async def test_lost_slots_are_told(url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """A few are noteworthy; half of them are a reason to start anew."""
    serving = Server(url, concurrency=4).serving(Mux())
    async with serving:
        await once(serving, ready=True)
        monkeypatch.setattr(serving.executor, "overstaying", {1})
        report = serving.health_report()
        assert (200, 200, set()) == asked(report)
        assert "1 of 4 are held by handlers that do not end" in {check.why for check in report.checks}
        monkeypatch.setattr(serving.executor, "overstaying", {1, 2})
        assert (503, 503, {"slots"}) == asked(serving.health_report())
        monkeypatch.setattr(serving.executor, "overstaying", set())


def test_what_is_not_live_is_not_ready() -> None:
    """Whatever its checks say of readiness."""
    assert (503, 503, {"slots"}) == asked(HealthReport.of("serving", [Check(name="slots", live=False)]))
