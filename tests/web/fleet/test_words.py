"""How schedules, servers and groups are told of: pure."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from onebeat import Cron, ScheduleEntry, ScheduleInfo, ScheduleState, ServerInfo
from onebeat.scheduler.zones import zone
from onebeat.web.showing import fleets, plans
from onebeat.web.showing.calendar import Day, go_row
from onebeat.web.showing.fleets import Standing

NOW = datetime(2026, 11, 26, 12, tzinfo=UTC)


def info(**fields: Any) -> ScheduleInfo:
    values = {
        "id": "nightly", "queue": "q", "application": "shop", "spec": "0 3 * * *", "zone": "UTC", "gap": "run_after",
        "overlap": "first", "task_type": "t", "payload": b"", "options": (), "state": ScheduleState.LIVE, "reason": "",
        "next_at": NOW + timedelta(hours=1), "last_tick": None, "last_at": None, "late_by": None, "fired": 0,
        "missed": 0, "skipped": 0, "ran": 0, "paused_at": None, "provided": False, "declared_at": NOW, "rev": "r",
        "forms": (),
    }  # fmt: skip
    return ScheduleInfo(**{**values, **fields})


def entry(**fields: Any) -> ScheduleEntry:
    values = {
        "id": "e", "spec": "@every 30s", "task_type": "t", "payload": b"", "options": (), "next_at": NOW,
        "last_at": None, "scheduler": "h:1:u",
    }  # fmt: skip
    return ScheduleEntry(**{**values, **fields})


@pytest.mark.parametrize(
    ("fields", "kind", "word"),
    [
        ({}, "good", "live"),
        ({"next_at": NOW - timedelta(seconds=4)}, "good", "live"),
        ({"next_at": NOW - timedelta(seconds=6)}, "bad", "overdue"),
        ({"state": ScheduleState.PAUSED, "next_at": None}, "warn", "paused"),
        ({"state": ScheduleState.ORPHANED, "next_at": None}, "warn", "orphaned"),
        ({"state": ScheduleState.WAITING, "next_at": None}, "warn", "waiting"),
        ({"state": ScheduleState.ERROR, "next_at": None}, "bad", "error"),
        ({"state": ScheduleState.DONE, "next_at": None}, "", "done"),
        ({"queue": "elsewhere"}, "bad", "no workers"),
    ],
)
def test_a_schedule_stands_as_the_worst_that_is_to_be_said_of_it(fields: Any, kind: str, word: str) -> None:
    """A tick may be five seconds past before it is overdue."""
    found = plans.standing(info(**fields), NOW, {"q": 1})
    assert (kind, word) == (found.kind, found.word)


@pytest.mark.parametrize(
    ("gap", "overlap", "spring", "autumn"),
    [
        ("run_after", "first", "and fires once, at 03:00", "and fires the first time"),
        ("skip", "second", "and is left out", "and fires the second time"),
        ("shift", "both", "and fires as much later", "and fires both times"),
    ],
)
def test_days_on_which_clocks_change_are_told_by_the_rules_of_the_schedule(
    gap: str, overlap: str, spring: str, autumn: str
) -> None:
    """In spring a time is missing, in autumn it comes twice."""
    one = info(spec="CRON_TZ=Europe/Berlin 30 2 * * *", zone="Europe/Berlin", gap=gap, overlap=overlap)
    assert one.trigger == Cron("30 2 * * *", tz="Europe/Berlin", gap=gap, overlap=overlap)  # type: ignore[arg-type]
    told = [sentence for _, sentence in plans.clocks(one, NOW)]
    assert [True, True] == [told[0].endswith(spring), told[1].endswith(autumn)]


@pytest.mark.parametrize(
    ("at", "told"),
    [
        (NOW + timedelta(minutes=5), "13:05"),
        (NOW + timedelta(seconds=34), "13:00:34"),
        (NOW + timedelta(hours=11), "Fri 27 Nov 00:00"),
        (NOW + timedelta(days=40), "Tue 5 Jan 2027 13:00"),
    ],
)
def test_an_instant_is_written_in_few_letters(at: datetime, told: str) -> None:
    """On the viewer's clock: of today the time alone."""
    assert told == plans.shortly(at, NOW, zone("Europe/Berlin"))


def test_who_fires_a_schedule_is_said() -> None:
    """Any server of Onebeat; without one a scheduler that was heard of within a minute; else nobody."""
    late = NOW - timedelta(minutes=2)
    assert "web:1" == plans.firers(["web:1"], None, "shop", NOW).words
    assert "any of 2 servers" == plans.firers(["web:1", "web:2"], None, "shop", NOW).words
    assert "a scheduler of shop" == plans.firers([], NOW, "shop", NOW).words
    assert "nobody" == plans.firers([], late, "shop", NOW).words


def test_an_interval_of_gos_counts_from_its_next_tick() -> None:
    """Its scheduler began whenever it was started."""
    day = Day.coming(NOW, UTC)
    row = go_row(entry(spec="@every 6h", next_at=NOW + timedelta(hours=1, minutes=7)), day)
    assert "4 times" == row.told
    assert "first at 13:07:00, last at 07:07:00" in row.strip


def test_a_calendar_of_gos_in_a_zone_that_it_alone_knows_has_one_tick() -> None:
    """What is reckoned in UTC does not fit what its scheduler says, so no more than that is drawn."""
    day = Day.coming(NOW, UTC)
    known = entry(spec="0 */6 * * *", next_at=NOW + timedelta(hours=6))
    unknown = entry(spec="0 */6 * * *", next_at=NOW + timedelta(hours=5))
    assert ("4 times", "at least 1 time") == (go_row(known, day).told, go_row(unknown, day).told)


def test_what_cannot_be_read_is_shown_as_it_is() -> None:
    """A spec of Go's that Onebeat does not know has no day, and its own words."""
    odd = entry(spec="@fortnightly", next_at=None)
    assert plans.trigger_of(odd) is None
    assert "@fortnightly" == plans.when(None, odd.spec)
    assert "none" == go_row(odd, Day.coming(NOW, UTC)).told


def server(**fields: Any) -> ServerInfo:
    values = {
        "id": "a", "host": "web", "pid": 1, "concurrency": 10, "queues": {"q": 3, "low": 1}, "strict_priority": False,
        "status": "active", "started_at": NOW, "active_workers": 0, "workers": (),
    }  # fmt: skip
    return ServerInfo(**{**values, **fields})


@pytest.mark.parametrize(
    ("fields", "kind", "word"),
    [
        ({}, "good", "active"),
        ({"status": "new"}, "", "starting"),
        ({"status": "stopped"}, "warn", "drained"),
        ({"status": "closed"}, "warn", "closed"),
    ],
)
def test_a_server_stands_as_its_status_says(fields: Any, kind: str, word: str) -> None:
    """Go's, too."""
    found = fleets.standing(server(**fields))
    assert (kind, word) == (found.kind, found.word)


def test_a_fleet_whose_slots_are_all_busy_is_a_warning() -> None:
    """Those that come have to wait."""
    assert ("warn", "All 10 slots of 1 server are busy: what comes waits for one") == fleets.verdict(
        [server(active_workers=10)], [], [], NOW
    )


@pytest.mark.parametrize(
    ("standings", "go", "verdict"),
    [
        (["live", "live"], 0, ("good", "All is well: 2 schedules fire")),
        (["live"], 1, ("good", "All is well: 1 schedule fires, 1 entry of Go's")),
        ([], 2, ("good", "All is well: 2 entries of Go's fire")),
        (["done"], 0, ("", "1 schedule, and no more ticks")),
        ([], 0, ("", "No schedule is known here")),
    ],
)
def test_only_schedules_that_fire_are_said_to(standings: list[str], go: int, verdict: tuple[str, str]) -> None:
    """Onebeat's, Go's, or both."""
    kinds = {"live": "good", "done": ""}
    known = [(f"s{at}", Standing(kinds[word], word)) for at, word in enumerate(standings)]
    assert verdict == plans.verdict(known, [], go)


def test_shares_are_of_the_whole_or_an_order() -> None:
    """Weights are parts; strict ones an order."""
    assert [("q", 3, "75 %"), ("low", 1, "25 %")] == fleets.shares(server())
    assert [("q", 3, "first"), ("low", 1, "after those before")] == fleets.shares(server(strict_priority=True))
