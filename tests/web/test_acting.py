"""Doing something to tasks through the console: shown first where it is final, at once for few, by a job for many."""

from __future__ import annotations

import asyncio
import html
import json
import re
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx2
import pytest

from onebeat.broker.store import Store
from onebeat.errors import ConfigurationError, WrongState
from onebeat.inspector.inspector import Inspector
from onebeat.inspector.job_models import Job, JobState
from onebeat.web import Console, background
from onebeat.web.pages import act
from onebeat.web.settings import Settings
from onebeat.wire import keys
from tests.conftest import Clock
from tests.inspector.conftest import check_places, everything, put, put_in
from tests.inspector.test_error_groups import fail
from tests.inspector.test_searching import write
from tests.server.conftest import until
from tests.web.conftest import ORIGIN
from tests.web.test_tasks import HOSTILE, link


def ticked(*named: tuple[str, str, str]) -> list[str]:
    return [json.dumps(one) for one in named]


def fields(page: str) -> dict[str, list[str]]:
    """Return what the form of a page would send, as it stands there."""
    found: dict[str, list[str]] = {}
    for tag in re.findall(r"<input [^>]*>", page):
        name = re.search(r' name="([^"]*)"', tag)
        value = re.search(r' value="([^"]*)"', tag)
        if name and 'type="search"' not in tag and 'type="checkbox"' not in tag:
            found.setdefault(html.unescape(name[1]), []).append(html.unescape(value[1] if value else ""))
    return found


async def told(web: httpx2.AsyncClient, answer: httpx2.Response) -> str:
    """Return the page that a form leads to."""
    assert 303 == answer.status_code, answer.text
    return html.unescape((await web.get(answer.headers["location"])).text)


async def ended(inspector: Inspector, job_id: str, board: Console) -> Job:
    """Wait until a job is run no more."""
    while (found := await inspector.job(job_id)).is_under_way:
        running = [task for task in asyncio.all_tasks() if task.get_coro().__qualname__ == "Background._run"]  # type: ignore[union-attr]
        await asyncio.wait(running) if running else await asyncio.sleep(0)
    return found


async def test_what_is_ticked_is_done_at_once(web: httpx2.AsyncClient, store: Store, inspector: Inspector) -> None:
    """If it is not final; and what moved since it was seen is left alone, and said."""
    for name in ("a", "b"):
        await put_in(store, "archived", name)
    await put_in(store, "retry", "c")
    named = ticked(("q", "a", "archived"), ("q", "b", "retry"), ("q", "c", "retry"), ("q", "gone", "retry"))
    page = await told(web, await web.post("/act", data={"action": "run", "task": named, "q": "state:retry"}))
    assert "2 tasks now pending; 2 left alone, since they were no more as seen." in page
    assert ["a", "c"] == sorted([info.id async for info in inspector.tasks("q", state="pending")])
    await check_places(store)


async def test_what_is_final_is_shown_first(web: httpx2.AsyncClient, store: Store, inspector: Inspector) -> None:
    """And done when the page that shows it is confirmed."""
    for name in ("a", "b", "c"):
        await put_in(store, "archived", name)
    before = await everything(store)
    asked = await web.post("/act", data={"action": "delete", "task": ticked(("q", "a", ""), ("q", "b", ""))})
    assert (200, True) == (asked.status_code, "Delete 2 tasks" in asked.text)
    assert before == await everything(store)
    page = await told(web, await web.post("/act", data=fields(asked.text)))
    assert "2 tasks deleted." in page
    assert ["c"] == [info.id async for info in inspector.tasks("q", state="archived")]


async def test_nothing_ticked_does_nothing(web: httpx2.AsyncClient, store: Store) -> None:
    """Rather than something to all."""
    await put_in(store, "archived", "a")
    before = await everything(store)
    for action in act.DONE:
        page = await told(web, await web.post("/act", data={"action": action, "q": "", "group": ""}))
        assert "No task is selected" in page
    assert before == await everything(store)


async def test_a_preview_says_what_will_happen_to_how_many(web: httpx2.AsyncClient, store: Store) -> None:
    """And changes nothing."""
    await write(store, 1000, "archived", every=10)
    before = await everything(store)
    page = html.unescape((await web.get("/act", params={"action": "delete", "q": "error:refused"})).text)
    assert "100 tasks" in page
    assert "100 archived of" in page
    assert "gone for good" in page
    assert "The first 10" in page
    assert {"do": ["delete"], "q": ["error:refused"], "typed": [""], "limit": [""], "rate": [""]}.items() <= (
        fields(page).items()
    )
    assert before == await everything(store)


async def test_a_preview_that_did_not_come_to_the_end_says_so(
    web: httpx2.AsyncClient, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And how far it came."""
    monkeypatch.setattr("onebeat.inspector.inspector.Overseeing.preview.__kwdefaults__", {
        "group": "", "scan": 300, "where": None, "queues": None,
    })  # fmt: skip
    await write(store, 1000, "archived", every=10)
    page = (await web.get("/act", params={"action": "run", "q": "error:refused"})).text
    assert "30 tasks among the first 300 of 1,000" in page
    assert "Run all that fit, in the background" in page


async def test_one_task_without_a_record_makes_no_job_of_it(
    web: httpx2.AsyncClient, store: Store, inspector: Inspector
) -> None:
    """It is said beside what is certain; nothing is typed, and where nothing else fits, nothing is to be done."""
    await write(store, 3, "archived")
    await store.command("ZADD", "asynq:{q}:archived", 1, "gone")
    asked = {"action": "delete", "q": "queue:q state:archived"}
    page = html.unescape((await web.get("/act", params=asked)).text)
    assert "3 tasks would be deleted; nothing is done yet" in page
    assert "Queue 'q': task 'gone' in archived has no record that can be read; onebeat doctor" in page
    assert "typed" not in fields(page)
    assert "3 tasks deleted." in await told(web, await web.post("/act", data=fields(page)))
    page = html.unescape((await web.get("/act", params=asked)).text)
    assert "Nothing to do: no such task fits</" in page
    assert "task 'gone' in archived" in page
    said = {"do": "delete", "q": asked["q"], "confirmed": "yes"}
    assert "Nothing was done: no such task fits." in await told(web, await web.post("/act", data=said))
    assert [] == await inspector.jobs()


async def test_few_that_fit_are_done_at_once(web: httpx2.AsyncClient, store: Store, inspector: Inspector) -> None:
    """Without a job."""
    await write(store, 50, "archived", every=10)
    page = (await web.get("/act", params={"action": "run", "q": "error:refused"})).text
    assert "5 tasks now pending." in await told(web, await web.post("/act", data=fields(page)))
    assert [] == await inspector.jobs()
    assert 45 == (await inspector.stats("q")).archived


async def test_many_are_done_by_a_job(
    web: httpx2.AsyncClient, store: Store, inspector: Inspector, board: Console
) -> None:
    """Whose page says how far it is, and then what it did; the audit too."""
    await write(store, 300, "archived")
    page = (await web.get("/act", params={"action": "archive", "q": "state:archived"})).text
    await write(store, 300, "retry", queue="other")
    page = (await web.get("/act", params={"action": "archive", "q": "state:retry"})).text
    answer = await web.post("/act", data=fields(page))
    address = answer.headers["location"]
    assert address.startswith("/job?id=")
    [job_id] = parse_qs(urlsplit(address).query)["id"]
    done = await ended(inspector, job_id, board)
    assert (JobState.DONE, 300) == (done.state, done.changed)
    page = (await web.get(address)).text
    assert "Done: 300 tasks archived" in page
    assert f"/audit?job={job_id}" in page
    assert "300" in (await web.get("/audit", params={"job": job_id})).text
    assert job_id in (await web.get("/jobs")).text


async def test_what_was_read_before_a_job_ended_is_read_again(
    store: Store, inspector: Inspector, board: Console
) -> None:
    """As after any other change: the errors of a minute ago are gone by now."""
    await write(store, 3, "archived")
    job = await inspector.begin_job("run", "state:archived", user="ada")
    assert "before" == await board.reads.get("errors", lambda: asyncio.sleep(0, "before"), seconds=60)
    await board.background.start(await board.inspector(), job.id, lambda _queue: True, None)
    await ended(inspector, job.id, board)
    await board.background.aclose()
    assert "after" == await board.reads.get("errors", lambda: asyncio.sleep(0, "after"), seconds=60)


async def test_what_is_final_for_many_is_typed(
    web: httpx2.AsyncClient, store: Store, inspector: Inspector, board: Console
) -> None:
    """Else nothing is done, and the page comes again with what was typed."""
    await write(store, 30, "archived")
    page = (await web.get("/act", params={"action": "delete", "q": "state:archived"})).text
    before = await everything(store)
    for typed in ("", "yes", "del"):
        answer = await web.post("/act", data={**fields(page), "typed": typed, "rate": "7"})
        assert 400 == answer.status_code
        assert "Type delete to confirm it: nothing was done." in answer.text
        assert 'value="7.0"' in answer.text
    assert before == await everything(store)
    assert "30 tasks deleted." in await told(web, await web.post("/act", data={**fields(page), "typed": " Delete "}))


async def test_a_job_is_stopped_and_gone_on_with_by_any_console(
    web: httpx2.AsyncClient, store: Store, inspector: Inspector, board: Console, clock: Clock
) -> None:
    """The page that shows it need not be of the console that runs it."""
    await write(store, 300, "archived")
    page = (await web.get("/act", params={"action": "run", "q": "state:archived"})).text
    answer = await web.post("/act", data={**fields(page), "rate": "0.5"})
    address = answer.headers["location"]
    [job_id] = parse_qs(urlsplit(address).query)["id"]
    other = Console(store, board.settings)
    async with httpx2.AsyncClient(
        transport=httpx2.ASGITransport(other),
        base_url="http://127.0.0.1:8080",
        headers={"Origin": "http://127.0.0.1:8080"},
    ) as elsewhere:
        page = (await elsewhere.get(address)).text
        assert 'action="/job/stop"' in page
        assert "It is told to stop" in await told(elsewhere, await elsewhere.post("/job/stop", data={"id": job_id}))
        stopped = await ended(inspector, job_id, board)
        assert (JobState.STOPPED, "local") == (stopped.state, stopped.stopped_by)
        page = (await elsewhere.get(address)).text
        assert "Stopped by local" in page
        assert 'action="/job/continue"' in page
        await inspector.store.command("HSET", f"onebeat:job:{job_id}", "rate", "")
        await told(elsewhere, await elsewhere.post("/job/continue", data={"id": job_id}))
        done = await ended(inspector, job_id, other)
        assert (JobState.DONE, 300) == (done.state, done.changed)


async def test_a_lost_job_says_so(web: httpx2.AsyncClient, store: Store, inspector: Inspector, clock: Clock) -> None:
    """With a button to go on."""
    job = await inspector.begin_job("run", "", user="ada")
    await clock.set(clock.now + 16)
    page = (await web.get("/job", params={"id": job.id})).text
    assert "Lost: who ran it was last heard of when 0 tasks now pending" in page
    assert "Go on" in page
    assert "1 job lost: go on with it" in (await web.get("/jobs")).text


async def test_a_console_runs_a_few_jobs_at_once(
    web: httpx2.AsyncClient, store: Store, inspector: Inspector, board: Console, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One more is refused, before anything is written; as the console ends, its jobs stop."""
    monkeypatch.setattr(background, "MOST", 1)
    await write(store, 300, "archived")
    page = (await web.get("/act", params={"action": "run", "q": "state:archived"})).text
    slow = {**fields(page), "rate": "0.1"}
    assert 303 == (await web.post("/act", data=slow)).status_code
    refused = await web.post("/act", data=slow)
    assert 409 == refused.status_code
    assert "1 job runs in this console already" in refused.text
    [job] = await inspector.jobs()
    await board.aclose()
    stopped = await inspector.job(job.id)
    assert (JobState.STOPPED, "its console was ended: go on with it") == (stopped.state, stopped.error)


async def test_a_group_of_errors_is_acted_on_alone(
    web: httpx2.AsyncClient, store: Store, inspector: Inspector, clock: Clock
) -> None:
    """From the page of errors, through the preview."""
    for number in range(3):
        await fail(store, f"mine{number}", f"no user {number}")
    await fail(store, "other", "no user 7 and no mail")
    page = (await web.get("/errors")).text
    asked = (await web.get(link(page, "Delete…"))).text
    assert "of one group of errors only" in asked
    assert "3 tasks deleted." in await told(web, await web.post("/act", data=fields(asked)))
    assert ["other"] == [info.id async for info in inspector.tasks("q", state="archived")]


async def test_hostile_names_are_acted_on_exactly(web: httpx2.AsyncClient, store: Store, inspector: Inspector) -> None:
    """Through the preview and back."""
    queue = HOSTILE.replace("{", "").replace("}", "")
    await put(store, HOSTILE, queue=queue)
    await put(store, "b", queue=queue)
    asked = (await web.post("/act", data={"action": "cancel", "task": ticked((queue, HOSTILE, "pending"))})).text
    assert "<script>alert" not in asked
    assert "1 task cancelled." in await told(web, await web.post("/act", data=fields(asked)))
    assert ["b"] == [info.id async for info in inspector.tasks(queue, state="pending")]


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ({"action": "explode"}, "choose run, archive, cancel or delete"),
        ({"action": "run", "task": "x"}, "tick it once more"),
        ({"action": "run", "task": '["q"]'}, "tick it once more"),
        ({"action": "run", "task": "[" * 100_000}, "tick it once more"),
        ({"action": "run", "task": "[1,2,3]"}, "tick it once more"),
        ({"action": "run", "task": ['["q","a",""]'] * 501}, "name at most 500"),
        ({"action": "run", "limit": "-1"}, "give a number above 0"),
        ({"action": "run", "limit": "1.5"}, "give a whole number"),
        ({"action": "run", "rate": "nan"}, "give a number above 0"),
        ({"action": "run", "q": "nothing", "confirmed": "yes"}, "has no name and value"),
        ({"action": "run", "q": "queue:no", "confirmed": "yes"}, "is not known here"),
    ],
)  # fmt: skip
async def test_a_bad_form_is_refused(web: httpx2.AsyncClient, store: Store, said: dict[str, str], why: str) -> None:
    """Before anything is done."""
    await put_in(store, "archived", "a")
    before = await everything(store)
    answer = await web.post("/act", data=said)
    assert answer.status_code in (400, 404)
    assert why in html.unescape(answer.text)
    assert before == await everything(store)


async def test_what_cannot_be_done_to_what_fits_is_said(web: httpx2.AsyncClient, store: Store) -> None:
    """On the page that one comes from."""
    await put_in(store, "archived", "a")
    answer = await web.get("/act", params={"action": "archive", "q": "state:archived"})
    assert "archive cannot be done to what filter" in await told(web, answer)


async def test_a_read_only_console_does_nothing(store: Store) -> None:
    """And shows no button that would."""
    from onebeat.web import console

    await put_in(store, "archived", "a")
    before = await everything(store)
    board = console(store, read_only=True)
    async with httpx2.AsyncClient(
        transport=httpx2.ASGITransport(board),
        base_url="http://127.0.0.1:8080",
        headers={"Origin": "http://127.0.0.1:8080"},
    ) as web:
        page = (await web.get("/tasks")).text
        assert 'name="task"' not in page
        assert 'href="/act' not in page
        for data in ({"action": "run", "task": ticked(("q", "a", ""))}, {"action": "run", "confirmed": "yes"}):
            assert 403 == (await web.post("/act", data=data)).status_code
        assert 403 == (await web.post("/queue/remove", data={"queue": "q", "typed": "q"})).status_code
    assert before == await everything(store)


async def test_a_job_that_somebody_runs_is_not_begun_once_more(
    store: Store, inspector: Inspector, board: Console
) -> None:
    """Who goes on with it while somebody else does is told so, and so is the audit; it can still be stopped."""
    for name in ("a", "b", "c"):
        await put_in(store, "archived", name)
    job = await inspector.begin_job("run", "state:archived", user="local", rate=0.001)
    await board.background.start(inspector, job.id, lambda _queue: True, None)
    with pytest.raises(WrongState, match="run by somebody else"):
        await board.background.start(inspector, job.id, lambda _queue: True, None)
    await board.aclose()
    assert JobState.STOPPED is (await inspector.job(job.id)).state


async def test_a_question_says_that_nothing_is_done_yet(web: httpx2.AsyncClient, store: Store) -> None:
    """And what would be done to how many."""
    await put_in(store, "retry", "a")
    page = (await web.get("/act", params={"action": "delete", "q": "state:retry"})).text
    assert "1 task would be deleted; nothing is done yet" in page


async def test_a_question_says_how_long_a_job_takes_by_the_limit_of_all(store: Store) -> None:
    """At least: others may run. What is done at once, and what no limit is for, says nothing."""
    await write(store, 150, "archived")
    await put_in(store, "retry", "a")
    for per_minute, q, said in (
        (60, "state:archived", "2m 30s or more"),
        (60_000, "state:archived", "1.0 s or more"),
        (60, "state:retry", ""),
        (None, "state:archived", ""),
    ):
        board = Console(store, Settings(bulk_per_minute=per_minute))
        async with httpx2.AsyncClient(transport=httpx2.ASGITransport(board), base_url=ORIGIN) as web:
            page = (await web.get("/act", params={"action": "delete", "q": q})).text
        assert bool(said) is ("all jobs together change at most" in page)
        assert said in page
        await board.aclose()


async def test_a_job_that_waits_for_the_limit_of_all_says_so(
    web: httpx2.AsyncClient, store: Store, inspector: Inspector, clock: Clock
) -> None:
    """With the limit, wherever it is set; and it is stopped while it waits."""
    await write(store, 150, "archived")
    slow = Console(store, Settings(bulk_per_minute=1))
    job = await inspector.begin_job("run", "state:archived", user="local")
    await slow.background.start(await slow.inspector(), job.id, lambda _queue: True, None)

    async def waits() -> bool:
        return (await inspector.job(job.id)).waits_for == 1

    await until(waits)
    page = (await web.get("/job", params={"id": job.id})).text
    assert "waits for the limit of all jobs: 1 per minute" in page
    assert "waits for the limit of all jobs: 1 per minute" in (await web.get("/jobs")).text
    assert "It is told to stop" in await told(web, await web.post("/job/stop", data={"id": job.id}))
    stopped = await ended(inspector, job.id, slow)
    assert (JobState.STOPPED, 1) == (stopped.state, stopped.changed)
    assert "waits for the limit" not in (await web.get("/job", params={"id": job.id})).text
    assert "waits for the limit" not in (await web.get("/jobs")).text
    await slow.aclose()


async def test_what_is_done_at_once_takes_no_turns(web: httpx2.AsyncClient, store: Store) -> None:
    """It waits for no job."""
    await put_in(store, "archived", "a")
    page = (await web.get("/act", params={"action": "run", "q": "state:archived"})).text
    await told(web, await web.post("/act", data=fields(page)))
    assert 0 == await store.command("EXISTS", keys.JOB_TURNS)


@pytest.mark.parametrize("per_minute", [0, -1, 1.5, True, "60", 10**10])
def test_a_limit_that_is_none_is_refused(per_minute: Any) -> None:
    """With what may stand there."""
    with pytest.raises(ConfigurationError, match=r"bulk_per_minute is .*: give a whole number from 1 to 1,000,000,000"):
        Settings(bulk_per_minute=per_minute)


def test_whether_reasons_are_needed_is_yes_or_no() -> None:
    """Nothing in between."""
    wrong: Any = "required"
    with pytest.raises(ConfigurationError, match="require_reason is 'required': give True or False"):
        Settings(require_reason=wrong)
