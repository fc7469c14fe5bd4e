"""The pages of schedules."""

from __future__ import annotations

import asyncio
import re

import httpx2
import pytest

from onebeat import Cron, Every, Task
from onebeat.broker.maintain import maintain
from onebeat.broker.store import Store
from onebeat.inspector.inspector import Inspector
from onebeat.inspector.schedule_models import ScheduleState
from onebeat.scheduler.entry import Entry, entry
from onebeat.scheduler.scheduler import Scheduler
from onebeat.web import Console
from onebeat.wire.records import EntryRecord
from onebeat.wire.sheet import SheetRecord
from tests.conftest import NOON, Clock
from tests.server.conftest import Bench, until
from tests.web.fleet.conftest import SECOND, browsing, declare, fired, keep, lists

SHEET = SheetRecord(version="0.6.0", application="shop")
BERLIN = {"onebeat_zone": "Europe%2FBerlin"}


def nightly(id: str = "nightly") -> Entry:
    return entry(id, Cron("30 2 * * *", tz="Europe/Berlin"), Task("billing:close", {"all": True}, queue="q"))


async def test_no_schedule_teaches_how_to_declare_one(web: httpx2.AsyncClient) -> None:
    """Where there is none, neither Onebeat's nor Go's."""
    text = (await web.get("/schedules")).text
    assert "No schedule is known here" in text
    assert "@app.cron(" in text


async def test_a_schedule_is_told_in_words_with_its_next_tick(
    web: httpx2.AsyncClient, store: Store, noon: Clock
) -> None:
    """In the viewer's zone, with queue, type, and who fires it."""
    await lists(store, 1, sheet=SHEET)
    await declare(store, nightly())
    web.cookies.update(BERLIN)
    text = (await web.get("/schedules")).text
    assert "All is well: 1 schedule fires" in text
    assert "02:30, Europe/Berlin" in text
    assert "Mon 18 Mar 02:30" in text
    assert 'datetime="2030-03-18T01:30:00.000Z"' in text
    assert "billing:close → " in text
    assert "web-1:41" in text


async def test_a_tick_that_nobody_fired_is_the_verdict(web: httpx2.AsyncClient, store: Store, noon: Clock) -> None:
    """By the store's clock."""
    await declare(store, entry("beat", Every(10), Task("t", queue="q")))
    await noon.advance(60)
    text = (await web.get("/schedules")).text
    assert "Schedule “beat” has a tick that is past and did not fire" in text
    assert "overdue" in text
    assert "nobody" in text


async def test_a_schedule_whose_queue_nobody_serves_is_called_out(
    web: httpx2.AsyncClient, store: Store, noon: Clock
) -> None:
    """It fires, and its tasks wait for ever."""
    await lists(store, 1, sheet=SHEET)
    await declare(store, entry("report", Every(3600), Task("t", queue="reports")))
    assert "Schedule “report” enqueues into queue “reports”, which has no workers" in (await web.get("/schedules")).text


async def test_late_and_missed_ticks_are_told(web: httpx2.AsyncClient, store: Store, noon: Clock) -> None:
    """Each beside the last fire."""
    await declare(store, entry("hourly", Cron("0 * * * *"), Task("t", queue="q")))
    await noon.advance(4 * 3600)
    await store.run(maintain("q", max_crashes=5))
    await lists(store, 1, sheet=SHEET, until=4 * 3600 + 10)
    text = (await web.get("/schedules")).text
    assert "3 missed" in text
    assert "46m 40s late" in text
    page = (await web.get("/schedule", params={"id": "hourly"})).text
    assert "46m 40s" in page
    assert re.search(r'href="/task\?queue=q&amp;id=hourly%3A\d+"', page)


async def test_what_two_schedulers_of_go_keep_is_called_out(web: httpx2.AsyncClient, store: Store, noon: Clock) -> None:
    """Each tick fires twice, and what asynq does not record is said."""
    record = EntryRecord(
        id="e-1", spec="@every 30s", task_type="go:tick", task_payload=b"", enqueue_options=('Queue("low")',),
        next_enqueue_time=(NOON + 30) * SECOND, prev_enqueue_time=NOON * SECOND,
    )  # fmt: skip
    name = await keep(store, 1, record)
    await keep(store, 2, record)
    await fired(store, "e-1", "task-7")
    text = (await web.get("/schedules")).text
    assert "Each tick of @every 30s of go:tick fires 2 times: 2 schedulers keep it" in text
    assert 2 == text.count("fires 2 times</span>")
    assert "asynq records the spec, the next time and the last, and no more" in text
    assert "go:1" in text
    page = (await web.get("/schedule", params={"id": "e-1"})).text
    assert "The same entry, 2 times" in page
    assert name in page
    assert 'href="/task?queue=low&amp;id=task-7"' in page
    assert "/schedule/pause" not in page


async def test_one_scheduler_of_go_fires_once(web: httpx2.AsyncClient, store: Store, noon: Clock) -> None:
    """And is no reason to worry."""
    await keep(
        store, 1, EntryRecord(id="e-1", spec="0 4 * * *", task_type="go:tick", next_enqueue_time=(NOON + 30) * SECOND)
    )
    text = (await web.get("/schedules")).text
    assert "All is well: 1 entry of Go&#39;s fires" in text
    assert "04:00, UTC" in text


async def test_the_coming_day_has_a_mark_for_each_tick_and_a_band_for_many(
    web: httpx2.AsyncClient, store: Store, noon: Clock
) -> None:
    """With what a reader of screens is told."""
    await declare(
        store,
        entry("rare", Cron("0 */6 * * *"), Task("t", queue="q")),
        entry("beat", Every(2), Task("t", queue="q")),
        entry("office", Cron("*/5 9-16 * * *"), Task("t", queue="q")),
        entry("never-today", Cron("0 0 1 1 *"), Task("t", queue="q")),
    )
    text = (await web.get("/schedules")).text
    day = text[text.index('id="calendar"') :]
    assert 4 == day.count("strip-tick")
    assert 2 == day.count("strip-band")
    assert "every 2 s" in day
    assert "office: 96 times" in day
    assert "from 09:00:00 to 16:55:00" in day
    assert '<span class="told zero">none</span>' in day


async def test_a_poll_of_an_unchanged_page_is_answered_304(
    web: httpx2.AsyncClient, board: Console, store: Store, noon: Clock
) -> None:
    """Though seconds pass: times are absolute, and the coming day begins at a round time."""
    await declare(store, nightly())
    polls = {"HX-Request": "true"}
    first = await web.get("/schedules", headers=polls)
    await noon.advance(1)
    board.reads.forget()
    tagged = {**polls, "HX-PTag": first.headers["HX-PTag"]}
    assert 304 == (await web.get("/schedules", headers=tagged)).status_code


async def test_the_page_of_a_schedule_has_ticks_in_three_zones_and_the_days_clocks_change(
    web: httpx2.AsyncClient, store: Store, noon: Clock
) -> None:
    """The viewer's, its own, and UTC; and what becomes of its time where it is missing or comes twice."""
    await declare(store, nightly())
    web.cookies.update({"onebeat_zone": "America%2FNew_York"})
    text = (await web.get("/schedule", params={"id": "nightly"})).text
    assert "Mon 2030-03-18 02:30:00 CET" in text
    assert "Mon 2030-03-18 01:30:00 UTC" in text
    assert "Sun 2030-03-17 21:30:00 EDT" in text
    assert "clocks jump from 02:00 to 03:00: 02:30 does not exist, and fires once, at 03:00" in text
    assert "clocks go back from 03:00 to 02:00: 02:30 comes twice, and fires the first time" in text
    assert '<span class="p-key">&#34;all&#34;</span>' in text


async def test_a_form_pauses_and_another_resumes(
    web: httpx2.AsyncClient, store: Store, noon: Clock, inspector: Inspector
) -> None:
    """The page between says how many ticks passed, and asks what becomes of them."""
    await declare(store, entry("beat", Every(10), Task("t", queue="q")))
    answer = await web.post("/schedule/pause", data={"id": "beat", "back": "schedules"})
    assert (303, "/schedules") == (answer.status_code, answer.headers["location"])
    assert ScheduleState.PAUSED is (await inspector.schedule("beat")).state
    assert "Schedule “beat” is paused: an operator said so" in (await web.get("/schedules")).text
    await noon.advance(60)
    asks = (await web.get("/schedule/resume", params={"id": "beat"})).text
    assert "6 ticks passed meanwhile" in asks
    answer = await web.post("/schedule/resume", data={"id": "beat", "missed": "once"})
    assert (303, "/schedule?id=beat") == (answer.status_code, answer.headers["location"])
    assert "fires again; 6 ticks passed meanwhile, 1 of them fires now" in (await web.get("/schedules")).text


async def test_a_pause_in_which_no_tick_passed_asks_nothing(web: httpx2.AsyncClient, store: Store, noon: Clock) -> None:
    """There is nothing to make up for."""
    await declare(store, nightly())
    await web.post("/schedule/pause", data={"id": "nightly"})
    text = (await web.get("/schedule/resume", params={"id": "nightly"})).text
    assert "no tick passed meanwhile" in text
    assert 'type="radio"' not in text


async def test_a_schedule_is_run_by_hand_after_a_page_that_asks(
    web: httpx2.AsyncClient, store: Store, noon: Clock, inspector: Inspector
) -> None:
    """Its task is enqueued, and stands among its fires."""
    await declare(store, nightly())
    asks = (await web.get("/schedule/run", params={"id": "nightly"})).text
    assert "Run nightly now?" in asks
    assert "billing:close into q" in asks
    await web.post("/schedule/run", data={"id": "nightly"})
    assert 1 == (await inspector.stats("q")).pending
    text = (await web.get("/schedule", params={"id": "nightly"})).text
    assert "Schedule “nightly” was run: task nightly:m:" in text
    assert "by hand" in text
    assert ">pending<" in text


@pytest.mark.parametrize(
    ("path", "form"),
    [
        ("/schedule/run", {"id": "nothing"}),
        ("/schedule/pause", {"id": "nothing"}),
        ("/schedule/resume", {"id": "nothing"}),
    ],
)
async def test_a_schedule_that_is_none_is_said(web: httpx2.AsyncClient, path: str, form: dict[str, str]) -> None:
    """With its status."""
    assert 404 == (await web.post(path, data=form)).status_code
    assert 404 == (await web.get("/schedule", params=form)).status_code


@pytest.mark.parametrize("path", ["/schedule", "/schedule/run", "/schedule/resume"])
async def test_an_address_without_a_name_is_refused(web: httpx2.AsyncClient, path: str) -> None:
    """It says what is missing."""
    answer = await web.get(path)
    assert 400 == answer.status_code
    assert "id is missing" in answer.text


async def test_an_unknown_word_for_missed_ticks_is_refused(web: httpx2.AsyncClient, store: Store, noon: Clock) -> None:
    """Before anything is written."""
    await declare(store, nightly())
    await web.post("/schedule/pause", data={"id": "nightly"})
    answer = await web.post("/schedule/resume", data={"id": "nightly", "missed": "some"})
    assert 400 == answer.status_code


@pytest.mark.slow
async def test_two_hundred_schedules_are_shown_in_pages(web: httpx2.AsyncClient, store: Store, noon: Clock) -> None:
    """Fifty each; one is found by a word, and what is wrong comes first."""
    await declare(
        store, *(entry(f"tenant-{n:03}", Cron(f"{n % 60} 3 * * *"), Task("t", queue="q")) for n in range(200))
    )
    await web.post("/schedule/pause", data={"id": "tenant-137"})
    await lists(store, 1, sheet=SHEET)
    text = (await web.get("/schedules")).text
    assert 50 == text.count('id="schedule-tenant')
    assert "200 schedules" in text
    assert text.index("tenant-137") < text.index("tenant-000")
    assert 1 == (await web.get("/schedules", params={"find": "TENANT-042"})).text.count('id="schedule-tenant')


async def test_a_name_and_a_payload_with_markup_are_text(web: httpx2.AsyncClient, store: Store, noon: Clock) -> None:
    """They come out as they are."""
    evil = '<script>alert("1")</script>'
    await declare(store, entry("evil", Every(60), Task(evil, {"a": evil}, queue=evil)))
    await keep(store, 1, EntryRecord(id=evil, spec=evil, task_type=evil, enqueue_options=(f'Queue("{evil}")',)))
    for path, query in (("/schedules", {}), ("/schedule", {"id": "evil"}), ("/schedule", {"id": evil})):
        text = (await web.get(path, params=query)).text
        assert "<script>alert" not in text
        assert "&lt;script&gt;alert" in text


async def test_a_console_that_is_read_only_has_no_buttons(store: Store, noon: Clock) -> None:
    """And refuses what is sent all the same."""
    await declare(store, nightly())
    async with browsing(store, read_only=True) as client:
        for path in ("/schedules", "/schedule?id=nightly"):
            text = (await client.get(path)).text
            assert "/schedule/run" not in text
            assert "/schedule/pause" not in text
        assert 403 == (await client.post("/schedule/pause", data={"id": "nightly"})).status_code


@pytest.mark.slow
async def test_a_scheduler_that_runs_is_told_of(bench: Bench, live: httpx2.AsyncClient) -> None:
    """A real one, without a server: its ticks fire, and their tasks wait, which the page says."""
    scheduler = Scheduler(bench.store, app="shop", entries=[entry("beat", Every(0.05), Task("t", queue="q"))])

    told = ("ms late", "a scheduler of shop", "enqueues into queue “q”, which has no workers")

    async def is_told() -> bool:
        """Whether it is, on one page: at a moment in which the machine stood still a tick is overdue instead."""
        text = (await live.get("/schedules")).text
        return all(words in text for words in told)

    running = asyncio.create_task(scheduler.run())
    try:
        await until(is_told)
    finally:
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)


async def test_what_is_secret_in_a_payload_and_in_headers_is_hidden(store: Store, noon: Clock) -> None:
    """By the console's rules, as on the page of a task."""
    task = Task("t", {"user": 1, "password": "hunter2"}, queue="q")
    await declare(store, entry("one", Every(60), task, {"headers": {"password": "swordfish"}}))
    async with browsing(store) as client:
        text = (await client.get("/schedule", params={"id": "one"})).text
    assert "user" in text
    assert "hunter2" not in text
    assert "swordfish" not in text
