"""The console on a database that Go alone wrote: every page is right, or says what is missing."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from html import unescape

import httpx2
import pytest
import pytest_asyncio

from onebeat.web import console
from tests.interop.peer import PeerProcess
from tests.interop.populated import GROUP, PAYLOAD, opened, shows_servers, stock
from tests.interop.sides import Go
from tests.server.conftest import Bench, until

pytestmark = pytest.mark.interop
ORIGIN = "http://127.0.0.1:8080"
PAGES = {
    "overview": "/",
    "queue": "/queue?name=default",
    "tasks": "/tasks?q=queue:default",
    "waits": "/task?queue=default&id=waits",
    "failed": "/task?queue=default&id=retry-1",
    "dead": "/task?queue=default&id=archived-1",
    "kept": "/task?queue=default&id=completed-1",
    "runs": "/task?queue=default&id=held",
    "errors": "/errors",
    "schedules": "/schedules",
    "servers": "/servers",
    "groups": "/groups",
    "metrics": "/metrics",
    "health": "/health",
    "redis": "/redis",
    "audit": "/audit",
}


@dataclass(frozen=True)
class Seen:
    """What each page showed."""

    pages: Mapping[str, httpx2.Response]

    def __call__(self, name: str) -> str:
        page = self.pages[name]
        assert 200 == page.status_code, page.text
        return unescape(page.text)


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def seen(engine: str, peer: PeerProcess) -> Seen:
    """Let Go fill the database and work on it, and look at every page once."""
    async with opened(engine) as (bench, _python):
        go = Go(peer, engine.removeprefix("unix://"))
        await stock(bench, go, pending=0, scheduled=1, retry=1, archived=2, completed=1)
        await go.enqueue("hold", PAYLOAD, task_id="held", timeout=100)
        await go.enqueue("part", PAYLOAD, task_id="part-1", group=GROUP)
        await go.enqueue("ok", PAYLOAD, task_id="lonely", queue="nobody")
        tick = go.scheduling("@every 1s", "tick", b"{}", queue="beat", beat=5)  # as a server: pages take a while
        async with tick, go.serving(concurrency=1):
            await bench.reaches(active=1)
            await go.enqueue("ok", PAYLOAD, task_id="waits", unique=600)
            await until(lambda: shows_schedule(bench))
            await until(lambda: shows_what_runs(bench))
            transport = httpx2.ASGITransport(console(bench.store))
            async with httpx2.AsyncClient(transport=transport, base_url=ORIGIN) as web:
                pages = {name: await web.get(path) for name, path in PAGES.items()}
        return Seen(pages)


async def shows_what_runs(bench: Bench) -> bool:
    """Whether Go's server has said what it runs."""
    return bool(await shows_servers(bench, 1) and await bench.store.command("KEYS", "asynq:workers:*"))


async def shows_schedule(bench: Bench) -> bool:
    """Whether Go's scheduler has fired and has said what it keeps."""
    return bool(
        await bench.store.command("KEYS", "asynq:scheduler_history:*")
        and await bench.store.command("EXISTS", "asynq:schedulers")
    )


def test_every_page_answers(seen: Seen) -> None:
    """None of them needs what only we write."""
    assert {200} == {page.status_code for page in seen.pages.values()}


def test_the_overview_judges_gos_queues(seen: Seen) -> None:
    """Those that no Go server takes from stand first, and say so."""
    page = seen("overview")
    assert "Queue “beat” has no workers for" in page
    assert 2 == page.count(">no workers<")
    assert all(f'id="queue-{name}"' in page for name in ("default", "nobody", "beat"))


def test_a_queue_shows_gos_server(seen: Seen) -> None:
    """Its counts, and who serves it."""
    page = seen("queue")
    assert "1 server, 1 task running" in page
    assert "Servers that take its tasks" in page


def test_tasks_of_go_are_listed(seen: Seen) -> None:
    """Each with its type, its state, and a line of its payload."""
    page = seen("tasks")
    for task_id in ("held", "waits", "retry-1", "archived-1", "archived-2", "completed-1", "scheduled-1", "part-1"):
        assert task_id in page
    assert "ключ" in page


@pytest.mark.parametrize("name", ["waits", "failed", "dead", "kept", "runs"])
def test_a_task_of_go_is_shown_whole(seen: Seen, name: str) -> None:
    """Its payload as Go wrote it, and its options."""
    page = seen(name)
    assert "ключ" in page
    assert "default" in page


@pytest.mark.parametrize("name", ["failed", "dead"])
def test_a_task_of_go_says_which_attempts_are_missing(seen: Seen, name: str) -> None:
    """Go keeps the last error alone; the page has it, and says that there is no more."""
    page = seen(name)
    assert "servers of Go keep" in page
    assert ("says no" if name == "failed" else "hopeless") in page


def test_errors_of_go_are_grouped(seen: Seen) -> None:
    """Two tasks that failed alike are one group."""
    page = seen("errors")
    assert "hopeless" in page
    assert "says no" in page


def test_gos_scheduler_is_shown_and_what_asynq_does_not_record_is_said(seen: Seen) -> None:
    """Its expression in words, its next and last fire."""
    page = seen("schedules")
    assert "every 1 s" in page
    assert "tick" in page
    assert "Go" in page


def test_gos_server_is_shown_with_what_it_runs(seen: Seen) -> None:
    """Its process and its slots; it has no sheet, and takes no orders."""
    page = seen("servers")
    assert "held" in page
    assert "Go" in page


def test_groups_of_go_are_shown(seen: Seen) -> None:
    """A group that no server aggregates."""
    assert GROUP in seen("groups")


def test_metrics_say_that_go_writes_no_series(seen: Seen) -> None:
    """asynq's counters of days are what there is."""
    assert "asynq" in seen("metrics")
