"""`onebeat stats`, once and as it changes."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from onebeat.broker.browse import QueueStats
from onebeat.broker.connection import endpoint
from onebeat.broker.embedded import open_store
from onebeat.cli.stats.watch import Rates
from onebeat.documents.queues import QueueCounts, Stats, Store, Totals
from onebeat.inspector.blocking import SyncInspector
from onebeat.sync import SyncClient
from onebeat.task import Task
from tests.anywhere import within_a_day
from tests.cli.programs import onebeat
from tests.cli.runner import check, document, lines, run
from tests.cli.test_servers import list_server


@pytest.fixture
def client(url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[SyncClient]:
    """Have two queues in the store that the environment names."""
    monkeypatch.setenv("ONEBEAT_URL", url)
    with SyncClient(url) as client:
        client.enqueue_many([Task("t", {"number": n}) for n in range(3)])
        client.enqueue(Task("t"), queue="low", process_in=3600)
        yield client


def processed(url: str, queue: str, count: int, failed: int = 0) -> None:
    """Have a queue have done so much today, as servers count it."""
    within_a_day(10)  # until it is looked at
    today = datetime.now(UTC).date().isoformat()
    with SyncInspector(url) as inspector:
        for name, value in (("processed", count), ("failed", failed)):
            words = [("SET", f"asynq:{{{queue}}}:{name}", value), ("SET", f"asynq:{{{queue}}}:{name}:{today}", value)]
            inspector.store.commands(words)


def test_it_counts_all_and_asks_the_store(client: SyncClient, url: str) -> None:
    """Sums, rows, and what the store says of itself."""
    processed(url, "low", 200, 3)
    found = document("stats")
    totals = found["totals"]
    assert (2, 4, 3, 1) == tuple(totals[name] for name in ("queues", "size", "pending", "scheduled"))
    assert (200, 3) == (totals["processed_today"], totals["failed_today"])
    assert [("default", 3), ("low", 1)] == [(row["queue"], row["size"]) for row in found["queues"]]
    assert found["info"]["kind"] in ("valkey", "redis")
    assert found["info"]["memory_bytes"] > 0
    assert ["default", "low"] == [row["queue"] for row in lines("stats")[0]["queues"]]


def test_people_see_how_many_servers_live(client: SyncClient, url: str) -> None:
    """That none does explains all that waits."""
    assert "none lives: nothing is run" in run("stats").stdout
    list_server(url, "web-1", 41, "aaaa-1")
    assert "1 live; tasks run in 1 of 8 slots" in run("stats").stdout


def test_people_see_states_queues_today_and_the_store(client: SyncClient, url: str) -> None:
    """As asynq's three tables, and a line."""
    processed(url, "low", 200, 3)
    shown = run("stats").stdout
    queues, states, today, store = shown.strip().split("\n\n")
    names, counts = (line.split() for line in states.splitlines())
    assert ["pending", "active", "scheduled", "retry", "archived", "completed", "aggregating"] == names[2:]
    assert ["tasks", "3", "0", "1", "0", "0", "0", "0"] == counts
    assert ["default", "low", "total"] == [line.split()[0] for line in queues.splitlines()[1:]]
    assert ["200", "3", "1.5", "%"] == today.split()[-4:]
    assert "up" in store
    assert "memory" in store


def test_a_damaged_queue_is_said(client: SyncClient, url: str) -> None:
    """Beside all others, in JSON as well; the status is 1."""
    with SyncInspector(url) as inspector:
        inspector.store.commands([("SET", "asynq:{low}:retry", "of a foreign type")])
    found = document("stats", status=1)
    assert [["default"], ["low"]] == [[row["queue"] for row in found[name]] for name in ("queues", "unreadable")]
    assert "queue 'low' cannot be read" in run("stats").stderr


def stats(at: str = "default", **counts: Any) -> Stats:
    zeros = dict.fromkeys(QueueStats.__dataclass_fields__, 0)
    row = QueueCounts.of(at, QueueStats(**{**zeros, "paused": False, **counts}))
    info: Any = dict.fromkeys(Store.__struct_fields__)
    return Stats(
        store="", at=datetime.now(UTC), totals=Totals.of([row]), queues=[row], unreadable=[], info=Store(**info)
    )


def test_rates_are_what_changed_since_the_last_look() -> None:
    """Per second; nothing at the first look, and where a counter began anew."""
    times = iter([10.0, 14.0, 15.0])
    rates = Rates(lambda: next(times))
    looks = [stats(processed=100, pending=7), stats(processed=120, pending=3), stats(processed=5, pending=3)]
    found = []
    for look in looks:
        rates.look(look)
        [row] = look.queues
        found.append((rates.per_second(row, "processed"), rates.per_second(look.totals, "processed")))
    assert [(None, None), (5.0, 5.0), (None, None)] == found


def test_arrows_say_where_a_number_goes(monkeypatch: pytest.MonkeyPatch) -> None:
    """Up, down, or nowhere; in letters where a terminal has no arrows."""
    rates = Rates(lambda: 0.0)
    for look in (stats(pending=7, retry=1, active=2), stats(pending=3, retry=2, active=2)):
        rates.look(look)
    row = look.queues[0]
    monkeypatch.setattr("onebeat.cli.stats.watch.shows", lambda text: True)
    assert ["↓", "↑", ""] == [rates.arrow(row, name) for name in ("pending", "retry", "active")]
    monkeypatch.setattr("onebeat.cli.stats.watch.shows", lambda text: False)
    assert ["-", "+", ""] == [rates.arrow(row, name) for name in ("pending", "retry", "active")]


def test_a_queue_that_is_called_like_a_sum_is_one() -> None:
    """The sums of all have no name."""
    rates = Rates(lambda: 0.0)
    rates.look(stats("", pending=1))
    rates.look(stats("", pending=2))
    assert "" != rates.arrow(stats("", pending=2).queues[0], "pending")


SCREEN, BACK = r"\x1b\[\?1049h", "\x1b[?1049l"


@pytest.mark.slow
def test_watching_ends_by_q_and_leaves_the_terminal_as_it_was(client: SyncClient, url: str, tmp_path: Path) -> None:
    """A screen of its own, drawn again and again."""
    env = {"ONEBEAT_URL": url, "TERM": "xterm", "COLUMNS": "120", "LINES": "30"}
    with onebeat("stats", "--watch", "0.1", cwd=tmp_path, env=env, terminal=True) as program:
        program.expect(SCREEN)
        program.expect("attempts/s")
        processed(url, "default", 1000)
        program.expect(r"\d\.\d")
        program.expect("q ends it")
        program.press("xq")
        assert 0 == program.ended()
        assert BACK in program.said


@pytest.mark.slow
def test_watching_ends_by_ctrl_c(client: SyncClient, url: str, tmp_path: Path) -> None:
    """Without a traceback."""
    env = {"ONEBEAT_URL": url, "TERM": "xterm"}
    with onebeat("stats", "-w", cwd=tmp_path, env=env, terminal=True) as program:
        program.expect("q ends it")
        program.press_ctrl_c()
        assert 130 == program.ended()
        assert BACK in program.said
        assert "Traceback" not in program.said


@pytest.mark.slow
def test_a_small_screen_shows_the_busiest(client: SyncClient, url: str, tmp_path: Path) -> None:
    """And how many queues are not there."""
    for number in range(30):
        client.enqueue(Task("t"), queue=f"queue-{number}", process_in=60)
    env = {"ONEBEAT_URL": url, "TERM": "xterm", "COLUMNS": "100", "LINES": "12"}  # the first line does not fit
    with onebeat("stats", "--watch", cwd=tmp_path, env=env, terminal=True) as program:
        program.expect("default")
        program.expect("26 more queues are counted in the total")
        program.press("q")
        assert 0 == program.ended()


@pytest.mark.slow
def test_a_narrow_screen_goes_without_columns(client: SyncClient, url: str, tmp_path: Path) -> None:
    """Rather than cut numbers off."""
    client.enqueue_many([Task("t", {"number": n}) for n in range(1231)], queue="q")
    env = {"ONEBEAT_URL": url, "TERM": "xterm", "NO_COLOR": "1", "COLUMNS": "32", "LINES": "12"}
    with onebeat("stats", "--watch", cwd=tmp_path, env=env, terminal=True) as program:
        program.expect(r"queue +pending")
        program.expect(r"q +1,231")
        program.press("q")
        assert 0 == program.ended()


@pytest.mark.slow
def test_a_narrow_terminal_has_a_table_and_says_what_it_lacks(client: SyncClient, url: str, tmp_path: Path) -> None:
    """A row for each queue, rather than ten lines."""
    env = {"ONEBEAT_URL": url, "TERM": "xterm", "NO_COLOR": "1", "COLUMNS": "52"}
    with onebeat("queue", "ls", cwd=tmp_path, env=env, terminal=True) as program:
        program.expect(r"queue +size +pending +processed +failed +latency")
        program.expect(r"A wider\s+terminal has scheduled as well")
        assert 0 == program.ended()


@pytest.mark.slow
def test_without_a_terminal_it_is_a_line_each_time(client: SyncClient, url: str, tmp_path: Path) -> None:
    """Of all queues together."""
    with onebeat("stats", "--watch", "0.1", cwd=tmp_path, env={"ONEBEAT_URL": url}) as program:
        for rate in (r"-", r"0\.0"):
            program.expect(rf"queues=2 size=4 pending=3 .* processed/s={rate} failed/s={rate}\n")
        program.send(2)
        assert 130 == program.ended()
        assert "Traceback" not in program.said


@pytest.mark.slow
def test_watching_as_json_is_a_document_each_time(client: SyncClient, url: str, tmp_path: Path) -> None:
    """On a line of its own."""
    with onebeat("stats", "--watch", "0.1", "--json", cwd=tmp_path, env={"ONEBEAT_URL": url}) as program:
        for _ in range(2):
            check("stats", json.loads(program.expect(r"\{.*\}\n")[0]))
        program.send(2)
        program.ended()


@pytest.mark.slow
@pytest.mark.one_store
def test_a_store_that_is_away_for_a_while_is_waited_for(client: SyncClient, tmp_path: Path) -> None:
    """The screen says so, and goes on when it is back."""
    where = endpoint(f"embedded://{tmp_path}/store")
    assert where.store is not None
    held = open_store(where.store)
    url = f"unix://{held.socket}"
    env = {"ONEBEAT_URL": url, "TERM": "xterm", "COLUMNS": "200"}
    with onebeat("stats", "--watch", "0.1", cwd=tmp_path, env=env, terminal=True) as program:
        program.expect("q ends it")
        held.close()
        program.expect("cannot be used")
        held = open_store(where.store)
        program.expect("attempts/s")
        program.press("q")
        assert 0 == program.ended()
    held.close()
