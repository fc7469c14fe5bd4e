"""The page of the audit: who did what, the latest first."""

from __future__ import annotations

import html
import re

import httpx2

from onebeat.broker.store import Store
from onebeat.inspector.auditing import AuditOutcome, AuditRecord
from onebeat.inspector.inspector import Inspector
from tests.conftest import Clock
from tests.inspector.test_error_groups import fail
from tests.web.test_tasks import HOSTILE


async def show(web: httpx2.AsyncClient, **query: str) -> str:
    answer = await web.get("/audit", params=query)
    assert 200 == answer.status_code, answer.text
    return html.unescape(answer.text)


async def test_before_anything_was_changed_it_says_what_will_stand_there(web: httpx2.AsyncClient, store: Store) -> None:
    """As every page that is empty."""
    page = await show(web)
    assert "Nothing was changed yet" in page
    assert "with who it was and what came of it" in page


async def test_it_shows_what_was_done_and_filters_it(
    web: httpx2.AsyncClient, inspector: Inspector, clock: Clock
) -> None:
    """By user, action, queue and job."""
    for number, (user, action) in enumerate((("ada", "task.run"), ("bob", "task.delete"), ("ada", "queue.pause"))):
        await inspector.record_audit(
            AuditRecord(user=user, action=action, queue=f"q{number}", about=f"about-{number}", job=f"j{number}")
        )
    page = await show(web)
    assert "The latest: ada paused queue “q2”" in page
    assert page.index("about-2") < page.index("about-1") < page.index("about-0")
    for query, found in (
        ({"user": "bob"}, {"1"}),
        ({"action": "task.run"}, {"0"}),
        ({"queue": "q2"}, {"2"}),
        ({"job": "j1"}, {"1"}),
        ({"user": "ada"}, {"0", "2"}),
    ):
        assert found == set(re.findall(r">about-(\d)<", await show(web, **query)))
    assert "No record fits" in await show(web, user="nobody")


async def test_what_was_done_to_a_group_of_errors_says_which(
    web: httpx2.AsyncClient, store: Store, inspector: Inspector, clock: Clock
) -> None:
    """In front of the filter, whose end a row cuts."""
    for number in range(2):
        await fail(store, f"{number}", "ValueError: no user with such a name in the directory of all users")
    [group] = (await inspector.errors()).groups
    await web.post("/act", data={"action": "run", "q": group.filter, "group": group.key, "confirmed": "yes"})
    page = await show(web)
    assert f">errors {group.key} among state:" in page
    assert "The latest: local ran 2 tasks" in page


async def test_what_failed_was_refused_or_has_no_end_is_told_apart(
    web: httpx2.AsyncClient, inspector: Inspector, clock: Clock
) -> None:
    """With the sentence."""
    for outcome in AuditOutcome:
        why = f"why {outcome.value}" if outcome in (AuditOutcome.REFUSED, AuditOutcome.FAILED) else ""
        await inspector.record_audit(AuditRecord(user="ada", action="task.run", outcome=outcome, why=why))
    page = await show(web)
    for said in ("why refused", "why failed", "how it ended was not written"):
        assert said in page


async def test_pages_follow_one_another(web: httpx2.AsyncClient, inspector: Inspector, clock: Clock) -> None:
    """By a cursor, which keeps the filter."""
    for number in range(120):
        await inspector.record_audit(AuditRecord(user="ada", action="task.run", about=f"about-{number}"))
    found: list[str] = []
    address = "/audit?user=ada"
    while address:
        page = html.unescape((await web.get(address)).text)
        found += re.findall(r">about-(\d+)<", page)
        older = re.findall(r'rel="next" href="([^"]*)"', page)
        address = older[0] if older else ""
    assert [str(number) for number in range(119, -1, -1)] == found
    assert 400 == (await web.get("/audit", params={"cursor": "x"})).status_code


async def test_records_that_are_markup_are_shown_as_they_are(
    web: httpx2.AsyncClient, inspector: Inspector, clock: Clock
) -> None:
    """Whoever wrote them."""
    await inspector.record_audit(
        AuditRecord(user=HOSTILE, action=HOSTILE, queue=HOSTILE, about=HOSTILE, why=HOSTILE, address=HOSTILE)
    )
    page = (await web.get("/audit")).text
    assert "<script>alert" not in page
    assert "&lt;script&gt;" in page
