"""The page of metrics, and what the first page shows of the past: over HTTP, after servers have run."""

from __future__ import annotations

import asyncio
import re
from typing import Any

import httpx2
import pytest

from onebeat.broker.browse import stats
from onebeat.broker.series import OTHER, Runs, record
from onebeat.broker.store import Store
from onebeat.client import Client
from onebeat.errors import BrokerError, SkipRetry
from onebeat.inspector.inspector import Inspector
from onebeat.server import serving
from onebeat.server.context import Context
from onebeat.server.mux import Mux
from onebeat.server.server import Server
from onebeat.task import Task
from onebeat.web import Console, User, console
from tests.server.conftest import until
from tests.web.conftest import ORIGIN


@pytest.fixture(autouse=True)
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """Have servers take their time to write what they counted: a busy machine may need more than they have."""
    monkeypatch.setattr(serving, "SERIES_S", 60.0)


async def worked(store: Store, client: Client, *, queue: str = "mail", fine: int = 3, bad: int = 1) -> None:
    """Have a server run some tasks, some of which fail for good, and stop."""
    mux = Mux()

    @mux.handle("mail:send")
    async def send(ctx: Context[Any], task: Task[Any]) -> None:
        await asyncio.sleep(0)

    @mux.handle("mail:bounce")
    async def bounce(ctx: Context[Any], task: Task[Any]) -> None:
        raise SkipRetry("no such address")

    await client.enqueue_many([Task("mail:send", n) for n in range(fine)], queue=queue)
    await client.enqueue_many([Task("mail:bounce", n) for n in range(bad)], queue=queue)

    async def done() -> bool:
        return (await store.run(stats(queue))).processed >= fine + bad

    async with Server(store, queues={queue: 1}, shutdown_timeout=2.0).serving(mux):
        await until(done)


def cells(page: str, row: str) -> list[str]:
    """Return the words in the cells of a row."""
    [found] = re.findall(rf'<tr id="{re.escape(row)}".*?</tr>', page, re.DOTALL)
    return [" ".join(re.sub(r"<[^>]+>", " ", cell).split()) for cell in re.findall(r"<td.*?</td>", found, re.DOTALL)]


async def test_types_are_told_with_their_failures_and_percentiles(
    web: httpx2.AsyncClient, store: Store, client: Client
) -> None:
    """Each in a row, the most frequent first; the verdict says how many failed."""
    await worked(store, client)
    page = (await web.get("/metrics")).text
    assert "4 attempts in the last hour, 1 failed (25 %), most of them mail:bounce" in page
    name, attempts, _, failed, *percentiles, _, _ = cells(page, "type-mail:send")
    assert ("mail:send", "3", "0", 3) == (name, attempts, failed, len(percentiles))
    assert all(re.fullmatch(r"[\d.<]+ (ms|s)", one) for one in percentiles)
    assert ["mail:bounce", "1"] == cells(page, "type-mail:bounce")[:2]
    assert "1 100 %" == cells(page, "type-mail:bounce")[3]
    assert page.index("type-mail:send") < page.index("type-mail:bounce")
    by_failures = (await web.get("/metrics?sort=failed")).text
    assert by_failures.index("type-mail:bounce") < by_failures.index("type-mail:send")


async def test_a_type_is_shown_with_its_distribution(web: httpx2.AsyncClient, store: Store, client: Client) -> None:
    """Its charts, each with a table of its numbers, and a way to its tasks."""
    await worked(store, client)
    page = (await web.get("/metrics?type=mail:bounce")).text
    [section] = re.findall(r'<section class="card stack" id="type">.*?</section>', page, re.DOTALL)
    assert 3 == section.count("<details")
    assert "1 attempt, 1 failed, 0 of them retried" in " ".join(section.split())
    assert 'href="/tasks?q=type%3Amail%3Abounce"' in section
    assert 'id="type"' not in (await web.get("/metrics?type=none")).text


@pytest.mark.parametrize(("span", "words"), [("1h", "last hour"), ("6h", "last 6 hours"), ("24h", "last 24 hours")])
async def test_one_looks_back_an_hour_or_a_day(
    web: httpx2.AsyncClient, store: Store, client: Client, span: str, words: str
) -> None:
    """The same attempts over each."""
    await worked(store, client)
    page = (await web.get(f"/metrics?span={span}")).text
    assert f"4 attempts in the {words}" in page
    assert f"Attempts a minute, {words}." in page
    assert "3" == cells(page, "type-mail:send")[1]


async def test_what_cannot_be_meant_is_refused_with_what_can(web: httpx2.AsyncClient) -> None:
    """Spans and orders are few."""
    answer = await web.get("/metrics?span=2h")
    assert 400 == answer.status_code
    assert "give one of 1h, 6h, 24h" in answer.text
    assert 400 == (await web.get("/metrics?sort=colour")).status_code
    assert 404 == (await web.get("/metrics?queue=none")).status_code


async def test_of_one_queue_only_its_own_is_shown(web: httpx2.AsyncClient, store: Store, client: Client) -> None:
    """Its types and its numbers; the choice keeps the span."""
    await worked(store, client)
    await worked(store, client, queue="slow", fine=2, bad=0)
    page = (await web.get("/metrics?queue=slow&span=6h")).text
    assert "2 attempts in the last 6 hours, none failed" in page
    assert "type-mail:bounce" not in page
    assert "<option selected>slow</option>" in page
    assert '<input type="hidden" name="span" value="6h">' in page
    assert "6 attempts in the last hour" in (await web.get("/metrics")).text


async def test_where_go_alone_has_worked_the_page_says_what_is_missing(
    web: httpx2.AsyncClient, store: Store, client: Client
) -> None:
    """And shows asynq's counters of each day, which is what there is."""
    await client.enqueue(Task("email:welcome"), queue="go")
    [today, *_] = await Inspector(store).history("go", 1)
    await store.command("SET", f"asynq:{{go}}:processed:{today.day}", 7)
    await store.command("SET", f"asynq:{{go}}:failed:{today.day}", 2)
    page = " ".join((await web.get("/metrics")).text.split())
    assert "No server of Onebeat has recorded anything in the last hour" in page
    assert "Go&#39;s servers write none. asynq&#39;s counters of each day are shown instead." in page
    assert f'<td>{today.day}</td><td class="n">7</td><td class="n">2 <span class="soft">29 %</span></td>' in page


async def test_an_empty_store_teaches_the_first_command(web: httpx2.AsyncClient) -> None:
    """Where there is no queue."""
    assert "onebeat task enqueue" in (await web.get("/metrics")).text


async def test_names_are_text_whatever_they_are(web: httpx2.AsyncClient, store: Store, client: Client) -> None:
    """In rows, links and charts."""
    name = '<img src=x onerror="alert(1)">{{ 7*7 }}'
    await client.enqueue(Task("x"), queue="q")
    runs = Runs(1, 0, 0, 5, [0, 0, 1, *[0] * 21])
    for queue in ("q", None):
        await store.run(record(queue, 1, 0, [1, *[0] * 23], {name: runs, OTHER: runs}))
    for address in ("/metrics", str(httpx2.URL("/metrics", params={"type": name})), f"/metrics?type={OTHER}"):
        page = (await web.get(address)).text
        assert "<img src=x" not in page
        assert "{{ 7*7 }}" in page


async def test_the_first_page_has_charts_and_the_last_hour_of_each_queue(
    board: Console, web: httpx2.AsyncClient, store: Store, client: Client
) -> None:
    """None where nothing was recorded, which is told from zero."""
    await client.enqueue(Task("email:welcome"), queue="go")
    before = (await web.get("/")).text
    assert 'id="throughput"' not in before
    assert "Nothing was recorded: no server of Onebeat has served it lately" in before
    await worked(store, client)
    board.reads.forget()
    page = (await web.get("/")).text
    assert 'aria-label="Attempts a minute, last hour.' in page
    assert 'aria-label="How long tasks waited, last hour.' in page
    assert "Attempts each minute of the last hour: 4 in all, at most 4 at once, 1 failed" in page


async def test_a_store_that_refuses_series_costs_the_page_nothing_else(
    web: httpx2.AsyncClient, store: Store, client: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Queues are shown, and why there is no chart."""
    await client.enqueue(Task("email:welcome"), queue="q")

    async def refuse(*_words: Any, **_options: Any) -> None:
        raise BrokerError("NOPERM no rights for GET")

    for name in ("series", "types", "sparks", "history"):
        monkeypatch.setattr(Inspector, name, refuse)
    answer = await web.get("/")
    assert 200 == answer.status_code
    assert "What was done lately cannot be read: NOPERM no rights for GET" in answer.text
    assert "/queue?name=q" in answer.text
    answer = await web.get("/metrics")
    assert 200 == answer.status_code
    assert "NOPERM no rights for GET" in answer.text


async def test_an_unchanged_page_is_not_sent_again(web: httpx2.AsyncClient, store: Store, client: Client) -> None:
    """However often it is looked at within a minute."""
    await worked(store, client)
    polls = {"HX-Request": "true"}
    first = await web.get("/metrics", headers=polls)
    again = await web.get("/metrics", headers={**polls, "HX-PTag": first.headers["HX-PTag"]})
    assert 304 == again.status_code


async def test_a_viewer_is_shown_the_series_of_his_queues_alone(store: Store, client: Client) -> None:
    """Added up from those he may see; the others are as if they were not there."""
    await worked(store, client)
    await worked(store, client, queue="secret", fine=5, bad=2)
    rows = console(store, auth=lambda _request: User("bob", None, {"mail": "view"}))
    async with httpx2.AsyncClient(transport=httpx2.ASGITransport(rows), base_url=ORIGIN) as web:
        page = (await web.get("/metrics")).text
        assert "4 attempts in the last hour, 1 failed (25 %)" in page
        assert "secret" not in page
        assert "4 in all" in (await web.get("/")).text
        assert 403 == (await web.get("/metrics?queue=secret")).status_code


async def test_a_queue_that_fails_is_what_the_verdict_says(
    web: httpx2.AsyncClient, store: Store, client: Client
) -> None:
    """On the first page, beside the queue, and on its own: nothing waits, and yet not all is well."""
    await worked(store, client, bad=10)
    said = "is failing: 10 of 13 attempts in the last 10 minutes failed"
    overview = (await web.get("/")).text
    assert f"Queue “mail” {said}" in overview
    assert "failing" in cells(overview, "queue-mail")[0]
    assert f"It {said}" in (await web.get("/queue", params={"name": "mail"})).text


async def test_a_few_failures_are_no_alarm(web: httpx2.AsyncClient, store: Store, client: Client) -> None:
    """Nine of twelve: fewer than what is told of."""
    await worked(store, client, bad=9)
    assert "failing" not in (await web.get("/")).text
