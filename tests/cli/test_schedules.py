"""`onebeat schedule`: what is on call's first question at night, and what they do about it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import closing
from datetime import UTC, datetime, timedelta

import pytest

from onebeat import Cron, Every, SyncInspector, Task
from onebeat.broker.maintain import maintain
from onebeat.broker.store import BlockingStore, Store
from onebeat.scheduler.entry import Entry, entry
from onebeat.scheduler.scheduler import Scheduler
from onebeat.wire import keys
from onebeat.wire.records import EnqueueEventRecord, EntryRecord
from tests.cli.programs import until
from tests.cli.runner import document, run

CARD = "CRON_TZ=Europe/Berlin 0 3 * * MON-FRI"
SCHEDULES = [
    entry("report", Every(3600), Task("report:make", {"day": 1}, queue="low")),
    entry("nightly", Cron("0 3 * * MON-FRI", tz="Europe/Berlin"), Task("clean")),
    entry("beat", Every(0.01), Task("beat", b"\xff")),
]


def declare(url: str, *entries: Entry) -> None:
    async def work() -> None:
        async with await Store.open(url) as store:
            await Scheduler(store, app="shop", entries=entries).declare(store)

    asyncio.run(work())


def fire(url: str) -> None:
    """Have the schedule of queue default fire, as soon as it is due."""
    with closing(BlockingStore.open(url)) as store:
        until(lambda: bool(store.run(maintain("default", max_crashes=5)).fired))


@pytest.fixture
def shop(url: str) -> str:
    """Return the URL of a store with three schedules."""
    declare(url, *SCHEDULES)
    return url


@pytest.fixture
def inspector(url: str) -> Iterator[SyncInspector]:
    with SyncInspector(url) as inspector:
        yield inspector


def add_go(url: str) -> None:
    """Write what a scheduler of Go writes, which has fired once."""
    now = datetime.now(UTC)
    second = 1_000_000_000
    record = EntryRecord(
        id="e-1", spec="@every 30s", task_type="go:job", task_payload=b"p", enqueue_options=['Queue("low")'],
        next_enqueue_time=(int(now.timestamp()) + 30) * second,
    )  # fmt: skip
    event = EnqueueEventRecord(task_id="made", enqueue_time=int(now.timestamp()) * second)
    with closing(BlockingStore.open(url)) as store:
        store.commands(
            [
                ("RPUSH", "asynq:schedulers:h:1:u", record.encode()),
                ("ZADD", keys.SCHEDULERS, "inf", "asynq:schedulers:h:1:u"),
                ("ZADD", "asynq:scheduler_history:e-1", int(now.timestamp()), event.encode()),
            ]
        )


def test_ls_shows_when_they_fire_in_words(shop: str) -> None:
    """Onebeat's and Go's, the next first; as JSON with every field that its schema promises."""
    add_go(shop)
    shown = run("schedule", "ls", "--url", shop)
    assert 0 == shown.exit_code
    assert "03:00 on weekdays, Europe/Berlin" in shown.output
    assert "live (Go)" in shown.output
    rows = document("schedule ls", "--url", shop)
    by_id = {row["id"]: row for row in rows}
    assert {"report", "nightly", "beat", "e-1"} == set(by_id)
    report, go = by_id["report"], by_id["e-1"]
    assert ("onebeat", "low", "shop", "every 1 h", "live", 0) == (
        report["kept_by"], report["queue"], report["application"], report["words"], report["state"], report["fired"],
    )  # fmt: skip
    assert ("asynq", "h:1:u", "low", "every 30 s", None) == (
        go["kept_by"], go["scheduler"], go["queue"], go["words"], go["missed"],
    )  # fmt: skip


def test_ls_finds_those_that_are_meant(shop: str) -> None:
    """By pattern, queue and state."""
    run("schedule", "pause", "report", "--url", shop, "-y")
    assert ["report"] == [row["id"] for row in document("schedule ls", "--url", shop, "-s", "paused")]
    assert ["report"] == [row["id"] for row in document("schedule ls", "--url", shop, "-q", "low")]
    assert ["nightly"] == [row["id"] for row in document("schedule ls", "night*", "--url", shop)]
    assert "None of 3 schedules is so." in run("schedule", "ls", "--url", shop, "-s", "error").output


def test_ls_of_nothing_says_so(url: str) -> None:
    """Not an empty table."""
    assert "No schedules in" in run("schedule", "ls", "--url", url).output
    assert [] == document("schedule ls", "--url", url)


def test_ls_says_what_is_overdue_and_why_one_does_not_fire(shop: str) -> None:
    """Nobody has called upkeep for the one; nobody declares the other."""
    with closing(BlockingStore.open(shop)) as store:
        past = int((datetime.now(UTC) - timedelta(minutes=5)).timestamp() * 1000)
        store.commands(
            [
                ("ZADD", "onebeat:{default}:due", past, "beat"),
                ("HSET", "onebeat:{low}:d:report", "state", "orphaned"),
                ("ZREM", "onebeat:{low}:due", "report"),
            ]
        )
    shown = run("schedule", "ls", "--url", shop).output
    assert "overdue by 5 min" in shown
    assert (
        "no live instance of application 'shop' declares it" in run("schedule", "show", "report", "--url", shop).output
    )


def test_show_shows_all(shop: str) -> None:
    """Definition, state, counts, and who declares it."""
    shown = run("schedule", "show", "nightly", "--url", shop).output
    for part in (f"03:00 on weekdays, Europe/Berlin ({CARD})", "clean in queue default", "application shop, in code"):
        assert part in shown
    found = document("schedule show", "report", "--url", shop)
    assert ({"text": '{"day":1}'}, ['Queue("low")'], False) == (found["payload"], found["options"], found["provided"])
    assert [found["rev"]] == [form["rev"] for form in found["forms"]]
    assert {"base64": "/w=="} == document("schedule show", "beat", "--url", shop)["payload"]


def test_gos_can_be_looked_at_only(url: str) -> None:
    """And what it refuses says who keeps it."""
    add_go(url)
    shown = run("schedule", "show", "e-1", "--url", url)
    assert "kept by" in shown.output
    assert "asynq" == document("schedule show", "e-1", "--url", url)["schedule"]["kept_by"]
    [history] = document("schedule history", "e-1", "--url", url)
    assert ["made"] == [fire["task_id"] for fire in history["fires"]]
    for verb in ("pause", "run", "next"):
        refused = run("schedule", verb, "e-1", "--url", url)
        assert (1, True) == (refused.exit_code, "is kept by scheduler h:1:u, a process of asynq's" in refused.stderr)


def test_next_shows_ticks_in_both_zones(shop: str) -> None:
    """As JSON in UTC."""
    shown = run("schedule", "next", "nightly", "-n", "2", "--url", shop).output
    assert 2 == shown.count("03:00:00")
    found = document("schedule next", "nightly", "-n", "3", "--url", shop)
    assert ("live", "Europe/Berlin", 3) == (found["state"], found["zone"], len(found["ticks"]))
    assert found["ticks"] == sorted(found["ticks"])


def test_next_of_one_that_is_paused_says_so(shop: str) -> None:
    """On standard error where its output is piped."""
    run("schedule", "pause", "report", "--url", shop, "-y")
    shown = run("schedule", "next", "report", "--url", shop)
    assert "report does not fire: an operator paused it" in shown.stderr
    assert 11 == len(shown.stdout.splitlines())


def test_history_shows_fires_and_their_tasks(shop: str) -> None:
    """Of several, too; asynq's words are understood."""
    fire(shop)
    run("schedule", "run", "report", "--key", "k", "--url", shop, "-y")
    beat, report = document("schedule history", "beat", "report", "--url", shop)
    assert (1, False, "pending") == (beat["fired"], beat["fires"][0]["by_hand"], beat["fires"][0]["state"])
    assert [("report:m:k", True, None)] == [
        (fire["task_id"], fire["by_hand"], fire["late_ms"]) for fire in report["fires"]
    ]
    shown = run("cron", "history", "beat", "report", "--url", shop).output
    assert "by hand" in shown
    assert "schedule beat" in shown
    assert "It has not fired yet." in run("schedule", "history", "nightly", "--url", shop).output


def test_pause_and_resume(shop: str, inspector: SyncInspector) -> None:
    """By ids and patterns; what is so already is said, and no fault."""
    shown = run("schedule", "pause", "report", "night*", "--url", shop)
    assert (0, 2) == (shown.exit_code, shown.output.count("is paused"))
    again = run("schedule", "pause", "--all", "--url", shop)
    assert "2 schedules (nightly and report) are paused or done already" in again.output
    assert "schedule beat of queue default is paused" in again.output
    with closing(BlockingStore.open(shop)) as store:
        an_hour_ago = int((datetime.now(UTC) - timedelta(hours=1)).timestamp() * 1000)
        store.commands([("HSET", "onebeat:{low}:d:report", "held", an_hour_ago // 3_600_000 * 3_600_000)])
    done = run("schedule", "resume", "report", "--missed", "once", "--url", shop)
    assert "fires again, next in" in done.output
    assert "1 fires now" in done.output
    assert "schedule report is not paused" in run("schedule", "resume", "report", "--url", shop).output
    assert "live" == inspector.schedule("report").state


def test_a_dry_run_does_nothing(shop: str, inspector: SyncInspector) -> None:
    """But says what would be done."""
    shown = run("schedule", "pause", "--all", "-q", "low", "--url", shop, "--dry-run")
    assert "Would pause schedule report; nothing was done.\n" == shown.output
    assert (
        "Would enqueue a task of type report:make in queue low for schedule report; nothing was done.\n"
        == run("schedule", "run", "report", "--url", shop, "--dry-run").output
    )
    assert ("live", 0) == (inspector.schedule("report").state, inspector.schedule("report").ran)


def test_run_enqueues_its_task(shop: str, inspector: SyncInspector) -> None:
    """With its own payload or another."""
    shown = run("schedule", "run", "report", "--key", "a", "--url", shop)
    assert "task report:m:a is enqueued in queue low\n" == shown.output
    run("schedule", "run", "report", "--key", "b", "-l", '{"day": 2}', "--url", shop)
    assert [b'{"day":1}', b'{"day": 2}'] == [inspector.task("low", f"report:m:{key}").payload for key in ("a", "b")]


@pytest.mark.parametrize(
    ("words", "status", "told"),
    [
        (["show", "reprot"], 3, "schedule 'reprot' is not known here: did you mean report?"),
        (["pause", "zz*"], 3, "pattern 'zz*' fits no schedule of Onebeat: there are beat, nightly and report"),
        (["pause"], 2, "Name schedules, or all of them with --all."),
        (["pause", "report", "--all"], 2, "Name schedules, or all of them with --all."),
        (["run", "report", "-l", "{day: 2}"], 1, "payload '{day: 2}' is no JSON, as that of schedule report is:"),
        (["ls", "-q", "nowhere"], 3, "queue 'nowhere' is not known here"),
        (["resume", "report", "--missed", "none"], 2, "'none' is not one of 'skip', 'once', 'all'"),
    ],
)
def test_trouble_is_one_sentence(shop: str, words: list[str], status: int, told: str) -> None:
    """With its status."""
    shown = run("schedule", words[0], "--url", shop, *words[1:])
    assert (status, True) == (shown.exit_code, told in shown.stderr)
    assert 1 == len(shown.stderr.splitlines())


def test_a_bulk_resumption_goes_on_past_one_that_is_refused(shop: str) -> None:
    """And says which, and why."""
    run("schedule", "pause", "--all", "--url", shop)
    with closing(BlockingStore.open(shop)) as store:
        long_ago = int((datetime.now(UTC) - timedelta(hours=1)).timestamp() * 1000) // 10 * 10
        store.commands([("HSET", "onebeat:{default}:d:beat", "held", long_ago)])
    shown = run("schedule", "resume", "--all", "--missed", "all", "--url", shop)
    assert "'beat' was left paused" in shown.stderr
    assert 2 == shown.output.count("fires again")


def test_ids_are_completed(shop: str) -> None:
    """By the shell: Go's, too."""
    add_go(shop)
    words = f"onebeat schedule show --url {shop} "
    shown = run(env={"_ONEBEAT_COMPLETE": "bash_complete", "COMP_WORDS": words, "COMP_CWORD": "5"}, prog_name="onebeat")
    assert ["beat", "e-1", "nightly", "report"] == [line.partition(",")[2] for line in shown.output.splitlines()]
