"""Payloads from hell, in a browser: nothing of them runs, and all of them is there."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Page

from onebeat import SyncClient, SyncInspector, Task
from tests.web import hostile
from tests.web.browser.stage import Stage, apart
from tests.web.browser.visitor import Visitor, visiting

PARTS = 8
"""Tests that share the corpus, so that no one takes long."""

NAMES = [text for text in hostile.TEXTS if text.strip() and text.isprintable()]
"""Texts that may be names of types, queues, groups and headers; braces are left out of those of queues."""


MADE = (
    "main :is(script, iframe, object, embed, base, meta, link, style, [onerror], [onload], [onfocus], "
    "[href^='javascript'])"
)
"""What would have been made of them."""


class Den:
    """A console of a store that holds the corpus; payload n has the id "p<n>"."""

    def __init__(self, stage: Stage) -> None:
        apart(lambda: self._fill(stage))
        self.origin = stage.console()

    def _fill(self, stage: Stage) -> None:
        with SyncClient(stage.url) as client:
            for number, payload in enumerate(hostile.PAYLOADS):
                client.enqueue(Task("evil", payload), queue="evil", task_id=f"p{number}")
            client.enqueue(Task("evil", hostile.LARGE), queue="evil", task_id="large")
            for number, text in enumerate(NAMES):
                queue = f"q {text}".translate({ord("{"): "(", ord("}"): ")"})[:200]
                task = Task(text, {"html": text}, headers={text: text}, group=text[:100])
                client.enqueue(task, queue=queue, task_id=f"n{number}")
        with SyncInspector(stage.url) as inspector:
            inspector.archive_all("evil", "pending")


@pytest.fixture(scope="module")
def den() -> Iterator[Den]:
    """Return the store of the corpus, and its console."""
    with tempfile.TemporaryDirectory(prefix="onebeat-den-") as folder, Stage(Path(folder)) as opened:
        yield Den(opened)


@pytest.fixture
def prey(chromium: Browser, den: Den) -> Iterator[Visitor]:
    """Return somebody who looks at it; that nothing asks for anything elsewhere is checked at the end."""
    with visiting(chromium, den.origin) as opened:
        yield opened


def check_tame(page: Page, place: str) -> None:
    """Fail if anything of a payload has come to life."""
    page.wait_for_load_state("load")
    assert "PWNED" not in page.title(), place
    assert 0 == page.locator(MADE).count(), place
    assert "out of it" not in page.locator("h1").first.inner_text(), place
    assert 0 == page.locator("main img").count(), place
    assert "49" not in page.locator("h1").first.inner_text(), place


@pytest.mark.parametrize("part", range(PARTS))
def test_every_payload_is_shown_and_none_comes_to_life(prey: Visitor, part: int) -> None:
    """On the page of its task."""
    for number in range(part, len(hostile.PAYLOADS), PARTS):
        page = prey.see(f"/task?queue=evil&id=p{number}")
        check_tame(page, f"payload {number}: {hostile.PAYLOADS[number][:80]!r}")


def test_lists_of_them_are_tame(prey: Visitor) -> None:
    """With a line of each payload, page by page."""
    page = prey.see("/tasks?q=queue:evil")
    check_tame(page, "the first page")
    prey.picture("hostile-list")
    while (more := page.locator("a[rel=next]")).count():
        with page.expect_navigation():
            more.first.click()
        check_tame(page, page.url)


def test_what_is_hostile_by_name_is_tame_everywhere(prey: Visitor) -> None:
    """Types, queues, groups and headers."""
    for path in ("/", "/tasks", "/groups", "/errors", "/health", "/servers", "/metrics"):
        check_tame(prey.see(path), path)
    page = prey.see("/groups")
    prey.picture("hostile-groups")
    page.keyboard.press("Control+k")
    page.keyboard.type("script")
    page.locator("#palette [role=option]").first.wait_for()
    assert 0 == page.locator("#palette script").count()
    page.keyboard.press("Escape")


def test_numbers_are_shown_to_the_last_digit(prey: Visitor) -> None:
    """2^53 + 1 is not 2^53, nor 1e400 infinite."""
    for text in ("9007199254740993", "123456789012345678901234567890", "1e400", "0.1000000000000000055511151231257827"):
        number = next(at for at, payload in enumerate(hostile.PAYLOADS) if text.encode() in payload)
        page = prey.see(f"/task?queue=evil&id=p{number}")
        assert text in page.locator("main").inner_text()


def test_five_megabytes_are_cut_and_can_be_downloaded(prey: Visitor) -> None:
    """The page stays small, and the file is the payload, byte for byte."""
    page = prey.see("/task?queue=evil&id=large")
    check_tame(page, "the large one")
    assert 1_000_000 > len(page.content())
    with page.expect_download() as download:
        page.get_by_role("link", name="Download").first.click()
    assert hostile.LARGE == download.value.path().read_bytes()


def test_should_escaping_fail_nothing_asks_the_server_from_inside_a_payload(prey: Visitor, den: Den) -> None:
    """Payloads stand where htmx looks at nothing."""
    page = prey.see("/task?queue=evil&id=p0")
    page.evaluate(
        """document.querySelector("main [hx-ignore]").innerHTML =
          '<div hx-get="/settings" hx-trigger="load">x</div>'; htmx.process(document.body);"""
    )
    with page.expect_response(lambda answer: answer.request.headers.get("hx-request") == "true"):
        page.keyboard.press("r")
    assert [] == [one.url for one in prey.requests if one.url.endswith("/settings")]
